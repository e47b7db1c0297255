//! Half-open flows are kept in small, and nothing is lost by that.

use proptest::prelude::*;

use super::*;
use crate::flow::{
    FinishedFlow, FlowCounts, HandshakeStep, Outcome, Trait,
    half_open::HalfOpen,
    handshake::{Handshake, ServedStep},
    state::{Ending, Flow},
};

/// What a step of a random story does: kind, client, flags, sequence and acknowledgement number, octets, interface,
/// time before it in milliseconds.
type Step = (u8, u16, u16, u32, u32, u16, u16, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flags = prop_oneof![
        4 => Just(0x02u16),
        3 => Just(0x12u16),
        2 => Just(0x10u16),
        1 => Just(0x04u16),
        1 => Just(0x14u16),
        1 => Just(0x11u16),
        1 => Just(0xc2u16),
        1 => 0u16..0x40,
    ];
    let step = (0u8..12, 1u16..4, flags, 0u32..3, 0u32..3, 0u16..2, 0u16..3, 0u64..40_000);
    prop::collection::vec(step, 0..60)
}

/// Everything that a table tells of a story.
#[derive(Debug, PartialEq)]
struct Told {
    steps: Vec<ServedStep>,
    decided: Vec<String>,
    failed: Vec<String>,
    finished: Vec<String>,
    streams: Vec<String>,
    counts: FlowCounts,
}

fn tell(steps: &[Step], limits: FlowLimits, freezes: bool) -> Told {
    let mut bench = Bench::with(limits);
    bench.table.freezes = freezes;
    for &(kind, client, flags, seq, ack, octets, interface, wait) in steps {
        bench.after(ms(wait));
        let there = tuple(Client(client));
        let (tuple, seq, ack) = match kind {
            0 => {
                bench.icmp(Client(client), 3, u8::try_from(seq * 4 + ack).unwrap() % 16);
                continue;
            }
            1..=6 => (there, 1000 + seq, 5000 + ack),
            _ => (there.reversed(), 5000 + seq, 1000 + ack),
        };
        let options = TcpOptions(if octets > 0 { &[2, 4, 5, 180, 4, 2, 1, 3, 3, 7] } else { &[] });
        let flags = TcpFlags(flags);
        // Data of a SYN meets streams that begin later in small; `fast_open_data_is_part_of_the_stream` looks at that.
        let payload_len = if flags.contains(SYN) { 0 } else { u32::from(octets) * 3 };
        let segment = Segment { options, payload_len, ..segment(tuple, flags, seq, ack) };
        bench.give(&segment, interface);
    }
    bench.finish();
    let Changes { steps, decided, failed, finished, stream_steps, round_trips, progress, .. } = bench.changes;
    Told {
        steps,
        decided: decided
            .iter()
            .map(|it| format!("{:?}", (it.at, it.took, bare(&it.flow), it.handshake)))
            .collect(),
        failed: failed.iter().map(|it| format!("{:?}", (it.at, bare(&it.flow), it.handshake))).collect(),
        finished: finished
            .iter()
            .map(|it| format!("{:?}", (it.at, bare(&it.flow), it.handshake, it.detail)))
            .collect(),
        streams: [format!("{stream_steps:?}"), format!("{round_trips:?}"), format!("{progress:?}")].to_vec(),
        counts: bench.table.counts(),
    }
}

/// A flow without what only its table knows.
fn bare(flow: &Flow) -> Flow {
    Flow { ticket: 0, memory: None, streams: crate::flow::stream::PairSlot::default(), ..*flow }
}

fn sorted(mut told: Told) -> Told {
    told.finished.sort();
    told.decided.sort();
    told.failed.sort();
    told
}

proptest! {
    /// Without lingering out: a flow that lingers in small and is promoted does so from then on, in full from its next
    /// due time on.
    #[test]
    fn what_is_kept_in_small_is_told_as_if_it_were_not(steps in steps(), patient: bool, idle in 0usize..3) {
        let mut limits = limits();
        limits.idle = [None, Some(Span::from_secs(20)), Some(Span::from_secs(90))][idle];
        limits.patience = if patient { Patience::FromLastSegment } else { Patience::FromFirstSyn };
        let (small, full) = (tell(&steps, limits, true), tell(&steps, limits, false));
        prop_assert_eq!(sorted(small), sorted(full));
    }

    #[test]
    fn bounds_hold_and_lose_no_flow(steps in steps(), max_flows in 1u32..5, max_half_open in 1u32..4) {
        let limits = FlowLimits { max_flows, max_half_open, max_lingering: 1, ..limits() };
        let told = tell(&steps, limits, true);
        prop_assert_eq!(told.finished.len() as u64, told.counts.opened);
        prop_assert!(told.counts.evicted >= told.counts.evicted_half_open);
    }
}

#[test]
fn what_does_not_fit_is_kept_in_full() {
    let mut bench = Bench::new();
    let one = Client(40_000);
    for _ in 0..70_000 {
        bench.client(one, SYN, 0, 0);
    }
    bench.finish();
    let FinishedFlow { flow, handshake, .. } = bench.changes.finished[0];
    assert_eq!(handshake.syn_retransmissions(), 69_999);
    assert_eq!(flow.side(flow.client()).frames, 70_000);
}

