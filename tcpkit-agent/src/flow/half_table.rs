//! Half-open flows of a table: how they begin, go on in small, and become full flows.

use tcpkit_common::flow::FlowHash;

use super::{
    changes::{Arrival, Changes, Patience, Taken},
    follow::{Turn, count, ends, follow, tell_outcome},
    followed::Followed,
    half_open::{HalfOpen, Thawed},
    handshake::{Handshake, Opening},
    reset::Reset,
    slab::Place,
    state::Phase,
    stream::Streams,
    table::{FlowTable, Sender},
};
use crate::{
    time::Timestamp,
    wire::{Segment, TcpFlags},
};

impl FlowTable {
    /// A SYN opens a flow.
    #[inline(never)]
    pub(super) fn open_half(
        &mut self,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        // What a SYN carries is heard where somebody listens (RFC 7413), and only full flows have a slot for that.
        let is_heard = changes.tells_left && segment.payload_len > 0;
        if is_heard {
            self.make_room_for_one(arrival.now, changes);
        } else {
            self.make_room_for_half_open(arrival.now, changes);
        }
        let flow = self.begin(sender, segment, arrival, changes);
        let mut thawed = Thawed {
            flow,
            handshake: Handshake::default(),
            opening: Opening::default(),
            opened: arrival.now,
        };
        let taken = count(&mut self.counts, &mut thawed.flow, sender.side, segment, arrival, &self.regrouped);
        self.go_on(&mut thawed, sender, segment, arrival, changes);
        match HalfOpen::freeze(&thawed).filter(|_| !is_heard) {
            Some(frozen) => {
                let slot = self.slab.insert_half_open(sender.hash, &frozen);
                self.watch_half_open(slot, arrival.now);
            }
            None => {
                let slot = self.slab.insert(sender.hash, &thawed.flow, &thawed.handshake);
                self.slab.remember(slot, &thawed.opening);
                self.watch_full(slot, &thawed, arrival.now, changes);
                self.follow_streams(slot, sender.side, segment, (arrival, taken.wire.packets), changes);
                return Taken { slot: Some(slot), ..taken };
            }
        }
        taken
    }

    /// Takes a segment of a half-open flow.
    #[inline(never)]
    pub(super) fn take_half_open(
        &mut self,
        slot: u32,
        thawed: &mut Thawed,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        let taken = count(&mut self.counts, &mut thawed.flow, sender.side, segment, arrival, &self.regrouped);
        if taken.is_duplicate {
            return taken;
        }
        let before = thawed.handshake.outcome();
        let turn = self.go_on(thawed, sender, segment, arrival, changes);
        tell_outcome(&thawed.flow, &thawed.handshake, before, arrival.timestamp, changes);
        if turn == Turn::Back && thawed.flow.phase == Phase::Lingering {
            let full = self.promote(sender.hash, slot, thawed, arrival, changes);
            self.revive(full, arrival.now);
            self.follow_streams(full, sender.side, segment, (arrival, taken.wire.packets), changes);
            self.follow_close(full, sender.side, segment, arrival.now, changes);
            return Taken { slot: Some(full), ..taken };
        }
        let Thawed { flow, handshake, .. } = thawed;
        let is_reset = segment.flags.contains(TcpFlags::RST);
        let reset = is_reset.then(|| Reset::of(flow, handshake, sender.side, segment, None));
        let is_closed = ends(segment) && flow.is_closed_by(sender.side, segment, reset);
        let frozen = if Streams::are_due(segment) { None } else { HalfOpen::freeze(thawed) };
        let place = match frozen {
            Some(frozen) => self.keep_half_open(slot, frozen),
            None => {
                let full = self.promote(sender.hash, slot, thawed, arrival, changes);
                self.follow_streams(full, sender.side, segment, (arrival, taken.wire.packets), changes);
                Place::Full(full)
            }
        };
        if is_closed {
            self.linger(place, arrival.now, changes);
        }
        let slot = if let Place::Full(slot) = place { Some(slot) } else { None };
        Taken { slot, ..taken }
    }

    fn keep_half_open(&mut self, slot: u32, frozen: HalfOpen) -> Place {
        self.slab.waiting.update(slot, frozen);
        if self.limits.patience == Patience::FromLastSegment && frozen.phase == Phase::Open {
            self.slab.waiting.move_to_end(slot);
        }
        Place::HalfOpen(slot)
    }

    /// A half-open flow becomes a full one, with the timers of one.
    pub(super) fn promote(
        &mut self,
        hash: FlowHash,
        slot: u32,
        thawed: &Thawed,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> u32 {
        self.make_room_for_full(arrival.now, changes);
        let full = self.slab.promote(hash, slot, thawed);
        self.slab.note_both(full);
        self.watch_full(full, thawed, arrival.now, changes);
        if thawed.handshake.syn_len > 0 {
            let Self { slab, streams, measurements, .. } = self;
            let mut followed = Followed { streams, measurements };
            slab.flow_mut(full).streams = followed.open_at_syn(&thawed.flow, &thawed.handshake, changes);
        }
        full
    }

    fn go_on(
        &mut self,
        thawed: &mut Thawed,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Turn {
        let Thawed { flow, handshake, opening, .. } = thawed;
        if segment.flags.contains(TcpFlags::SYN) || !flow.knows_isns() {
            flow.note_isn(sender.side, segment);
        }
        follow(flow, handshake, opening, sender.side, segment, arrival, changes)
    }

    /// Sets the timers of a half-open flow: the list that it waits in is one.
    pub(super) fn watch_half_open(&mut self, slot: u32, now: Timestamp) {
        self.expect_due(now, Some(self.limits.handshake_timeout));
        if self.limits.idle.is_some_and(|idle| idle < self.limits.handshake_timeout) {
            self.queue_idle(Place::HalfOpen(slot), now);
        }
    }

    /// Sets the timers of a full flow that was, or might have been, half-open.
    fn watch_full(&mut self, slot: u32, thawed: &Thawed, now: Timestamp, changes: &mut Changes) {
        self.tell_later(slot, now, changes);
        if thawed.flow.phase == Phase::Lingering {
            return self.queue_closed(Place::Full(slot), now);
        }
        self.queue_idle(Place::Full(slot), now);
        if thawed.handshake.outcome().is_open() {
            self.queue_handshake(slot, thawed.opened);
        }
    }
}
