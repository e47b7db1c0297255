//! How nearly every flow begins: a SYN that asks for nothing special, and the SYN/ACK that answers it.
//!
//! Both are written down in small at once. What comes of it is what the long way comes to, by [`follow`] on the flow in
//! full; whatever is odd in the least takes that one. A property test turns this way off and finds the same.
//!
//! [`follow`]: crate::flow::follow::follow

use super::{HalfOpen, HalfSide, lead};
use crate::{
    flow::{
        changes::{Arrival, Changes, Patience, Taken},
        handshake::{HandshakeStep, Moment, Outcome, Steps, Traits},
        key::Side,
        state::{Announced, Phase, WireCount},
        table::{FlowTable, Sender},
    },
    time::Span,
    wire::{Segment, SeqNumber, TcpFlags},
};

impl FlowTable {
    /// Takes a SYN that opens a flow; `None` where it is not a usual one, and nothing has happened.
    pub(in crate::flow) fn open_usual(
        &mut self,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Option<Taken> {
        let flow = HalfOpen::of_usual_syn(sender, segment, arrival)?;
        self.make_room_for_half_open(arrival.now, changes);
        self.counts.opened += 1;
        self.counts.open += 1;
        let mut steps = Steps::new(sender.key, sender.side, &mut changes.steps);
        steps.push(HandshakeStep::Began(Outcome::Midstream));
        steps.push(HandshakeStep::Moved { from: Outcome::Midstream, to: Outcome::Pending });
        let slot = self.slab.insert_half_open(sender.hash, &flow);
        self.watch_half_open(slot, arrival.now);
        Some(self.take_one(false, segment, arrival))
    }

    /// Takes the SYN/ACK that answers a half-open flow; `None` where it is not a usual one, and nothing has happened.
    pub(in crate::flow) fn take_usual_answer(
        &mut self,
        slot: u32,
        sender: &Sender,
        segment: &Segment<'_>,
        arrival: &Arrival,
        changes: &mut Changes,
    ) -> Option<Taken> {
        let flow = self.slab.waiting.flow_mut(slot);
        let server_rtt = flow.on_usual_answer(sender.side, segment, arrival)?;
        let mut steps = Steps::new(flow.key, flow.client, &mut changes.steps);
        steps.push(HandshakeStep::ServerRtt(server_rtt));
        if self.limits.patience == Patience::FromLastSegment {
            self.slab.waiting.move_to_end(slot);
        }
        Some(self.take_one(true, segment, arrival))
    }

    fn take_one(&mut self, is_server: bool, segment: &Segment<'_>, arrival: &Arrival) -> Taken {
        let wire = WireCount::one(arrival.frame_len);
        self.counts.count(is_server, segment, wire);
        Taken { wire, is_duplicate: false, slot: None }
    }
}

impl HalfOpen {
    fn of_usual_syn(sender: &Sender, segment: &Segment<'_>, arrival: &Arrival) -> Option<Self> {
        let first = HalfSide::of_usual(segment, TcpFlags::SYN, arrival)?;
        let at = Moment::from(Some(arrival.timestamp)).get()?;
        let lead = lead(arrival.now, at)?;
        let mut sides = [HalfSide::default(); 2];
        sides[sender.side as usize] = first;
        Some(Self {
            start: at,
            end: at,
            answered: Moment::default(),
            key: sender.key,
            lead_at_start: lead,
            lead_at_end: lead,
            syn_seq: segment.seq,
            synack_seq: SeqNumber::default(),
            synack_ack: SeqNumber::default(),
            server_isn: None,
            ticket: 0,
            previous: 0,
            next: 0,
            sides,
            syn_len: 0,
            syns: 1,
            synacks: 0,
            other_synacks: 0,
            icmp_errors: 0,
            path_mtu_errors: 0,
            interface: arrival.interface,
            icmp: None,
            outcome: Outcome::Pending,
            traits: Traits::default(),
            was_reset: [false; 2],
            is_ecn_granted: false,
            is_accurate_ecn: false,
            client: sender.side,
            ending: None,
            phase: Phase::Open,
        })
    }

    /// How long the server took.
    fn on_usual_answer(&mut self, side: Side, segment: &Segment<'_>, arrival: &Arrival) -> Option<Span> {
        let is_first = side != self.client
            && self.phase == Phase::Open
            && self.outcome == Outcome::Pending
            && self.sides[side as usize].frames == 0
            && self.syn_len == 0
            && self.traits == Traits::default()
            && segment.ack == self.syn_seq.advanced(1);
        is_first.then_some(())?;
        let first = HalfSide::of_usual(segment, TcpFlags::SYN.with(TcpFlags::ACK), arrival)?;
        let at = Moment::from(Some(arrival.timestamp)).get().filter(|at| *at >= self.start)?;
        let end = self.end.max(at);
        self.lead_at_end = lead(arrival.now, end)?;
        self.end = end;
        self.answered = Some(at).into();
        self.sides[side as usize] = first;
        self.synacks = 1;
        (self.synack_seq, self.synack_ack) = (segment.seq, segment.ack);
        self.server_isn = Some(segment.seq);
        Some(at.since(self.start))
    }
}

impl HalfSide {
    /// What a side's first segment says, if that has these flags and no others, no data, and nothing but usual options.
    fn of_usual(segment: &Segment<'_>, flags: TcpFlags, arrival: &Arrival) -> Option<Self> {
        if segment.flags.0 != flags.0 || segment.payload_len > 0 {
            return None;
        }
        let options = segment.options.announced();
        (!options.offers_multipath).then(|| Self {
            bytes: arrival.frame_len,
            frames: 1,
            owner: Some(arrival.identity),
            announced: Announced::of(&options),
        })
    }
}
