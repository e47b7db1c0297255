//! Interfaces that are one place, that show copies, and that become something else while flows go over them.

use super::{
    line, ms,
    scenario::{Captured, Scenario, scenario},
};
use crate::{
    pipeline::{EngineSettings, InterfaceFacts, Output, Shard},
    time::Timestamp,
    wire::{InterfaceId, TcpFlags},
};

const ACK: TcpFlags = TcpFlags::ACK;
const SYN: TcpFlags = TcpFlags::SYN;
const SYN_ACK: TcpFlags = TcpFlags::SYN.with(TcpFlags::ACK);

const fn is(identity: u16) -> (u16, bool) {
    (identity, false)
}

const fn is_copy_of(identity: u16) -> (u16, bool) {
    (identity, true)
}

/// Interfaces 1, 2 and 3 are these; from frame `at` on they are those of `then`.
struct Capture {
    first: [(u16, bool); 3],
    at: usize,
    then: [(u16, bool); 3],
}

impl Capture {
    const fn of(first: [(u16, bool); 3]) -> Self {
        Self { first, at: usize::MAX, then: first }
    }

    fn records(&self, story: Scenario) -> Vec<String> {
        let frames = story.frames();
        let mut shard = Shard::new(&EngineSettings::replay(1), 0);
        let mut out = Output::default();
        let mut now = Timestamp::MIN;
        tell(&mut shard, self.first);
        for (number, captured) in frames.iter().enumerate() {
            if number == self.at {
                tell(&mut shard, self.then);
            }
            let frame = Captured::frame(captured);
            now = now.max(frame.timestamp);
            shard.on_frame(&frame, now, &mut out);
        }
        shard.finish(now, &mut out);
        out.finished.iter().map(|finished| line(&finished.record)).collect()
    }
}

fn tell(shard: &mut Shard, places: [(u16, bool); 3]) {
    for (number, (identity, is_copy)) in (1u16..).zip(places) {
        let name = Some(format!("eth{number}").into());
        shard.set_interface(InterfaceId(number), InterfaceFacts { name, identity, is_copy });
    }
}

/// A handshake and six segments of the client, one after the other on each of the interfaces in turn.
fn sprayed(interfaces: &[u16]) -> Scenario {
    let mut next = interfaces.iter().cycle();
    let mut on = |story: Scenario| story.after(ms(1)).on_interface(*next.next().unwrap());
    let mut story = on(scenario()).client(SYN, 0, 0, 0);
    story = on(story).server(SYN_ACK, 0, 1, 0);
    story = on(story).client(ACK, 1, 1, 0);
    for number in 0..6u32 {
        story = on(story).client(ACK, 1 + 100 * number, 1, 100);
    }
    story
}

const WHOLE: &str = "1:40000>2:80 success 2=1+1 again 0/0 client 8/600 server 1/0 end_of_capture";

#[test]
fn a_flow_that_is_sprayed_over_one_place_counts_whole() {
    assert_eq!(Capture::of([is(65), is(65), is(3)]).records(sprayed(&[1, 2])), [WHOLE]);
    // By each name alone it would be one part of it.
    let apart = Capture::of([is(1), is(2), is(3)]).records(sprayed(&[1, 2]));
    assert_ne!(apart, [WHOLE]);
}

#[test]
fn a_captured_bond_owns_its_flows_whoever_saw_a_frame_first() {
    // Some frames come over a part that is not captured.
    assert_eq!(Capture::of([is_copy_of(3), is_copy_of(3), is(3)]).records(sprayed(&[3])), [WHOLE]);
    let mut story = scenario();
    for (number, flags, seq, ack, payload) in
        [(0, SYN, 0, 0, 0), (1, SYN_ACK, 0, 1, 0), (2, ACK, 1, 1, 0), (3, ACK, 1, 1, 600)]
    {
        for interface in [1 + number % 2, 3] {
            story = story.on_interface(interface);
            let from_server = flags == SYN_ACK;
            story = if from_server {
                story.server(flags, seq, ack, payload)
            } else {
                story.client(flags, seq, ack, payload)
            };
        }
        story = story.after(ms(1));
    }
    let whole = "1:40000>2:80 success 2=1+1 again 0/0 client 3/600 server 1/0 end_of_capture";
    assert_eq!(Capture::of([is_copy_of(3), is_copy_of(3), is(3)]).records(story), [whole]);
}

#[test]
fn what_only_a_copy_shows_is_no_flow() {
    let nothing: [&str; 0] = [];
    assert_eq!(Capture::of([is_copy_of(3), is(2), is(3)]).records(sprayed(&[1])), nothing);
}

#[test]
fn a_flow_goes_on_when_its_interface_joins_a_bond_and_when_it_leaves_it() {
    for (first, then) in
        [([is(1), is(65), is(3)], [is(65), is(65), is(3)]), ([is(65), is(65), is(3)], [is(65), is(2), is(3)])]
    {
        // Before on eth1 alone, afterwards on both, or on eth2 alone.
        let before = scenario().on_interface(1).handshake().after(ms(1)).client(ACK, 1, 1, 100).after(ms(1));
        let after = before.on_interface(2).client(ACK, 101, 1, 100).after(ms(1)).client(ACK, 201, 1, 100);
        let records = Capture { first, at: 4, then }.records(after);
        assert_eq!(records.len(), 1);
        assert!(records[0].contains("client 5/300 server 1/0"), "{records:?}");
    }
}

#[test]
fn a_flow_that_began_afterwards_stays_where_it_is() {
    let capture = Capture { first: [is(65), is(65), is(3)], at: 0, then: [is(65), is(2), is(3)] };
    let begun = scenario().on_interface(1).handshake().after(ms(1)).client(ACK, 1, 1, 100).after(ms(1));
    let records = capture.records(begun.on_interface(2).client(ACK, 1, 1, 100));
    assert!(records[0].contains("client 3/100 server 1/0"), "{records:?}");
}
