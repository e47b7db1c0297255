//! Handshakes by result, by server, by what answered them, and their times.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::Serialize;

use super::SpanSummary;

/// Handshakes of a capture.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct HandshakeReport {
    /// Flows by `HandshakeResult`.
    pub results: BTreeMap<&'static str, u64>,
    /// SYNs sent again.
    pub syn_retransmissions: u64,
    /// SYN/ACKs sent again.
    pub synack_retransmissions: u64,
    /// Handshakes after whose ACK the server sent its SYN/ACK again: it seems to have dropped the ACK because its
    /// accept queue was full. A suspicion: the network may have lost the ACK behind the capture point.
    pub accept_queue_overflows: u64,
    /// SYNs that asked for ECN (RFC 3168 §6.1.1).
    pub ecn_asked: u64,
    /// SYN/ACKs that granted it.
    pub ecn_granted: u64,
    /// SYNs with data (TCP Fast Open, RFC 7413).
    pub fast_open: u64,
    /// SYN/ACKs that acknowledged data of the SYN.
    pub fast_open_accepted: u64,
    /// Handshakes in which both sides sent a SYN (RFC 9293 §3.5).
    pub simultaneous_opens: u64,
    /// Handshakes in which a SYN or SYN/ACK offered Multipath TCP (RFC 8684).
    pub mptcp: u64,
    /// First SYN to the ACK that completes the handshake.
    pub handshake_us: SpanSummary,
    /// First SYN to SYN/ACK: the server's half.
    pub server_rtt_us: SpanSummary,
    /// SYN/ACK to ACK: the client's half.
    pub client_rtt_us: SpanSummary,
    /// ICMP errors that quote a segment of a flow, by type and code.
    pub icmp: Vec<IcmpErrorCount>,
    /// By server, those with most failures first.
    pub servers: Vec<ServerHandshakes>,
    /// All other servers together.
    pub other_servers: HandshakeCounts,
    /// Times that a server had to be moved to the others because too many were asked at once: where this is not 0, the
    /// counts by server are lower bounds.
    pub servers_folded: u64,
}

/// ICMP errors of one type and code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IcmpErrorCount {
    /// `icmp` or `icmpv6`.
    pub protocol: &'static str,
    /// ICMP type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// What its RFC calls it.
    pub name: &'static str,
    /// Errors.
    pub errors: u64,
    /// Those of them that answered a SYN and made its handshake `unreachable`.
    pub unreachable: u64,
}

/// Handshakes of one server.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ServerHandshakes {
    /// Its address.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Its handshakes.
    #[serde(flatten)]
    pub counts: HandshakeCounts,
}

/// Some handshakes.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct HandshakeCounts {
    /// Handshakes whose SYN was seen.
    pub attempts: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// By `HandshakeResult`; results that none has are left out.
    pub results: BTreeMap<&'static str, u64>,
    /// SYNs sent again.
    pub syn_retransmissions: u64,
    /// SYN/ACKs sent again.
    pub synack_retransmissions: u64,
    /// See [`HandshakeReport::accept_queue_overflows`].
    pub accept_queue_overflows: u64,
}
