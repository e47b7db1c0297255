//! Sums over the streams of the capture: what was sent again, how long round trips took, what flows waited for.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::Serialize;

use super::{DistributionReport, RequestsReport, SpanSummary};
use crate::{
    flow::{FlowKey, Side},
    time::Timestamp,
};

/// What was sent again, and why.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RetransmitReport {
    /// All flows together.
    #[serde(flatten)]
    pub total: SentAgainCount,
    /// Payload bytes that had been sent before.
    pub retransmitted_bytes: u64,
    /// Frames whose bytes came later than bytes behind them, and not again.
    pub out_of_order: u64,
    /// Acknowledgements that repeat the one before.
    pub duplicate_acks: u64,
    /// Times that a receiver's window went to zero.
    pub zero_window_episodes: u64,
    /// Holes that the receiver acknowledged: lost by the capture, not by the network.
    pub capture_gaps: u64,
    /// Bytes in them.
    pub capture_gap_bytes: u64,
    /// How long loss episodes lasted: first retransmission to the acknowledgement of all that was sent before it.
    pub loss_episode_us: SpanSummary,
    /// What loss episodes cost: first transmission of what was lost to its acknowledgement, less one round trip.
    pub loss_delay_us: SpanSummary,
    /// Servers, the one that had most sent again first.
    pub servers: Vec<ServerRetransmissions>,
    /// All other servers.
    pub other_servers: SentAgainCount,
    /// Ports of servers, the one that had most sent again first.
    pub ports: Vec<PortRetransmissions>,
    /// All other ports.
    pub other_ports: SentAgainCount,
    /// Flows, the one that had most sent again first.
    pub flows: Vec<FlowRetransmissions>,
    /// Times that a server had to be moved to the others because there were too many: where this is not 0, the counts by
    /// server are lower bounds.
    pub servers_folded: u64,
    /// Times that a flow was forgotten for this list because there were too many: where this is not 0, a flow that began
    /// to send again late may be missing.
    pub flows_folded: u64,
}

/// Segments with payload, and those of them that had been sent before; both directions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SentAgainCount {
    /// Segments with payload on the wire.
    pub data_segments: u64,
    /// Of these, sent before.
    pub retransmitted_segments: u64,
    /// Their share; `null` without segments.
    pub retransmission_rate: Option<f64>,
    /// By cause: `rto`, `fast`, `tlp`, `spurious`, `unknown`.
    pub retransmissions: BTreeMap<&'static str, u64>,
}

/// Retransmissions of all flows of one server.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ServerRetransmissions {
    /// Its address.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// How many.
    #[serde(flatten)]
    pub count: SentAgainCount,
}

/// Retransmissions of all flows to one port.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PortRetransmissions {
    /// The servers' port.
    pub server_port: u16,
    /// How many.
    #[serde(flatten)]
    pub count: SentAgainCount,
}

/// A flow by name, in lists.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FlowName {
    /// The client.
    pub client_ip: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The server.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// First frame; absent in events, which tell of a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_us: Option<i64>,
}

impl FlowName {
    /// The name of a flow.
    #[must_use]
    pub fn of(key: &FlowKey, client: Side, start: Option<Timestamp>) -> Self {
        let tuple = key.tuple_from(client);
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            start_us: start.map(Timestamp::as_micros),
        }
    }
}

/// One of the flows that had most sent again.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FlowRetransmissions {
    /// Which.
    #[serde(flatten)]
    pub flow: FlowName,
    /// Segments with payload on the wire, both directions.
    pub data_segments: u64,
    /// Of these, sent before.
    pub retransmitted_segments: u64,
}

/// How long round trips took, seen from the capture point, and requests.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct LatencyReport {
    /// Capture point to server and back.
    pub towards_server: RoundTripReport,
    /// Capture point to client and back.
    pub towards_client: RoundTripReport,
    /// Requests and where their time went; absent where none are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestsReport>,
    /// How many took how long.
    pub distribution: DistributionReport,
}

/// Round trips towards one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RoundTripReport {
    /// How long they took.
    pub rtt_us: SpanSummary,
    /// What of that exceeds the least of the same flow, where no receiver that waited can explain it: queues.
    pub queueing_us: SpanSummary,
    /// Acknowledgements that the receiver is known to have delayed.
    pub delayed_acks: u64,
}

/// What flows with something to do waited for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct StallReport {
    /// By what they waited for: `zero_window`, `rto`, `server_thinking`, `client_thinking`, `sender_idle`.
    pub kinds: BTreeMap<&'static str, StallSummary>,
    /// Flows, the one that receiver, network or sender held up longest first.
    pub flows: Vec<FlowStalls>,
    /// Times that a flow was forgotten for this list because there were too many.
    pub flows_folded: u64,
}

/// Stalls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct StallSummary {
    /// All of them together, in microseconds.
    pub total_us: f64,
    /// How long each lasted.
    #[serde(flatten)]
    pub span_us: SpanSummary,
}

/// One of the flows that were held up longest.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FlowStalls {
    /// Which.
    #[serde(flatten)]
    pub flow: FlowName,
    /// How long receiver, network or sender held it up, in microseconds.
    pub stalled_us: f64,
}
