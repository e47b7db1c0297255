//! All flows of one shard.

use tcpkit_common::flow::FlowHash;

use super::{
    changes::{Arrival, Changes, Decided, Failed, FinishedFlow, FlowCounts, FlowLimits, Taken},
    detail::FlowDetail,
    expiry::NEVER,
    handshake::{HandshakeStep, IcmpReason, Outcome, Sent},
    key::{FlowKey, Side},
    slab::Slab,
    state::{Ending, Flow, Phase},
    timers::{IdleQueue, Queue},
};
use crate::{
    time::Timestamp,
    wire::{IcmpError, MalformedSegment, Segment, TcpFlags},
};

/// All flows of one shard.
#[derive(Debug)]
pub struct FlowTable {
    pub(super) limits: FlowLimits,
    pub(super) slab: Slab,
    pub(super) counts: FlowCounts,
    pub(super) lingering: u32,
    pub(super) handshakes: Queue,
    pub(super) closed: Queue,
    pub(super) idle: IdleQueue,
    /// Nothing falls due before.
    pub(super) next_due: Timestamp,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: FlowLimits) -> Self {
        Self {
            limits: FlowLimits { max_flows: limits.max_flows.max(1), ..limits },
            slab: Slab::default(),
            counts: FlowCounts::default(),
            lingering: 0,
            handshakes: Queue::default(),
            closed: Queue::default(),
            idle: IdleQueue::default(),
            next_due: NEVER,
        }
    }

    /// How many flows there were so far.
    #[must_use]
    pub const fn counts(&self) -> &FlowCounts {
        &self.counts
    }

    /// Takes a segment; `hash` is that of its four-tuple. Time must have been advanced to `arrival.now` before.
    pub fn on_segment(
        &mut self,
        hash: FlowHash,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        let (key, mut side) = FlowKey::of(&segment.tuple);
        if key.is_land() && segment.flags.contains(TcpFlags::SYN.with(TcpFlags::ACK)) {
            side = Side::High;
        }
        let slot = match self.slab.find(hash, &key) {
            Some(slot) if !self.slab.flow(slot).is_reopened_by(side, segment) => slot,
            Some(slot) => {
                self.finish_flow(slot, arrival.now, Ending::Reused, changes);
                self.open(hash, key, side, segment, arrival, changes)
            }
            None => self.open(hash, key, side, segment, arrival, changes),
        };
        self.take(slot, side, segment, arrival, changes)
    }

    /// Takes a segment whose header is malformed. It is a frame of its flow; what it says counts as far as it is
    /// legible.
    pub fn on_malformed(
        &mut self,
        hash: FlowHash,
        malformed: &MalformedSegment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        let segment = &malformed.segment;
        if malformed.is_legible {
            return self.on_segment(hash, segment, arrival, changes);
        }
        let (key, side) = FlowKey::of(&segment.tuple);
        let slot = match self.slab.find(hash, &key) {
            Some(slot) => slot,
            None => self.open(hash, key, side, segment, arrival, changes),
        };
        self.count(slot, side, segment, arrival)
    }

    /// Takes an ICMP error that quotes a segment; `hash` is that of the quoted four-tuple.
    pub fn on_icmp(&mut self, hash: FlowHash, error: &IcmpError, at: Timestamp, changes: &mut Changes) {
        let (key, side) = FlowKey::of(&error.quoted);
        let Some(slot) = self.slab.find(hash, &key) else { return };
        let flow = *self.slab.flow(slot);
        if side != flow.client {
            return;
        }
        let reason = IcmpReason { version_6: error.version_6, kind: error.kind, code: error.code };
        let handshake = &mut self.slab.handshakes[slot as usize];
        let before = handshake.outcome();
        if handshake.on_icmp(reason, side, error.quoted_seq, &mut changes.steps) {
            self.tell_outcome(slot, before, at, changes);
        }
    }

    /// Ends the capture: every flow that is left leaves the table, in order of its start and four-tuple.
    pub fn finish(&mut self, end: Timestamp, changes: &mut Changes) {
        self.advance(end, changes);
        let open = self.counts.open;
        let mut slots = self.slab.slots();
        slots.sort_unstable_by_key(|slot| (self.slab.flow(*slot).start, self.slab.flow(*slot).key));
        for slot in slots {
            self.finish_flow(slot, end, Ending::EndOfCapture, changes);
        }
        self.counts.open = open;
    }

    fn open(
        &mut self,
        hash: FlowHash,
        key: FlowKey,
        side: Side,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> u32 {
        if self.slab.len() >= self.limits.max_flows as usize {
            self.make_room(arrival.now, changes);
        }
        let slot = self.slab.insert(Flow {
            key,
            hash: hash.0,
            seen: arrival.now,
            phase: Phase::Open,
            client: infer_client(&key, side, segment),
            start: arrival.timestamp,
            end: arrival.timestamp,
            interface: arrival.interface,
            ..Flow::default()
        });
        self.counts.opened += 1;
        self.counts.open += 1;
        changes.steps.push(HandshakeStep::Began(Outcome::Midstream));
        self.queue_idle(slot, arrival.now);
        slot
    }

    #[inline]
    fn take(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        let taken = self.count(slot, side, segment, arrival);
        if taken.is_duplicate {
            return taken;
        }
        let flow = self.slab.flow_mut(slot);
        let opens = segment.flags.contains(TcpFlags::SYN);
        if opens || !flow.knows_isns() {
            flow.note_isn(side, segment);
        }
        if opens || flow.watches_handshake() {
            self.follow_handshake(slot, side, segment, arrival, changes);
        }
        if segment.flags.intersects(TcpFlags::FIN.with(TcpFlags::RST)) {
            self.follow_close(slot, side, segment, arrival.now, changes);
        }
        taken
    }

    #[inline]
    fn count(&mut self, slot: u32, side: Side, segment: &Segment<'_>, arrival: &Arrival) -> Taken {
        let flow = self.slab.flow_mut(slot);
        let wire = flow.wire_count(segment, arrival.frame_len, arrival.gso_size);
        let owner = *flow.sides[side as usize].owner.get_or_insert(arrival.identity);
        if owner != arrival.identity && arrival.is_named {
            return Taken { wire, is_duplicate: true };
        }
        flow.count(side, segment, wire);
        flow.seen = arrival.now;
        flow.end = flow.end.max(arrival.timestamp);
        self.counts.segments += u64::from(wire.packets);
        self.counts.payload_bytes += u64::from(segment.payload_len);
        Taken { wire, is_duplicate: false }
    }

    fn follow_handshake(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) {
        let flow = &mut self.slab.flows[slot as usize];
        let handshake = &mut self.slab.handshakes[slot as usize];
        let before = handshake.outcome();
        if segment.flags.contains(TcpFlags::SYN) {
            if !handshake.is_seen() {
                flow.client = infer_client(&flow.key, side, segment);
            }
            flow.note_options(side, segment);
        }
        let sent = Sent { segment, side, client: flow.client, time: arrival.timestamp };
        handshake.on_segment(&sent, &mut changes.steps);
        let after = handshake.outcome();
        flow.is_settled = handshake.is_settled();
        flow.is_opening = after != Outcome::Midstream;
        let is_back = after == Outcome::Success && before != Outcome::Pending && !handshake.was_reset();
        if before == after {
            return;
        }
        if before == Outcome::Midstream && after == Outcome::Pending {
            self.queue_handshake(slot, arrival.now);
        }
        if is_back && self.slab.flow(slot).phase == Phase::Lingering {
            self.revive(slot, arrival.now);
        }
        self.tell_outcome(slot, before, arrival.timestamp, changes);
    }

    fn follow_close(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        if self.slab.flow_mut(slot).is_closed_by(side, segment) {
            self.linger(slot, now, changes);
        }
    }

    /// Tells of a handshake that was decided now; what was decided before is not told again when it is revised.
    pub(super) fn tell_outcome(&mut self, slot: u32, before: Outcome, at: Timestamp, changes: &mut Changes) {
        let (flow, handshake) = (*self.slab.flow(slot), self.slab.handshakes[slot as usize]);
        if before.is_decided() || !handshake.outcome().is_decided() {
            return;
        }
        let took = handshake.since_first_syn(flow.client, at);
        changes.decided.push(Decided { at, took, flow, handshake });
        if handshake.outcome().is_failure() {
            changes.failed.push(Failed { at, flow, handshake, detail: FlowDetail::default() });
        }
    }

    /// Takes a flow out of the table; `ending` is how it ended if nothing has ended it yet.
    pub(super) fn finish_flow(&mut self, slot: u32, at: Timestamp, ending: Ending, changes: &mut Changes) {
        let (mut flow, handshake) = self.slab.remove(slot);
        match flow.phase {
            Phase::Lingering => self.lingering -= 1,
            Phase::Open | Phase::Vacant => self.counts.open -= 1,
        }
        flow.ending.get_or_insert(ending);
        if handshake.outcome() == Outcome::Pending {
            let took = handshake.since_first_syn(flow.client, flow.end);
            changes.decided.push(Decided { at, took, flow, handshake });
        }
        changes.finished.push(FinishedFlow { at, flow, handshake, detail: FlowDetail::default() });
    }
}

/// The side that is the client, as far as one segment tells.
///
/// The sender of a SYN is, and the receiver of a SYN/ACK. Without either, the side with the higher port is: servers
/// listen on low ports, and clients are given high ones; where the ports are equal, the first sender is.
fn infer_client(key: &FlowKey, side: Side, segment: &Segment<'_>) -> Side {
    let (own_port, other_port) = (key.port(side), key.port(side.other()));
    match (segment.flags.contains(TcpFlags::SYN), segment.flags.contains(TcpFlags::ACK)) {
        (true, false) => side,
        (true, true) => side.other(),
        (false, _) if own_port < other_port => side.other(),
        (false, _) => side,
    }
}
