//! All flows of one shard.

use tcpkit_common::flow::FlowHash;

use super::{
    changes::{Arrival, Changes, FlowCounts, FlowLimits, Left, Taken},
    expiry::NEVER,
    follow::{
        Turn, count, ends, follow, follow_icmp, infer_client, is_plain, is_plain_syn, tell_decided,
        tell_outcome,
    },
    followed::Followed,
    half_open::HalfOpen,
    handshake::{Handshake, HandshakeStep, Outcome, Steps},
    key::{FlowKey, Side},
    measure::Measurements,
    regrouped::Regrouped,
    reset::Reset,
    slab::{Place, Slab},
    state::{Ending, Flow, Phase},
    steady::Known,
    stream::{Opened, Streams},
    timers::{Queue, SortedQueue},
    traffic::Untold,
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
    pub(super) streams: Streams,
    pub(super) measurements: Measurements,
    pub(super) counts: FlowCounts,
    pub(super) lingering: u32,
    /// Full flows whose handshake is not decided; those of [`Slab::waiting`] need no timer.
    pub(super) handshakes: SortedQueue,
    pub(super) closed: Queue,
    pub(super) idle: SortedQueue,
    pub(super) regrouped: Regrouped,
    /// Flows whose traffic is to be told.
    pub(super) untold: Untold,
    /// Nothing falls due before.
    pub(super) next_due: Timestamp,
    /// Half-open flows are kept in small. A test turns it off and finds the same.
    pub(super) freezes: bool,
}

