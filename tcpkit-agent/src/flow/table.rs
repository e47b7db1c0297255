//! All flows of one shard.

use tcpkit_common::flow::FlowHash;

use super::{
    handshake::{Handshake, HandshakeStep, IcmpReason, Outcome, Sent},
    key::{FlowKey, Side},
    slab::Slab,
    state::{Ending, Flow, Phase, WireCount},
    timers::{Entry, IdleQueue, Queue},
};
use crate::{
    time::{Span, Timestamp},
    wire::{IcmpError, InterfaceId, Segment, TcpFlags},
};

/// What bounds a table, in number and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Flows, open and closed, at most.
    pub max_flows: u32,
    /// Closed flows that linger, at most; the oldest goes first.
    pub max_lingering: u32,
    /// From the first SYN on, how long a handshake may take.
    pub handshake_timeout: Span,
    /// How long a closed flow without late frames lingers; `None` as long as there is room.
    pub linger: Option<Span>,
    /// How long an open flow may be silent; `None` for ever.
    pub idle: Option<Span>,
}

/// What is known of a segment's frame, beside the segment.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Watermark of capture time, this frame included.
    pub now: Timestamp,
    /// Interface that saw it.
    pub interface: InterfaceId,
    /// Interfaces of the same identity count as one.
    pub identity: u16,
    /// Whether that interface has a name.
    pub is_named: bool,
    /// Bytes of the frame or super-segment.
    pub frame_len: u32,
    /// Payload bytes of each segment of a super-segment, else 0.
    pub gso_size: u16,
}

/// What the table made of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Packets and bytes that the frame stood for.
    pub wire: WireCount,
    /// The flow belongs to another interface: here it is traffic only.
    pub is_duplicate: bool,
}

/// What happened while segments were taken and time advanced; the caller empties it.
#[derive(Debug, Default)]
pub struct Changes {
    /// What handshakes did.
    pub steps: Vec<HandshakeStep>,
    /// Handshakes that failed.
    pub failed: Vec<Failed>,
    /// Flows that ended and left the table.
    pub finished: Vec<FinishedFlow>,
}

impl Changes {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.failed.is_empty() && self.finished.is_empty()
    }

    /// Forgets it all and keeps the memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.failed.clear();
        self.finished.clear();
    }
}

/// A handshake that failed, and the flow as it stood then.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Capture time of the failure.
    pub at: Timestamp,
    /// The flow.
    pub flow: Flow,
    /// Its handshake.
    pub handshake: Handshake,
}

/// A flow that left the table.
#[derive(Clone, Copy, Debug)]
pub struct FinishedFlow {
    /// Capture time at which it was final, by rule.
    pub at: Timestamp,
    /// The flow.
    pub flow: Flow,
    /// Its handshake.
    pub handshake: Handshake,
}

/// How many flows there were; sums over tables are sums over captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Flows that began.
    pub opened: u64,
    /// Flows open now, or when the capture ended.
    pub open: u64,
    /// Flows that gave way to the bound.
    pub evicted: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Payload bytes on the wire.
    pub payload_bytes: u64,
}

impl FlowCounts {
    /// Adds another table's counts.
    pub const fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.open += other.open;
        self.evicted += other.evicted;
        self.segments += other.segments;
        self.payload_bytes += other.payload_bytes;
    }
}

/// All flows of one shard.
#[derive(Debug)]
pub struct FlowTable {
    limits: FlowLimits,
    slab: Slab,
    counts: FlowCounts,
    lingering: u32,
    handshakes: Queue,
    closed: Queue,
    idle: IdleQueue,
    /// Nothing falls due before.
    next_due: Timestamp,
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
            self.tell_failure(slot, before, at, changes);
        }
    }

    /// Lets everything expire that is due by `now`, in the order in which it fell due.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, changes: &mut Changes) {
        while self.next_due <= now {
            let Some((due, timer)) = self.first_due() else {
                self.next_due = NEVER;
                return;
            };
            self.next_due = due;
            if due > now {
                return;
            }
            match timer {
                Timer::Handshake => self.on_handshake_due(due, changes),
                Timer::Linger => self.on_linger_due(due, changes),
                Timer::Idle => self.on_idle_due(due, changes),
            }
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
        self.tell_failure(slot, before, arrival.timestamp, changes);
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

    /// Tells of a handshake that failed now; what failed before is not told again.
    fn tell_failure(&mut self, slot: u32, before: Outcome, at: Timestamp, changes: &mut Changes) {
        let handshake = self.slab.handshakes[slot as usize];
        let was_open = matches!(before, Outcome::Midstream | Outcome::Pending);
        if was_open && handshake.outcome().is_failure() {
            changes.failed.push(Failed { at, flow: *self.slab.flow(slot), handshake });
        }
    }

    /// Takes a flow out of the table; `ending` is how it ended if nothing has ended it yet.
    fn finish_flow(&mut self, slot: u32, at: Timestamp, ending: Ending, changes: &mut Changes) {
        let (mut flow, handshake) = self.slab.remove(slot);
        match flow.phase {
            Phase::Lingering => self.lingering -= 1,
            Phase::Open | Phase::Vacant => self.counts.open -= 1,
        }
        flow.ending.get_or_insert(ending);
        changes.finished.push(FinishedFlow { at, flow, handshake });
    }
}

