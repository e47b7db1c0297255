//! Who sent and received how much: by address, by prefix, by the servers' ports and by service.
//!
//! TCP is summed up by flow, when the flow table tells of it: its four-tuple, inside a tunnel where there is one, each
//! segment on one interface only. What else has an IP header is summed up by frame and address: UDP by the addresses and
//! ports that it was found with, anything else by those of the outermost header, on each interface that shows it.
//! Prefixes and ports are no tables of their own but sums over addresses and services; only of those that had to give
//! way is anything kept there. Memory is bounded by the constants below, for each shard.

mod prefix;
mod recent;
mod sums;
#[cfg(test)]
mod tests;

use tcpkit_common::flow::{Address, FourTuple};

pub use prefix::{Prefix, PrefixLengths};
use recent::{Recent, Told};
pub use sums::{Talk, TalkSum};

use super::ranking::Ranking;
use crate::{
    flow::{Endpoint, FlowTraffic, Side, SideTraffic},
    wire::Transport,
};

/// A server that is asked by one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// Address and port.
    pub server: Endpoint,
    /// UDP; else TCP.
    pub is_udp: bool,
}

/// A port of servers, of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServicePort {
    /// Port.
    pub port: u16,
    /// UDP; else TCP.
    pub is_udp: bool,
}

/// Everybody who talked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TalkerAnalyzer {
    /// `None` where only others' are known.
    lengths: Option<PrefixLengths>,
    addresses: Ranking<Address, TalkSum>,
    services: Ranking<Service, TalkSum>,
    /// Of addresses that gave way.
    prefixes: Ranking<Prefix, TalkSum>,
    /// Of services that gave way.
    ports: Ranking<ServicePort, TalkSum>,
    /// What was summed up, each packet once.
    total: SideTraffic,
    recent: Recent,
}

impl Default for TalkerAnalyzer {
    fn default() -> Self {
        Self::with(None)
    }
}

impl TalkerAnalyzer {
    /// Nobody yet.
    #[must_use]
    pub fn new(lengths: PrefixLengths) -> Self {
        Self::with(Some(lengths))
    }

    fn with(lengths: Option<PrefixLengths>) -> Self {
        Self {
            lengths,
            addresses: Ranking::new(MAX_ADDRESSES),
            services: Ranking::new(MAX_SERVICES),
            prefixes: Ranking::new(MAX_PREFIXES),
            ports: Ranking::new(MAX_PORTS),
            total: SideTraffic::default(),
            recent: Recent::default(),
        }
    }

    /// Takes what flows have sent.
    pub fn on_traffic(&mut self, traffic: &[FlowTraffic]) {
        for told in traffic {
            self.on_flow(told);
        }
    }

    fn on_flow(&mut self, told: &FlowTraffic) {
        let tuple = told.flow.tuple_from(told.client);
        let [by_client, by_server] =
            [told.client, told.client.other()].map(|side: Side| told.sent[side as usize]);
        let flows = u64::from(told.is_new);
        let server = Endpoint { address: tuple.destination, port: tuple.destination_port };
        let service = Service { server, is_udp: false };
        self.take_service(service, &Talk { sent: by_server, received: by_client, flows });
        let pair = (tuple.source, tuple.destination);
        self.take_pair(pair, &Talk { sent: by_client, received: by_server, flows });
    }

    /// Takes a datagram; `sent` is what its frame stood for.
    #[inline]
    pub fn on_datagram(&mut self, tuple: &FourTuple, sent: SideTraffic) {
        let told = self.recent.add(&Told::datagram(tuple, sent));
        self.take_told(told);
    }

    /// Takes a packet that is no TCP and of which no ports are known.
    #[inline]
    pub fn on_packet(&mut self, source: Address, destination: Address, sent: SideTraffic) {
        let told = self.recent.add(&Told::packet(source, destination, sent));
        self.take_told(told);
    }

