//! The shortcut for what most segments are: next in order, nothing lost, nothing closed.
//!
//! It does what [`pair`](super::pair)'s long way does for such a segment, and nothing else: where a segment or one of
//! the streams is anything but calm it changes nothing and says so. A test sends any segments both ways.

use std::ops::RangeInclusive;

use super::{
    acked::has_more_than_timestamps,
    flight::{Budget, Flight, Range, Taken, octets},
    pair::Seen,
    pool::Pool,
    sent::FAR,
    sequence::Stream,
    verdict::{Acked, Sent, Verdict},
};
use crate::{
    flow::{key::Side, state::Flow},
    time::Timestamp,
    wire::{Segment, SeqNumber, TcpFlags},
};

/// How far an acknowledgement may be from the one before.
const NEAR: RangeInclusive<i32> = -FAR.cast_signed()..=FAR.cast_signed();

/// What both streams of a flow were found to be after the segment before, unless that one was calm itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calm {
    /// Both have begun, and are acknowledged, open, without probes; nothing is kept of losses; the handshake is over.
    is_calm: bool,
    /// The least size of a segment that a side announced, or more than any segment has.
    pub(super) least_mss: u32,
}

impl Calm {
    /// Looks whether the shortcut may be taken until something else than calm segments comes.
    pub(super) fn of(streams: &mut [Stream; 2], flow: &Flow, has_shortcut: bool) -> Self {
        let [low, high] = streams;
        low.note_shift(flow.window_shift(Side::Low));
        high.note_shift(flow.window_shift(Side::High));
        Self {
            is_calm: has_shortcut && flow.is_steady() && low.is_calm() && high.is_calm(),
            least_mss: flow.least_mss().map_or(u32::MAX, u32::from),
        }
    }
}

impl Stream {
    fn note_shift(&mut self, shift: Option<u8>) {
        (self.shift, self.knows_shift) = (shift.unwrap_or(0), shift.is_some());
    }

    const fn is_calm(&self) -> bool {
        let facts = &self.facts;
        let has_begun = facts.has_nxt && facts.has_una && facts.has_ack && facts.is_seen;
        let is_odd = facts.window_of_syn
            || facts.is_closed
            || facts.has_fin
            || facts.kept_alive
            || facts.probed
            || facts.edge_is_probe
            || self.trouble.is_some();
        has_begun && !is_odd
    }
}

/// Both streams, and what they have under way.
pub(super) struct Both<'w> {
    pub(super) own: &'w mut Stream,
    pub(super) peer: &'w mut Stream,
    pub(super) calm: &'w Calm,
    pub(super) flights: &'w mut Pool<Flight>,
    pub(super) budget: &'w mut Budget,
}

