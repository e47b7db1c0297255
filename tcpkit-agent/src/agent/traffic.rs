//! What the kernel counts beside the records: read at intervals by the control plane, kept for the reports.
//!
//! Flows are read once a second, milliseconds four times: that is enough for rates, and seldom enough to cost nothing.

use std::{collections::HashMap, sync::Arc};

use tcpkit_common::{flow::FlowHash, record::Hook};

use crate::{
    analyzer::{Bin, BurstSeries},
    report::{
        BurstReport, Count, ExactFlow, ExactFlowCounts, ExactOther, ExactRate,
        merge::{BurstLength, BurstSender, bursts},
    },
    source::live::{BurstReading, Clock, FlowReading, FlowRow, FlowSum, LiveCapture},
    time::{Span, Timestamp},
    wire::InterfaceId,
};

/// Ways past an interface, in the order of [`LiveCapture::read_bursts`].
const WAYS: [&str; 2] = ["inbound", "outbound"];

/// Interface, way, and length of the windows.
type PeakPlace = (usize, usize, BurstLength);

/// Traffic by flow and by millisecond, as far as the kernel counts it.
#[derive(Debug, Default)]
pub(super) struct KernelTraffic {
    series: Vec<[BurstSeries<u32>; 2]>,
    /// Who sent most of each peak, asked when the peak was new.
    senders: HashMap<PeakPlace, (i64, Option<BurstSender>)>,
    flows_read: Option<Timestamp>,
    bursts_read: Option<Timestamp>,
    /// Made of the last reading, when somebody wanted it.
    table: Option<Arc<ExactFlowCounts>>,
}

impl KernelTraffic {
    /// Reads what is due; called several times a second.
    pub(super) fn look(&mut self, capture: &mut LiveCapture, clock: &Clock) {
        let now = clock.now();
        let is_due = |read: Option<Timestamp>, every| read.is_none_or(|read| now.since(read) >= every);
        if is_due(self.bursts_read, BURSTS_EVERY) {
            self.read_bursts(capture, now);
        }
        if is_due(self.flows_read, FLOWS_EVERY) {
            self.read_flows(capture, now);
        }
    }

    /// Reads everything that is left, after the capture was detached.
    pub(super) fn finish(&mut self, capture: &mut LiveCapture, clock: &Clock) {
        self.read_bursts(capture, clock.now());
        self.read_flows(capture, clock.now());
    }

    /// Traffic by flow as last read; `None` where the kernel does not count it.
    pub(super) fn flows(&mut self, capture: &LiveCapture, clock: &Clock) -> Option<Arc<ExactFlowCounts>> {
        let reading = capture.flow_counts()?;
        let taken = self.flows_read?;
        let table = self.table.get_or_insert_with(|| Arc::new(table(&reading, capture, clock, taken)));
        Some(Arc::clone(table))
    }

    /// Bursts so far; `name` is what an interface is called.
    pub(super) fn bursts(&self, clock: &Clock, name: impl Fn(usize) -> Option<String>) -> Vec<BurstReport> {
        let mut reports = Vec::new();
        for (interface, ways) in self.series.iter().enumerate() {
            for (way, series) in ways.iter().enumerate() {
                let (observed, missed) = series.extent();
                if observed + missed == 0 {
                    continue;
                }
                let sender = |length: BurstLength, _| {
                    let (begin, sender) = self.senders.get(&(interface, way, length))?;
                    // Of a peak since the last reading of flows nobody was asked yet.
                    sender.filter(|_| length.windows(series).peak().is_some_and(|peak| peak.begin == *begin))
                };
                let place = (name(interface).unwrap_or_default(), WAYS[way]);
                reports.push(bursts(place, series, |number| begin_us(clock, number), sender));
            }
        }
        reports
    }

    fn read_bursts(&mut self, capture: &mut LiveCapture, now: Timestamp) {
        self.bursts_read = Some(now);
        let readings = capture.read_bursts();
        self.series.resize_with(readings.len(), Default::default);
        for (ways, readings) in self.series.iter_mut().zip(readings) {
            for (series, reading) in ways.iter_mut().zip(readings) {
                take(series, &reading);
            }
        }
    }

