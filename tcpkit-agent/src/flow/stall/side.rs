//! What one side of a flow did last, and what it may be waiting for.

use super::moment::Moment;
use crate::time::Timestamp;

/// One side of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideState {
    /// Its latest octet, or FIN.
    pub(super) spoke: Option<Moment>,
    /// When its direction moved last: it sent something, or something was acknowledged.
    pub(super) moved: Option<Moment>,
    /// Since when it has all that it needs to go on, as its own acknowledgement tells.
    pub(super) ready: Option<Moment>,
    /// Since when the window for its data was zero, until it is known whether it waited for that.
    shut: Option<Moment>,
    /// When the window opened again.
    reopened: Option<Moment>,
    /// It showed that it has something to send while the window was zero.
    is_probed: bool,
    /// It announced a window.
    has_window: bool,
    /// The window that it announced last.
    window: u32,
}

/// A window that was zero and is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShutWindow {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

impl SideState {
    /// It sent something.
    #[inline(always)]
    pub(super) const fn speaks(&mut self, at: Moment) {
        self.spoke = Some(at);
        self.moved = Some(at);
    }

    /// It announces a window; whether that is another one than before.
    #[inline(always)]
    pub(super) const fn announces(&mut self, window: u32) -> bool {
        if self.has_window && self.window == window {
            return false;
        }
        (self.has_window, self.window) = (true, window);
        true
    }

    /// It showed that it has something to send.
    pub(super) const fn probes(&mut self) {
        self.is_probed |= self.is_shut();
    }

    /// Whether nothing may be sent.
    #[inline(always)]
    pub(super) const fn is_shut(&self) -> bool {
        self.shut.is_some() && self.reopened.is_none()
    }

    /// The other side's window is zero.
    pub(super) const fn shuts(&mut self, at: Moment) {
        if !self.is_shut() {
            (self.shut, self.reopened, self.is_probed) = (Some(at), None, false);
        }
    }

    /// The other side's window is not zero; tells how long it was, if this side is known to have waited.
    #[inline(always)]
    pub(super) fn opens(&mut self, at: Moment) -> Option<ShutWindow> {
        if !self.is_shut() {
            return None;
        }
        self.moved = Some(at);
        self.reopened = self.moved;
        if self.is_probed { self.waited() } else { None }
    }

    /// How long the window was zero that is open again; it is told once.
    #[inline(always)]
    pub(super) fn waited(&mut self) -> Option<ShutWindow> {
        let (since, until) = self.shut.zip(self.reopened)?;
        (self.shut, self.reopened) = (None, None);
        Some(ShutWindow { since: since.timestamp(), until: until.timestamp() })
    }
}
