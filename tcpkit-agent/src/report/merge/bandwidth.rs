//! The bandwidth part of the report.
//!
//! Totals and interfaces are the kernel's own where it counts, and so exact even when frames were lost on their way to
//! a shard; what is cut up further rests on the frames that were delivered, as `completeness` says.

use std::collections::BTreeMap;

use super::{ReportContext, exact, share, talkers};
use crate::{
    analyzer::{
        BandwidthAnalyzer, Cut, L1_OVERHEAD, Peak, SIZE_BOUNDS, TalkerAnalyzer, Traffic, TrafficCount,
    },
    report::{BandwidthReport, Count, InterfaceBandwidth, LinkUse, PeakRate, SizeBucket, TrafficReport},
    time::{Span, Timestamp},
    wire::{FrameDirection, IpVersion, Transport},
};

/// Shares and rates of a capture of this length.
struct Measure {
    /// `None` where there is no rate.
    seconds: Option<f64>,
}

pub(super) fn report(
    context: &ReportContext,
    bandwidth: &BandwidthAnalyzer,
    talkers: &TalkerAnalyzer,
    duration: Option<Span>,
) -> BandwidthReport {
    let measure = Measure { seconds: duration.map(Span::as_secs_f64).filter(|seconds| *seconds > 0.0) };
    let traffic = bandwidth.sum(|_| true);
    let interfaces = measure.interfaces(context, bandwidth);
    let count = interfaces.iter().map(|one| one.traffic.count).fold(Count::default(), plus);
    let is_ethernet = bandwidth.interfaces().all(|(_, traffic)| traffic.is_ethernet() == Some(true));
    let total = measure.whole(&traffic, count, None, is_ethernet);
    BandwidthReport {
        bits_per_second: total.bits_per_second,
        packets_per_second: measure.seconds.map(|seconds| rate(count.packets, seconds)),
        total,
        ip_versions: measure.ip_versions(bandwidth, &traffic),
        protocols: measure.protocols(bandwidth, &traffic),
        directions: DIRECTIONS
            .map(|(name, direction)| (name, measure.direction(&traffic, direction, is_ethernet)))
            .into(),
        interfaces,
        packet_sizes: packet_sizes(&traffic),
        bursts: context.bursts.clone(),
        exact_flows: exact::report(context),
        peaks_since_us: bandwidth.peaks_since().map(Timestamp::as_micros),
        talkers: talkers::report(talkers, context.top),
    }
}

impl Measure {
    /// By name: several numbers may stand for one interface.
    fn interfaces(&self, context: &ReportContext, bandwidth: &BandwidthAnalyzer) -> Vec<InterfaceBandwidth> {
        let each = counts(context, bandwidth).into_iter();
        each.map(|(interface, count)| {
            let traffic = bandwidth.sum(|id| context.interface(id) == interface);
            let is_ethernet = traffic.is_ethernet() == Some(true);
            let directions = DIRECTIONS
                .map(|(name, direction)| (name, self.direction(&traffic, direction, is_ethernet)))
                .into_iter()
                .filter(|(_, part)| part.count.frames > 0);
            let speed = context
                .speeds
                .iter()
                .find_map(|(id, speed)| (context.interface(*id) == interface).then_some(*speed))
                .filter(|_| is_ethernet);
            InterfaceBandwidth {
                traffic: self.whole(&traffic, count, None, is_ethernet),
                directions: directions.collect(),
                link: speed.map(|speed| self.link(&traffic, speed)),
                interface,
            }
        })
        .collect()
    }

