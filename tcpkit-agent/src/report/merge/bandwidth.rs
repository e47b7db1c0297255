//! The bandwidth part of the report.
//!
//! Totals and interfaces are the kernel's own where it counts, and so exact even when frames were lost on their way to
//! a shard; what is cut up further rests on the frames that were delivered, as `completeness` says.

use std::collections::BTreeMap;

use super::ReportContext;
use crate::{
    analyzer::{BandwidthAnalyzer, SIZE_BOUNDS, Traffic, TrafficCount},
    report::{BandwidthReport, Count, InterfaceBandwidth, SizeBucket},
    time::Span,
    wire::{FrameDirection, IpVersion, Transport},
};

pub(super) fn report(
    context: &ReportContext,
    bandwidth: &BandwidthAnalyzer,
    duration: Option<Span>,
) -> BandwidthReport {
    let traffic = bandwidth.total();
    let interfaces = interfaces(context, bandwidth);
    let total = interfaces.values().copied().fold(Count::default(), plus);
    let seconds = duration.map(Span::as_secs_f64).filter(|seconds| *seconds > 0.0);
    BandwidthReport {
        total,
        bits_per_second: seconds.map(|seconds| rate(total.bytes, seconds) * 8.0),
        packets_per_second: seconds.map(|seconds| rate(total.packets, seconds)),
        ip_versions: ip_versions(&traffic),
        protocols: protocols(&traffic),
        directions: directions(&traffic),
        interfaces: interfaces
            .into_iter()
            .map(|(interface, count)| InterfaceBandwidth { interface, count })
            .collect(),
        packet_sizes: packet_sizes(&traffic),
        bursts: context.bursts.clone(),
    }
}

/// By name: several numbers may stand for one interface.
fn interfaces(context: &ReportContext, bandwidth: &BandwidthAnalyzer) -> BTreeMap<String, Count> {
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
            add(context.interface(interface), count_of(traffic.count(None, None, None)));
        }
    }
    counts
}

fn ip_versions(traffic: &Traffic) -> BTreeMap<&'static str, Count> {
    [("ipv4", Some(IpVersion::V4)), ("ipv6", Some(IpVersion::V6)), ("not_ip", None)]
        .map(|(name, version)| (name, count_of(traffic.count(Some(version), None, None))))
        .into()
}

fn protocols(traffic: &Traffic) -> BTreeMap<&'static str, Count> {
    [("tcp", Transport::Tcp), ("udp", Transport::Udp), ("icmp", Transport::Icmp), ("other", Transport::Other)]
        .map(|(name, transport)| (name, count_of(traffic.count(None, Some(transport), None))))
        .into()
}

fn directions(traffic: &Traffic) -> BTreeMap<&'static str, Count> {
    [
        ("inbound", FrameDirection::Inbound),
        ("outbound", FrameDirection::Outbound),
        ("unknown", FrameDirection::Unknown),
    ]
    .map(|(name, direction)| (name, count_of(traffic.count(None, None, Some(direction)))))
    .into()
}

fn packet_sizes(traffic: &Traffic) -> Vec<SizeBucket> {
    let bounds = SIZE_BOUNDS.iter().copied().map(Some).chain([None]);
    bounds.zip(traffic.sizes()).map(|(up_to, packets)| SizeBucket { up_to, packets: *packets }).collect()
}

const fn count_of(count: TrafficCount) -> Count {
    Count { frames: count.frames, packets: count.packets, bytes: count.bytes }
}

const fn plus(a: Count, b: Count) -> Count {
    Count { frames: a.frames + b.frames, packets: a.packets + b.packets, bytes: a.bytes + b.bytes }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than the 53 digits of a float")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
