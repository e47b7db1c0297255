//! Where requests go that are over: into the sums, and to whoever reads each of them.

use super::{
    analyzer::RequestAnalyzer,
    measured::{MeasuredRequest, Measurement},
};
use crate::time::{Span, Timestamp};

/// What somebody reads of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestsTold {
    /// Every request.
    All,
    /// Those that took at least this long, or have no answer that should have one.
    Slow(Span),
    /// Those that were answered after at least so many microseconds, as git-hulk/tcpkit shows them.
    Answered(u64),
    /// Either.
    Both(Span, u64),
    /// None.
    None,
}

/// The way out of a shard's conversations.
#[derive(Debug)]
pub struct Outlet<'w> {
    /// The sums.
    pub sums: &'w mut RequestAnalyzer,
    /// Requests that somebody reads.
    pub told: &'w mut Vec<MeasuredRequest>,
    /// Which those are.
    pub wants: RequestsTold,
    /// The watermark of capture time.
    pub now: Timestamp,
}

impl Outlet<'_> {
    #[inline]
    pub(super) fn take(&mut self, request: &Measurement<'_>) {
        self.sums.on_request(request);
        let is_told = match self.wants {
            RequestsTold::All => true,
            RequestsTold::Slow(limit) => request.is_slow(limit),
            RequestsTold::Answered(least) => request.is_shown(least),
            RequestsTold::Both(limit, least) => request.is_shown(least) || request.is_slow(limit),
            RequestsTold::None => false,
        };
        if is_told {
            self.told.push(request.kept());
        }
    }
}
