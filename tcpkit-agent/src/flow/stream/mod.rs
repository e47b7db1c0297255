//! What happens in the sequence space of one direction: what was sent, sent again, held, acknowledged, and lost to us.
//!
//! [`counts`] is what remains of it in records; [`step`] is what analyzers are told while it happens. Both are settled
//! here because the rooms around (round-trip times, stalls, reports) build on them.

mod counts;
mod step;
mod verdict;

#[cfg_attr(not(test), expect(unused_imports, reason = "the streams come next"))]
pub(super) use verdict::{Acked, Sent, Verdict};
pub use counts::{Cause, StreamCounts};
pub use step::{Endpoint, FlowProgress, Half, LossEpisode, Stall, StallKind, StreamStep, StreamStepKind};
