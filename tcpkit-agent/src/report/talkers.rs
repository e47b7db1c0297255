//! Who sent and received most.
//!
//! TCP counts by flow: by its own addresses, also inside a tunnel, and on one interface only. UDP counts by the
//! addresses and ports that were found, everything else by the outermost IP header, on every interface that shows it.
//! Live, a flow counts within a second of capture time, a half-open one when it is more than that or gives way; in a
//! final report all of them have.
//! Lists are exact as long as there are at most 7168 addresses and services in each shard. Beyond that the lighter half
//! gives way: `missing_bytes` of a row says how much more its bytes may have been, and sums over all stay exact.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Count;

/// Talkers, those with most bytes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TalkersReport {
    /// All that the lists are made of, each packet once: what has addresses, without copies on other interfaces.
    pub total: Count,
    /// By address.
    pub addresses: Vec<AddressTalk>,
    /// All other addresses.
    pub other_addresses: TalkCount,
    /// By prefix: 24 bits of IPv4 addresses and 48 of IPv6 ones, unless asked otherwise.
    pub prefixes: Vec<PrefixTalk>,
    /// All other prefixes.
    pub other_prefixes: TalkCount,
    /// By the servers' port: `sent` is what servers sent.
    pub ports: Vec<PortTalk>,
    /// All other ports.
    pub other_ports: TalkCount,
    /// By service, a server's address and port: `sent` is what it sent.
    pub services: Vec<ServiceTalk>,
    /// All other services.
    pub other_services: TalkCount,
    /// Times that an address gave way to others because there were too many; where it is 0, the list is exact.
    pub addresses_folded: u64,
    /// Times that a prefix did. Prefixes are exact as long as this is 0, whatever became of addresses.
    pub prefixes_folded: u64,
    /// Times that a port did. Ports are exact as long as this is 0, whatever became of services.
    pub ports_folded: u64,
    /// Times that a service did.
    pub services_folded: u64,
    /// Rows of each list that are shown where there is no room for all.
    #[serde(skip)]
    pub shown: usize,
}

/// What a talker said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct TalkCount {
    /// Bytes on the wire, both ways.
    pub bytes: u64,
    /// Bytes that may be missing from that, at most: 0 as long as nothing gave way.
    pub missing_bytes: u64,
    /// TCP flows.
    pub flows: u64,
    /// Of the payload of both ways, the share that had been sent before; `null` without payload.
    pub retransmitted_share: Option<f64>,
    /// What it sent.
    pub sent: SentCount,
    /// What was sent to it.
    pub received: SentCount,
}

/// What was sent one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SentCount {
    /// Frames, packets and bytes on the wire.
    #[serde(flatten)]
    pub count: Count,
    /// Payload of TCP and UDP.
    pub payload_bytes: u64,
    /// Payload without what had been sent before.
    pub goodput_bytes: u64,
    /// Payload that had been sent before.
    pub retransmitted_bytes: u64,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AddressTalk {
    /// The address.
    pub address: IpAddr,
    /// What it said.
    #[serde(flatten)]
    pub count: TalkCount,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PrefixTalk {
    /// Its first address and the number of bits that count: `10.0.0.0/24`.
    pub prefix: String,
    /// What its addresses said; a flow between two of them is one flow, sent and received.
    #[serde(flatten)]
    pub count: TalkCount,
}

/// A port of servers.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PortTalk {
    /// Port: of TCP the server's, of UDP the lower one of both, of equal ones the receiver's.
    pub server_port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What was said with it.
    #[serde(flatten)]
    pub count: TalkCount,
}

/// A server's address and port.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ServiceTalk {
    /// Address.
    pub server_ip: IpAddr,
    /// Port.
    pub server_port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// What was said with it.
    #[serde(flatten)]
    pub count: TalkCount,
}