    fn read_flows(&mut self, capture: &mut LiveCapture, now: Timestamp) {
        self.flows_read = Some(now);
        self.table = None;
        let Some(reading) = capture.read_flow_counts() else { return };
        let asked = self.new_peaks();
        if asked.is_empty() {
            return;
        }
        let mut named: HashMap<PeakPlace, Option<BurstSender>> = HashMap::new();
        for row in reading.rows() {
            let hash = FlowHash::of(&row.tuple).0;
            let way = usize::from(row.hook == Hook::TcEgress);
            let is_its = |(place, _, wanted): &&(PeakPlace, i64, u32)| {
                (place.0, place.1, *wanted) == (row.interface, way, hash)
            };
            for (place, ..) in asked.iter().filter(is_its) {
                // Two flows of one hash: nobody knows whose burst it was.
                let sender = (row.protocol, row.tuple);
                named.entry(*place).and_modify(|known| *known = None).or_insert(Some(sender));
            }
        }
        for (place, begin, _) in asked {
            self.senders.insert(place, (begin, named.get(&place).copied().flatten()));
        }
    }

    /// Peaks whose sender was not asked for yet: where, when, and the hash of the flow.
    fn new_peaks(&self) -> Vec<(PeakPlace, i64, u32)> {
        let mut new = Vec::new();
        for (interface, ways) in self.series.iter().enumerate() {
            for (way, series) in ways.iter().enumerate() {
                for length in BurstLength::ALL {
                    let Some(peak) = length.windows(series).peak() else { continue };
                    let place = (interface, way, length);
                    let is_known = self.senders.get(&place).is_some_and(|(begin, _)| *begin == peak.begin);
                    if let Some(hash) = peak.bin.candidate.filter(|_| !is_known) {
                        new.push((place, peak.begin, hash));
                    }
                }
            }
        }
        new
    }
}

/// Takes the milliseconds of a reading.
fn take(series: &mut BurstSeries<u32>, reading: &BurstReading) {
    let first = number(reading.first);
    if reading.missed > 0 {
        series.on_missed(first);
    }
    for (number, one) in (first..).zip(&reading.milliseconds) {
        let candidate = Some(one.candidate).filter(|_| one.weight > 0);
        let bin = Bin { bytes: one.bytes, packets: one.packets, candidate, weight: one.weight };
        // Readings follow each other, so every millisecond is new.
        let _taken = series.on_millisecond(number, bin);
    }
}

fn table(
    reading: &FlowReading<'_>,
    capture: &LiveCapture,
    clock: &Clock,
    taken: Timestamp,
) -> ExactFlowCounts {
    let seconds = Span(reading.recent_ns()).as_secs_f64();
    let rows = reading.rows().map(|row| flow(&row, clock, seconds)).collect();
    let mut other = ExactOther::default();
    for (interface, one) in capture.interfaces().iter().enumerate() {
        for hook in &one.hooks {
            let there = reading.other(interface, *hook);
            other.no_flow = plus(other.no_flow, there.no_flow);
            other.evicted = plus(other.evicted, there.evicted);
            other.forgotten = plus(other.forgotten, there.forgotten);
            other.evictions += there.evictions;
        }
    }
    ExactFlowCounts::new(rows, taken, other)
}

fn flow(row: &FlowRow, clock: &Clock, seconds: f64) -> ExactFlow {
    let rate = |count: u64| if seconds > 0.0 { float(count) / seconds } else { 0.0 };
    ExactFlow {
        protocol: row.protocol,
        tuple: row.tuple,
        interface: InterfaceId(u16::try_from(row.interface).unwrap_or(u16::MAX)),
        hook: row.hook,
        count: plus(Count::default(), row.sum),
        rate: ExactRate {
            frames: rate(row.recent.frames),
            packets: rate(row.recent.packets),
            bytes: rate(row.recent.bytes),
        },
        first: clock.timestamp(row.first_ns),
        last: clock.timestamp(row.last_ns),
    }
}

const fn plus(count: Count, sum: FlowSum) -> Count {
    Count {
        frames: count.frames + sum.frames,
        packets: count.packets + sum.packets,
        bytes: count.bytes + sum.bytes,
    }
}

/// Number of a millisecond of the monotonic clock.
fn number(millisecond: u64) -> i64 {
    i64::try_from(millisecond).unwrap_or(i64::MAX)
}

fn begin_us(clock: &Clock, millisecond: i64) -> i64 {
    let begin = u64::try_from(millisecond).unwrap_or(0).saturating_mul(1_000_000);
    clock.timestamp(begin).as_micros()
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than the 53 digits of a float")]
const fn float(count: u64) -> f64 {
    count as f64
}

const FLOWS_EVERY: Span = Span::from_secs(1);
const BURSTS_EVERY: Span = Span::from_millis(250);
