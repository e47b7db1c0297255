//! A flow of which nothing but SYNs, SYN/ACKs, RSTs and ICMP errors was seen, in as few octets as hold all of that.
//!
//! A SYN flood makes millions of them, so they are kept small, and apart from established flows. [`HalfOpen::freeze`]
//! gives `None` for a flow that does not fit, which then is kept like any other; [`HalfOpen::thaw`] gives back exactly
//! what was frozen.

mod usual;

use super::{
    handshake::{Handshake, IcmpReason, Moment, Opening, Outcome, Traits},
    key::{FlowKey, Side},
    state::{Announced, Ending, Flow, Phase, SideState},
    stream::PairSlot,
    traffic::Telling,
};
use crate::{
    time::{Span, Timestamp},
    wire::{InterfaceId, SeqNumber},
};

/// A flow and its handshake, as the engine works on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thawed {
    pub(super) flow: Flow,
    pub(super) handshake: Handshake,
    pub(super) opening: Opening,
    /// Watermark at its first frame.
    pub(super) opened: Timestamp,
}

/// A half-open flow at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct HalfOpen {
    start: Timestamp,
    end: Timestamp,
    answered: Moment,
    pub(super) key: FlowKey,
    /// What the watermark was ahead of the first and of the latest frame.
    lead_at_start: u32,
    lead_at_end: u32,
    syn_seq: SeqNumber,
    synack_seq: SeqNumber,
    synack_ack: SeqNumber,
    server_isn: Option<SeqNumber>,
    pub(super) ticket: u32,
    /// Neighbours in the list of those that wait.
    pub(super) previous: u32,
    pub(super) next: u32,
    sides: [HalfSide; 2],
    syn_len: u16,
    syns: u16,
    synacks: u16,
    other_synacks: u16,
    icmp_errors: u16,
    path_mtu_errors: u16,
    interface: InterfaceId,
    icmp: Option<IcmpReason>,
    outcome: Outcome,
    traits: Traits,
    was_reset: [bool; 2],
    is_ecn_granted: bool,
    is_accurate_ecn: bool,
    client: Side,
    ending: Option<Ending>,
    pub(super) phase: Phase,
}

/// One direction of it: every frame was one segment.
#[derive(Clone, Copy, Debug, Default)]
struct HalfSide {
    bytes: u32,
    frames: u16,
    owner: Option<u16>,
    announced: Announced,
}

impl HalfOpen {
    /// The flow in small, where it can be made small without losing anything.
    pub(super) fn freeze(thawed: &Thawed) -> Option<Self> {
        let Thawed { flow, handshake, opening, opened } = thawed;
        let Handshake { syn_seq, synack_seq, synack_ack, other_synacks, syn_len, .. } = *handshake;
        let client = flow.client;
        let server = client.other();
        let is_plain = !handshake.outcome.is_more_than_half_open()
            && handshake.syn.get() == Some(flow.start)
            && handshake.completed.is_none()
            && handshake.synack.is_some() == handshake.is_answered
            && *opening == Opening::of_half_open(server, handshake.answered())
            && flow.side(client).isn == Some(syn_seq)
            && flow.side(client).payload_bytes == u64::from(syn_len)
            && flow.side(server).payload_bytes == 0
            && !flow.streams.is_some()
            && flow.telling == Telling::NEVER;
        if !is_plain {
            return None;
        }
        let [low, high] = &flow.sides;
        Some(Self {
            start: flow.start,
            end: flow.end,
            answered: handshake.synack,
            key: flow.key,
            lead_at_start: lead(*opened, flow.start)?,
            lead_at_end: lead(flow.seen, flow.end)?,
            syn_seq,
            synack_seq,
            synack_ack,
            server_isn: flow.side(server).isn,
            ticket: flow.ticket,
            previous: 0,
            next: 0,
            sides: [HalfSide::freeze(low)?, HalfSide::freeze(high)?],
            syn_len,
            syns: handshake.syns.try_into().ok()?,
            synacks: handshake.synacks.try_into().ok()?,
            other_synacks,
            icmp_errors: handshake.icmp_errors,
            path_mtu_errors: handshake.path_mtu_errors,
            interface: flow.interface,
            icmp: handshake.icmp,
            outcome: handshake.outcome,
            traits: handshake.traits,
            was_reset: handshake.was_reset,
            is_ecn_granted: handshake.is_ecn_granted,
            is_accurate_ecn: flow.is_accurate_ecn,
            client,
            ending: flow.ending,
            phase: flow.phase,
        })
    }

    /// The flow in full.
    pub(super) fn thaw(&self) -> Thawed {
        let server = self.client.other();
        let mut sides = self.sides.map(|side| side.thaw());
        sides[self.client as usize].isn = Some(self.syn_seq);
        sides[self.client as usize].payload_bytes = self.syn_len.into();
        sides[server as usize].isn = self.server_isn;
        let flow = Flow {
            key: self.key,
            ticket: self.ticket,
            memory: None,
            seen: self.seen(),
            phase: self.phase,
            client: self.client,
            is_opening: true,
            is_settled: false,
            ending: self.ending,
            start: self.start,
            end: self.end,
            interface: self.interface,
            sides,
            is_accurate_ecn: self.is_accurate_ecn,
            streams: PairSlot::default(),
            telling: Telling::NEVER,
        };
        Thawed {
            flow,
            handshake: self.handshake(),
            opening: Opening::of_half_open(server, self.answered.get()),
            opened: self.opened(),
        }
    }

    fn handshake(&self) -> Handshake {
        Handshake {
            syn: Some(self.start).into(),
            synack: self.answered,
            completed: Moment::default(),
            syn_seq: self.syn_seq,
            synack_seq: self.synack_seq,
            synack_ack: self.synack_ack,
            syns: self.syns.into(),
            synacks: self.synacks.into(),
            other_synacks: self.other_synacks,
            syn_len: self.syn_len,
            icmp_errors: self.icmp_errors,
            path_mtu_errors: self.path_mtu_errors,
            icmp: self.icmp,
            outcome: self.outcome,
            traits: self.traits,
            was_reset: self.was_reset,
            is_seen: true,
            is_answered: self.answered.is_some(),
            is_ecn_granted: self.is_ecn_granted,
        }
    }

    /// Watermark at its first frame.
    pub(super) fn opened(&self) -> Timestamp {
        self.start + Span(self.lead_at_start.into())
    }

    /// Watermark at its latest frame.
    pub(super) fn seen(&self) -> Timestamp {
        self.end + Span(self.lead_at_end.into())
    }

    /// First frame.
    pub(super) const fn start(&self) -> Timestamp {
        self.start
    }
}

impl HalfSide {
    fn freeze(side: &SideState) -> Option<Self> {
        let is_plain = side.segments == side.frames && !side.sent_fin;
        is_plain.then_some(())?;
        Some(Self {
            bytes: side.bytes.try_into().ok()?,
            frames: side.frames.try_into().ok()?,
            owner: side.owner,
            announced: side.announced,
        })
    }

    fn thaw(self) -> SideState {
        SideState {
            frames: self.frames.into(),
            segments: self.frames.into(),
            bytes: self.bytes.into(),
            owner: self.owner,
            announced: self.announced,
            ..SideState::default()
        }
    }
}

/// How far the watermark is ahead of a frame's time, in nanoseconds.
fn lead(watermark: Timestamp, time: Timestamp) -> Option<u32> {
    (watermark >= time).then(|| watermark.since(time).0.try_into().ok())?
}
