//! The short way of the usual SYN and SYN/ACK leaves a table as the long way would.

use proptest::prelude::*;

use super::*;
use crate::flow::{FlowKey, Taken, table::Sender};

/// A segment of the client of port 1 or its server: flags, numbers, options, octets of payload; how far its time is
/// behind the watermark, and which interface saw it.
type Step = (bool, u16, u32, u32, usize, u32, i64, u16);

fn step(flags: u16, from_server: bool) -> impl Strategy<Value = Step> {
    let sender = prop_oneof![9 => Just(from_server), 1 => any::<bool>()];
    let flags = prop_oneof![9 => Just(flags), 1 => 0u16..0x200];
    let number = || prop_oneof![6 => Just(0u32), 1 => 0u32..3];
    let octets = prop_oneof![9 => Just(0u32), 1 => 0u32..9];
    let behind = prop_oneof![6 => Just(0i64), 3 => 0i64..5_000_000, 1 => Just(5_000_000_000)];
    (sender, flags, number(), number(), 0..OPTIONS.len(), octets, behind, 0u16..3)
}

const OPTIONS: [&[u8]; 5] = [
    &[],
    &[2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 15],
    &[2, 4, 5, 180, 3, 3, 7, 30, 4, 0, 1],
    &[3, 3, 2, 2, 4, 1],
    &[2, 4, 0, 88, 1, 1, 4, 2],
];

/// Two tables that are told the same: one of them may take the short way.
struct Both {
    short: Bench,
    long: Bench,
}

impl Both {
    /// Has both take a segment; whether one took the short way.
    fn take(&mut self, step: Step) -> bool {
        let (from_server, flags, seq, ack, options, payload_len, behind, interface) = step;
        let there = tuple(Client(1));
        let (tuple, seq, ack) = match from_server {
            true => (there.reversed(), 5000 + seq, 1001 + ack),
            false => (there, 1000 + seq, 5001 + ack),
        };
        let options = TcpOptions(OPTIONS[options]);
        let segment = Segment { options, payload_len, ..segment(tuple, TcpFlags(flags), seq, ack) };
        let (key, side) = FlowKey::of(&tuple);
        let sender = Sender { hash: FlowHash::of(&tuple), key, side };
        let Self { short, long } = self;
        short.now = short.now + ms(7);
        long.now = short.now;
        let arrival = Arrival {
            timestamp: Timestamp(short.now.0 - behind),
            now: short.now,
            interface: InterfaceId(interface),
            identity: interface.saturating_sub(1),
            is_named: interface > 1,
            frame_len: 54 + payload_len,
            gso_size: 0,
        };
        let taken = short.take_short(&sender, &segment, &arrival);
        let expected = long.take_long(&sender, &segment, &arrival);
        if let Some(taken) = taken {
            assert_eq!(taken, expected);
        } else {
            // Nothing has happened.
            short.take_long(&sender, &segment, &arrival);
        }
        let state = |bench: &Bench| format!("{:?} {:?}", bench.changes, bench.table);
        assert_eq!(state(short), state(long));
        taken.is_some()
    }
}

impl Bench {
    fn take_short(&mut self, sender: &Sender, segment: &Segment<'_>, arrival: &Arrival) -> Option<Taken> {
        let Self { table, changes, .. } = self;
        if table.slab.waiting.get(0).is_some() {
            table.take_usual_answer(0, sender, segment, arrival, changes)
        } else if table.slab.len() == 0 {
            table.open_usual(sender, segment, arrival, changes)
        } else {
            None
        }
    }

    fn take_long(&mut self, sender: &Sender, segment: &Segment<'_>, arrival: &Arrival) -> Taken {
        let Self { table, changes, .. } = self;
        if let Some(flow) = table.slab.waiting.get(0) {
            let mut thawed = flow.thaw();
            if !thawed.flow.is_reopened_by(sender.side, segment) {
                return table.take_half_open(0, &mut thawed, sender, segment, arrival, changes);
            }
        } else if table.slab.len() == 0 && segment.flags.contains(SYN) && !segment.flags.contains(ACK) {
            return table.open_half(sender, segment, arrival, changes);
        }
        table.on_segment(sender.hash, segment, arrival, changes)
    }
}

fn both(patience: Patience) -> Both {
    let limits = FlowLimits { patience, idle: Some(ms(30_000)), ..limits() };
    Both { short: Bench::with(limits), long: Bench::with(limits) }
}

proptest! {
    #[test]
    fn the_short_way_comes_to_what_the_long_way_comes_to(
        syn in step(SYN.0, false),
        again in prop::option::weighted(0.3, step(SYN.0, false)),
        between in prop::option::weighted(0.3, step(RST.0, true)),
        answer in step(SYN_ACK.0, true),
        rest in prop::collection::vec(step(SYN_ACK.0, true), 0..3),
        patient: bool,
    ) {
        let mut both = both(if patient { Patience::FromLastSegment } else { Patience::FromFirstSyn });
        let steps = [Some(syn), again, between, Some(answer)].into_iter().flatten().chain(rest);
        steps.for_each(|step| { both.take(step); });
    }
}

#[test]
fn the_usual_handshake_takes_the_short_way() {
    let mut both = both(Patience::FromFirstSyn);
    assert!(both.take((false, SYN.0, 0, 0, 1, 0, 0, 0)));
    assert!(both.take((true, SYN_ACK.0, 0, 0, 1, 0, 1000, 0)));
    assert!(!both.take((false, ACK.0, 1, 0, 0, 0, 0, 0)));
}
