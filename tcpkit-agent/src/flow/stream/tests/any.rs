//! Properties of any segments.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::talk::{Line, Talk, Who, line};
use crate::wire::TcpFlags;

fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Client), Just(Who::Server)]
}

/// Near what is expected as a rule, and anywhere at times.
fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0_u32..20_000, 1 => any::<u32>(), 1 => (u32::MAX - 5_000)..=u32::MAX]
}

fn any_line() -> impl Strategy<Value = Line> {
    let flags = prop_oneof![12 => Just(0x10_u16), 2 => Just(0x11), 1 => 0_u16..512];
    let len = prop_oneof![3 => 0_u32..3, 5 => 1_u32..3_000, 1 => Just(65_000_u32), 1 => any::<u32>()];
    let sizes = (len, prop_oneof![Just(0_u16), 1_u16..2_000]);
    let options = prop_oneof![
        4 => Just(Vec::new()),
        2 => prop::collection::vec((any_number(), any_number()), 1..4).prop_map(|blocks| sack(&blocks)),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    (any_number(), any_number(), flags, any::<u16>(), sizes, options).prop_map(
        |(seq, ack, flags, window, (len, gso_size), options)| Line {
            seq,
            ack,
            flags: TcpFlags(flags),
            window: if window % 5 == 0 { 0 } else { window },
            len,
            gso_size,
            options,
            is_ce: window % 7 == 0,
        },
    )
}

fn sack(blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut option = vec![1, 1, 5, u8::try_from(2 + 8 * blocks.len()).unwrap()];
    for (left, right) in blocks {
        option.extend(left.to_be_bytes());
        option.extend(right.to_be_bytes());
    }
    option
}

/// What happens in a conversation that is calm as a rule.
#[derive(Clone, Debug)]
enum Act {
    /// Octets behind everything sent, with all that came acknowledged but the last so many octets.
    Says(Who, u32, u32),
    /// Octets before the edge once more.
    Repeats(Who, u32),
    /// Octets after some that nobody captured.
    Skips(Who, u32),
    Closes(Who),
    /// Another window.
    Opens(Who, u16),
    Odd(Who, Line),
}

fn any_act() -> impl Strategy<Value = Act> {
    let len = prop_oneof![4 => Just(0_u32), 8 => 1_u32..2_000, 1 => 2_000_u32..65_000];
    let behind = prop_oneof![8 => Just(0_u32), 2 => 1_u32..4_000];
    prop_oneof![
        40 => (any_who(), len, behind).prop_map(|(who, len, behind)| Act::Says(who, len, behind)),
        2 => (any_who(), 1_u32..3_000).prop_map(|(who, len)| Act::Repeats(who, len)),
        1 => (any_who(), 1_u32..3_000).prop_map(|(who, len)| Act::Skips(who, len)),
        1 => any_who().prop_map(Act::Closes),
        4 => (any_who(), prop_oneof![Just(0_u16), Just(700), any::<u16>()])
            .prop_map(|(who, window)| Act::Opens(who, window)),
        1 => (any_who(), any_line()).prop_map(|(who, line)| Act::Odd(who, line)),
    ]
}

/// Lets both sides of a conversation act.
fn play(mut talk: Talk, acts: &[(u64, Act)]) -> Talk {
    let (mut edges, mut windows) = ([0_u32; 2], [60_000_u16; 2]);
    for (wait, act) in acts {
        talk.ms(*wait);
        let (who, line) = match act {
            Act::Odd(who, line) => (*who, line.clone()),
            Act::Says(who, len, behind) => {
                (*who, Line { len: *len, ack: edges[other(*who)].saturating_sub(*behind), ..line() })
            }
            Act::Repeats(who, len) | Act::Skips(who, len) => {
                (*who, Line { len: *len, ack: edges[other(*who)], ..line() })
            }
            Act::Closes(who) => {
                let flags = TcpFlags::ACK.with(TcpFlags::FIN);
                (*who, Line { flags, ack: edges[other(*who)], ..line() })
            }
            Act::Opens(who, window) => {
                windows[index(*who)] = *window;
                (*who, Line { ack: edges[other(*who)], ..line() })
            }
        };
        let edge = &mut edges[index(who)];
        let line = match act {
            Act::Odd(..) => line,
            Act::Repeats(..) => {
                Line { seq: edge.saturating_sub(line.len), window: windows[index(who)], ..line }
            }
            Act::Skips(..) => Line { seq: *edge + 1_000, window: windows[index(who)], ..line },
            _ => Line { seq: *edge, window: windows[index(who)], ..line },
        };
        if !matches!(act, Act::Odd(..)) {
            let closes = u32::from(line.flags.contains(TcpFlags::FIN));
            *edge = (*edge).max(line.seq + line.len + closes);
        }
        talk.take(who, &line);
    }
    talk
}

fn index(who: Who) -> usize {
    usize::from(who == Who::Server)
}

fn other(who: Who) -> usize {
    1 - index(who)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_shortcut_comes_to_the_same_as_the_long_way(
        is_open: bool,
        acts in prop::collection::vec((0_u64..300, any_act()), 1..120),
    ) {
        let talk = || if is_open { Talk::opened() } else { Talk::new() };
        let (mut short, mut long) = (play(talk(), &acts), play(talk().without_shortcut(), &acts));
        let (short_flow, long_flow) = (short.finish(), long.finish());
        prop_assert_eq!(short_flow.detail, long_flow.detail);
        prop_assert_eq!(&short.steps, &long.steps);
        prop_assert_eq!(&short.told, &long.told);
        prop_assert_eq!(&short.trips, &long.trips);
    }
}

proptest! {
    #[test]
    fn any_segments_are_taken_without_panic(
        is_open: bool,
        lines in prop::collection::vec((any_who(), 0_u64..400, any_line()), 1..200),
    ) {
        let mut talk = if is_open { Talk::opened() } else { Talk::new() };
        let mut payload = [0_u64; 2];
        for (who, wait, line) in &lines {
            talk.ms(*wait).take(*who, line);
            payload[usize::from(*who == Who::Server)] += u64::from(line.len);
        }
        let flow = talk.finish();
        let sum: u64 = payload.iter().sum();
        for side in [flow.flow.client(), flow.flow.client().other()] {
            prop_assert!(flow.detail.stream(side).unique_bytes <= sum);
        }
    }

    #[test]
    fn octets_are_counted_once_however_they_come(
        pieces in prop::collection::vec((0_u32..400, 1_u32..40, 0_u64..30), 1..120),
    ) {
        let (mut talk, mut seen) = (Talk::opened(), BTreeSet::new());
        let (mut again_frames, mut again_bytes) = (0_u32, 0_u64);
        for (start, len, wait) in pieces {
            let len = len + 1;
            let known = (start..start + len).filter(|octet| !seen.insert(*octet)).count();
            again_frames += u32::from(known > 0);
            again_bytes += known as u64;
            talk.ms(wait).take(Who::Client, &Line { seq: start, len, ..line() });
        }
        let counts = talk.client();
        prop_assert_eq!(counts.unique_bytes, seen.len() as u64);
        // What fills a hole may have been sent again too; whatever was captured twice was.
        prop_assert!(counts.retransmitted_frames >= again_frames);
        prop_assert!(counts.retransmitted_bytes >= again_bytes);
    }
}
