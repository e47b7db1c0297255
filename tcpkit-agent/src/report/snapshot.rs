//! What one shard has summed up so far, and the sum over shards.

use crate::{
    analyzer::{
        BandwidthAnalyzer, FateAnalyzer, HandshakeAnalyzer, RequestAnalyzer, RetransmitAnalyzer,
        RoundTripAnalyzer, SpanHistogram, StallAnalyzer, TalkerAnalyzer,
    },
    flow::FlowCounts,
    report::Course,
    time::Timestamp,
};

/// A shard's measurements; merging is associative and commutative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardSnapshot {
    /// What became of each frame.
    pub fates: FateAnalyzer,
    /// Handshakes.
    pub handshakes: HandshakeAnalyzer,
    /// What was sent again.
    pub retransmissions: RetransmitAnalyzer,
    /// Round trips.
    pub round_trips: RoundTripAnalyzer,
    /// Stalls.
    pub stalls: StallAnalyzer,
    /// Requests.
    pub requests: RequestAnalyzer,
    /// Traffic.
    pub bandwidth: BandwidthAnalyzer,
    /// Who sent and received it.
    pub talkers: TalkerAnalyzer,
    /// Flows.
    pub flows: FlowCounts,
    /// When frames came.
    pub extent: Extent,
    /// How long each request of the control plane kept the worker from its frames.
    pub pauses: SpanHistogram,
    /// How it went, where that was asked for.
    pub course: Course,
}

impl ShardSnapshot {
    /// Adds another shard's measurements.
    pub fn merge(&mut self, other: &Self) {
        self.fates.merge(&other.fates);
        self.handshakes.merge(&other.handshakes);
        self.retransmissions.merge(&other.retransmissions);
        self.round_trips.merge(&other.round_trips);
        self.stalls.merge(&other.stalls);
        self.requests.merge(&other.requests);
        self.bandwidth.merge(&other.bandwidth);
        self.talkers.merge(&other.talkers);
        self.flows.merge(&other.flows);
        self.extent.merge(&other.extent);
        self.pauses.merge(&other.pauses);
        self.course.merge(&other.course);
    }

    /// The sum of these.
    #[must_use]
    pub fn sum(snapshots: &[Self]) -> Self {
        let mut sum = Self::default();
        snapshots.iter().for_each(|snapshot| sum.merge(snapshot));
        sum
    }
}

/// Times of the earliest and of the latest frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Behind `last` where there was no frame.
    first: Timestamp,
    last: Timestamp,
}

impl Default for Extent {
    fn default() -> Self {
        Self { first: Timestamp(i64::MAX), last: Timestamp::MIN }
    }
}

impl Extent {
    /// A frame of this time.
    #[inline(always)]
    pub fn on_frame(&mut self, timestamp: Timestamp) {
        self.first = self.first.min(timestamp);
        self.last = self.last.max(timestamp);
    }

    /// Adds another shard's times.
    pub fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Earliest time of any frame: in which order frames of several rings came, nobody knows.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        (self.first <= self.last).then_some(self.first)
    }

    /// Latest time of any frame.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        (self.first <= self.last).then_some(self.last)
    }
}
