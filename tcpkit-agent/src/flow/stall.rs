//! Periods in which a flow with something to do did nothing.

use super::stream::{Stall, StallKind};
use crate::time::Span;

/// The stalls of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallCounts {
    /// How many, by [`StallKind::index`].
    pub count: [u32; StallKind::COUNT],
    /// How long, by [`StallKind::index`].
    pub time: [Span; StallKind::COUNT],
    /// The longest of those that are no thinking.
    pub longest: Option<Stall>,
}

impl StallCounts {
    /// How long receiver, network or sender held the flow up; thinking is no stall of the transport.
    #[must_use]
    pub fn held_up(&self) -> Span {
        let kinds = [StallKind::ZeroWindow, StallKind::Rto, StallKind::SenderIdle];
        Span(kinds.iter().map(|kind| self.time[kind.index()].0).fold(0, u64::saturating_add))
    }
}
