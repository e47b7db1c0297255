//! The way that most segments take: of a flow that had one a moment ago, next in order, with nothing missing.
//!
//! It comes to what [`FlowTable::on_segment`] comes to, for less: all of it is compiled into the loop over frames, so
//! that what was read from a header stays in registers. It changes nothing before it knows that a segment is calm; the
//! others take the long way, from its beginning.

use tcpkit_common::flow::{FlowHash, FourTuple};

use super::{
    changes::{Arrival, Changes, Taken},
    followed::Followed,
    key::Side,
    slab::Place,
    state::WireCount,
    stream::Seen,
    table::{FlowTable, Sender},
};
use crate::{
    time::Timestamp,
    wire::{Segment, TcpFlags},
};

/// A flow that is there, and who sends segments of the four-tuple that it was found by.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub(super) slot: u32,
    pub(super) side: Side,
}

impl FlowTable {
    /// The flow of a four-tuple, where it had a segment lately; holds until the table is told anything else.
    #[must_use]
    #[inline(always)]
    pub fn recent(&self, tuple: &FourTuple) -> Option<Known> {
        let (slot, side) = self.slab.recent(tuple)?;
        Some(Known { slot, side })
    }

    /// Takes a calm segment of a known flow; `None` where it is not one, and nothing has happened. Time must have been
    /// advanced to `arrival.now` before.
    #[inline(always)]
    pub fn on_calm_segment(
        &mut self,
        known: Known,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Option<Taken> {
        let Known { slot, side } = known;
        let Self { slab, counts, streams, measurements, .. } = self;
        let flow = slab.flows.get_mut(slot as usize)?;
        let mut pair = streams.at(flow.streams)?;
        let mut measured = measurements.at(flow.streams)?;
        if flow.sides[side as usize].owner != Some(arrival.identity) || !flow.telling.is_waiting() {
            return None;
        }
        let is_whole = arrival.gso_size == 0 && pair.is_one_packet(segment.payload_len);
        let wire = if is_whole {
            WireCount::one(arrival.frame_len)
        } else {
            flow.wire_count(segment, arrival.frame_len, arrival.gso_size)
        };
        let seen = Seen { flow, segment, side, at: arrival.timestamp, packets: wire.packets };
        let (verdict, is_telling) = pair.on_calm_segment(&seen, arrival.now)?;
        // Of a calm segment's flags these are all that measurements look at; so what others would do is not even compiled.
        let plain = Segment { flags: TcpFlags::ACK, ..*segment };
        measured.on_segment(&Seen { segment: &plain, ..seen }, &verdict, changes);
        flow.count(side, segment, wire);
        flow.seen = arrival.now;
        flow.end = flow.end.max(arrival.timestamp);
        counts.count(side != flow.client, segment, wire);
        if is_telling {
            self.tell(slot, arrival.now, changes);
        }
        Some(Taken { wire, is_duplicate: false, slot: Some(slot) })
    }

    /// Takes a segment of a flow that is there, and was not known: its next ones may be calm as well.
    #[inline(never)]
    pub(super) fn on_found(
        &mut self,
        known: Known,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        self.slab.note_recent(&segment.tuple, known.slot, known.side);
        let calm = self.on_calm_segment(known, segment, arrival, changes);
        calm.unwrap_or_else(|| self.on_eventful_segment(known, segment, arrival, changes))
    }

    /// Takes any other segment of a known flow.
    pub fn on_eventful_segment(
        &mut self,
        Known { slot, side }: Known,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        let flow = self.slab.flow(slot);
        if flow.is_reopened_by(side, segment) {
            let sender = Sender { hash: FlowHash::of(&segment.tuple), key: flow.key, side };
            return self.take_opening(Some(Place::Full(slot)), &sender, segment, arrival, changes);
        }
        self.take(slot, side, segment, arrival, changes)
    }

    /// What a segment that came now, and stood for so many packets, does to the streams that its flow has.
    #[inline]
    pub(super) fn follow_steady(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        (arrival, packets): (&Arrival, u32),
        changes: &mut Changes,
    ) {
        let Self { slab, streams, measurements, .. } = self;
        let flow = slab.flow(slot);
        let seen = Seen { flow, segment, side, at: arrival.timestamp, packets };
        if (Followed { streams, measurements }).on_segment(flow.streams, &seen, arrival.now, changes) {
            self.tell(slot, arrival.now, changes);
        }
    }

    /// Tells how far a busy flow has come.
    #[cold]
    fn tell(&mut self, slot: u32, now: Timestamp, changes: &mut Changes) {
        let Self { slab, streams, measurements, .. } = self;
        let flow = slab.flow(slot);
        let held_up = measurements.held_up(flow.streams);
        streams.tell(flow.streams, flow, now, held_up, &mut changes.progress);
    }
}