    /// Nothing yet, by the same prefixes.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self::with(self.lengths)
    }

    /// Sums up what waits for more of its kind: the sums are complete then.
    pub fn settle(&mut self) {
        for told in self.recent.take() {
            self.take_told(Some(told));
        }
    }

    /// Adds another shard's talkers; both are settled.
    pub fn merge(&mut self, other: &Self) {
        self.lengths = self.lengths.max(other.lengths);
        self.addresses.merge(&other.addresses);
        self.services.merge(&other.services);
        self.prefixes.merge(&other.prefixes);
        self.ports.merge(&other.ports);
        self.total.add(&other.total);
    }

    /// By address.
    #[must_use]
    pub const fn addresses(&self) -> &Ranking<Address, TalkSum> {
        &self.addresses
    }

    /// By service: sent is what servers sent.
    #[must_use]
    pub const fn services(&self) -> &Ranking<Service, TalkSum> {
        &self.services
    }

    /// By prefix: what its addresses sent and received.
    #[must_use]
    pub fn prefixes(&self) -> Ranking<Prefix, TalkSum> {
        let lengths = self.lengths.unwrap_or_default();
        let mut all = self.prefixes.clone();
        for (address, sum) in self.addresses.iter() {
            all.entry_unbounded(lengths.of(*address)).join(sum);
        }
        all
    }

    /// By port of servers: sent is what servers sent.
    #[must_use]
    pub fn ports(&self) -> Ranking<ServicePort, TalkSum> {
        let mut all = self.ports.clone();
        for (service, sum) in self.services.iter() {
            all.entry_unbounded(service.port()).join(sum);
        }
        all
    }

    /// What was summed up by address, each packet once.
    #[must_use]
    pub const fn total(&self) -> &SideTraffic {
        &self.total
    }

    fn take_told(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        let (source, destination) = told.pair;
        if let Some((service, is_sender)) = told.service {
            let (sent, received) = if is_sender { (told.sent, NOTHING) } else { (NOTHING, told.sent) };
            self.take_service(service, &Talk { sent, received, flows: 0 });
        }
        self.take_pair((source, destination), &Talk { sent: told.sent, received: NOTHING, flows: 0 });
    }

    /// Sums up what two addresses sent each other, as the first of them sees it.
    fn take_pair(&mut self, (own, other): (Address, Address), talk: &Talk) {
        self.total.add(&talk.sent);
        self.total.add(&talk.received);
        if own == other {
            let both = [talk.sent, talk.received];
            let sum = both.into_iter().fold(NOTHING, |mut sum, part| {
                sum.add(&part);
                sum
            });
            return self.take_address(own, &Talk { sent: sum, received: sum, flows: talk.flows }, 0);
        }
        // A flow within a prefix is one flow of the prefix, and of two addresses.
        let lengths = self.lengths.unwrap_or_default();
        let is_within = talk.flows > 0 && lengths.of(own) == lengths.of(other);
        self.take_address(own, talk, if is_within { talk.flows } else { 0 });
        self.take_address(other, &talk.reversed(), 0);
    }

    fn take_address(&mut self, address: Address, talk: &Talk, flows_within: u64) {
        let Self { addresses, prefixes, lengths, .. } = self;
        let lengths = lengths.unwrap_or_default();
        let fold = |address: &Address, sum: &TalkSum| prefixes.entry(lengths.of(*address)).join(sum);
        let sum = addresses.entry_or_fold(address, fold);
        sum.talk.add(talk);
        sum.flows_within += flows_within;
    }

    fn take_service(&mut self, service: Service, talk: &Talk) {
        let Self { services, ports, .. } = self;
        let fold = |service: &Service, sum: &TalkSum| ports.entry(service.port()).join(sum);
        services.entry_or_fold(service, fold).talk.add(talk);
    }
}

impl Service {
    /// Who of the two ends of a datagram is asked: the one with the lower port, as of flows without SYN; of equal
    /// ports, the receiver. True where that is the sender.
    fn of_datagram(tuple: &FourTuple) -> (Self, bool) {
        let is_sender = tuple.source_port < tuple.destination_port;
        let asked = if is_sender { tuple.reversed() } else { *tuple };
        let server = Endpoint { address: asked.destination, port: asked.destination_port };
        (Self { server, is_udp: true }, is_sender)
    }

    const fn port(&self) -> ServicePort {
        ServicePort { port: self.server.port, is_udp: self.is_udp }
    }

    /// What it is asked by.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.port().transport()
    }
}

impl ServicePort {
    /// What it is asked by.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        if self.is_udp { Transport::Udp } else { Transport::Tcp }
    }
}

const NOTHING: SideTraffic =
    SideTraffic { frames: 0, packets: 0, bytes: 0, payload_bytes: 0, retransmitted_bytes: 0 };

/// Addresses with a sum of their own: as many as a hash table of 8192 places takes.
const MAX_ADDRESSES: usize = 7_168;
/// Services with a sum of their own.
const MAX_SERVICES: usize = 7_168;
/// Prefixes that are kept of addresses that gave way.
const MAX_PREFIXES: usize = 3_584;
/// Ports that are kept of services that gave way.
const MAX_PORTS: usize = 3_584;
