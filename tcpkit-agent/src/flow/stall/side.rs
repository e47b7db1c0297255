//! What one side of a flow did last, and what it may be waiting for.

use super::moment::Moment;
use crate::time::Timestamp;

/// One side of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideState {
    /// Its latest octet, or SYN, or FIN.
    pub(super) spoke: Option<Moment>,
    /// When its direction moved last: it sent something, or something was acknowledged.
    pub(super) moved: Option<Moment>,
    /// Since when it has all that it needs to go on, as its own acknowledgement tells.
    pub(super) ready: Option<Moment>,
    /// Whether the window for its data is shut.
    pub(super) gate: Gate,
    /// The window that it announced last.
    pub(super) window: Option<u32>,
}

/// The window that the other side leaves open, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    /// Something may be sent.
    #[default]
    Open,
    /// The window is zero; `is_probed` is whether this side showed that it has something to send.
    Shut { since: Moment, is_probed: bool },
    /// It was zero, and whether this side waited for it is not known yet.
    Reopened { since: Moment, until: Moment },
}

impl SideState {
    /// It sent something.
    pub(super) fn speaks(&mut self, at: Timestamp) {
        self.spoke = Some(at.into());
        self.moved = Some(at.into());
    }

    /// It showed that it has something to send.
    pub(super) fn probes(&mut self) {
        if let Gate::Shut { is_probed, .. } = &mut self.gate {
            *is_probed = true;
        }
    }

    /// Whether nothing may be sent.
    pub(super) const fn is_shut(&self) -> bool {
        matches!(self.gate, Gate::Shut { .. })
    }
}