impl FlowTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: FlowLimits) -> Self {
        Self {
            limits: limits.sensible(),
            slab: Slab::default(),
            streams: Streams::new(limits.max_flows.max(1)),
            measurements: Measurements::new(limits.max_flows.max(1)),
            counts: FlowCounts::default(),
            lingering: 0,
            handshakes: SortedQueue::default(),
            closed: Queue::default(),
            idle: SortedQueue::default(),
            regrouped: Regrouped::default(),
            untold: Untold::new(limits.sensible().max_flows),
            next_due: NEVER,
            freezes: true,
        }
    }

    /// How many flows there were so far.
    #[must_use]
    pub const fn counts(&self) -> FlowCounts {
        FlowCounts {
            coarsened_rtts: self.measurements.coarsened(),
            joined_ranges: self.streams.joined(),
            ..self.counts
        }
    }

    /// An interface counts as one with others than before from `at` on: flows that began before go on with it.
    pub fn on_regrouped(&mut self, from: u16, to: u16, at: Timestamp) {
        self.regrouped.on_regrouped(from, to, at);
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
        if segment.flags.contains(TcpFlags::SYN.with(TcpFlags::ACK)) && key.is_land() {
            side = Side::High;
        }
        let place = self.slab.find(hash, &key);
        if let Some(Place::Full(slot)) = place {
            return self.on_found(Known { slot, side }, segment, arrival, changes);
        }
        self.take_opening(place, &Sender { hash, key, side }, segment, arrival, changes)
    }

    /// Takes a segment that opens a flow, or finds it half-open.
    #[inline(never)]
    pub(super) fn take_opening(
        &mut self,
        place: Option<Place>,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        match place {
            Some(Place::HalfOpen(slot)) => {
                if let Some(taken) = self.take_usual_answer(slot, sender, segment, arrival, changes) {
                    return taken;
                }
                let mut thawed = self.slab.waiting.flow(slot).thaw();
                if !thawed.flow.is_reopened_by(sender.side, segment) {
                    return self.take_half_open(slot, &mut thawed, sender, segment, arrival, changes);
                }
                self.finish_flow(Place::HalfOpen(slot), arrival.now, Ending::Reused, changes);
            }
            Some(place) => self.finish_flow(place, arrival.now, Ending::Reused, changes),
            None => {}
        }
        self.take_first(sender, segment, arrival, changes)
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
            Some(Place::Full(slot)) => slot,
            Some(Place::HalfOpen(slot)) => {
                let thawed = self.slab.waiting.flow(slot).thaw();
                self.promote(hash, slot, &thawed, arrival, changes)
            }
            None => self.open(&Sender { hash, key, side }, segment, arrival, changes),
        };
        self.tell_later(slot, arrival.now, changes);
        let Self { slab, counts, regrouped, .. } = self;
        count(counts, slab.flow_mut(slot), side, segment, arrival, regrouped)
    }

    /// Takes an ICMP error that quotes a segment; `hash` is that of the quoted four-tuple.
    pub fn on_icmp(&mut self, hash: FlowHash, error: &IcmpError, at: Timestamp, changes: &mut Changes) {
        let (key, side) = FlowKey::of(&error.quoted);
        match self.slab.find(hash, &key) {
            Some(Place::Full(slot)) => {
                let flow = &self.slab.flows[slot as usize];
                let handshake = &mut self.slab.handshakes[slot as usize];
                follow_icmp(flow, handshake, side, error, at, changes);
            }
            Some(Place::HalfOpen(slot)) => {
                let mut thawed = self.slab.waiting.flow(slot).thaw();
                follow_icmp(&thawed.flow, &mut thawed.handshake, side, error, at, changes);
                let frozen = HalfOpen::freeze(&thawed).expect("an ICMP error changes nothing that must fit");
                self.slab.waiting.update(slot, frozen);
            }
            None => {}
        }
    }

    /// Ends the capture: every flow that is left leaves the table, in order of its start and four-tuple.
    pub fn finish(&mut self, end: Timestamp, changes: &mut Changes) {
        self.advance(end, changes);
        let open = self.counts.open;
        let places = self.slab.places();
        for (turn, place) in places.iter().enumerate() {
            self.fetch_leaving(places.get(turn + 1), places.get(turn + 3));
            self.finish_flow(*place, end, Ending::EndOfCapture, changes);
        }
        self.counts.open = open;
    }

    /// Takes the first segment of a flow.
    fn take_first(
        &mut self,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        if is_plain_syn(segment) && self.freezes {
            let taken = self.open_usual(sender, segment, arrival, changes);
            return taken.unwrap_or_else(|| self.open_half(sender, segment, arrival, changes));
        }
        let slot = self.open(sender, segment, arrival, changes);
        self.take(slot, sender.side, segment, arrival, changes)
    }

    fn open(
        &mut self,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> u32 {
        self.make_room_for_one(arrival.now, changes);
        let flow = self.begin(sender, segment, arrival, changes);
        let slot = self.slab.insert(sender.hash, &flow, &Handshake::default());
        self.queue_idle(Place::Full(slot), arrival.now);
        self.tell_later(slot, arrival.now, changes);
        slot
    }

    /// A flow that begins.
    pub(super) fn begin(
        &mut self,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Flow {
        let client = infer_client(&sender.key, sender.side, segment);
        self.counts.opened += 1;
        self.counts.open += 1;
        let began = HandshakeStep::Began(Outcome::Midstream);
        Steps::new(sender.key, client, &mut changes.steps).push(began);
        Flow {
            key: sender.key,
            seen: arrival.now,
            phase: Phase::Open,
            client,
            start: arrival.timestamp,
            end: arrival.timestamp,
            interface: arrival.interface,
            ..Flow::default()
        }
    }

    /// Takes a segment of a flow that is there.
    pub(super) fn take(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Taken {
        if !self.slab.flow(slot).telling.is_waiting() {
            self.tell_later(slot, arrival.now, changes);
        }
        let Self { slab, counts, regrouped, .. } = self;
        let flow = slab.flow_mut(slot);
        let taken = count(counts, flow, side, segment, arrival, regrouped);
        if taken.is_duplicate {
            return taken;
        }
        if is_plain(segment) && flow.is_steady() {
            self.follow_steady(slot, side, segment, (arrival, taken.wire.packets), changes);
        } else {
            self.follow(slot, side, segment, (arrival, taken.wire.packets), changes);
        }
        Taken { slot: Some(slot), ..taken }
    }

    /// What a segment does to its flow.
    fn follow(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        (arrival, packets): (&Arrival, u32),
        changes: &mut Changes,
    ) {
        let flow = self.slab.flow_mut(slot);
        let opens = segment.flags.contains(TcpFlags::SYN);
        if opens || !flow.knows_isns() {
            flow.note_isn(side, segment);
        }
        if opens || flow.watches_handshake() {
            self.follow_handshake(slot, side, segment, arrival, changes);
        } else if flow.memory.is_some() {
            self.slab.forget(slot);
        }
        self.follow_streams(slot, side, segment, (arrival, packets), changes);
        if ends(segment) {
            self.follow_close(slot, side, segment, arrival.now, changes);
        }
    }

    /// What a segment that came now, and stood for so many packets, does to the streams of its flow.
    pub(super) fn follow_streams(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        (arrival, packets): (&Arrival, u32),
        changes: &mut Changes,
    ) {
        if !self.slab.flow(slot).streams.is_some() {
            if !Streams::are_due(segment) {
                return;
            }
            self.open_streams(slot, arrival.timestamp, changes);
        }
        self.follow_steady(slot, side, segment, (arrival, packets), changes);
    }

    #[cold]
    fn open_streams(&mut self, slot: u32, at: Timestamp, changes: &mut Changes) {
        let handshake = &self.slab.handshakes[slot as usize];
        let flow = &mut self.slab.flows[slot as usize];
        // What was sent again tells no round trip (Karn): both halves begin with the first copy.
        let server_rtt = handshake.server_rtt().filter(|_| handshake.syn_retransmissions() == 0);
        let client_rtt = handshake.client_rtt().filter(|_| handshake.synack_retransmissions() == 0);
        let opened = Opened { server_rtt, client_rtt };
        let mut streams = flow.streams;
        self.streams.open(&mut streams, flow, &opened);
        flow.streams = streams;
        self.measurements.open(streams, flow, handshake, at, changes);
    }

    fn follow_handshake(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) {
        let mut opening = self.slab.opening(slot);
        let flow = &mut self.slab.flows[slot as usize];
        let handshake = &mut self.slab.handshakes[slot as usize];
        let before = handshake.outcome();
        let turn = follow(flow, handshake, &mut opening, side, segment, arrival, changes);
        self.slab.remember(slot, &opening);
        if turn == Turn::None {
            return;
        }
        if before == Outcome::Midstream && turn == Turn::Waits {
            self.queue_handshake(slot, arrival.now);
        }
        if turn == Turn::Back && self.slab.flow(slot).phase == Phase::Lingering {
            self.revive(slot, arrival.now);
        }
        let (flow, handshake) = (self.slab.flow(slot), &self.slab.handshakes[slot as usize]);
        tell_outcome(flow, handshake, before, arrival.timestamp, changes);
    }

    pub(super) fn follow_close(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let Self { slab, streams, .. } = self;
        let flow = &mut slab.flows[slot as usize];
        let is_reset = segment.flags.contains(TcpFlags::RST);
        let reset = is_reset.then(|| {
            let cut_off = streams.cut_off(flow.streams, flow, side, segment);
            Reset::of(flow, &slab.handshakes[slot as usize], side, segment, cut_off)
        });
        if flow.is_closed_by(side, segment, reset) {
            self.linger(Place::Full(slot), now, changes);
        }
    }

    /// Takes a flow out of the table; `ending` is how it ended if nothing has ended it yet.
    pub(super) fn finish_flow(&mut self, place: Place, at: Timestamp, ending: Ending, changes: &mut Changes) {
        let Self { slab, streams, measurements, counts, lingering, untold, .. } = self;
        slab.hide(place);
        let mut thawed;
        let (flow, handshake) = match place {
            Place::Full(slot) => {
                if changes.tells_left {
                    changes.left.push(Left { slot, at });
                }
                (&mut slab.flows[slot as usize], &slab.handshakes[slot as usize])
            }
            Place::HalfOpen(slot) => {
                thawed = slab.waiting.flow(slot).thaw();
                (&mut thawed.flow, &thawed.handshake)
            }
        };
        match flow.phase {
            Phase::Lingering => *lingering -= 1,
            Phase::Open | Phase::Vacant => counts.open -= 1,
        }
        flow.ending.get_or_insert(ending);
        counts.count_ending(flow);
        let mut followed = Followed { streams, measurements };
        if handshake.syn_len > 0 && !flow.streams.is_some() {
            flow.streams = followed.open_at_syn(flow, handshake, changes);
        }
        if handshake.outcome() == Outcome::Pending && !changes.leaves_out_decided {
            tell_decided(flow, handshake, (at, flow.end), changes);
        }
        untold.tell_last(flow, followed.streams, &mut changes.traffic);
        followed.close(flow, handshake, at, changes);
        slab.take_out(place);
    }
}

/// Who sent a segment, and how its flow is found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) hash: FlowHash,
    pub(super) key: FlowKey,
    pub(super) side: Side,
}
