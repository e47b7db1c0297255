//! The ledger: what the source counted against what the shards counted, equation by equation.

use std::collections::BTreeMap;

use tcpkit_common::record::Hook;

use super::{ReportContext, SourceCounts};
use crate::{
    analyzer::{FateAnalyzer, FrameCounts, Note},
    report::{Ledger, LedgerEntry},
    wire::{Cause, Layer, ParseError, Unanalyzed},
};

/// Sets both sides against each other; what does not fit shows in `closes`.
pub(super) fn close(context: &ReportContext, fates: &FateAnalyzer) -> Ledger {
    let mut entries: BTreeMap<(String, &'static str), LedgerEntry> = BTreeMap::new();
    for source in &context.sources {
        let (interface, hook) = source.place;
        add_source(entry(&mut entries, context.interface(interface), hook, context), source);
    }
    for ((interface, hook), counts) in fates.places() {
        add_fates(entry(&mut entries, context.interface(interface), hook, context), counts);
    }
    let mut total = LedgerEntry { interface: "*".into(), hook: "*".into(), ..LedgerEntry::default() };
    let mut closes = true;
    for entry in entries.values_mut() {
        closes &= balance(entry, context.complete);
        add(&mut total, entry);
    }
    closes &= balance(&mut total, context.complete);
    Ledger { closes, total, entries: entries.into_values().collect() }
}

fn entry<'e>(
    entries: &'e mut BTreeMap<(String, &'static str), LedgerEntry>,
    interface: String,
    hook: Option<Hook>,
    context: &ReportContext,
) -> &'e mut LedgerEntry {
    let hook = hook.map_or(context.hookless, hook_name);
    entries.entry((interface.clone(), hook)).or_insert_with(|| LedgerEntry {
        interface,
        hook: hook.to_owned(),
        ..LedgerEntry::default()
    })
}

fn add_source(entry: &mut LedgerEntry, source: &SourceCounts) {
    entry.filtered += source.filtered;
    entry.recorded += source.recorded;
    entry.ring_full += source.ring_full;
    entry.helper_failed += source.helper_failed;
    for (name, count) in source.notes.iter().filter(|(_, count)| *count > 0) {
        *entry.notes.entry((*name).to_owned()).or_default() += count;
    }
}

fn add_fates(entry: &mut LedgerEntry, counts: &FrameCounts) {
    entry.delivered += counts.delivered;
    entry.analyzed += counts.analyzed;
    for layer in LAYERS {
        for cause in CAUSES {
            let name = || format!("{}.{}", layer_name(layer), cause_name(cause));
            put(&mut entry.malformed, name, counts.malformed(ParseError { layer, cause }));
        }
    }
    for cause in UNANALYZED {
        put(&mut entry.not_analyzed, || unanalyzed_name(cause).to_owned(), counts.not_analyzed(cause));
    }
    for (note, name) in Note::ALL {
        put(&mut entry.notes, || name.to_owned(), counts.noted(note));
    }
}

fn put(counts: &mut BTreeMap<String, u64>, name: impl Fn() -> String, count: u64) {
    if count > 0 {
        *counts.entry(name()).or_default() += count;
    }
}

/// Forms the sums of an entry; true when every equation of [`LedgerEntry`] holds.
fn balance(entry: &mut LedgerEntry, complete: bool) -> bool {
    entry.matched = entry.recorded + entry.ring_full + entry.helper_failed;
    entry.seen = entry.filtered + entry.matched;
    entry.in_flight = entry.recorded.saturating_sub(entry.delivered);
    let fates =
        entry.analyzed + entry.malformed.values().sum::<u64>() + entry.not_analyzed.values().sum::<u64>();
    entry.recorded == entry.delivered + entry.in_flight
        && entry.delivered == fates
        && !(complete && entry.in_flight > 0)
}

fn add(total: &mut LedgerEntry, entry: &LedgerEntry) {
    total.filtered += entry.filtered;
    total.recorded += entry.recorded;
    total.ring_full += entry.ring_full;
    total.helper_failed += entry.helper_failed;
    total.delivered += entry.delivered;
    total.analyzed += entry.analyzed;
    for (sum, part) in [
        (&mut total.malformed, &entry.malformed),
        (&mut total.not_analyzed, &entry.not_analyzed),
        (&mut total.notes, &entry.notes),
    ] {
        part.iter().for_each(|(name, count)| put(sum, || name.clone(), *count));
    }
}

const fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::XdpIngress => "xdp_ingress",
        Hook::TcIngress => "tc_ingress",
        Hook::TcEgress => "tc_egress",
    }
}

const LAYERS: [Layer; 7] =
    [Layer::Link, Layer::Ipv4, Layer::Ipv6, Layer::Tunnel, Layer::Tcp, Layer::Udp, Layer::Icmp];

const fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::Link => "link",
        Layer::Ipv4 => "ipv4",
        Layer::Ipv6 => "ipv6",
        Layer::Tunnel => "tunnel",
        Layer::Tcp => "tcp",
        Layer::Udp => "udp",
        Layer::Icmp => "icmp",
    }
}

const CAUSES: [Cause; 5] =
    [Cause::Short, Cause::HeaderLength, Cause::TotalLength, Cause::Version, Cause::Checksum];

const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Short => "short",
        Cause::HeaderLength => "header_length",
        Cause::TotalLength => "total_length",
        Cause::Version => "version",
        Cause::Checksum => "checksum",
    }
}

const UNANALYZED: [Unanalyzed; 11] = [
    Unanalyzed::Arp,
    Unanalyzed::NotIp,
    Unanalyzed::Icmp,
    Unanalyzed::Udp,
    Unanalyzed::OtherTransport,
    Unanalyzed::Truncated,
    Unanalyzed::UnknownLinkType,
    Unanalyzed::IncompleteDatagram,
    Unanalyzed::WaitingForFragments,
    Unanalyzed::TooDeep,
    Unanalyzed::BeyondCount,
];

const fn unanalyzed_name(cause: Unanalyzed) -> &'static str {
    match cause {
        Unanalyzed::Arp => "arp",
        Unanalyzed::NotIp => "not_ip",
        Unanalyzed::Icmp => "icmp",
        Unanalyzed::Udp => "udp",
        Unanalyzed::OtherTransport => "other_transport",
        Unanalyzed::Truncated => "truncated",
        Unanalyzed::UnknownLinkType => "unknown_link_type",
        Unanalyzed::IncompleteDatagram => "incomplete_datagram",
        Unanalyzed::WaitingForFragments => "waiting_for_fragments",
        Unanalyzed::TooDeep => "too_deep",
        Unanalyzed::BeyondCount => "beyond_count",
    }
}
