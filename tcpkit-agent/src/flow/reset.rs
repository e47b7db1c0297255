//! Who reset a connection, and what that cut off, as far as the capture had come.

use super::{
    handshake::{Handshake, Outcome},
    key::Side,
    state::Flow,
};
use crate::wire::{Segment, TcpFlags};

/// The RST that ended a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reset {
    /// In whose name it came: a firewall in between may have made it.
    pub by: Side,
    /// In the middle of what.
    pub kind: ResetKind,
    /// It answers a segment of a connection that its sender does not know or has closed (RFC 9293 §3.10.7.1); one that
    /// does not was sent of the sender's own accord.
    pub is_answer: bool,
}

/// In the middle of what a connection was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ResetKind {
    /// It answers the client's SYN: nobody listens there, or something in between does not let it through.
    Refused,
    /// Before the handshake was complete, otherwise.
    Opening,
    /// Its sender had sent a FIN, and then data came that it did not acknowledge: nobody is there to read it.
    DataAfterFin,
    /// Its sender had sent a FIN; no data came since.
    AfterFin,
    /// The other side had sent a FIN, its sender had not.
    HalfClosed,
    /// Data of either side was not acknowledged, so it may be lost.
    InFlight,
    /// All data was acknowledged; the other side's came last, and was not answered, perhaps not even read.
    Unanswered,
    /// All data was acknowledged, and its sender's came last; or none was seen.
    Quiet,
    /// It stands where its receiver takes none (RFC 5961 §3.2): a stray one, or a forged one.
    OutsideWindow,
}

impl ResetKind {
    /// How many there are: the length of an array that [`ResetKind::index`] goes into.
    pub const COUNT: usize = 9;

    /// Every kind, in order of [`ResetKind::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::Refused,
        Self::Opening,
        Self::DataAfterFin,
        Self::AfterFin,
        Self::HalfClosed,
        Self::InFlight,
        Self::Unanswered,
        Self::Quiet,
        Self::OutsideWindow,
    ];

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word in records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Opening => "opening",
            Self::DataAfterFin => "data_after_fin",
            Self::AfterFin => "after_fin",
            Self::HalfClosed => "half_closed",
            Self::InFlight => "in_flight",
            Self::Unanswered => "unanswered",
            Self::Quiet => "quiet",
            Self::OutsideWindow => "outside_window",
        }
    }
}

/// What streams know when a RST comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CutOff {
    /// The receiver would not take it.
    pub(super) is_outside: bool,
    /// Octets of its sender that the other side has not acknowledged.
    pub(super) own_in_flight: u32,
    /// Octets of the other side that neither its sender nor the RST itself has acknowledged.
    pub(super) peer_in_flight: u32,
    /// The other side sent data last.
    pub(super) is_unanswered: bool,
}

impl Reset {
    /// What a RST of `side` is to its flow; `cut_off` is `None` where the flow has no streams yet.
    pub(super) fn of(
        flow: &Flow,
        handshake: &Handshake,
        side: Side,
        segment: &Segment<'_>,
        cut_off: Option<CutOff>,
    ) -> Self {
        let kind = kind(flow, handshake, side, cut_off.unwrap_or_default());
        let is_answer = kind == ResetKind::Refused || !segment.flags.contains(TcpFlags::ACK);
        Self { by: side, kind, is_answer }
    }
}

fn kind(flow: &Flow, handshake: &Handshake, side: Side, cut_off: CutOff) -> ResetKind {
    if !matches!(handshake.outcome(), Outcome::Success | Outcome::Midstream) {
        let is_refusal = side != flow.client() && handshake.answered().is_none();
        return if is_refusal { ResetKind::Refused } else { ResetKind::Opening };
    }
    match (flow.side(side).sent_fin, flow.side(side.other()).sent_fin) {
        _ if cut_off.is_outside => ResetKind::OutsideWindow,
        (true, _) if cut_off.peer_in_flight > 0 => ResetKind::DataAfterFin,
        (true, _) => ResetKind::AfterFin,
        (false, true) => ResetKind::HalfClosed,
        _ if cut_off.own_in_flight + cut_off.peer_in_flight > 0 => ResetKind::InFlight,
        _ if cut_off.is_unanswered => ResetKind::Unanswered,
        _ => ResetKind::Quiet,
    }
}