impl Both<'_> {
    /// Takes a calm segment; `None` where it is not one.
    #[inline(always)]
    pub(super) fn take(&mut self, seen: &Seen<'_, '_>) -> Option<Verdict> {
        let segment = seen.segment;
        if !self.is_calm(segment) {
            return None;
        }
        let moved = self.peer.snd_una.distance(segment.ack);
        let front = if moved > 0 { self.front(segment.ack)? } else { 0 };
        self.send(seen);
        self.announce(seen);
        let mut acked = Acked::default();
        if moved > 0 {
            acked.octets = moved.unsigned_abs();
            self.acknowledge(seen, front, &mut acked);
        }
        acked.in_flight = octets(self.peer.snd_una, self.peer.snd_nxt);
        acked.window = u32::from(segment.window) << self.own.shift;
        let in_flight = octets(self.own.snd_una, self.own.snd_nxt);
        let sent = Sent { new: segment.payload_len, in_flight, ..Sent::default() };
        Some(Verdict { sent, acked: Some(acked) })
    }

    /// Whether the segment is calm, as far as it tells itself.
    #[inline(always)]
    fn is_calm(&self, segment: &Segment<'_>) -> bool {
        const SILENT: u16 = TcpFlags::PSH.with(TcpFlags::URG).0;
        let (own, peer) = (&*self.own, &*self.peer);
        self.calm.is_calm
            && segment.flags.0 & !SILENT == TcpFlags::ACK.0
            && segment.seq == own.snd_nxt
            && segment.window != 0
            && !segment.is_ce
            && !own.snd_una.after(segment.seq)
            && !segment.ack.after(peer.snd_nxt)
            && NEAR.contains(&peer.snd_una.distance(segment.ack))
            && if segment.payload_len == 0 {
                segment.ack != own.last_ack || segment.window != own.window
            } else {
                !self.fills(segment.seq.advanced(segment.payload_len))
            }
            && !has_more_than_timestamps(segment.options.0)
    }

    /// Whether data up to `end` fills the window that the other side announced, to the last octet.
    #[inline(always)]
    fn fills(&self, end: SeqNumber) -> bool {
        let left = self.peer.last_ack.distance(end);
        let window = u32::from(self.peer.window) << self.peer.shift;
        self.peer.knows_shift && left > 0 && left.unsigned_abs() == window
    }

    /// How many ranges under way an acknowledgement takes, where it takes them whole.
    #[inline(always)]
    fn front(&self, ack: SeqNumber) -> Option<usize> {
        if self.peer.lone > 0 {
            return (ack == self.peer.snd_nxt).then_some(0);
        }
        self.flights.get(self.peer.flight).map_or(Some(0), |flight| flight.calm_front(ack))
    }

    /// Data behind everything else.
    #[inline(always)]
    fn send(&mut self, seen: &Seen<'_, '_>) {
        let (own, segment) = (&mut *self.own, seen.segment);
        if segment.payload_len == 0 {
            return;
        }
        let end = segment.seq.advanced(segment.payload_len);
        if own.lone == 0 && !own.flight.is_some() && own.snd_una == segment.seq {
            own.lone = u16::try_from(seen.packets).unwrap_or(u16::MAX);
        } else {
            unfold(own, self.flights, self.budget);
            if let Some(flight) = self.flights.demand(&mut own.flight) {
                flight.push(segment.seq, Range::first(end, seen.at, seen.packets), self.budget);
            }
        }
        own.snd_nxt = end;
        own.nxt_at = seen.at;
        own.sent_at = seen.at;
        own.data_segments += u64::from(seen.packets);
        own.counts.unique_bytes += u64::from(segment.payload_len);
        let in_flight = octets(own.snd_una, end);
        own.max_in_flight = own.max_in_flight.max(in_flight);
    }

    /// Acknowledgement and window, neither of them a repetition.
    #[inline(always)]
    const fn announce(&mut self, seen: &Seen<'_, '_>) {
        let (own, segment) = (&mut *self.own, seen.segment);
        if segment.ack.0 != own.last_ack.0 {
            own.repeats = 0;
        }
        own.last_ack = segment.ack;
        own.window = segment.window;
        own.acked_at = seen.at;
    }

    /// The acknowledgement moves on, over the first `front` ranges that are under way.
    #[inline(always)]
    fn acknowledge(&mut self, seen: &Seen<'_, '_>, front: usize, acked: &mut Acked) {
        let peer = &mut *self.peer;
        peer.snd_una = seen.segment.ack;
        if peer.lone > 0 {
            let segments = u32::from(std::mem::take(&mut peer.lone));
            return peer.answered(
                seen.at,
                &Taken { segments, newest: peer.nxt_at, oldest: peer.nxt_at },
                acked,
            );
        }
        let Some(flight) = self.flights.get_mut(peer.flight) else { return };
        if let Some(taken) = flight.take_calm(front) {
            peer.answered(seen.at, &taken, acked);
        }
        if flight.is_empty() {
            Flight::release(self.flights, &mut peer.flight, self.budget);
        }
    }
}

impl Stream {
    /// What it sent once was acknowledged at `at`.
    #[inline(always)]
    fn answered(&mut self, at: Timestamp, taken: &Taken, acked: &mut Acked) {
        self.delivered = self.delivered.max(taken.newest);
        let rtt = at.since(taken.newest);
        self.round_trip.sample(rtt);
        acked.segments = taken.segments;
        acked.rtt = Some(rtt);
        acked.rtt_oldest = Some(at.since(taken.oldest));
    }
}

/// Gives what is under way alone a flight, where the long way looks for it.
#[inline]
pub(super) fn unfold(stream: &mut Stream, flights: &mut Pool<Flight>, budget: &mut Budget) {
    if stream.lone > 0 {
        unfold_lone(stream, flights, budget);
    }
}

#[inline(never)]
fn unfold_lone(stream: &mut Stream, flights: &mut Pool<Flight>, budget: &mut Budget) {
    let segments = std::mem::take(&mut stream.lone);
    if let Some(flight) = flights.demand(&mut stream.flight) {
        let range = Range::first(stream.snd_nxt, stream.nxt_at, segments.into());
        flight.push(stream.snd_una, range, budget);
    }
}
