//! Round-trip times of one direction's data over the whole life of a flow, as its capture point sees them.
//!
//! The round trip of a side's data leads from the capture point to the *other* side and back, so that of the client's
//! data is the server's half. Captured at the sender, it is what the sender's own kernel measures, sample by sample
//! (net/ipv4/tcp_input.c, `tcp_clean_rtx_queue` and `tcp_ack_update_rtt`):
//! - one sample for each acknowledgement of something that had been sent only once (Karn's algorithm, RFC 6298 §3),
//!   the SYN included, by the acknowledgement number or by SACK; a FIN alone is none, it ends what the sender can use;
//! - where the number covers something that had been sent twice, the echoed timestamp decides which copy was answered
//!   (RFC 7323 §4.1): [`timestamps`];
//! - samples, quantiles and SRTT are those of the *oldest* segment that was acknowledged, what waited longest, as
//!   RFC 6298 and Linux take it; the least is that of the *newest*, whose acknowledgement nothing held up, as Linux's
//!   `min_rtt`. So the least may be less than every sample.
//!
//! An acknowledgement that the receiver delayed is a sample like any other, because the sender waits for it as long;
//! those that show it are counted ([`tracker`] has the rule). Queueing is what round trips exceed the least by, over
//! those that no delayed acknowledgement can explain.

mod bucket;
mod histogram;
mod smoothed;
#[cfg(test)]
pub(super) mod story;
#[cfg(test)]
mod tests;
mod timestamps;
mod tracker;

pub(super) use histogram::SpillBudget;
pub(super) use smoothed::{INITIAL_RTO, Smoothed};
pub(super) use tracker::{DELAYED, RttSample, RttTracker};

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
    /// How far the percentiles may be off, as a part of their value: 1/64, or more where a bound on memory bit.
    pub percentile_error: Option<f64>,
    /// Smoothed round-trip time (RFC 6298 §2) at the end.
    pub smoothed: Option<Span>,
    /// Its variation (RFC 6298 §2) at the end.
    pub variation: Option<Span>,
    /// Samples whose acknowledgement the receiver is known to have delayed.
    pub delayed_acks: u64,
    /// Samples that the echo of a timestamp decided, because Karn's algorithm forbids to use the acknowledgement.
    pub by_timestamp: u64,
    /// Mean of what exceeds the least, over the round trips that no delayed acknowledgement can explain: queueing.
    pub queueing: Option<Span>,
    /// The least time in which a timestamp of an acknowledgement without data was echoed: a bound from above on the
    /// round trip where this side sends no data that could be acknowledged, and its value where the other side sends
    /// as fast as acknowledgements let it.
    pub min_echo: Option<Span>,
}
