//! What must be remembered to follow a handshake, and what nobody needs once it is settled.

use super::{Handshake, HandshakeStep, Outcome, Steps, Trait, moment::Moment};
use crate::{
    flow::key::Side,
    time::Timestamp,
    wire::{Segment, SeqNumber, TcpFlags},
};

/// An acknowledgement: when, and of what.
type Mark = Option<(Timestamp, SeqNumber)>;

/// The memory of a handshake that is not settled yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) struct Opening {
    /// By side: first segment with ACK and without SYN and RST among those that were captured before its own SYN.
    early_acks: [Mark; 2],
    /// The same for the client behind its SYN.
    first_ack: Mark,
    /// By side: first acknowledgement of the other side's SYN, by whatever segment.
    acknowledged: [Moment; 2],
    /// The SYN of the server, in a simultaneous open.
    server_syn: Option<SeqNumber>,
}

impl Opening {
    /// The memory of a handshake of which only SYNs of the client and SYN/ACKs of the server were seen.
    pub(in crate::flow) fn of_half_open(server: Side, answered: Option<Timestamp>) -> Self {
        let mut opening = Self::default();
        opening.acknowledged[server as usize] = answered.into();
        opening
    }
}

/// A segment and who sent it when.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Sent<'a, 'b> {
    pub(in crate::flow) segment: &'b Segment<'a>,
    pub(in crate::flow) side: Side,
    pub(in crate::flow) client: Side,
    pub(in crate::flow) time: Timestamp,
    /// It is a SYN or SYN/ACK with a multipath option.
    pub(in crate::flow) offers_multipath: bool,
}

impl Sent<'_, '_> {
    const fn has(&self, flags: TcpFlags) -> bool {
        self.segment.flags.contains(flags)
    }

    /// An acknowledgement that is neither part of opening nor of resetting.
    const fn is_plain_ack(&self) -> bool {
        self.has(TcpFlags::ACK) && !self.segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::RST))
    }

    fn is_from_client(&self) -> bool {
        self.side == self.client
    }
}

impl Handshake {
    /// A segment of this flow.
    pub(in crate::flow) fn on_segment(
        &mut self,
        opening: &mut Opening,
        sent: &Sent<'_, '_>,
        steps: &mut Steps<'_>,
    ) {
        self.note(opening, sent, steps);
        if self.syn.is_none() {
            return;
        }
        if self.outcome == Outcome::Midstream {
            self.turn(Outcome::Pending, steps);
        }
        self.find_answer(steps);
        self.find_completion(opening, sent, steps);
        if self.completed.is_none() {
            self.find_refusal(sent, steps);
        }
    }

    fn note(&mut self, opening: &mut Opening, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        if sent.has(TcpFlags::SYN) {
            self.note_opening(opening, sent, steps);
        }
        if !sent.has(TcpFlags::ACK) || sent.has(TcpFlags::RST) {
            return;
        }
        let (own_syn, other_syn) = if sent.is_from_client() {
            (self.syn.is_some(), opening.server_syn)
        } else {
            (opening.server_syn.is_some(), self.syn.is_some().then_some(self.syn_seq))
        };
        let synack = (sent.is_from_client() && self.synack.is_some()).then_some(self.synack_seq);
        let other_seq = other_syn.or(synack);
        let covers = other_seq.is_some_and(|seq| seq.before(sent.segment.ack));
        if covers && other_syn.is_some() {
            opening.acknowledged[sent.side as usize].get_or_insert(sent.time);
        }
        let first =
            if own_syn { &mut opening.first_ack } else { &mut opening.early_acks[sent.side as usize] };
        let is_better = first.is_none_or(|(_, ack)| covers && other_seq.is_some_and(|seq| !seq.before(ack)));
        if sent.is_plain_ack() && is_better && (sent.is_from_client() || !own_syn) {
            *first = Some((sent.time, sent.segment.ack));
        }
    }

    fn note_opening(&mut self, opening: &mut Opening, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        if sent.offers_multipath {
            self.show(Trait::Multipath, steps);
        }
        match (sent.has(TcpFlags::ACK), sent.is_from_client()) {
            (false, true) => self.note_syn(sent, steps),
            (true, false) => self.note_synack(sent, steps),
            (false, false) => {
                opening.server_syn.get_or_insert(sent.segment.seq);
                self.is_seen = true;
                self.show(Trait::SimultaneousOpen, steps);
            }
            (true, true) => self.is_seen = true,
        }
    }

    fn note_syn(&mut self, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        self.is_seen = true;
        self.syns = self.syns.saturating_add(1);
        if self.syn.is_some() {
            return steps.push(HandshakeStep::SynRetransmitted);
        }
        self.syn = Some(sent.time).into();
        self.syn_seq = sent.segment.seq;
        self.syn_len = u16::try_from(sent.segment.payload_len).unwrap_or(u16::MAX);
        if sent.has(TcpFlags::ECE.with(TcpFlags::CWR)) {
            self.show(Trait::EcnAsked, steps);
        }
        if self.syn_len > 0 {
            self.show(Trait::FastOpen, steps);
        }
    }

