//! Any number of shards finds the same.

use proptest::prelude::*;

use super::{Observed, observe, scenario::*};
use crate::{
    analyzer::RequestSettings,
    pipeline::{EngineSettings, Output, Shard},
    report::{HandshakeResult, Report, SeriesBin, ShardSnapshot},
    time::{Span, Timestamp},
    wire::TcpFlags,
};

/// Segments between few endpoints with few sequence numbers, so that flows meet themselves again.
fn frames() -> impl Strategy<Value = Vec<Captured>> {
    let spec = (0u8..3, 0u16..3, any::<bool>(), 0u32..4, 0u32..4, 0u16..64, 0u16..3);
    let step = (spec, 0u64..40_000, 0u16..4, any::<bool>(), 0u8..10);
    prop::collection::vec(step, 0..120).prop_map(|steps| {
        let mut now = Timestamp(1_700_000_000_000_000_000);
        let build = |((host, port, forward, seq, ack, flags, len), after, interface, back, icmp)| {
            let (near, far) = ((host, 40_000 + port), (9, 80));
            let (from, to) = if forward { (near, far) } else { (far, near) };
            let flags = TcpFlags(flags);
            let spec = Spec { from, to, seq, ack, flags, payload_len: len * 1000 };
            now = now + Span::from_millis(after);
            let timestamp = if back { Timestamp(now.0 - 5_000_000) } else { now };
            let mut bytes = spec.octets();
            if icmp == 0 {
                let quoted = [&[3, 1, 0, 0, 0, 0, 0, 0], &bytes[..28]].concat();
                bytes = ipv4(1, 7, from.0, &quoted);
            }
            let frame_len = u32::try_from(bytes.len()).unwrap();
            Captured { timestamp, interface, frame_len, gso_size: 0, bytes }
        };
        steps.into_iter().map(build).collect()
    })
}

fn canonical(observed: &Observed) -> (Vec<String>, String, Vec<String>) {
    let mut records: Vec<String> =
        observed.records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let mut events: Vec<String> =
        observed.events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    records.sort();
    events.sort();
    let mut report = serde_json::to_value(&observed.report).unwrap();
    if let Some(notes) = report.pointer_mut("/ledger/total/notes").and_then(|notes| notes.as_object_mut()) {
        notes.remove("handed_over");
    }
    (records, report.to_string(), events)
}

/// Each decided handshake, in an order of its own.
fn handshakes(observed: &Observed) -> Vec<String> {
    let handshakes = observed.handshakes.iter();
    let mut handshakes: Vec<_> = handshakes.map(|one| serde_json::to_string(one).unwrap()).collect();
    handshakes.sort();
    handshakes
}

/// All bins of the series together, and its bounds.
fn the_bins_are_the_totals(observed: &Observed) {
    let Report { series, totals, handshake, retransmit, latency, .. } = &observed.report;
    let series = series.as_ref().unwrap();
    let sum = |of: &dyn Fn(&SeriesBin) -> u64| series.bins.iter().map(of).sum::<u64>();
    assert_eq!(sum(&|bin| bin.frames), totals.all.frames);
    assert_eq!(sum(&|bin| bin.bytes), totals.all.bytes);
    assert_eq!(sum(&|bin| bin.flows), totals.flows);
    assert_eq!(sum(&|bin| bin.data_segments), retransmit.total.data_segments);
    for (result, flows) in &handshake.results {
        assert_eq!(sum(&|bin| bin.handshakes.get(result).copied().unwrap_or(0)), *flows, "{result}");
    }
    for (cause, segments) in &retransmit.total.retransmissions {
        let told = sum(&|bin| bin.retransmissions.get(cause).copied().unwrap_or(0));
        assert_eq!(told, *segments, "{cause}");
    }
    let trips = sum(&|bin| bin.latency.get("towards_server").map_or(0, |spans| spans.samples));
    assert_eq!(trips, latency.towards_server.rtt_us.samples);
    assert!(series.bins.len() <= 241, "{}", series.bins.len());
    assert!(series.bins.is_sorted_by_key(|bin| bin.time_us));
    let widths = series.bins.iter().map(|bin| bin.time_us.rem_euclid(series.bin_us));
    assert!(widths.eq(series.bins.iter().map(|_| 0)), "bins begin at multiples of their width");
}

proptest! {
    // Each notes a thousand moments in every shard.
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_series_does_not_depend_on_the_number_of_shards(frames in frames(), shards in 2u32..6) {
        let mut settings = EngineSettings::replay(1);
        let plain = canonical(&observe(&frames, &settings));
        settings.course = true;
        let mut one = observe(&frames, &settings);
        settings.shards = shards;
        prop_assert_eq!(canonical(&one), canonical(&observe(&frames, &settings)));
        if !frames.is_empty() {
            the_bins_are_the_totals(&one);
        }
        one.report.series = None;
        prop_assert_eq!(canonical(&one), plain, "that the course is noted changes nothing else");
    }
}