#[test]
fn fast_open_data_is_part_of_the_stream() {
    let syn = Segment { payload_len: 100, ..segment(tuple(Client(1)), SYN, 1000, 0) };
    let mut bench = Bench::new();
    bench.give(&syn, 0);
    bench.finish();
    let FinishedFlow { flow, detail, .. } = bench.changes.finished[0];
    assert_eq!(
        (flow.side(flow.client()).payload_bytes, detail.stream(flow.client()).unique_bytes),
        (100, 100)
    );
    assert!(detail.fast_open);

    let mut bench = Bench::new();
    bench.give(&syn, 0).after(ms(1)).server(Client(1), SYN_ACK, 0, 101).after(ms(1)).client(
        Client(1),
        ACK,
        101,
        1,
    );
    let more = Segment { payload_len: 50, ..segment(tuple(Client(1)), ACK, 1101, 5001) };
    bench.after(ms(1)).give(&more, 0).server(Client(1), ACK, 1, 151).finish();
    let FinishedFlow { flow, handshake, detail, .. } = bench.changes.finished[0];
    let sent = detail.stream(flow.client());
    assert_eq!((sent.unique_bytes, sent.capture_gaps, sent.retransmitted_segments()), (150, 0, 0));
    assert!(handshake.shows(Trait::FastOpenAccepted));
}

#[test]
fn an_ack_that_the_server_does_not_take_is_a_suspected_overflow() {
    let overflow = |bench: &Bench| {
        let shown = HandshakeStep::Showed(Trait::AcceptQueueOverflow);
        bench.changes.steps.iter().filter(|served| served.step == shown).count()
    };
    let mut bench = Bench::new();
    bench.handshake(Client(1)).after(ms(9)).server(Client(1), SYN_ACK, 0, 1);
    assert_eq!(overflow(&bench), 0, "it was under way before the ACK can have arrived");
    bench.after(ms(1000)).server(Client(1), SYN_ACK, 0, 1).client(Client(1), ACK, 1, 1);
    bench.after(ms(2000)).server(Client(1), SYN_ACK, 0, 1).client(Client(1), ACK, 1, 1);
    assert_eq!(overflow(&bench), 1, "once for each handshake");
    let mut bench = Bench::new();
    bench.client(Client(1), SYN, 0, 0).after(ms(5)).server(Client(1), SYN_ACK, 0, 1);
    bench.after(ms(1000)).server(Client(1), SYN_ACK, 0, 1).client(Client(1), ACK, 1, 1);
    assert_eq!(overflow(&bench), 0, "without an ACK the SYN/ACK was lost, or the client is gone");
}

#[test]
fn a_million_syns_evict_each_other_and_no_established_flow() {
    let limits = FlowLimits { max_flows: 20_000, max_half_open: 4_000, ..limits() };
    let mut bench = Bench::with(limits);
    for port in 0..15_000 {
        bench.handshake(Client(1 + port));
        bench.changes.clear();
    }
    for source in 0..1_000_000u32 {
        let [a, b, c, d] = source.to_be_bytes();
        let tuple = FourTuple { source: Address::v4([a | 11, b, c, d]), ..tuple(Client(1)) };
        bench.take(tuple, SYN, source, 0);
        let evicted = &bench.changes.finished;
        assert!(evicted.iter().all(|it| it.flow.ending() == Some(Ending::Evicted)));
        assert!(evicted.iter().all(|it| it.handshake.outcome() == Outcome::Pending));
        bench.changes.clear();
        assert!(bench.table.slab.waiting.count() <= 4_000 && bench.table.slab.len() <= 20_000);
    }
    let counts = bench.table.counts();
    assert_eq!(counts.evicted_half_open, 1_000_000 - 4_000);
    assert_eq!((counts.evicted, counts.open), (counts.evicted_half_open, 19_000));
    assert_eq!(bench.table.slab.waiting.places(), 4_000, "no more was ever allocated");
    bench.client(Client(1), ACK, 1, 1).finish();
    let alive = bench.changes.finished.iter().filter(|it| it.handshake.outcome() == Outcome::Success);
    assert_eq!(alive.count(), 15_000);
}

#[test]
fn a_full_table_of_established_flows_still_takes_new_handshakes() {
    let limits = FlowLimits { max_flows: 80, max_half_open: 40, ..limits() };
    let mut bench = Bench::with(limits);
    for port in 1..=100 {
        bench.handshake(Client(port));
    }
    let counts = bench.table.counts();
    assert_eq!(
        (counts.open, counts.evicted, counts.evicted_half_open),
        (70, 30, 0),
        "an eighth is for half-open ones"
    );
    assert!(bench.changes.decided.iter().all(|it| it.handshake.outcome() == Outcome::Success));
}

#[test]
fn patience_may_count_from_the_last_segment() {
    let limits = FlowLimits { patience: Patience::FromLastSegment, ..limits() };
    let mut bench = Bench::with(limits);
    bench.client(Client(1), SYN, 0, 0).after(ms(10)).client(Client(2), SYN, 0, 0);
    bench.after(ms(50_000)).client(Client(1), SYN, 0, 0).after(ms(59_000));
    let outcomes = |bench: &Bench| -> Vec<(u16, Outcome, u64)> {
        let told = bench.changes.decided.iter();
        told.map(|it| (it.flow.key().port(it.flow.client()), it.handshake.outcome(), it.took.0 / 1_000_000))
            .collect()
    };
    assert_eq!(outcomes(&bench), [(2, Outcome::Timeout, 60_000)]);
    bench.after(ms(1_000));
    assert_eq!(outcomes(&bench)[1..], [(1, Outcome::Timeout, 110_010)]);
}

#[test]
fn sizes_stay_within_the_promise() {
    assert!(size_of::<HalfOpen>() <= 176, "{}", size_of::<HalfOpen>());
    assert!(size_of::<Handshake>() <= 72, "{}", size_of::<Handshake>());
    assert!(size_of::<Flow>() <= 200, "{}", size_of::<Flow>());
}
