//! What one segment did in sequence space: what round-trip times and stalls are built on.

use super::counts::Cause;
use crate::time::{Span, Timestamp};

/// What a segment did to both streams of its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) struct Verdict {
    /// To the stream that it belongs to.
    pub(in crate::flow) sent: Sent,
    /// To the other side's stream, which it acknowledges; `None` without ACK.
    pub(in crate::flow) acked: Option<Acked>,
}

/// What a segment did to its own stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) struct Sent {
    /// Octets beyond everything sent before.
    pub(in crate::flow) new: u32,
    /// Octets sent before.
    pub(in crate::flow) again: u32,
    /// Why they were sent again.
    pub(in crate::flow) cause: Option<Cause>,
    /// When the octets sent again were sent last before this.
    pub(in crate::flow) sent_before: Option<Timestamp>,
    /// Octets sent and not yet acknowledged, this segment's included.
    pub(in crate::flow) in_flight: u32,
    /// A keep-alive or a probe of a zero window: no data.
    pub(in crate::flow) is_probe: bool,
}

/// What a segment did to the stream that it acknowledges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) struct Acked {
    /// Octets acknowledged for the first time by the acknowledgement number.
    pub(in crate::flow) octets: u32,
    /// Octets acknowledged for the first time by SACK blocks.
    pub(in crate::flow) selectively: u32,
    /// Since the newest segment that this acknowledges first, and that was sent only once (Karn); `None` where none
    /// tells. Linux calls it `ca_rtt_us` and takes its least for `min_rtt`.
    pub(in crate::flow) rtt: Option<Span>,
    /// The same since the oldest such segment: what Linux calls `seq_rtt_us` and smooths (net/ipv4/tcp_input.c,
    /// `tcp_clean_rtx_queue`).
    ///
    /// Where the acknowledgement number covers anything for the first time that had been sent again, it tells nothing
    /// of either, and only what SACK blocks acknowledge first does.
    pub(in crate::flow) rtt_oldest: Option<Span>,
    /// Segments that it acknowledges for the first time.
    pub(in crate::flow) segments: u32,
    /// Octets sent and not yet acknowledged, behind this.
    pub(in crate::flow) in_flight: u32,
    /// It repeats the acknowledgement before.
    pub(in crate::flow) is_duplicate: bool,
    /// The window that it announces, scaled.
    pub(in crate::flow) window: u32,
}
