//! Sums over the capture: totals, durations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Frames and what they stood for on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// Frames as captured; a super-segment is one.
    pub frames: u64,
    /// Packets on the wire; a super-segment stands for several.
    pub packets: u64,
    /// Bytes on the wire with link header, without preamble and FCS.
    pub bytes: u64,
}

/// The capture in one glance.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Totals {
    /// All frames that were wanted.
    #[serde(flatten)]
    pub all: Count,
    /// First to last frame, in microseconds.
    pub duration_us: f64,
    /// Flows that were seen.
    pub flows: u64,
    /// Flows that are open now, or were when the capture ended.
    pub open_flows: u64,
    /// Flows that gave way to `--max-flows` or `--max-half-open`.
    pub evicted_flows: u64,
    /// Those of them that waited half-open.
    pub evicted_half_open: u64,
    /// Times that round trips of a flow were kept coarser than usual, because memory for them had run out.
    pub coarsened_rtts: u64,
    /// Times that segments under way were kept together, because memory for each had run out: what became of the single
    /// ones, and so causes of retransmissions among them, may be wrong.
    pub joined_ranges: u64,
    /// Flows that a RST ended, by the kind of [`RstRecord`](super::RstRecord), as the flow log has them: when they have
    /// ended for good. Kinds that did not occur are left out.
    pub resets: BTreeMap<&'static str, ResetCount>,
    /// TCP segments on the wire.
    pub segments: u64,
    /// TCP payload bytes, retransmitted ones included.
    pub payload_bytes: u64,
}

/// Flows that a RST ended, by whose it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResetCount {
    /// The client's.
    pub client: u64,
    /// The server's.
    pub server: u64,
}

/// A set of durations, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SpanSummary {
    /// How many.
    pub samples: u64,
    /// Shortest; `null` without samples.
    pub min: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Median, at most 1 % off.
    pub p50: Option<f64>,
    /// 90th percentile, at most 1 % off.
    pub p90: Option<f64>,
    /// 99th percentile, at most 1 % off.
    pub p99: Option<f64>,
    /// Longest.
    pub max: Option<f64>,
}