    fn note_synack(&mut self, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        let segment = sent.segment;
        self.is_seen = true;
        self.synacks = self.synacks.saturating_add(1);
        if self.synacks > 1 {
            steps.push(HandshakeStep::SynAckRetransmitted);
        }
        if self.synack.is_none() {
            self.synack = Some(sent.time).into();
            self.synack_seq = segment.seq;
            self.synack_ack = segment.ack;
            self.is_ecn_granted = sent.has(TcpFlags::ECE) && !sent.has(TcpFlags::CWR);
        } else if self.synack_seq != segment.seq {
            self.other_synacks = self.other_synacks.saturating_add(1);
        } else if self.is_answered_in_vain(sent.time) {
            self.show(Trait::AcceptQueueOverflow, steps);
        }
    }

    /// Whether the server has not taken an ACK that it must have got by now.
    ///
    /// Its SYN/ACK comes again later behind the ACK than a SYN and its answer took: so it was sent when the ACK, had
    /// nothing gone wrong, had arrived. Linux drops the ACK while the accept queue is full (`tcp_v4_syn_recv_sock`)
    /// and goes on repeating the SYN/ACK.
    fn is_answered_in_vain(&self, now: Timestamp) -> bool {
        let Some((completed, server_rtt)) = self.completed.get().zip(self.server_rtt()) else { return false };
        now > completed + server_rtt
    }

    /// The server's SYN/ACK answers when it acknowledges the client's SYN, and of its data no more than was sent.
    ///
    /// In a simultaneous open (RFC 9293 §3.5) any SYN/ACK of the other side will do.
    fn find_answer(&mut self, steps: &mut Steps<'_>) {
        if self.is_answered || self.synack.is_none() {
            return;
        }
        let octets = self.syn_seq.distance(self.synack_ack);
        if !(1..=i32::from(self.syn_len) + 1).contains(&octets) && !self.shows(Trait::SimultaneousOpen) {
            // It answers something else, perhaps an older SYN: the next one may be the right one.
            self.synack = None.into();
            self.other_synacks = self.other_synacks.saturating_add(1);
            return;
        }
        self.is_answered = true;
        if let Some(span) = self.server_rtt() {
            steps.push(HandshakeStep::ServerRtt(span));
        }
        if self.is_ecn_granted && self.shows(Trait::EcnAsked) {
            self.show(Trait::EcnGranted, steps);
        }
        if self.shows(Trait::FastOpen) && octets > 1 {
            self.show(Trait::FastOpenAccepted, steps);
        }
    }

    fn find_completion(&mut self, opening: &Opening, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        if self.completed.is_some() || self.was_reset[sent.client as usize] {
            return;
        }
        let [client, server] =
            [sent.client, sent.client.other()].map(|side| opening.acknowledged[side as usize]);
        let both = opening.server_syn.and(client.get()).zip(server.get());
        let (completed, is_covered) = match (self.is_answered, both) {
            (true, _) => self.final_ack(opening, sent.client),
            (false, Some((one, other))) => (Some(one.max(other)), true),
            (false, None) => (self.goes_on(opening, sent).then_some(sent.time), false),
        };
        self.completed = completed.into();
        if completed.is_some() || is_covered || both.is_some() {
            self.turn(Outcome::Success, steps);
        }
        if completed.is_some() {
            self.duration().into_iter().for_each(|span| steps.push(HandshakeStep::Completed(span)));
            self.client_rtt().into_iter().for_each(|span| steps.push(HandshakeStep::ClientRtt(span)));
        }
    }

    /// When the client first acknowledged the server's SYN, and whether it did at all.
    ///
    /// An acknowledgement that was captured before the client's own SYN, and is not later by its time stamp either,
    /// proves the handshake; how long it took, the next one tells.
    fn final_ack(&self, opening: &Opening, client: Side) -> (Option<Timestamp>, bool) {
        let covers = |acknowledged: &(Timestamp, SeqNumber)| self.synack_seq.before(acknowledged.1);
        let early = opening.early_acks[client as usize].filter(covers);
        let timely = early.filter(|(time, _)| self.syn.get().is_some_and(|syn| syn < *time));
        let completed = timely.or(opening.first_ack.filter(covers)).map(|(time, _)| time);
        (completed, early.is_some() || completed.is_some())
    }

    /// The client goes on behind its SYN although no SYN/ACK was captured: it must have got one.
    fn goes_on(&self, opening: &Opening, sent: &Sent<'_, '_>) -> bool {
        sent.is_from_client()
            && sent.is_plain_ack()
            && (self.outcome.is_open() || self.outcome == Outcome::Aborted)
            && self.synacks == 0
            && opening.server_syn.is_none()
            && self.syn.is_some()
            && self.syn_seq.before(sent.segment.seq)
    }

    fn find_refusal(&mut self, sent: &Sent<'_, '_>, steps: &mut Steps<'_>) {
        let gives_up = sent.has(TcpFlags::FIN) && !sent.has(TcpFlags::SYN);
        let resets = sent.has(TcpFlags::RST);
        self.was_reset[sent.side as usize] |= resets && self.is_answered;
        if !self.outcome.is_open() {
            return;
        }
        if resets && !sent.is_from_client() {
            self.turn(Outcome::Reject, steps);
        } else if sent.is_from_client() && (resets || gives_up) {
            self.turn(Outcome::Aborted, steps);
        }
    }
}
