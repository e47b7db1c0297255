//! Requests as git-hulk/tcpkit counts them; what its statistics and its stats port show.

use std::net::SocketAddr;

use crate::{
    analyzer::{PortSum, RequestAnalyzer},
    flow::{Endpoint, FlowCounts},
};

pub use crate::analyzer::{BUCKET_BOUNDS_US, BUCKETS};

/// The requests of one port, or of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCount {
    /// Requests, answered or not.
    pub requests: u64,
    /// Their octets.
    pub request_bytes: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Octets of the answers.
    pub response_bytes: u64,
    /// Latencies of the answered ones together, in whole microseconds: request start to response start.
    pub latency_us: u64,
    /// Answered ones that took at least `-t`.
    pub slow: u64,
    /// Answered ones by latency, in the buckets of git-hulk/tcpkit.
    pub buckets: [u64; BUCKETS],
}

/// Requests by port and by server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// By the servers' port, in no order.
    pub ports: Vec<(u16, ServiceCount)>,
    /// By server, in no order; a server with two protocols comes twice.
    pub servers: Vec<(SocketAddr, ServiceCount)>,
    /// All TCP from clients.
    pub from_clients: Sent,
    /// All TCP from servers.
    pub from_servers: Sent,
}

/// What one side of all connections sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Segments on the wire, also those without payload.
    pub segments: u64,
    /// Octets of payload.
    pub payload_bytes: u64,
}

impl Services {
    /// What the engine summed up.
    #[must_use]
    pub fn of(requests: &RequestAnalyzer, flows: &FlowCounts) -> Self {
        let ports = requests.ports().top(usize::MAX);
        let servers = requests.servers().top(usize::MAX);
        let address = |server: &Endpoint| SocketAddr::new(server.address.to_ip(), server.port);
        let from_servers =
            Sent { segments: flows.server_segments, payload_bytes: flows.server_payload_bytes };
        Self {
            from_servers,
            from_clients: Sent {
                segments: flows.segments.saturating_sub(from_servers.segments),
                payload_bytes: flows.payload_bytes.saturating_sub(from_servers.payload_bytes),
            },
            ports: ports.into_iter().map(|(port, sum)| (port, sum.into())).collect(),
            servers: servers.into_iter().map(|((_, server), sum)| (address(&server), sum.into())).collect(),
        }
    }
}

impl ServiceCount {
    /// Adds other requests.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.request_bytes += other.request_bytes;
        self.answered += other.answered;
        self.response_bytes += other.response_bytes;
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.slow += other.slow;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(own, theirs)| *own += theirs);
    }
}

impl From<&PortSum> for ServiceCount {
    fn from(port: &PortSum) -> Self {
        let PortSum { sum, buckets, latency_us, slow } = port;
        Self {
            requests: sum.requests(),
            request_bytes: sum.request_bytes,
            answered: sum.answered(),
            response_bytes: sum.response_bytes,
            latency_us: *latency_us,
            slow: *slow,
            buckets: *buckets,
        }
    }
}
