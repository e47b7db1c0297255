//! Round-trip times of one direction's data over the whole life of a flow, as its capture point sees them.

use crate::time::Span;

/// What the round-trip times of one direction come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RttSummary {
    /// Round trips measured.
    pub samples: u64,
    /// The least.
    pub min: Option<Span>,
    /// Mean, in nanoseconds.
    pub mean_ns: Option<f64>,
    /// Median.
    pub p50: Option<Span>,
    /// 90th percentile.
    pub p90: Option<Span>,
    /// 99th percentile.
    pub p99: Option<Span>,
    /// The most.
    pub max: Option<Span>,
    /// Smoothed round-trip time (RFC 6298 §2).
    pub smoothed: Option<Span>,
    /// Its variation (RFC 6298 §2).
    pub variation: Option<Span>,
    /// Samples whose acknowledgement the receiver is known to have delayed.
    pub delayed_acks: u64,
    /// Median of what exceeds the least: queueing.
    pub queueing: Option<Span>,
}
