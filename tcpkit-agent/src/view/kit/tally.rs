//! Requests summed up by server.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::{buckets::Buckets, line::answer};
use crate::report::RequestRecord;

/// The requests of one server's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Requests, answered or not.
    pub requests: u64,
    /// Their octets.
    pub request_bytes: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Octets of the answers.
    pub response_bytes: u64,
    /// Latencies of the answered requests together, in microseconds.
    pub cost_us: u64,
    /// Answered requests that took at least the threshold; none without a threshold.
    pub slow: u64,
    /// Answered requests by latency.
    pub buckets: Buckets,
}

impl Service {
    /// Adds another one's requests.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.answered += other.answered;
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.cost_us = self.cost_us.saturating_add(other.cost_us);
        self.slow += other.slow;
        self.buckets.merge(&other.buckets);
    }
}

/// Requests by server, as many servers as are remembered.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    threshold_us: u64,
    services: BTreeMap<(IpAddr, u16), Service>,
}

impl Tally {
    /// Nothing is counted yet; requests that take at least this many microseconds are slow, none with 0.
    #[must_use]
    pub const fn new(threshold_us: u64) -> Self {
        Self { threshold_us, services: BTreeMap::new() }
    }

    /// Servers that were counted elsewhere.
    #[must_use]
    pub fn of(threshold_us: u64, services: impl IntoIterator<Item = (SocketAddr, Service)>) -> Self {
        let services = services.into_iter().map(|(server, service)| ((server.ip(), server.port()), service));
        Self { threshold_us, services: services.collect() }
    }

    /// Counts a request.
    pub fn on_request(&mut self, record: &RequestRecord) {
        let server = (record.server_ip, record.server_port);
        if self.services.len() >= MAX_SERVICES && !self.services.contains_key(&server) {
            return;
        }
        let threshold = self.threshold_us;
        let service = self.services.entry(server).or_default();
        service.requests += 1;
        service.request_bytes = service.request_bytes.saturating_add(record.request_bytes);
        let Some((_, latency)) = answer(record) else { return };
        service.answered += 1;
        service.response_bytes = service.response_bytes.saturating_add(record.response_bytes);
        service.cost_us = service.cost_us.saturating_add(latency);
        service.slow += u64::from(threshold > 0 && latency >= threshold);
        service.buckets.record(latency);
    }

    /// The servers, in order of their addresses.
    pub fn by_server(&self) -> impl Iterator<Item = (SocketAddr, &Service)> {
        self.services.iter().map(|((ip, port), service)| (SocketAddr::new(*ip, *port), service))
    }

    /// The ports that were asked for, in their order, also those without requests; then all others, ascending.
    #[must_use]
    pub fn by_port(&self, asked: &[u16]) -> Vec<(u16, Service)> {
        let mut sums: BTreeMap<u16, Service> = BTreeMap::new();
        for ((_, port), service) in &self.services {
            sums.entry(*port).or_default().merge(service);
        }
        let mut ports: Vec<_> =
            asked.iter().map(|port| (*port, sums.remove(port).unwrap_or_default())).collect();
        ports.extend(sums);
        ports
    }
}

/// Servers whose requests are told apart, at most.
const MAX_SERVICES: usize = 65_536;
