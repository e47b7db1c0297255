//! The flow log: one record per finished flow.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

/// One TCP connection as observed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FlowRecord {
    /// Sender of the first SYN; mid-stream, inferred.
    pub client_ip: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The other side.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Neither SYN nor SYN/ACK was seen; who is client was inferred.
    pub midstream: bool,
    /// Interface that the flow belongs to, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// First frame.
    pub start_us: i64,
    /// Last frame.
    pub end_us: i64,
    /// What became of the handshake.
    pub handshake: HandshakeResult,
    /// ICMP type and code behind `unreachable`, as `3/1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<String>,
    /// What its RFC calls that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_name: Option<&'static str>,
    /// ICMP errors that quote a segment of the flow; no more than 65,535 are counted.
    pub icmp_errors: u16,
    /// Those of them that ask for smaller packets: *fragmentation needed*, *packet too big*.
    pub path_mtu_errors: u16,
    /// First SYN to the ACK that completes it.
    pub handshake_us: Option<f64>,
    /// First SYN to SYN/ACK.
    pub server_rtt_us: Option<f64>,
    /// SYN/ACK to ACK.
    pub client_rtt_us: Option<f64>,
    /// SYNs sent again.
    pub syn_retransmissions: u32,
    /// SYN/ACKs sent again.
    pub synack_retransmissions: u32,
    /// The server sent its SYN/ACK again although it must have got the ACK: its accept queue seems to have been full.
    pub accept_queue_overflow: bool,
    /// What the client sent.
    pub client: DirectionRecord,
    /// What the server sent.
    pub server: DirectionRecord,
    /// What the flow waited for although it had something to do.
    pub stalls: StallsByKind,
    /// Data came in the SYN (TCP Fast Open, RFC 7413).
    pub fast_open: bool,
    /// The server acknowledged data of the SYN.
    pub fast_open_accepted: bool,
    /// Both sides sent a SYN (RFC 9293 §3.5).
    pub simultaneous_open: bool,
    /// A SYN offered Multipath TCP (RFC 8684).
    pub mptcp: bool,
    /// Both SYNs negotiated ECN (RFC 3168 §6.1.1).
    pub ecn: bool,
    /// How the flow ended.
    pub close: Close,
    /// The RST that ended it; `null` where none did. Whose it was, `close` says.
    pub rst: Option<RstRecord>,
}

/// The RST that ended a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RstRecord {
    /// In the middle of what: `refused`, `opening`, `data_after_fin`, `after_fin`, `half_closed`, `in_flight`,
    /// `unanswered`, `quiet` or `outside_window`.
    pub kind: &'static str,
    /// It answers a segment of a connection that its sender does not know or has closed; one that does not was sent of
    /// the sender's own accord.
    pub answers: bool,
}

/// One direction of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DirectionRecord {
    /// Frames captured.
    pub frames: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Bytes on the wire, link header included.
    pub bytes: u64,
    /// Payload bytes, retransmitted ones included.
    pub payload_bytes: u64,
    /// Payload bytes counted once, however often they were sent.
    pub unique_bytes: u64,
    /// Segments with payload that were sent again, by cause; SYN and FIN stand apart.
    pub retransmissions: RetransmissionsByCause,
    /// Frames that carried them; a super-segment is one.
    pub retransmitted_frames: u32,
    /// Payload bytes that had been sent before.
    pub retransmitted_bytes: u64,
    /// FINs sent again in segments of their own; with data they are among the retransmissions.
    pub fin_retransmissions: u32,
    /// Frames with bytes that came later than bytes behind them, and not again.
    pub out_of_order: u32,
    /// Acknowledgements that repeat the one before.
    pub duplicate_acks: u32,
    /// Segments that announced a window of zero.
    pub zero_windows: u32,
    /// Times that the announced window went to zero.
    pub zero_window_episodes: u32,
    /// How long it was zero, all in all.
    pub zero_window_us: f64,
    /// Segments that filled the other side's window.
    pub window_full: u32,
    /// Keep-alives.
    pub keep_alives: u32,
    /// Probes of a zero window.
    pub window_probes: u32,
    /// Holes that the receiver acknowledged: not captured, and yet received.
    pub capture_gaps: u32,
    /// Bytes in them.
    pub capture_gap_bytes: u64,
    /// Periods from the first retransmission for a loss until everything sent before it was acknowledged.
    pub loss_episodes: u32,
    /// How long they lasted, all in all.
    pub loss_episode_us: f64,
    /// Segments with ECE outside the handshake.
    pub ece: u32,
    /// Segments with CWR outside the handshake.
    pub cwr: u32,
    /// Packets that came with CE in their IP header.
    pub ce: u32,
    /// Segments far outside the window, or acknowledgements of what was never sent.
    pub invalid_sequence: u32,
    /// Most bytes that were under way at one time.
    pub max_in_flight: u32,
    /// Round trips of this side's data, seen from the capture point.
    pub rtt: RttRecord,
    /// Maximum segment size that this side announced.
    pub mss: Option<u16>,
    /// Shift of its windows that this side announced.
    pub window_scale: Option<u8>,
    /// Whether this side permitted SACK; `null` when its SYN was not seen.
    pub sack_permitted: Option<bool>,
}

