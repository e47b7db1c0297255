//! What becomes of a handshake, from the first SYN on.
//!
//! The outcome is what is known so far and may be revised by later evidence: a SYN/ACK after the time-out, or after a
//! stray RST, still makes a success; nothing revises a success. Frames may have been captured in another order than
//! they were sent, so a SYN/ACK may precede its SYN here, and the final ACK may precede both.
//! [`Handshake`] is what a flow keeps for its whole life, [`Opening`] what it forgets once the handshake is settled.

mod icmp;
mod moment;
mod opening;
mod outcome;
mod step;

pub use icmp::IcmpReason;
pub use outcome::Outcome;
pub use step::{HandshakeStep, ServedStep, Trait};

pub(super) use moment::Moment;
pub(super) use opening::{Opening, Sent};
pub(super) use step::{Steps, Traits};

use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// The handshake of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The client's first SYN.
    pub(super) syn: Moment,
    /// The server's first SYN/ACK that may answer it.
    pub(super) synack: Moment,
    /// The ACK that completes it.
    pub(super) completed: Moment,
    pub(super) syn_seq: SeqNumber,
    pub(super) synack_seq: SeqNumber,
    pub(super) synack_ack: SeqNumber,
    /// SYNs of the client.
    pub(super) syns: u32,
    /// SYN/ACKs of the server.
    pub(super) synacks: u32,
    /// SYN/ACKs that repeat no earlier one: they answer nothing, or bear another sequence number than the answer.
    pub(super) other_synacks: u16,
    /// Octets of payload of the first SYN.
    pub(super) syn_len: u16,
    /// ICMP errors that quote a segment of the flow.
    pub(super) icmp_errors: u16,
    /// Those of them that ask for smaller packets.
    pub(super) path_mtu_errors: u16,
    pub(super) icmp: Option<IcmpReason>,
    pub(super) outcome: Outcome,
    pub(super) traits: Traits,
    /// A side reset the connection after the SYN/ACK and before the handshake was complete.
    pub(super) was_reset: [bool; 2],
    /// A SYN or a SYN/ACK was seen.
    pub(super) is_seen: bool,
    /// The SYN/ACK answers the SYN.
    pub(super) is_answered: bool,
    /// The SYN/ACK has ECE and not CWR, which says something where the SYN asked.
    pub(super) is_ecn_granted: bool,
}

impl Handshake {
    /// What became of it, as far as is known.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether only a segment with SYN can still add something.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.outcome == Outcome::Success && self.completed.is_some()
    }

    /// Whether a RST of either side came between the SYN/ACK and the completion: then it was meant for this handshake,
    /// and not for an older connection on the same four-tuple (RFC 9293 §3.5.1).
    #[must_use]
    pub(super) const fn was_reset(&self) -> bool {
        self.was_reset[0] || self.was_reset[1]
    }

    /// Whether the server's SYN/ACK answers the SYN.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Whether a SYN or a SYN/ACK was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// The ICMP error that answered the SYN.
    #[must_use]
    pub const fn icmp(&self) -> Option<IcmpReason> {
        self.icmp
    }

    /// ICMP errors that quote a segment of the flow; no more than 65,535 are counted.
    #[must_use]
    pub const fn icmp_errors(&self) -> u16 {
        self.icmp_errors
    }

    /// Those of them that ask for smaller packets: the path's MTU.
    #[must_use]
    pub const fn path_mtu_errors(&self) -> u16 {
        self.path_mtu_errors
    }

    /// Whether it shows this.
    #[must_use]
    pub const fn shows(&self, one: Trait) -> bool {
        self.traits.contains(one)
    }

    /// How often the client sent its SYN again: tcpeek's `DUP SYN`. One with another number begins another flow, so
    /// these are all that were sent again.
    #[must_use]
    pub const fn syn_retransmissions(&self) -> u32 {
        self.syns.saturating_sub(1)
    }

    /// How often the server sent a SYN/ACK again.
    #[must_use]
    pub const fn synack_retransmissions(&self) -> u32 {
        self.synacks.saturating_sub(1)
    }

    /// SYN/ACKs that repeat the server's answer, sequence number and all: tcpeek's `DUP S/A`.
    #[must_use]
    pub const fn synack_repeats(&self) -> u32 {
        self.synacks.saturating_sub(self.other_synacks as u32).saturating_sub(1)
    }

    /// When the client sent its first SYN; `None` where none was seen.
    #[must_use]
    pub fn first_syn(&self) -> Option<Timestamp> {
        self.syn.get()
    }

    /// From the client's first SYN to this time; zero where that SYN was not seen, or bears a later time.
    pub(super) fn since_first_syn(&self, at: Timestamp) -> Span {
        self.syn.get().map_or(Span::default(), |syn| at.since(syn))
    }

    /// First SYN to the ACK that completes the handshake.
    #[must_use]
    pub fn duration(&self) -> Option<Span> {
        Some(self.completed.get()?.since(self.syn.get()?))
    }

    /// First SYN to SYN/ACK; `None` also when they were captured the other way round.
    #[must_use]
    pub fn server_rtt(&self) -> Option<Span> {
        in_order(self.syn.get()?, self.answered()?)
    }

    /// SYN/ACK to ACK; `None` also when they were captured the other way round.
    #[must_use]
    pub fn client_rtt(&self) -> Option<Span> {
        in_order(self.answered()?, self.completed.get()?)
    }

    /// When the server answered.
    pub(super) fn answered(&self) -> Option<Timestamp> {
        self.synack.get().filter(|_| self.is_answered)
    }

    /// An ICMP error quotes a segment with this sequence number; true when it answers the client's SYN.
    pub(super) fn on_icmp(
        &mut self,
        reason: IcmpReason,
        is_from_client: bool,
        quoted: SeqNumber,
        steps: &mut Steps<'_>,
    ) -> bool {
        self.icmp_errors = self.icmp_errors.saturating_add(1);
        self.path_mtu_errors = self.path_mtu_errors.saturating_add(u16::from(reason.is_path_mtu()));
        let quotes_syn = is_from_client && self.syn.is_some() && self.syn_seq == quoted;
        let is_waiting = matches!(self.outcome, Outcome::Pending | Outcome::Timeout) && !self.is_answered;
        let is_answer = quotes_syn && is_waiting && reason.is_failure();
        steps.push(HandshakeStep::Icmp { reason, is_answer });
        if is_answer {
            self.icmp = Some(reason);
            self.turn(Outcome::Unreachable, steps);
        }
        is_answer
    }

    /// The time-out has passed; true when the handshake is still not complete.
    pub(super) fn on_timeout(&mut self, steps: &mut Steps<'_>) -> bool {
        if self.outcome == Outcome::Pending {
            self.turn(Outcome::Timeout, steps);
        }
        self.outcome.is_open()
    }

    fn turn(&mut self, to: Outcome, steps: &mut Steps<'_>) {
        if self.outcome != to {
            steps.push(HandshakeStep::Moved { from: self.outcome, to });
            self.outcome = to;
        }
    }

    fn show(&mut self, one: Trait, steps: &mut Steps<'_>) {
        if self.traits.insert(one) {
            steps.push(HandshakeStep::Showed(one));
        }
    }
}

/// The time between two events that were captured in this order.
fn in_order(earlier: Timestamp, later: Timestamp) -> Option<Span> {
    (earlier <= later).then(|| later.since(earlier))
}