    fn ip_versions(
        &self,
        bandwidth: &BandwidthAnalyzer,
        traffic: &Traffic,
    ) -> BTreeMap<&'static str, TrafficReport> {
        [("ipv4", Some(IpVersion::V4)), ("ipv6", Some(IpVersion::V6)), ("not_ip", None)]
            .map(|(name, version)| {
                let part = traffic.count(Cut { version: Some(version), ..Cut::default() });
                (name, self.part(&part, count_of(&part), bandwidth.version_peak(version)))
            })
            .into()
    }

    fn protocols(
        &self,
        bandwidth: &BandwidthAnalyzer,
        traffic: &Traffic,
    ) -> BTreeMap<&'static str, TrafficReport> {
        [
            ("tcp", Transport::Tcp),
            ("udp", Transport::Udp),
            ("icmp", Transport::Icmp),
            ("other", Transport::Other),
        ]
        .map(|(name, transport)| {
            let part = traffic.count(Cut { transport: Some(transport), ..Cut::default() });
            (name, self.part(&part, count_of(&part), bandwidth.transport_peak(transport)))
        })
        .into()
    }

    fn direction(&self, traffic: &Traffic, direction: FrameDirection, is_ethernet: bool) -> TrafficReport {
        let part = traffic.count(Cut { direction: Some(direction), ..Cut::default() });
        self.whole(traffic, count_of(&part), Some(direction), is_ethernet)
    }

    /// All traffic of interfaces, or one direction of it; `count` may be the kernel's.
    fn whole(
        &self,
        traffic: &Traffic,
        count: Count,
        direction: Option<FrameDirection>,
        is_ethernet: bool,
    ) -> TrafficReport {
        let part = traffic.count(Cut { direction, ..Cut::default() });
        let l1 = count.bytes + count.packets * L1_OVERHEAD + traffic.padding(direction);
        let l1_bytes = (is_ethernet && count.frames > 0).then_some(l1);
        TrafficReport { l1_bytes, ..self.part(&part, count, traffic.peak(direction)) }
    }

    fn part(&self, part: &TrafficCount, count: Count, peak: Option<Peak>) -> TrafficReport {
        let goodput_bytes = part.payload_bytes.saturating_sub(part.retransmitted_bytes);
        let bytes_per_second = self.seconds.map(|seconds| rate(count.bytes, seconds));
        TrafficReport {
            count,
            l1_bytes: None,
            payload_bytes: part.payload_bytes,
            retransmitted_bytes: part.retransmitted_bytes,
            goodput_bytes,
            goodput_share: share(goodput_bytes, count.bytes),
            flows: part.flows,
            bytes_per_second,
            bits_per_second: bytes_per_second.map(|bytes| bytes * 8.0),
            peak: peak.map(|Peak { bytes, at }| PeakRate {
                at_us: at.as_micros(),
                bytes_per_second: bytes,
                bits_per_second: bytes * 8,
            }),
        }
    }

    fn link(&self, traffic: &Traffic, speed: u64) -> LinkUse {
        let used = |bytes: u64, seconds: f64| rate(bytes, seconds) * 8.0 / rate(speed, 1.0);
        let mut link = LinkUse { speed_bits_per_second: speed, ..LinkUse::default() };
        for (name, direction) in DIRECTIONS {
            let part = traffic.count(Cut { direction: Some(direction), ..Cut::default() });
            let bytes = part.bytes + part.packets * L1_OVERHEAD + traffic.padding(Some(direction));
            if let Some(seconds) = self.seconds.filter(|_| part.frames > 0) {
                link.mean.insert(name, used(bytes, seconds));
            }
            if let Some(peak) = traffic.l1_peak(Some(direction)) {
                link.peak.insert(name, used(peak.bytes, 1.0));
            }
        }
        link
    }
}

/// What passed each interface, by its name: the kernel's counts where it has any.
fn counts(context: &ReportContext, bandwidth: &BandwidthAnalyzer) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut add = |name: String, count: Count| {
        let sum = counts.entry(name).or_default();
        *sum = plus(*sum, count);
    };
    let kernel = || context.sources.iter().filter_map(|source| Some((source.place.0, source.traffic?)));
    for (interface, count) in kernel() {
        add(context.interface(interface), count);
    }
    for (interface, traffic) in bandwidth.interfaces() {
        if !kernel().any(|(counted, _)| counted == interface) {
            add(context.interface(interface), count_of(&traffic.count(Cut::default())));
        }
    }
    counts
}

fn packet_sizes(traffic: &Traffic) -> Vec<SizeBucket> {
    let bounds = SIZE_BOUNDS.iter().copied().map(Some).chain([None]);
    bounds.zip(traffic.sizes()).map(|(up_to, packets)| SizeBucket { up_to, packets: *packets }).collect()
}

const DIRECTIONS: [(&str, FrameDirection); 3] = [
    ("inbound", FrameDirection::Inbound),
    ("outbound", FrameDirection::Outbound),
    ("unknown", FrameDirection::Unknown),
];

const fn count_of(count: &TrafficCount) -> Count {
    Count { frames: count.frames, packets: count.packets, bytes: count.bytes }
}

const fn plus(a: Count, b: Count) -> Count {
    Count { frames: a.frames + b.frames, packets: a.packets + b.packets, bytes: a.bytes + b.bytes }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn rate(amount: u64, seconds: f64) -> f64 {
    amount as f64 / seconds
}
