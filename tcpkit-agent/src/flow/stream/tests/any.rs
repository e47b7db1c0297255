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
