//! The flow log: one record per finished flow.

use std::net::IpAddr;

use serde::Serialize;

/// One TCP connection as observed.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// What the client sent.
    pub client: DirectionRecord,
    /// What the server sent.
    pub server: DirectionRecord,
    /// How the flow ended.
    pub close: Close,
}

/// One direction of a flow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DirectionRecord {
    /// Frames captured.
    pub frames: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Bytes on the wire, link header included.
    pub bytes: u64,
    /// Payload bytes, retransmitted ones included.
    pub payload_bytes: u64,
    /// Maximum segment size that this side announced.
    pub mss: Option<u16>,
    /// Shift of its windows that this side announced.
    pub window_scale: Option<u8>,
    /// Whether this side permitted SACK; `null` when its SYN was not seen.
    pub sack_permitted: Option<bool>,
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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