/// Segments sent again, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RetransmissionsByCause {
    /// The retransmission timer ran out.
    pub rto: u32,
    /// Duplicate acknowledgements or SACK told of the loss.
    pub fast: u32,
    /// Tail loss probes.
    pub tlp: u32,
    /// The receiver had them already, or would have had them.
    pub spurious: u32,
    /// The capture does not tell.
    pub unknown: u32,
}

/// Round trips of one direction's data, in microseconds; `null` without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RttRecord {
    /// Round trips measured.
    pub samples: u64,
    /// The least.
    pub min: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// The most.
    pub max: Option<f64>,
    /// Smoothed round-trip time (SRTT of RFC 6298 §2).
    pub smoothed: Option<f64>,
    /// Its variation (RTTVAR of RFC 6298 §2).
    pub variation: Option<f64>,
    /// Mean of what exceeds the least, where no receiver that waited can explain it: queueing.
    pub queueing: Option<f64>,
    /// Samples whose acknowledgement the receiver is known to have delayed.
    pub delayed_acks: u64,
    /// Samples that the echo of a timestamp decided, because the acknowledgement alone does not tell which copy it
    /// answers.
    pub by_timestamp: u64,
    /// The least time in which the other side echoed the timestamp of an acknowledgement without data.
    pub min_echo: Option<f64>,
    /// How far the percentiles may be off, as a part of their value.
    pub percentile_error: Option<f64>,
}

/// What a flow waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct StallsByKind {
    /// The receiver to read: its window was zero.
    pub zero_window: StallRecord,
    /// The retransmission timer.
    pub rto: StallRecord,
    /// The server to answer.
    pub server_thinking: StallRecord,
    /// The client to ask again.
    pub client_thinking: StallRecord,
    /// The sender to go on in the middle of what it was sending.
    pub sender_idle: StallRecord,
}

/// Stalls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct StallRecord {
    /// How many.
    pub count: u32,
    /// How long, all of them together, in microseconds.
    pub us: f64,
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeResult {
    /// SYN, SYN/ACK, and an ACK that covers it.
    Success,
    /// RST in answer.
    Reject,
    /// No answer within the time-out.
    Timeout,
    /// An ICMP error in answer.
    Unreachable,
    /// The client gave up: RST or FIN before its ACK.
    Aborted,
    /// The capture or the agent ended first.
    Pending,
    /// The flow was open before the capture began.
    Midstream,
}

impl HandshakeResult {
    /// Every result, in the order of the manual.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::Reject,
        Self::Timeout,
        Self::Unreachable,
        Self::Aborted,
        Self::Pending,
        Self::Midstream,
    ];

    /// The word in records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Reject => "reject",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Aborted => "aborted",
            Self::Pending => "pending",
            Self::Midstream => "midstream",
        }
    }
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Close {
    /// Both sides finished.
    Fin,
    /// The client reset it.
    RstClient,
    /// The server reset it.
    RstServer,
    /// Nothing came for the idle time-out.
    Idle,
    /// It gave way to `--max-flows`.
    Evicted,
    /// A new connection took its four-tuple while neither side had closed it.
    Reused,
    /// The capture ended first.
    EndOfCapture,
}
