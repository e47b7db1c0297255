//! What becomes of a handshake, from the first SYN on.
//!
//! The outcome is what is known so far and may be revised by later evidence: a SYN/ACK after the time-out, or after a
//! stray RST, still makes a success; nothing revises a success. Frames may have been captured in another order than
//! they were sent, so a SYN/ACK may precede its SYN here, and the final ACK may precede both.

use super::key::Side;
use crate::{
    time::{Span, Timestamp},
    wire::{Segment, SeqNumber, TcpFlags},
};

/// What became of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// No SYN was seen.
    #[default]
    Midstream,
    /// Nothing is decided yet.
    Pending,
    /// The client's ACK covers the server's SYN.
    Success,
    /// The server answered with RST.
    Reject,
    /// Nothing completed it in time.
    Timeout,
    /// An ICMP error answered the SYN.
    Unreachable,
    /// The client gave up before its ACK.
    Aborted,
}

impl Outcome {
    /// How many there are: the length of an array that [`Outcome::index`] goes into.
    pub const COUNT: usize = 7;

    /// Every outcome, in order of [`Outcome::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Midstream,
        Self::Pending,
        Self::Success,
        Self::Reject,
        Self::Timeout,
        Self::Unreachable,
        Self::Aborted,
    ];

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is one that an operator wants to be told of.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Reject | Self::Timeout | Self::Unreachable | Self::Aborted)
    }

    /// Whether something is known of how it ended.
    pub(super) const fn is_decided(self) -> bool {
        !matches!(self, Self::Midstream | Self::Pending)
    }

    /// Whether the handshake may still be completed or refused.
    const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Timeout | Self::Unreachable)
    }
}

/// Something that a handshake just did; analyzers sum these up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeStep {
    /// A new flow begins with this outcome.
    Began(Outcome),
    /// The outcome changed.
    Moved {
        /// What was thought before.
        from: Outcome,
        /// What is known now.
        to: Outcome,
    },
    /// The client sent its SYN again.
    SynRetransmitted,
    /// The server sent its SYN/ACK again.
    SynAckRetransmitted,
    /// First SYN to SYN/ACK.
    ServerRtt(Span),
    /// SYN/ACK to ACK.
    ClientRtt(Span),
    /// First SYN to the ACK that completes the handshake.
    Completed(Span),
}

/// ICMP type and code of an error, and of which protocol they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpReason {
    /// True for ICMPv6.
    pub version_6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
}

impl IcmpReason {
    /// Whether it says that a segment did not reach its receiver.
    ///
    /// RFC 792: destination unreachable (without *fragmentation needed*, which asks for smaller segments), time
    /// exceeded, parameter problem. RFC 4443 §3: the same without *packet too big*.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match (self.version_6, self.kind) {
            (false, 3) => self.code != 4,
            (false, 11 | 12) | (true, 1 | 3 | 4) => true,
            _ => false,
        }
    }
}

/// A SYN or SYN/ACK that one side sent.
#[derive(Clone, Copy, Debug)]
struct Opening {
    time: Timestamp,
    seq: SeqNumber,
    ack: SeqNumber,
    payload_len: u32,
}

/// What one side did for the handshake.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    syn: Option<Opening>,
    syns: u32,
    synack: Option<Opening>,
    synacks: u32,
    /// First segment with ACK and without SYN and RST; the first behind its own SYN, where that was captured.
    first_ack: Option<(Timestamp, SeqNumber)>,
    /// The same among those that were captured before the SYN.
    early_ack: Option<(Timestamp, SeqNumber)>,
    /// SYN/ACKs that repeat no earlier one: they answer nothing, or bear another sequence number than the answer.
    other_synacks: u32,
    /// First acknowledgement of the other side's SYN, by whatever segment.
    acknowledged: Option<Timestamp>,
}

