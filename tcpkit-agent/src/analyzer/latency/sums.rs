//! Requests of one kind, summed up.

use super::{measured::Measurement, trouble::DelayCause};
use crate::{
    analyzer::{Bucket, SpanHistogram, Weighed},
    protocol::Outcome,
    time::Span,
};

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSum {
    /// How they ended, by [`Outcome`]'s order.
    pub outcomes: [u64; Outcome::COUNT],
    /// Answers that say that the request failed.
    pub errors: u64,
    /// Octets of requests.
    pub request_bytes: u64,
    /// Octets of responses.
    pub response_bytes: u64,
    /// How long the answered ones took, but for the blocking ones.
    pub total: SpanHistogram,
    /// The server's part of that.
    pub server: SpanHistogram,
    /// How long the blocking ones took: as long as the client had asked the server to wait.
    pub blocking: SpanHistogram,
    /// What losses and shut windows cost all of them, by [`DelayCause`].
    pub lost: [Span; DelayCause::COUNT],
}

/// Upper bounds of git-hulk/tcpkit's buckets, themselves included, in microseconds; what is longer is in the last one.
pub const BUCKET_BOUNDS_US: [u64; BUCKETS - 1] = [
    100, 200, 500, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    3_000_000, 5_000_000, 10_000_000, 20_000_000,
];

/// Buckets of git-hulk/tcpkit.
pub const BUCKETS: usize = 18;

/// Requests of one port or server, also as git-hulk/tcpkit counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSum {
    /// All of them.
    pub sum: RequestSum,
    /// Answered ones by whole microseconds from request start to response start, blocking ones too.
    pub buckets: [u64; BUCKETS],
    /// All those microseconds.
    pub latency_us: u64,
    /// Those of them that took at least as long as was asked for; none where nothing was.
    pub slow: u64,
}

/// What a request adds to each sum that it belongs to, found out once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addend {
    outcome: Outcome,
    is_error: bool,
    request_bytes: u64,
    response_bytes: u64,
    times: Option<Times>,
    /// Its latency in whole microseconds, and git-hulk/tcpkit's bucket of it.
    latency: Option<(u64, usize)>,
    /// git-hulk/tcpkit calls it slow.
    is_slow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    is_blocking: bool,
    total: (Bucket, Span),
    server: (Bucket, Span),
    lost: Option<[Span; DelayCause::COUNT]>,
}

impl Addend {
    /// `slow_us` is the latency from which on a request is slow, 0 for none.
    #[inline]
    pub(super) fn of(request: &Measurement<'_>, slow_us: u64) -> Self {
        let exchange = request.exchange;
        let latency = request.latency_us();
        let with_bucket = |span: Span| (Bucket::of(span), span);
        Self {
            outcome: exchange.outcome,
            is_error: exchange.is_error,
            request_bytes: exchange.request.extent.len,
            response_bytes: exchange.response.map_or(0, |response| response.len),
            times: request.spent.map(|spent| Times {
                is_blocking: exchange.request.is_blocking,
                total: with_bucket(spent.total),
                server: with_bucket(spent.server),
                lost: (spent.lost != [Span(0); DelayCause::COUNT]).then_some(spent.lost),
            }),
            latency: latency.map(|micros| (micros, bucket_of(micros))),
            is_slow: slow_us > 0 && latency.is_some_and(|micros| micros >= slow_us),
        }
    }
}

impl RequestSum {
    /// Takes a request that is over.
    #[inline]
    pub(super) fn add_one(&mut self, one: &Addend) {
        self.outcomes[one.outcome as usize] += 1;
        self.errors += u64::from(one.is_error);
        self.request_bytes += one.request_bytes;
        self.response_bytes += one.response_bytes;
        let Some(times) = &one.times else { return };
        let (bucket, total) = times.total;
        if times.is_blocking {
            return self.blocking.record_at(bucket, total);
        }
        self.total.record_at(bucket, total);
        let (bucket, server) = times.server;
        self.server.record_at(bucket, server);
        if let Some(lost) = &times.lost {
            self.add_lost(lost);
        }
    }

    #[cold]
    fn add_lost(&mut self, lost: &[Span; DelayCause::COUNT]) {
        for (sum, lost) in self.lost.iter_mut().zip(lost) {
            *sum = Span(sum.0.saturating_add(lost.0));
        }
    }

    /// How many.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many were answered.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.outcome(Outcome::Answered)
    }

    /// How many ended so.
    #[must_use]
    pub const fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Adds other requests.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *own += theirs;
        }
        self.errors += other.errors;
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
        self.total.merge(&other.total);
        self.server.merge(&other.server);
        self.blocking.merge(&other.blocking);
        for (own, theirs) in self.lost.iter_mut().zip(other.lost) {
            *own = Span(own.0.saturating_add(theirs.0));
        }
    }
}

impl PortSum {
    /// Takes a request that is over.
    #[inline]
    pub(super) fn add_one(&mut self, one: &Addend) {
        self.sum.add_one(one);
        if let Some((micros, bucket)) = one.latency {
            self.buckets[bucket] += 1;
            self.latency_us = self.latency_us.saturating_add(micros);
            self.slow += u64::from(one.is_slow);
        }
    }
}

/// The bucket of so many microseconds.
fn bucket_of(micros: u64) -> usize {
    BUCKET_BOUNDS_US.partition_point(|bound| *bound < micros)
}

impl Weighed for RequestSum {
    fn weight(&self) -> (u64, u64) {
        (self.requests(), self.response_bytes)
    }

    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl Weighed for PortSum {
    fn weight(&self) -> (u64, u64) {
        self.sum.weight()
    }

    fn add(&mut self, other: &Self) {
        self.merge(other);
    }
}

impl PortSum {
    /// Adds other requests.
    pub fn merge(&mut self, other: &Self) {
        self.sum.merge(&other.sum);
        for (own, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *own += theirs;
        }
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.slow += other.slow;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        assert_eq!([0, 100, 101, 200, 1_000].map(bucket_of), [0, 0, 1, 1, 3]);
        assert_eq!([20_000_000, 20_000_001, u64::MAX].map(bucket_of), [16, 17, 17]);
    }
}