proptest! {
    #[test]
    fn a_report_does_not_depend_on_the_number_of_shards(frames in frames(), shards in 2u32..6, live: bool) {
        let mut settings = if live { EngineSettings::live(1) } else { EngineSettings::replay(1) };
        settings.flows.idle = live.then_some(Span::from_secs(100));
        settings.wanted.handshakes = true;
        let one = observe(&frames, &settings);
        settings.shards = shards;
        let many = observe(&frames, &settings);
        prop_assert_eq!(canonical(&one), canonical(&many));
        prop_assert_eq!(handshakes(&one), handshakes(&many));
        let seen = one.records.iter().filter(|record| record.handshake != HandshakeResult::Midstream).count();
        prop_assert_eq!(one.handshakes.len(), seen, "each handshake is told once");
        prop_assert!(one.report.ledger.closes);
        let results: u64 = one.report.handshake.results.values().sum();
        prop_assert_eq!(results, one.report.totals.flows);
        prop_assert_eq!(one.records.len() as u64, one.report.totals.flows);
    }

    #[test]
    fn tight_bounds_lose_no_flow_and_no_frame(frames in frames(), max_flows in 1u32..4, lingering in 0u32..3) {
        let mut settings = EngineSettings::live(1);
        settings.flows.max_flows = max_flows;
        settings.flows.max_lingering = lingering;
        let observed = observe(&frames, &settings);
        prop_assert!(observed.report.ledger.closes);
        prop_assert_eq!(observed.records.len() as u64, observed.report.totals.flows);
        let counted: u64 =
            observed.records.iter().map(|record| record.client.frames + record.server.frames).sum();
        let notes = &observed.report.ledger.total.notes;
        let icmp = observed.report.bandwidth.protocols["icmp"].count.frames;
        let taken = observed.report.ledger.total.analyzed - icmp - notes.get("duplicate").unwrap_or(&0);
        prop_assert_eq!(counted, taken);
    }

    #[test]
    fn flows_leave_in_order_of_their_ending(frames in frames()) {
        let mut settings = EngineSettings::live(1);
        settings.flows.idle = Some(Span::from_secs(90));
        let mut shard = Shard::new(&settings, 0);
        let mut out = Output::default();
        let mut now = Timestamp::MIN;
        for captured in &frames {
            now = now.max(captured.timestamp);
            shard.on_frame(&captured.frame(), now, &mut out);
        }
        shard.finish(Timestamp(now.0.saturating_sub(1_000_000_000)), &mut out);
        prop_assert!(out.finished.is_sorted_by_key(|finished| finished.at));
    }

    #[test]
    fn advancing_time_by_a_timer_changes_nothing(frames in frames()) {
        let mut settings = EngineSettings::live(1);
        settings.flows.idle = Some(Span::from_secs(90));
        let run = |ticks: bool| {
            let mut shard = Shard::new(&settings, 0);
            let mut out = Output::default();
            let mut now = Timestamp::MIN;
            for captured in &frames {
                let next = now.max(captured.timestamp);
                if ticks && now > Timestamp::MIN {
                    let middle = Timestamp(now.0.midpoint(next.0));
                    shard.advance(middle, &mut out);
                }
                now = next;
                shard.on_frame(&captured.frame(), now, &mut out);
            }
            shard.finish(now, &mut out);
            (out.finished.into_iter().map(|it| (it.at, it.record)).collect::<Vec<_>>(), shard.snapshot())
        };
        prop_assert_eq!(run(false), run(true));
    }

    #[test]
    fn what_is_handed_over_piece_by_piece_adds_up(frames in frames(), every in 1usize..9) {
        let settings =
            EngineSettings { requests: Some(RequestSettings::every()), ..EngineSettings::live(1) };
        let run = |every: usize| {
            let mut shard = Shard::new(&settings, 0);
            let (mut out, mut now) = (Output::default(), Timestamp::MIN);
            let mut sum = ShardSnapshot::default();
            for (number, captured) in frames.iter().enumerate() {
                now = now.max(captured.timestamp);
                shard.on_frame(&captured.frame(), now, &mut out);
                if number % every == every - 1 {
                    let mut part = shard.hand_over();
                    // How things stand, which is not to be added up.
                    part.flows = Default::default();
                    part.requests.take_open();
                    sum.merge(&part);
                }
            }
            shard.finish(now, &mut out);
            sum.merge(&shard.hand_over());
            sum
        };
        let whole = run(usize::MAX);
        let parts = run(every);
        prop_assert_eq!(&parts.fates, &whole.fates);
        prop_assert_eq!(&parts.handshakes, &whole.handshakes);
        prop_assert_eq!(&parts.retransmissions, &whole.retransmissions);
        prop_assert_eq!(&parts.requests, &whole.requests);
        prop_assert_eq!(parts, whole);
    }

    #[test]
    fn merging_snapshots_is_associative_and_commutative(a in frames(), b in frames(), c in frames()) {
        let snapshot = |frames: &[Captured]| {
            let mut shard = Shard::new(&EngineSettings::replay(1), 0);
            let mut out = Output::default();
            let mut now = Timestamp::MIN;
            for captured in frames {
                now = now.max(captured.timestamp);
                shard.on_frame(&captured.frame(), now, &mut out);
            }
            shard.snapshot()
        };
        let (a, b, c) = (snapshot(&a), snapshot(&b), snapshot(&c));
        let sum = |parts: &[&ShardSnapshot]| {
            let parts: Vec<ShardSnapshot> = parts.iter().map(|part| (*part).clone()).collect();
            ShardSnapshot::sum(&parts)
        };
        let left = sum(&[&sum(&[&a, &b]), &c]);
        prop_assert_eq!(&left, &sum(&[&a, &sum(&[&b, &c])]));
        prop_assert_eq!(&left, &sum(&[&c, &b, &a]));
    }
}
