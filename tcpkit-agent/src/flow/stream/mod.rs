//! What happens in the sequence space of one direction: what was sent, sent again, held, acknowledged, and lost to us.
//!
//! [`counts`] is what remains of it in records; [`step`] is what analyzers are told while it happens. Both are settled
//! here because the rooms around (round-trip times, stalls, reports) build on them.
//! Work begins in [`pair`]: [`sent`] is what a segment does to its own stream, [`acked`] to the other one, [`window`]
//! what it announces, [`cause`] why something was sent again.

mod acked;
mod calm;
mod cause;
mod counts;
mod episode;
mod flight;
mod pair;
mod pool;
mod sent;
mod sequence;
mod step;
#[cfg(test)]
mod tests;
mod trouble;
mod verdict;
mod window;

pub(super) use acked::has_more_than_timestamps;
pub use counts::{Cause, StreamCounts};
pub(super) use flight::octets;
pub(super) use pair::{Opened, PairSlot, Seen, Streams};
pub(super) use sent::FAR;
pub use step::{
    Endpoint, FlowProgress, Half, LossEpisode, RoundTrip, Stall, StallKind, StreamStep, StreamStepKind,
};
#[cfg(test)]
pub(super) use verdict::Sent;
pub(super) use verdict::{Acked, Verdict};
