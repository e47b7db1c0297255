//! What one direction of a flow adds up to.

use crate::time::Span;

/// Why a segment with payload was sent again.
///
/// A verdict may be revised once: what looked like a loss turns out [`Spurious`](Self::Spurious) when a D-SACK
/// (RFC 2883), a timestamp echo (Eifel, RFC 3522) or the timing of an acknowledgement says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The retransmission timer ran out (RFC 6298).
    Rto,
    /// Duplicate acknowledgements or SACK told of the loss (RFC 5681, RFC 6675, RFC 8985).
    Fast,
    /// Tail loss probe (RFC 8985 §7).
    Tlp,
    /// The receiver had it already, or would have had it.
    Spurious,
    /// The capture does not tell.
    Unknown,
}

impl Cause {
    /// How many there are: the length of an array that [`Cause::index`] goes into.
    pub const COUNT: usize = 5;

    /// Every cause, in order of [`Cause::index`].
    pub const ALL: [Self; Self::COUNT] = [Self::Rto, Self::Fast, Self::Tlp, Self::Spurious, Self::Unknown];

    /// Place in an array of counts.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word in records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rto => "rto",
            Self::Fast => "fast",
            Self::Tlp => "tlp",
            Self::Spurious => "spurious",
            Self::Unknown => "unknown",
        }
    }
}

/// What one side sent, as sequence numbers, acknowledgements and windows tell; segments are those on the wire.
///
/// SYN and FIN are not data: a SYN that was sent again is the handshake's, a FIN has its own count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Octets of payload counted once, however often they were sent.
    pub unique_bytes: u64,
    /// Segments with payload that were sent again, by [`Cause::index`].
    pub retransmissions: [u32; Cause::COUNT],
    /// Frames that carried them; a super-segment is one, and those in the form of a keep-alive count there.
    pub retransmitted_frames: u32,
    /// Octets of payload that had been sent before.
    pub retransmitted_bytes: u64,
    /// FINs sent again in segments of their own.
    pub fin_retransmissions: u32,
    /// Frames whose octets came later than octets behind them, and not again.
    pub out_of_order: u32,
    /// Acknowledgements that repeat the one before (RFC 5681 §2).
    pub duplicate_acks: u32,
    /// Segments that announced a window of zero.
    pub zero_windows: u32,
    /// Times that the announced window went to zero.
    pub zero_window_episodes: u32,
    /// How long it was zero, all in all.
    pub zero_window_time: Span,
    /// Segments that filled the other side's announced window.
    pub window_full: u32,
    /// Segments in the form of a keep-alive (RFC 9293 §3.8.4): no octet or one, just before the edge. One that is still
    /// to be acknowledged was sent again as well, and one under a closed window probes it as well.
    pub keep_alives: u32,
    /// Probes of a zero window (RFC 9293 §3.8.6.1).
    pub window_probes: u32,
    /// Holes that the receiver acknowledged: we did not capture what it got.
    pub capture_gaps: u32,
    /// Octets in them.
    pub capture_gap_bytes: u64,
    /// Periods from the first retransmission for a loss until everything sent before it was acknowledged.
    pub loss_episodes: u32,
    /// How long they lasted, all in all.
    pub loss_episode_time: Span,
    /// Segments with ECE outside the handshake (RFC 3168 §6.1.3): the other side's packets were marked.
    pub ece: u32,
    /// Segments with CWR outside the handshake (RFC 3168 §6.1.2).
    pub cwr: u32,
    /// Packets that came with CE in their IP header (RFC 3168 §5).
    pub ce: u32,
    /// Segments far outside the window, or acknowledgements of what was never sent: taken by nobody.
    pub invalid_sequence: u32,
    /// Most octets that were under way at one time.
    pub max_in_flight: u32,
}

impl StreamCounts {
    /// Segments with payload that were sent again, for whatever cause.
    #[must_use]
    pub const fn retransmitted_segments(&self) -> u64 {
        let [rto, fast, tlp, spurious, unknown] = self.retransmissions;
        rto as u64 + fast as u64 + tlp as u64 + spurious as u64 + unknown as u64
    }
}

/// The counts of a direction while it lives: most directions have no trouble, and pay for none of its counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) unique_bytes: u64,
    /// All other counts, from the first of them on; at most one for each direction.
    rare: Option<Box<StreamCounts>>,
}

impl Tally {
    /// Counts that most directions never need.
    #[cold]
    pub(super) fn rare(&mut self) -> &mut StreamCounts {
        self.rare.get_or_insert_default()
    }

    /// All counts of a direction that had so much in flight at most.
    pub(super) fn total(&self, max_in_flight: u32) -> StreamCounts {
        let rare = self.rare.as_deref().copied().unwrap_or_default();
        StreamCounts { unique_bytes: self.unique_bytes, max_in_flight, ..rare }
    }

    /// Octets of payload that had been sent before.
    pub(super) fn retransmitted_bytes(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.retransmitted_bytes)
    }

    /// Segments with payload that were sent again.
    pub(super) fn retransmitted_segments(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.retransmitted_segments())
    }
}
