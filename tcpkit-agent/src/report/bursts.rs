//! Microbursts: how high the rate went within milliseconds, beside what it was most of the time.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

/// The rate in windows of 1 and of 10 milliseconds past one interface in one direction, idle ones included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BurstReport {
    /// Interface, or the file for a nameless one.
    pub interface: String,
    /// `inbound`, `outbound` or `unknown`.
    pub direction: &'static str,
    /// Milliseconds that were looked at.
    pub observed_ms: u64,
    /// Milliseconds that were not, because they were not read in time or the capture's clock stepped over them.
    pub missed_ms: u64,
    /// Windows of 1 ms, one after the other.
    pub one_ms: BurstWindows,
    /// Windows of 10 ms, one beginning with each millisecond.
    pub ten_ms: BurstWindows,
}

/// Rates over all windows of one length: wire bits per second with link header, without preamble and FCS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BurstWindows {
    /// 99 of 100 windows had no more, at most 1 % off; `null` where no whole window was seen.
    pub p99_bits_per_second: Option<f64>,
    /// The highest.
    pub peak_bits_per_second: Option<f64>,
    /// Bytes in it.
    pub peak_bytes: u64,
    /// Packets in it.
    pub peak_packets: u64,
    /// When it began.
    pub peak_us: Option<i64>,
    /// Who sent most of it; `null` where that is not known.
    pub peak_flow: Option<BurstFlow>,
}

/// The flow that a burst is due to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BurstFlow {
    /// Sender.
    pub source_ip: IpAddr,
    /// As above.
    pub source_port: u16,
    /// Receiver.
    pub destination_ip: IpAddr,
    /// As above.
    pub destination_port: u16,
    /// `tcp`, `udp`, or the number of another protocol.
    pub protocol: String,
    /// Bytes of the peak that were certainly this flow's; it may have had more.
    pub bytes_at_least: u64,
    /// The same as a share of the peak: above one half, no other flow had as much.
    pub share_at_least: f64,
}
