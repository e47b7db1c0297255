//! Every frame has one fate.

use proptest::prelude::*;

use super::{check, ms, observe, scenario::*, secs};
use crate::{
    pipeline::{EngineSettings, Output, Shard, output::Content},
    wire::{self, ParseOptions},
};

/// The two halves of a segment with 40 octets of payload, as fragments.
fn fragments() -> [Vec<u8>; 2] {
    let spec = Spec { from: (1, 40000), to: (2, 80), seq: 1, ack: 1, flags: ACK, payload_len: 40 };
    let whole = spec.octets();
    let (first, second) = whole[20..].split_at(32);
    let mut first = ipv4(6, 1, 2, first);
    let mut second = ipv4(6, 1, 2, second);
    first[4..8].copy_from_slice(&[0, 7, 0x20, 0]);
    second[4..8].copy_from_slice(&[0, 7, 0, 4]);
    [first, second]
}

#[test]
fn fragments_are_analyzed_when_their_datagram_is_whole_in_whatever_order() {
    let [first, second] = fragments();
    for frames in [[&first, &second], [&second, &first]] {
        let story = scenario().raw(frames[0]).after(ms(1)).raw(frames[1]);
        check(
            story.clone(),
            &["1:40000>2:80 midstream -=-+- again 0/0 client 1/40 server 0/0 end_of_capture"],
        );
        for shards in 1..8 {
            let report = observe(&story.clone().frames(), &EngineSettings::replay(shards)).report;
            assert_eq!((report.ledger.total.analyzed, report.totals.all.frames), (2, 2));
            assert_eq!(report.totals.segments, 1);
        }
    }
}

#[test]
fn who_deals_frames_puts_fragments_together_itself() {
    let settings = EngineSettings::replay(7);
    let mut collector = Shard::new(&settings, u32::MAX);
    let mut out = Output::default();
    for captured in scenario().raw(&fragments()[0]).raw(&fragments()[1]).frames() {
        let frame = captured.frame();
        collector.on_frame(&frame, frame.timestamp, &mut out);
    }
    let [foreign] = &out.foreign[..] else { panic!("{} things for others", out.foreign.len()) };
    let whole = Spec { from: (1, 40000), to: (2, 80), seq: 1, ack: 1, flags: ACK, payload_len: 40 }.octets();
    let frames = scenario().raw(&whole).frames();
    let parsed = wire::parse(&frames[0].frame(), ParseOptions::default());
    assert_eq!(foreign.shard, wire::flow_hash(&parsed.packet.unwrap()).shard(7));
    assert!(matches!(foreign.content, Content::Datagram(_)));
}

#[test]
fn a_malformed_tcp_header_is_told_as_such_and_is_a_frame_of_its_flow() {
    let mut octets =
        Spec { from: (1, 40000), to: (2, 80), seq: 1, ack: 1, flags: RST, payload_len: 5 }.octets();
    for (offset, payload, close) in [(0xf0, 0, "rst_client"), (0x40, 9, "end_of_capture")] {
        octets[32] = offset;
        let story = scenario().handshake().raw(&octets);
        let expected =
            format!("1:40000>2:80 success 15=10+5 again 0/0 client 3/{payload} server 1/0 {close}");
        check(story.clone(), &[&expected]);
        let ledger = observe(&story.frames(), &EngineSettings::replay(3)).report.ledger;
        assert_eq!((ledger.total.analyzed, ledger.total.malformed["tcp.header_length"]), (3, 1));
    }
}

#[test]
fn fragments_without_the_rest_are_named() {
    let [first, _] = fragments();
    let report = observe(&scenario().raw(&first).frames(), &EngineSettings::replay(1)).report;
    assert_eq!(report.ledger.total.not_analyzed["incomplete_datagram"], 1);
    assert!(report.ledger.closes);
    let given_up = scenario().raw(&first).after(secs(40)).raw(&first).frames();
    let report = observe(&given_up, &EngineSettings::replay(1)).report;
    assert_eq!(report.ledger.total.not_analyzed["incomplete_datagram"], 2);
}

#[test]
fn what_nobody_takes_has_a_name() {
    let udp = ipv4(17, 1, 2, &[0, 53, 0, 53, 0, 8, 0, 0]);
    let malformed = [0x45, 0, 0, 10, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let story = scenario().raw(&udp).raw(&ipv4(132, 1, 2, &[0; 12])).raw(&malformed).raw(&[]);
    let ledger = observe(&story.frames(), &EngineSettings::replay(1)).report.ledger;
    assert_eq!(ledger.total.not_analyzed["udp"], 1);
    assert_eq!(ledger.total.not_analyzed["other_transport"], 1);
    assert_eq!(ledger.total.malformed.values().sum::<u64>(), 2);
    assert!(ledger.closes);
}

#[test]
fn steps_back_in_time_are_counted_and_harm_nothing() {
    let story = scenario().client(SYN, 0, 0, 0).after(ms(5)).server(SYN_ACK, 0, 1, 0).before(ms(1));
    let story = story.client(ACK, 1, 1, 0);
    check(story.clone(), &["1:40000>2:80 success 4=5+- again 0/0 client 2/0 server 1/0 end_of_capture"]);
    let report = observe(&story.frames(), &EngineSettings::replay(1)).report;
    assert_eq!(report.ledger.total.notes["time_step_back"], 1);
}

#[test]
fn frames_that_the_source_did_not_count_keep_the_ledger_open() {
    use crate::report::merge::{ReportContext, assemble};
    let mut shard = Shard::new(&EngineSettings::replay(1), 0);
    let frames = scenario().handshake().frames();
    let mut out = Output::default();
    shard.on_frame(&frames[0].frame(), frames[0].timestamp, &mut out);
    let context = ReportContext { complete: true, hookless: "file", ..ReportContext::default() };
    assert!(!assemble(context, &[shard.snapshot()]).ledger.closes);
}

proptest! {
    #[test]
    fn any_octets_have_exactly_one_fate(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..40),
        shards in 1u32..4,
    ) {
        let mut story = scenario();
        for (number, octets) in frames.iter().enumerate() {
            let mut octets = octets.clone();
            if let (Some(first), true) = (octets.first_mut(), number % 2 == 0) {
                *first = 0x45;
            }
            story = story.raw(&octets);
        }
        let report = observe(&story.frames(), &EngineSettings::replay(shards)).report;
        prop_assert!(report.ledger.closes, "{:#?}", report.ledger);
        prop_assert_eq!(report.ledger.total.delivered, frames.len() as u64);
        prop_assert_eq!(report.totals.all.frames, frames.len() as u64);
    }
}