/// The queues of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Handshake,
    Linger,
    Idle,
}

/// Expiry, closing and making room.
impl FlowTable {
    fn first_due(&self) -> Option<(Timestamp, Timer)> {
        let after = |first: Option<&Entry>, wait: Option<Span>| Some(first?.stamp + wait?);
        let handshake = after(self.handshakes.first(), Some(self.limits.handshake_timeout));
        let linger = after(self.closed.first(), self.limits.linger);
        let idle = after(self.idle.first(), self.limits.idle);
        [
            handshake.map(|due| (due, Timer::Handshake)),
            linger.map(|due| (due, Timer::Linger)),
            idle.map(|due| (due, Timer::Idle)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_handshake_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.handshakes.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let handshake = &mut self.slab.handshakes[entry.slot as usize];
        let before = handshake.outcome();
        if !handshake.on_timeout(&mut changes.steps) {
            return;
        }
        self.tell_failure(entry.slot, before, due, changes);
        let flow = self.slab.flow_mut(entry.slot);
        if flow.phase == Phase::Open {
            flow.ending = Some(Ending::Idle);
            self.linger(entry.slot, due, changes);
        }
    }

    fn on_linger_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.closed.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        if self.slab.flow(entry.slot).seen > entry.stamp {
            self.queue_closed(entry.slot, due);
        } else {
            self.finish_flow(entry.slot, due, Ending::Idle, changes);
        }
    }

    fn on_idle_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.idle.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let seen = self.slab.flow(entry.slot).seen;
        if seen > entry.stamp {
            self.queue_idle(entry.slot, seen);
        } else {
            self.finish_flow(entry.slot, due, Ending::Idle, changes);
        }
    }

    /// A closed flow joins those that linger; when they are too many, the oldest without late frames goes.
    fn linger(&mut self, slot: u32, now: Timestamp, changes: &mut Changes) {
        let flow = self.slab.flow_mut(slot);
        flow.phase = Phase::Lingering;
        flow.ticket = flow.ticket.wrapping_add(1);
        self.lingering += 1;
        self.counts.open -= 1;
        self.queue_closed(slot, now);
        while self.lingering > self.limits.max_lingering {
            let Some(oldest) = self.closed.pop() else { return };
            if !is_live(&self.slab, &oldest) {
                continue;
            }
            if self.slab.flow(oldest.slot).seen > oldest.stamp && oldest.stamp < now {
                self.queue_closed(oldest.slot, now);
            } else {
                self.finish_flow(oldest.slot, now, Ending::Idle, changes);
            }
        }
    }

    /// A flow that had been given up opens after all.
    fn revive(&mut self, slot: u32, now: Timestamp) {
        let flow = self.slab.flow_mut(slot);
        flow.phase = Phase::Open;
        flow.ticket = flow.ticket.wrapping_add(1);
        flow.ending = None;
        self.lingering -= 1;
        self.counts.open += 1;
        self.queue_idle(slot, now);
    }

    /// Makes room for one more: the flow that closed first, else the one that was idle longest.
    fn make_room(&mut self, now: Timestamp, changes: &mut Changes) {
        while let Some(entry) = self.closed.pop() {
            if is_live(&self.slab, &entry) {
                return self.finish_flow(entry.slot, now, Ending::Idle, changes);
            }
        }
        while let Some(entry) = self.idle.pop() {
            if !is_live(&self.slab, &entry) {
                continue;
            }
            let seen = self.slab.flow(entry.slot).seen;
            if seen > entry.stamp {
                self.queue_idle(entry.slot, seen);
            } else {
                self.counts.evicted += 1;
                return self.finish_flow(entry.slot, now, Ending::Evicted, changes);
            }
        }
    }

    fn expect_due(&mut self, stamp: Timestamp, wait: Option<Span>) {
        if let Some(wait) = wait {
            self.next_due = self.next_due.min(stamp + wait);
        }
    }

    fn queue_handshake(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, Some(self.limits.handshake_timeout));
        let Self { slab, handshakes, .. } = self;
        handshakes.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }

    fn queue_closed(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.linger);
        let Self { slab, closed, .. } = self;
        closed.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }

    fn queue_idle(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.idle);
        let Self { slab, idle, .. } = self;
        idle.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }
}

/// Later than anything a capture can hold.
const NEVER: Timestamp = Timestamp(i64::MAX);

fn entry(slab: &Slab, slot: u32, stamp: Timestamp) -> Entry {
    Entry { stamp, slot, ticket: slab.flow(slot).ticket }
}

fn is_live(slab: &Slab, entry: &Entry) -> bool {
    slab.flow(entry.slot).ticket == entry.ticket
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
