//! What metrics need beside the report: durations by bucket, and traffic cut up in three ways at a time.
//!
//! None of it is in the report's JSON, which has percentiles instead.

use std::sync::LazyLock;

use super::Count;

/// Upper bounds of the buckets of durations, in nanoseconds; the last bucket has none. A duration within 1/128 of a
/// bound may stand on either side of it, because the analyzers keep durations no finer.
pub const DURATION_BOUNDS_NS: [u64; 20] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
];

/// Buckets of durations.
pub const DURATION_BUCKETS: usize = DURATION_BOUNDS_NS.len() + 1;

/// The resolution of native histograms, by Prometheus's name: each doubling is cut into 2^3 buckets, whose bounds are
/// powers of 2^(1/8), 9 % apart. Each of them has at least five of those that the analyzers keep durations in (at most
/// 1/64 of their value wide), so the shape of a distribution stays as it is; a finer one would be jagged.
pub const NATIVE_SCHEMA: i32 = 3;

/// What Prometheus calls the first of the native buckets, in which durations of 0 are; its upper bound is 2^-30 s,
/// which is less than a nanosecond.
pub const NATIVE_FIRST: i32 = -30 << NATIVE_SCHEMA;

/// What Prometheus calls the last native bucket with a bound: 2^34 s, 544 years.
const NATIVE_LAST: i32 = 34 << NATIVE_SCHEMA;

/// Upper bounds of the native buckets, in whole nanoseconds; the last bucket has none. A duration within 1/128 of a
/// bound may stand on either side of it, as with [`DURATION_BOUNDS_NS`].
pub static NATIVE_BOUNDS_NS: LazyLock<Vec<u64>> =
    LazyLock::new(|| (NATIVE_FIRST..=NATIVE_LAST).map(native_bound_ns).collect());

/// `2^(bucket / 2^schema)` seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0.9 to 1.8e19, which is below 2^64; durations are whole, so what is behind the point makes no odds"
)]
fn native_bound_ns(bucket: i32) -> u64 {
    (1e9 * (f64::from(bucket) / f64::from(1 << NATIVE_SCHEMA)).exp2()) as u64
}

/// A set of durations by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many fell into each bucket.
    pub buckets: [u64; DURATION_BUCKETS],
    /// How many fell into each of the buckets of [`NATIVE_BOUNDS_NS`]; zeros at the end are left out.
    pub native: Vec<u64>,
    /// All of them together, in nanoseconds; saturates after 584 years.
    pub sum_ns: u64,
}

/// How long requests of one kind took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDurations {
    /// From the first octet of the request until the answer was delivered, of those that did not ask to wait.
    pub total: Durations,
    /// The server's part of that.
    pub server: Durations,
    /// How long those took that did.
    pub blocking: Durations,
}

/// Round trips towards one end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundTripDurations {
    /// How long they took.
    pub rtt: Durations,
    /// What of that exceeds the least of the same flow.
    pub queueing: Durations,
}

/// What passed one interface with one protocol in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficFigure {
    /// Interface, or the file for a nameless one.
    pub interface: String,
    /// `inbound`, `outbound`, `unknown`.
    pub direction: &'static str,
    /// `tcp`, `udp`, `icmp`, `other`.
    pub protocol: &'static str,
    /// How much, of the frames that were delivered.
    pub count: Count,
}

/// What metrics need beside the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// First SYN to the ACK that completes the handshake.
    pub handshake: Durations,
    /// First SYN to SYN/ACK.
    pub server_rtt: Durations,
    /// SYN/ACK to ACK.
    pub client_rtt: Durations,
    /// Capture point to server and back.
    pub towards_server: RoundTripDurations,
    /// Capture point to client and back.
    pub towards_client: RoundTripDurations,
    /// How long loss episodes lasted.
    pub loss_episode: Durations,
    /// What they cost.
    pub loss_delay: Durations,
    /// Stalls by kind.
    pub stalls: Vec<(&'static str, Durations)>,
    /// Requests by protocol; only those that occurred.
    pub protocols: Vec<(&'static str, RequestDurations)>,
    /// Commands of a protocol, the most frequent first.
    pub commands: Vec<((&'static str, String), Durations)>,
    /// All requests together, in the same way as `commands`.
    pub all_commands: Durations,
    /// Traffic by interface, direction and protocol; only what occurred.
    pub traffic: Vec<TrafficFigure>,
    /// How long requests of the control plane kept workers from their frames.
    pub pauses: Durations,
    /// How full each worker's ring was when it was asked, from 0 to 1; empty where there are no rings.
    pub rings: Vec<f64>,
}
