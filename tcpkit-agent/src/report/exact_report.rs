//! Traffic by flow as the kernel counted it, as data: the busiest flows, and an account of all the others.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Count;

/// The kernel's account of flows. `rows + no_flow + evicted + forgotten` are all frames that were wanted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ExactFlowsReport {
    /// Whether that holds to the byte; `null` while the capture runs, or where the kernel's totals are not used.
    pub closes: Option<bool>,
    /// Rows: a flow has one for each direction and place that saw it.
    pub flows: u64,
    /// All rows together.
    pub rows: Count,
    /// Neither TCP nor UDP, and fragments, whose ports are not known.
    pub no_flow: Count,
    /// Of flows that gave way to others in the kernel's table before this was read.
    pub evicted: Count,
    /// Of flows that are not remembered any more, because they were idle for long.
    pub forgotten: Count,
    /// How often a flow gave way in the kernel's table.
    pub evictions: u64,
    /// The rows with the most bytes.
    pub top: Vec<ExactFlowRecord>,
}

/// One direction of a flow at one interface.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExactFlowRecord {
    /// Interface.
    pub interface: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// `tcp`, `udp`, or the number of another protocol.
    pub protocol: String,
    /// Sender.
    pub source_ip: IpAddr,
    /// As above.
    pub source_port: u16,
    /// Receiver.
    pub destination_ip: IpAddr,
    /// As above.
    pub destination_port: u16,
    /// What passed.
    #[serde(flatten)]
    pub count: Count,
    /// Wire bits per second over the last second; of a final report, since the reading before it.
    pub bits_per_second: f64,
    /// First frame.
    pub first_us: i64,
    /// Latest frame.
    pub last_us: i64,
}
