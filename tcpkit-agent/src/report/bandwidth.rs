//! Who used how much of the network: totals and rates, cut up in several ways.
//!
//! `bytes` are those of packets on the wire with their link header, as captured: without preamble, FCS and gap.
//! `l1_bytes` are what the packets take of an Ethernet link: 24 more for each packet (preamble and start of frame 8,
//! FCS 4, gap 12), and short packets filled up to 64 octets with FCS.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{BurstReport, Count, ExactFlowsReport, TalkersReport};

/// Who used how much.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BandwidthReport {
    /// All interfaces together.
    pub total: TrafficReport,
    /// Mean rate over the capture: wire bits per second, link header included.
    pub bits_per_second: Option<f64>,
    /// Mean rate over the capture: wire packets per second.
    pub packets_per_second: Option<f64>,
    /// By IP version: `ipv4`, `ipv6`, `not_ip`.
    pub ip_versions: BTreeMap<&'static str, TrafficReport>,
    /// By what IP carries, of a tunnel the outer packet: `tcp`, `udp`, `icmp`, `other`.
    pub protocols: BTreeMap<&'static str, TrafficReport>,
    /// By way past the capture point: `inbound`, `outbound`, `unknown`.
    pub directions: BTreeMap<&'static str, TrafficReport>,
    /// By interface.
    pub interfaces: Vec<InterfaceBandwidth>,
    /// Wire packets by size of the frame; upper bounds as in RMON (RFC 2819, etherStatsPkts).
    pub packet_sizes: Vec<SizeBucket>,
    /// How high the rate went within milliseconds, by interface and direction.
    pub bursts: Vec<BurstReport>,
    /// Traffic by flow as the kernel counted it, right also where frames were lost on their way to the analysis; absent
    /// where it was not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_flows: Option<ExactFlowsReport>,
    /// From when on peaks are known, in microseconds; `null` where that is the whole capture. Memory for them is enough
    /// for 18 hours of traffic without a pause.
    pub peaks_since_us: Option<i64>,
    /// Who sent and received most.
    pub talkers: TalkersReport,
}

/// A part of the traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TrafficReport {
    /// How much it was.
    #[serde(flatten)]
    pub count: Count,
    /// Bytes that it took of an Ethernet link, with preamble, FCS, gap and padding; absent by protocol and IP version,
    /// and where an interface is no Ethernet one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1_bytes: Option<u64>,
    /// Payload of TCP and UDP. What passes two interfaces counts on the one that had the flow first.
    pub payload_bytes: u64,
    /// Of the payload, bytes of TCP that had been sent before.
    pub retransmitted_bytes: u64,
    /// Payload without what had been sent before.
    pub goodput_bytes: u64,
    /// `goodput_bytes` / `bytes`; `null` without bytes.
    pub goodput_share: Option<f64>,
    /// TCP flows whose first frame was among these.
    pub flows: u64,
    /// Mean over the capture of `bytes`; `null` where the capture has no duration.
    pub bytes_per_second: Option<f64>,
    /// The same in bits.
    pub bits_per_second: Option<f64>,
    /// The busiest second of the clock; `null` without bytes.
    pub peak: Option<PeakRate>,
}

/// The busiest second of the clock (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PeakRate {
    /// When it began.
    pub at_us: i64,
    /// Bytes in it, counted as `bytes` are.
    pub bytes_per_second: u64,
    /// The same in bits.
    pub bits_per_second: u64,
}

/// One interface's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct InterfaceBandwidth {
    /// Interface, or the file for a nameless one.
    pub interface: String,
    /// What passed it.
    #[serde(flatten)]
    pub traffic: TrafficReport,
    /// By way past it; directions in which nothing passed are left out.
    pub directions: BTreeMap<&'static str, TrafficReport>,
    /// How much of the link was used, by direction; absent where its speed is not known, as of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkUse>,
}

/// How much of a link was used: `l1_bytes` by its speed, each direction having all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct LinkUse {
    /// What the driver says, in bits per second.
    pub speed_bits_per_second: u64,
    /// Mean over the capture, 0 to 1, by direction.
    pub mean: BTreeMap<&'static str, f64>,
    /// The busiest second of the clock, by direction.
    pub peak: BTreeMap<&'static str, f64>,
}

/// Wire packets up to a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SizeBucket {
    /// Largest size in the bucket, in bytes; `null` for the last.
    pub up_to: Option<u32>,
    /// Wire packets.
    pub packets: u64,
}
