//! What the programs count beside the totals: traffic by flow and by millisecond, each where that was asked for.

use aya::Ebpf;
use tcpkit_common::{flow_count::MAX_FLOW_COUNTERS, record::Hook, settings::Settings};

use super::{
    BurstReading, FlowReading, LiveCapture, LiveError, LiveOptions, burst_rings::BurstRings,
    flow_table::FlowTable, object, sys,
};

/// Both, as far as they are there.
#[derive(Debug, Default)]
pub(super) struct Counting {
    flows: Option<FlowTable>,
    bursts: Option<BurstRings>,
    /// No program runs any more.
    is_over: bool,
}

/// Settings with nothing but what this counts.
pub(super) fn settings(options: &LiveOptions, slots: u32, cpus: u32) -> Settings {
    let counters = options.flow_counters.min(MAX_FLOW_COUNTERS);
    Settings {
        flow_sets: if counters == 0 { 0 } else { FlowTable::sets_per_cpu(counters, cpus) },
        burst_bins: if options.bursts { BurstRings::bins(cpus, slots) } else { 0 },
        slots,
        abi: 0,
        snaplen: 0,
        shards: 0,
        filter: 0,
        filter_reach: 0,
        strict_filter: 0,
        no_decap: 0,
        log_level: 0,
        single_interface: 0,
        link: 0,
    }
}

/// Elements of the map of milliseconds.
pub(super) fn burst_entries(settings: &Settings, cpus: u32) -> u32 {
    match settings.burst_bins {
        0 => 1,
        bins => BurstRings::entries(cpus, settings.slots, bins),
    }
}

impl Counting {
    /// Maps what the settings say is counted.
    pub(super) fn share(ebpf: &Ebpf, settings: &Settings, cpus: u32) -> Result<Self, LiveError> {
        let failed = |what: &'static str| move |source| LiveError::Map { what, source };
        let Settings { flow_sets, burst_bins, slots, .. } = *settings;
        let mut counting = Self::default();
        if flow_sets > 0 {
            let (sets, evicted) = (object::map_fd(ebpf, "FLOWS")?, object::map_fd(ebpf, "EVICTED")?);
            let table = FlowTable::map(sets, evicted, flow_sets, cpus, slots as usize);
            counting.flows = Some(table.map_err(failed("counters by flow"))?);
        }
        if burst_bins > 0 {
            let rings = BurstRings::map(object::map_fd(ebpf, "BURSTS")?, cpus, slots, burst_bins);
            counting.bursts = Some(rings.map_err(failed("counters by millisecond"))?);
        }
        Ok(counting)
    }

    /// The capture begins: milliseconds before this one are none of it.
    pub(super) fn begin(&mut self) {
        if let Some(bursts) = &mut self.bursts {
            bursts.begin(now_ns());
        }
    }

    /// From here on everything that will ever be counted is there.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        if let Some(flows) = &mut self.flows {
            flows.look_everywhere();
        }
    }
}

impl LiveCapture {
    /// Reads what was counted by flow since the last call; `None` where flows are not counted.
    ///
    /// To be called about once a second: what gives way in the kernel is lost to its row, and rates are means over the
    /// time between two calls.
    pub fn read_flow_counts(&mut self) -> Option<FlowReading<'_>> {
        let matched = |interface: &usize| Hook::ALL.map(|hook| self.counters.sum(*interface, hook).matched());
        let frames = (0..self.interfaces.len()).flat_map(|interface| matched(&interface)).sum();
        self.counting.flows.as_mut()?.read(now_ns(), frames);
        self.flow_counts()
    }

    /// What the last reading found.
    #[must_use]
    pub fn flow_counts(&self) -> Option<FlowReading<'_>> {
        self.counting.flows.as_ref().map(FlowTable::reading)
    }

    /// What passed each interface by millisecond since the last call: for each interface what came and what went.
    /// Empty where milliseconds are not counted.
    ///
    /// To be called several times a second.
    pub fn read_bursts(&mut self) -> Vec<[BurstReading; 2]> {
        let Some(bursts) = &mut self.counting.bursts else { return Vec::new() };
        let slots = (0u32..).zip(&self.interfaces).map(|(slot, _)| slot);
        let ways: Vec<_> = slots.flat_map(|slot| [(slot, INGRESS), (slot, EGRESS)]).collect();
        let readings = bursts.read(now_ns(), self.counting.is_over, &ways);
        let mut readings = readings.into_iter();
        std::iter::from_fn(|| Some([readings.next()?, readings.next()?])).collect()
    }
}

const INGRESS: &[Hook] = &[Hook::XdpIngress, Hook::TcIngress];
const EGRESS: &[Hook] = &[Hook::TcEgress];

fn now_ns() -> u64 {
    u64::try_from(sys::clock_ns(libc::CLOCK_MONOTONIC)).unwrap_or(0)
}
