//! What the reports say, summed up segment by segment.
//!
//! Every analyzer has the same shape: a struct, what it takes, `merge`, what it measured. Merging is associative and
//! commutative, so any number of shards gives one answer. Analyzers do not know each other.

mod bandwidth;
mod burst;
mod coarse_histogram;
mod fate;
mod handshake;
mod latency;
mod ranking;
mod retransmit;
mod round_trip;
mod series;
mod span_histogram;
mod stall;
mod talkers;

pub use bandwidth::{BandwidthAnalyzer, Cut, L1_OVERHEAD, Passed, SIZE_BOUNDS, Traffic, TrafficCount};
pub use burst::{Bin, BurstAnalyzer, BurstKey, BurstPeak, BurstSeries, Late, Windows};
pub use coarse_histogram::{CoarseBucket, CoarseHistogram};
pub use fate::{Fate, FateAnalyzer, FrameCounts, Note, Place};
pub use handshake::{HandshakeAnalyzer, IcmpCounts, ServerCounts, Servers};
pub use latency::{
    BUCKET_BOUNDS_US, BUCKETS, Blame, Command, Conversations, DatagramArrival, DelayCause, MeasuredRequest,
    Outlet, PortSum, RequestAnalyzer, RequestCounts, RequestLimits, RequestSettings, RequestSum,
    RequestsTold, Spent, SpokenAt, TakenSegment,
};
pub use ranking::{Ranking, Weighed};
pub use retransmit::{FlowId, FlowTrouble, RetransmitAnalyzer, SentAgain};
pub use round_trip::{RoundTripAnalyzer, RoundTrips};
pub use series::{Peak, Series};
pub use span_histogram::{Bucket, SpanHistogram};
pub use stall::{HeldUp, StallAnalyzer};
pub use talkers::{Prefix, PrefixLengths, Service, ServicePort, Talk, TalkSum, TalkerAnalyzer};
