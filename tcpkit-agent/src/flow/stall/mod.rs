//! Periods in which a flow with something to do did nothing, and whom it waited for.
//!
//! A silence is the time between two segments of a flow that move something: data, sent or sent again, or an
//! acknowledgement of something new, or another window. Keep-alives, probes and duplicate acknowledgements move
//! nothing. A stall is a silence longer than twice the sender's smoothed round-trip time, or than its retransmission
//! time-out where that is shorter, as J. Zhou et al. have it ("Demystifying and Mitigating TCP Stalls at the Server
//! Side", CoNEXT 2015); and longer than [`FLOOR`], below which schedulers and interrupt moderation are the cause.
//! What ends it tells what it was:
//!
//! | kind | from | until |
//! |---|---|---|
//! | zero window | the receiver announces a window of zero | it announces another one, provided that the sender probed meanwhile or goes on at once: it had something to send |
//! | RTO | the last time that this direction moved: sent something, or had something acknowledged | data is sent again, and not because duplicate acknowledgements or SACK asked for it |
//! | server thinking | the client's last octet has reached the server | the server's first octet in answer; or one side closes without one |
//! | client thinking | the server's last octet has reached the client | the client's next octet |
//! | sender idle | the last segment of either side | data of the side that was sending already |
//!
//! When an octet has reached its receiver is told by the acknowledgement that it sends at once; where it delays that,
//! or sends it along with its data, an octet has reached it one least round trip (of the half between capture point
//! and receiver, there and back) before the answer to it could pass the capture point, and that is when thinking
//! begins. So the network's part is not taken for thinking, wherever the capture point is; where no round trip of that
//! half is known, it is; and of a flow without handshake the least round trip may itself have thinking in it.
//! Thinking counts where it takes longer than one least round trip of the whole path, and [`FLOOR`]. A connection that
//! opens is a request to a server that speaks first.
//!
//! A side that sends again what it had sent ends a silence too: of a time-out after another, each is a stall of its
//! own. Time spent on one kind is not spent on another, with one exception: a window may stay shut while the server or
//! the client thinks. What a flow waits for when nothing comes any more is no stall: nothing tells what it was.

mod limits;
mod moment;
mod side;
#[cfg(test)]
mod tests;
mod tracker;

pub(super) use limits::{silence_of, thinking_of};
pub(super) use tracker::{Observed, StallTracker};

use super::stream::{Stall, StallKind};
use crate::time::Span;

/// The stalls of one flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallCounts {
    /// How many, by [`StallKind::index`].
    pub count: [u32; StallKind::COUNT],
    /// How long, by [`StallKind::index`].
    pub time: [Span; StallKind::COUNT],
}

impl StallCounts {
    /// How long receiver, network or sender held the flow up; thinking is no stall of the transport.
    #[must_use]
    pub fn held_up(&self) -> Span {
        let kinds = [StallKind::ZeroWindow, StallKind::Rto, StallKind::SenderIdle];
        Span(kinds.iter().map(|kind| self.time[kind.index()].0).fold(0, u64::saturating_add))
    }

    /// Stalls of every kind, thinking included, and the time that they took.
    pub(super) fn total(&self) -> (u32, Span) {
        let count = self.count.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
        (count, Span(self.time.iter().map(|time| time.0).fold(0, u64::saturating_add)))
    }

    /// Counts one more.
    fn add(&mut self, stall: Stall) {
        let (kind, took) = (stall.kind.index(), stall.end.since(stall.start));
        self.count[kind] = self.count[kind].saturating_add(1);
        self.time[kind] = Span(self.time[kind].0.saturating_add(took.0));
    }
}

/// No shorter silence is a stall.
pub(super) const FLOOR: Span = Span::from_millis(1);