/// The handshake of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake {
    outcome: Outcome,
    parts: [Part; 2],
    /// The server's SYN/ACK that answers the client's SYN.
    answer: Option<(Timestamp, SeqNumber)>,
    completed: Option<Timestamp>,
    icmp: Option<IcmpReason>,
    /// A side reset the connection after the SYN/ACK and before the handshake was complete.
    was_reset: [bool; 2],
}

/// A segment and who sent it when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a, 'b> {
    pub(super) segment: &'b Segment<'a>,
    pub(super) side: Side,
    pub(super) client: Side,
    pub(super) time: Timestamp,
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
    /// What became of it, as far as is known.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether only a segment with SYN can still add something.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.outcome, Outcome::Success) && self.completed.is_some()
    }

    /// Whether a RST of either side came between the SYN/ACK and the completion: then it was meant for this handshake,
    /// and not for an older connection on the same four-tuple (RFC 9293 §3.5.1).
    #[must_use]
    pub(super) const fn was_reset(&self) -> bool {
        self.was_reset[0] || self.was_reset[1]
    }

    /// Whether a SYN or a SYN/ACK was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        let [low, high] = &self.parts;
        low.syns + low.synacks + high.syns + high.synacks > 0
    }

    /// The ICMP error that answered the SYN.
    #[must_use]
    pub const fn icmp(&self) -> Option<IcmpReason> {
        self.icmp
    }

    /// How often the client sent its SYN again.
    #[must_use]
    pub const fn syn_retransmissions(&self, client: Side) -> u32 {
        self.parts[client as usize].syns.saturating_sub(1)
    }

    /// How often the server sent its SYN/ACK again.
    #[must_use]
    pub const fn synack_retransmissions(&self, client: Side) -> u32 {
        self.parts[client.other() as usize].synacks.saturating_sub(1)
    }

    /// SYNs that repeat the client's first one: tcpeek's `DUP SYN`. One with another number begins another flow, so
    /// these are all that were sent again.
    #[must_use]
    pub const fn syn_repeats(&self, client: Side) -> u32 {
        self.syn_retransmissions(client)
    }

    /// SYN/ACKs that repeat the server's answer, sequence number and all: tcpeek's `DUP S/A`.
    #[must_use]
    pub const fn synack_repeats(&self, client: Side) -> u32 {
        let server = self.part(client.other());
        server.synacks.saturating_sub(server.other_synacks).saturating_sub(1)
    }

    /// From the client's first SYN to this time; zero where that SYN was not seen, or bears a later time.
    pub(super) fn since_first_syn(&self, client: Side, at: Timestamp) -> Span {
        self.part(client).syn.map_or(Span::default(), |syn| at.since(syn.time))
    }

    /// When the client sent its first SYN; `None` where none was seen.
    #[must_use]
    pub fn first_syn(&self, client: Side) -> Option<Timestamp> {
        self.part(client).syn.map(|syn| syn.time)
    }

    /// First SYN to the ACK that completes the handshake.
    #[must_use]
    pub fn duration(&self, client: Side) -> Option<Span> {
        Some(self.completed?.since(self.parts[client as usize].syn?.time))
    }

    /// First SYN to SYN/ACK; `None` also when they were captured the other way round.
    #[must_use]
    pub fn server_rtt(&self, client: Side) -> Option<Span> {
        in_order(self.parts[client as usize].syn?.time, self.answer?.0)
    }

    /// SYN/ACK to ACK; `None` also when they were captured the other way round.
    #[must_use]
    pub fn client_rtt(&self) -> Option<Span> {
        in_order(self.answer?.0, self.completed?)
    }

    /// A segment of this flow.
    pub(super) fn on_segment(&mut self, sent: &Sent<'_, '_>, steps: &mut Vec<HandshakeStep>) {
        self.note(sent, steps);
        if self.part(sent.client).syn.is_none() {
            return;
        }
        if self.outcome == Outcome::Midstream {
            self.turn(Outcome::Pending, steps);
        }
        self.find_answer(sent.client, steps);
        self.find_completion(sent, steps);
        if self.completed.is_none() {
            self.find_refusal(sent, steps);
        }
    }

    /// An ICMP error that quotes a segment of `side` with this sequence number; true when it answers the SYN.
    pub(super) fn on_icmp(
        &mut self,
        reason: IcmpReason,
        side: Side,
        quoted: SeqNumber,
        steps: &mut Vec<HandshakeStep>,
    ) -> bool {
        let quotes_syn = self.part(side).syn.is_some_and(|syn| syn.seq == quoted);
        let is_waiting = matches!(self.outcome, Outcome::Pending | Outcome::Timeout) && self.answer.is_none();
        let answers = quotes_syn && is_waiting && reason.is_failure();
        if answers {
            self.icmp = Some(reason);
            self.turn(Outcome::Unreachable, steps);
        }
        answers
    }

    /// The time-out has passed; true when the handshake is still not complete.
    pub(super) fn on_timeout(&mut self, steps: &mut Vec<HandshakeStep>) -> bool {
        if self.outcome == Outcome::Pending {
            self.turn(Outcome::Timeout, steps);
        }
        self.outcome.is_open()
    }

    const fn part(&self, side: Side) -> &Part {
        &self.parts[side as usize]
    }

    fn note(&mut self, sent: &Sent<'_, '_>, steps: &mut Vec<HandshakeStep>) {
        if sent.has(TcpFlags::SYN) {
            self.note_opening(sent, steps);
        }
        if !sent.has(TcpFlags::ACK) || sent.has(TcpFlags::RST) {
            return;
        }
        let other = *self.part(sent.side.other());
        let other_seq = other.syn.or(other.synack).map(|opening| opening.seq);
        let covers = other_seq.is_some_and(|seq| seq.before(sent.segment.ack));
        let part = &mut self.parts[sent.side as usize];
        if covers && other.syn.is_some() {
            part.acknowledged.get_or_insert(sent.time);
        }
        let first = if part.syn.is_some() { &mut part.first_ack } else { &mut part.early_ack };
        let is_better = first.is_none_or(|(_, ack)| covers && other_seq.is_some_and(|seq| !seq.before(ack)));
        if sent.is_plain_ack() && is_better {
            *first = Some((sent.time, sent.segment.ack));
        }
    }

    fn note_opening(&mut self, sent: &Sent<'_, '_>, steps: &mut Vec<HandshakeStep>) {
        let segment = sent.segment;
        let opening =
            Opening { time: sent.time, seq: segment.seq, ack: segment.ack, payload_len: segment.payload_len };
        let is_synack = sent.has(TcpFlags::ACK);
        let part = &mut self.parts[sent.side as usize];
        let (first, count) =
            if is_synack { (&mut part.synack, &mut part.synacks) } else { (&mut part.syn, &mut part.syns) };
        let known = first.get_or_insert(opening);
        part.other_synacks =
            part.other_synacks.saturating_add(u32::from(is_synack && known.seq != segment.seq));
        *count = count.saturating_add(1);
        let is_again = *count > 1;
        match (is_again, is_synack, sent.is_from_client()) {
            (true, true, false) => steps.push(HandshakeStep::SynAckRetransmitted),
            (true, false, true) => steps.push(HandshakeStep::SynRetransmitted),
            _ => {}
        }
    }

    /// The server's SYN/ACK answers when it acknowledges the client's SYN, and of its data no more than was sent.
    ///
    /// In a simultaneous open (RFC 9293 §3.5) any SYN/ACK of the other side will do.
    fn find_answer(&mut self, client: Side, steps: &mut Vec<HandshakeStep>) {
        let server = *self.part(client.other());
        let (None, Some(syn), Some(synack)) = (self.answer, self.part(client).syn, server.synack) else {
            return;
        };
        let octets = syn.seq.distance(synack.ack);
        let most = i32::try_from(syn.payload_len).map_or(i32::MAX, |len| len.saturating_add(1));
        if (1..=most).contains(&octets) || server.syn.is_some() {
            self.answer = Some((synack.time, synack.seq));
            steps.extend(self.server_rtt(client).map(HandshakeStep::ServerRtt));
        } else {
            // It answers something else, perhaps an older SYN: the next one may be the right one.
            let server = &mut self.parts[client.other() as usize];
            server.synack = None;
            server.other_synacks = server.other_synacks.saturating_add(1);
        }
    }

    fn find_completion(&mut self, sent: &Sent<'_, '_>, steps: &mut Vec<HandshakeStep>) {
        if self.completed.is_some() || self.was_reset[sent.client as usize] {
            return;
        }
        let (client, server) = (*self.part(sent.client), *self.part(sent.client.other()));
        let both = server.syn.and(client.acknowledged).zip(server.acknowledged);
        let (completed, is_covered) = match (self.answer, both) {
            (Some((_, seq)), _) => final_ack(&client, seq),
            (None, Some((one, other))) => (Some(one.max(other)), true),
            (None, None) => (self.goes_on(sent).then_some(sent.time), false),
        };
        self.completed = completed;
        if completed.is_some() || is_covered || both.is_some() {
            self.turn(Outcome::Success, steps);
        }
        if completed.is_some() {
            steps.extend(self.duration(sent.client).map(HandshakeStep::Completed));
            steps.extend(self.client_rtt().map(HandshakeStep::ClientRtt));
        }
    }

    /// The client goes on behind its SYN although no SYN/ACK was captured: it must have got one.
    fn goes_on(&self, sent: &Sent<'_, '_>) -> bool {
        let server = self.part(sent.client.other());
        sent.is_from_client()
            && sent.is_plain_ack()
            && (self.outcome.is_open() || self.outcome == Outcome::Aborted)
            && server.synacks == 0
            && server.syn.is_none()
            && self.part(sent.client).syn.is_some_and(|syn| syn.seq.before(sent.segment.seq))
    }

    fn find_refusal(&mut self, sent: &Sent<'_, '_>, steps: &mut Vec<HandshakeStep>) {
        let gives_up = sent.has(TcpFlags::FIN) && !sent.has(TcpFlags::SYN);
        let resets = sent.has(TcpFlags::RST);
        self.was_reset[sent.side as usize] |= resets && self.answer.is_some();
        if !self.outcome.is_open() {
            return;
        }
        if resets && !sent.is_from_client() {
            self.turn(Outcome::Reject, steps);
        } else if sent.is_from_client() && (resets || gives_up) {
            self.turn(Outcome::Aborted, steps);
        }
    }

    fn turn(&mut self, to: Outcome, steps: &mut Vec<HandshakeStep>) {
        if self.outcome != to {
            steps.push(HandshakeStep::Moved { from: self.outcome, to });
            self.outcome = to;
        }
    }
}

/// When the client first acknowledged the SYN with this number, and whether it did at all.
///
/// An acknowledgement that was captured before the client's own SYN, and is not later by its time stamp either, proves
/// the handshake; how long it took, the next one tells.
fn final_ack(client: &Part, seq: SeqNumber) -> (Option<Timestamp>, bool) {
    let covers = |acknowledged: &(Timestamp, SeqNumber)| seq.before(acknowledged.1);
    let early = client.early_ack.filter(covers);
    let timely = early.filter(|(time, _)| client.syn.is_some_and(|syn| syn.time < *time));
    let completed = timely.or(client.first_ack.filter(covers)).map(|(time, _)| time);
    (completed, early.is_some() || completed.is_some())
}

/// The time between two events that were captured in this order.
fn in_order(earlier: Timestamp, later: Timestamp) -> Option<Span> {
    (earlier <= later).then(|| later.since(earlier))
}
