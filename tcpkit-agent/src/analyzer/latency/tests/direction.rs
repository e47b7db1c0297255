//! A direction hears the first copy of each octet, once and in order.

use proptest::prelude::*;

use super::super::direction::{Budget, Direction, Payload};
use crate::{time::Timestamp, wire::SeqNumber};

/// What was heard: offset, time, octets on the wire, octets captured.
type HeardPiece = (u64, i64, u32, Vec<u8>);

struct Listener {
    direction: Direction,
    budget: Budget,
    heard: Vec<HeardPiece>,
    first: SeqNumber,
}

impl Listener {
    fn new(first: u32) -> Self {
        let mut direction = Direction::default();
        direction.begin(SeqNumber(first));
        let budget = Budget { max_held: 1 << 20, max_waiting: 100, ..Budget::default() };
        Self { direction, budget, heard: Vec::new(), first: SeqNumber(first) }
    }

    /// A segment with these octets, so far behind the first one.
    fn say(&mut self, at: i64, from: u32, bytes: &[u8]) -> &mut Self {
        self.say_cut(at, from, u32::try_from(bytes.len()).unwrap(), bytes)
    }

    fn say_cut(&mut self, at: i64, from: u32, len: u32, bytes: &[u8]) -> &mut Self {
        let payload = Payload { at: Timestamp(at), len, segment_size: len, bytes };
        let start = self.first.advanced(from);
        if let Some(piece) = self.direction.on_payload(start, payload, false, &mut self.budget) {
            self.heard.push((piece.offset, piece.at.0, piece.len, piece.bytes.to_vec()));
        }
        self.release(at, false)
    }

    fn acknowledge(&mut self, at: i64, until: u32) -> &mut Self {
        self.direction.on_acknowledgement(self.first.advanced(until), Timestamp(at));
        self.release(at, false)
    }

    fn release(&mut self, at: i64, is_over: bool) -> &mut Self {
        while self.direction.ready(Timestamp(at), None, is_over).is_some() {
            let late = self.direction.release(Timestamp(at), is_over, &mut self.budget).unwrap();
            let piece = late.piece();
            self.heard.push((piece.offset, piece.at.0, piece.len, piece.bytes.to_vec()));
        }
        self
    }

    fn texts(&self) -> Vec<String> {
        let text = |(offset, at, len, bytes): &HeardPiece| {
            format!("{offset}@{at} {len} {}", String::from_utf8_lossy(bytes))
        };
        self.heard.iter().map(text).collect()
    }
}

#[test]
fn octets_that_were_heard_are_not_heard_again() {
    let mut one = Listener::new(u32::MAX - 2);
    one.say(1, 0, b"abcd").say(2, 0, b"abcd").say(3, 2, b"cdef").say(4, 1, b"bc");
    assert_eq!(one.texts(), ["0@1 4 abcd", "4@3 2 ef"]);
}

#[test]
fn what_comes_out_of_order_waits_and_keeps_its_time() {
    let mut one = Listener::new(7);
    one.say(1, 0, b"ab").say(2, 4, b"ef").say(3, 4, b"efg").say(4, 2, b"cdEF");
    assert_eq!(one.texts(), ["0@1 2 ab", "2@4 2 cd", "4@2 2 ef", "6@3 1 g"]);
    assert_eq!(one.budget.held, 0);
    assert_eq!(one.budget.counts.out_of_order_segments, 2);
}

#[test]
fn a_hole_that_the_peer_acknowledges_was_lost_by_the_capture() {
    let mut one = Listener::new(7);
    one.say(1, 0, b"ab").say(2, 6, b"gh").acknowledge(3, 8);
    assert_eq!(one.texts(), ["0@1 2 ab"], "it may still come");
    one.acknowledge(4_000_000, 8);
    assert_eq!(one.texts(), ["0@1 2 ab", "2@3 4 ", "6@2 2 gh"]);
    assert_eq!((one.budget.counts.capture_gaps, one.budget.counts.capture_gap_bytes), (1, 4));
    let mut other = Listener::new(7);
    other.say(1, 0, b"ab").acknowledge(2, 4).say(3, 2, b"cd").acknowledge(9_000_000, 4);
    assert_eq!(other.texts(), ["0@1 2 ab", "2@3 2 cd"], "an acknowledgement overtook what it acknowledges");
}

#[test]
fn what_the_snap_length_cut_is_a_piece_with_fewer_octets() {
    let mut one = Listener::new(7);
    one.say_cut(1, 0, 1_000, b"ab").say_cut(2, 500, 1_000, b"xy").say(3, 1_500, b"z");
    assert_eq!(one.texts(), ["0@1 1000 ab", "1000@2 500 ", "1500@3 1 z"]);
}

#[test]
fn more_than_may_be_kept_makes_the_hole_a_loss() {
    let mut one = Listener::new(7);
    one.budget.max_held = 3;
    one.say(1, 2, b"cd").say(2, 4, b"ef");
    assert_eq!(one.texts(), ["0@2 2 ", "2@1 2 cd", "4@2 2 ef"]);
    assert_eq!(one.budget.counts.holes_given_up, 1);
}

#[test]
fn a_fin_ends_the_direction_once_all_before_it_was_heard() {
    let mut one = Listener::new(7);
    one.direction.on_fin(SeqNumber(11));
    assert!(!one.direction.ends());
    one.say(1, 0, b"abcd");
    assert!(one.direction.ends() && !one.direction.ends() && one.direction.is_ended());
    one.acknowledge(2, 5);
    assert_eq!(one.direction.acked(), 4, "the FIN is no octet");
    assert!(!one.direction.is_waiting());
}

proptest! {
    /// However segments are cut, repeated and mixed, each octet is heard once, in order, as it was said.
    #[test]
    fn every_octet_is_heard_once_and_in_order(
        first in any::<u32>(),
        segments in prop::collection::vec((0u32..300, 1u32..40), 1..80),
    ) {
        let octet = |offset: u32| u8::try_from(offset % 251).unwrap();
        let mut one = Listener::new(first);
        for (at, (from, len)) in (0i64..).zip(&segments) {
            let bytes: Vec<u8> = (*from..from + len).map(octet).collect();
            one.say(at, *from, &bytes);
        }
        one.acknowledge(1_000, 400).release(1_000, true);
        let mut next = 0u64;
        for (offset, at, len, bytes) in &one.heard {
            prop_assert_eq!(*offset, next);
            next += u64::from(*len);
            for (place, heard) in (*offset..).zip(bytes) {
                let place = u32::try_from(place).unwrap();
                prop_assert_eq!(*heard, octet(place));
                let covers = |(from, len): &(u32, u32)| (*from..from + len).contains(&place);
                let told = segments.iter().position(covers).map(|index| i64::try_from(index).unwrap());
                prop_assert_eq!(Some(*at), told, "octet {} of the first copy", place);
            }
        }
        prop_assert_eq!(next, 400);
        prop_assert_eq!(one.budget.held, 0);
    }
}
