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

/// Times of the first frame in capture order and of the latest frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Watermark and time of the first frame. The first of all frames is the one under the lowest watermark, and of
    /// those the one that is that watermark: its own time.
    first: Option<(Timestamp, Timestamp)>,
    last: Option<Timestamp>,
}

impl Extent {
    /// A frame of this time, under this watermark.
    #[inline]
    pub fn on_frame(&mut self, timestamp: Timestamp, now: Timestamp) {
        self.first.get_or_insert((now, timestamp));
        self.last = self.last.max(Some(timestamp));
    }

    /// Adds another shard's times.
    pub fn merge(&mut self, other: &Self) {
        self.first = match (self.first, other.first) {
            (Some(own), Some(theirs)) => Some(earlier(own, theirs)),
            (own, theirs) => own.or(theirs),
        };
        self.last = self.last.max(other.last);
    }

    /// Time of the first frame in capture order.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        self.first.map(|(_, timestamp)| timestamp)
    }

    /// Latest time of any frame.
    #[must_use]
    pub const fn last(&self) -> Option<Timestamp> {
        self.last
    }
}

fn earlier(a: (Timestamp, Timestamp), b: (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
    if a.0 < b.0 || (a.0 == b.0 && a.1 >= b.1) { a } else { b }
}
