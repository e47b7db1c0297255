//! Requests by port and by server, in the order in which they are shown.

use std::{collections::BTreeMap, net::SocketAddr};

use crate::report::{ServiceCount, Services};

/// The ports that were asked for, in their order, also those without requests; then all others, ascending.
#[must_use]
pub fn by_port(services: &Services, asked: &[u16]) -> Vec<(u16, ServiceCount)> {
    let mut sums: BTreeMap<u16, ServiceCount> = services.ports.iter().copied().collect();
    let mut ports: Vec<_> = asked.iter().map(|port| (*port, sums.remove(port).unwrap_or_default())).collect();
    ports.extend(sums);
    ports
}

/// The servers, in order of their addresses.
pub(super) fn by_server(services: &Services) -> BTreeMap<SocketAddr, ServiceCount> {
    let mut sums: BTreeMap<SocketAddr, ServiceCount> = BTreeMap::new();
    for (server, service) in &services.servers {
        sums.entry(*server).or_default().merge(service);
    }
    sums
}
