//! How a capture went, bin by bin, and how latencies were distributed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// What was measured in each bin of capture time; all bins together are the report's totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SeriesReport {
    /// Length of a bin in microseconds: a millisecond, or a power of two of them, so that there are at most 241.
    pub bin_us: i64,
    /// The bins in which something happened, the earliest first.
    pub bins: Vec<SeriesBin>,
}

/// What was measured in one bin; what is 0 or empty is left out, but for frames, packets and bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SeriesBin {
    /// When it begins.
    pub time_us: i64,
    /// Frames as captured.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Of these, on their way in, where that is known.
    #[serde(skip_serializing_if = "is_zero")]
    pub inbound_bytes: u64,
    /// Of these, on their way out, where that is known.
    #[serde(skip_serializing_if = "is_zero")]
    pub outbound_bytes: u64,
    /// Flows that began.
    #[serde(skip_serializing_if = "is_zero")]
    pub flows: u64,
    /// Handshakes that were decided, by `HandshakeResult`; results that none had are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub handshakes: BTreeMap<&'static str, u64>,
    /// Segments with payload, told by each flow from time to time.
    #[serde(skip_serializing_if = "is_zero")]
    pub data_segments: u64,
    /// Segments sent again, by the cause as it was known in the end; causes that none had are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retransmissions: BTreeMap<&'static str, u64>,
    /// Requests that ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Of these, answered with an error.
    #[serde(skip_serializing_if = "is_zero")]
    pub errors: u64,
    /// Of these, without an answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub unanswered: u64,
    /// `requests`, `towards_server` and `towards_client`: how long they took; those without samples are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latency: BTreeMap<&'static str, SeriesSpans>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands over a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How long something took in one bin; percentiles are at most 1/16 off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SeriesSpans {
    /// How many.
    pub samples: u64,
    /// Median, in microseconds.
    pub p50: f64,
    /// 90 % took no longer.
    pub p90: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// Number of the first of `rows`.
    pub first_row: usize,
    /// How many took how long, up to the longest: row 2k is from 2^k ns on, row 2k + 1 from 1.5 times that; what is below
    /// 64 ns counts in row 10 or 11.
    pub rows: Vec<u64>,
}

/// How latencies are distributed over the whole capture: what differences over time, such as a heat map, are made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DistributionReport {
    /// Answered requests, but for blocking ones.
    pub requests: Vec<SpanBucket>,
    /// Round trips from the capture point to servers and back.
    pub towards_server: Vec<SpanBucket>,
    /// Round trips from the capture point to clients and back.
    pub towards_client: Vec<SpanBucket>,
}

/// Durations between two bounds; empty buckets are left out. There are eight buckets for each doubling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SpanBucket {
    /// The least duration in it, in microseconds.
    pub from_us: f64,
    /// Every duration in it is less.
    pub below_us: f64,
    /// How many.
    pub samples: u64,
}
