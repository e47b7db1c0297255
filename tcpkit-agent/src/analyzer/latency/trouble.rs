//! What delayed a conversation's octets, as the stream engine tells it: losses that were mended, windows that were shut.

use crate::{
    flow::{Cause, Side, Stall, StallKind},
    time::Timestamp,
};

/// Troubles that one conversation may remember.
const MAX_TROUBLES: usize = 64;

/// Why octets came late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DelayCause {
    /// The sender waited for a timer before it sent them again: the retransmission timer, or that of a tail loss probe.
    Rto,
    /// They were sent again because acknowledgements told of the loss.
    Fast,
    /// The receiver's window was shut.
    ZeroWindow,
}

impl DelayCause {
    /// How many there are.
    pub const COUNT: usize = 3;

    /// The word in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rto => "rto",
            Self::Fast => "fast",
            Self::ZeroWindow => "zero_window",
        }
    }
}

/// Octets that came late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Whose octets.
    pub(super) sender: Side,
    /// Octets of that direction before them.
    pub(super) from: u64,
    /// When they might have gone on.
    pub(super) since: Timestamp,
    /// When they did.
    pub(super) until: Timestamp,
    retransmission: Option<Cause>,
    segments: u32,
}

impl Trouble {
    /// Why; `None` where the capture does not tell.
    pub(super) const fn cause(&self) -> Option<DelayCause> {
        match self.retransmission {
            None => Some(DelayCause::ZeroWindow),
            Some(Cause::Rto | Cause::Tlp) => Some(DelayCause::Rto),
            Some(Cause::Fast) => Some(DelayCause::Fast),
            Some(Cause::Spurious | Cause::Unknown) => None,
        }
    }

    /// Octets were sent again, and the receiver needed them.
    pub(super) fn is_mended_loss(&self) -> bool {
        self.retransmission.is_some_and(|cause| cause != Cause::Spurious)
    }
}

/// The latest troubles of one conversation, both directions, in order of their end.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles {
    /// No memory while there are none.
    list: Vec<Trouble>,
}

impl Troubles {
    /// Octets from there on were sent again.
    pub(super) fn on_retransmission(
        &mut self,
        sender: Side,
        from: u64,
        (cause, segments): (Cause, u32),
        since: Timestamp,
        at: Timestamp,
    ) {
        self.push(Trouble { sender, from, since, until: at, retransmission: Some(cause), segments });
    }

    /// Octets that were sent again before were sent for another reason than thought.
    pub(super) fn on_revision(&mut self, sender: Side, from: Cause, to: Cause, segments: u32) {
        let is_meant = |trouble: &&mut Trouble| {
            trouble.sender == sender && trouble.retransmission == Some(from) && trouble.segments == segments
        };
        if let Some(trouble) = self.list.iter_mut().rev().find(is_meant) {
            trouble.retransmission = Some(to);
        }
    }

    /// A direction waited with the octets from there on.
    pub(super) fn on_stall(&mut self, sender: Side, from: u64, stall: Stall) {
        if stall.kind == StallKind::ZeroWindow {
            let Stall { start: since, end: until, .. } = stall;
            self.push(Trouble { sender, from, since, until, retransmission: None, segments: 0 });
        }
    }

    /// Those of one sender, in order of their end.
    pub(super) fn of(&self, sender: Side) -> impl Iterator<Item = &Trouble> {
        self.list.iter().filter(move |trouble| trouble.sender == sender)
    }

    /// Whether there are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets what was over before this.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        self.list.retain(|trouble| trouble.until > time);
    }

    fn push(&mut self, trouble: Trouble) {
        if self.list.len() >= MAX_TROUBLES {
            self.list.remove(0);
        }
        let place = self.list.partition_point(|other| other.until <= trouble.until);
        self.list.insert(place, trouble);
    }
}
