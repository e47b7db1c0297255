//! Which requests of a capture are measured, and how much may be remembered of them.

use tcpkit_common::flow::Address;

use crate::{
    flow::{FlowKey, Side},
    protocol::Protocol,
    time::Span,
};

/// Which requests are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSettings {
    /// Of which protocol; `None` of every one that is recognised.
    pub protocol: Option<Protocol>,
    /// At servers on these ports; on any where there are none.
    pub ports: Vec<u16>,
    /// At these servers; at any where there are none.
    pub servers: Vec<Address>,
    /// Those by UDP too.
    pub udp: bool,
    /// Bounds of the whole capture; each shard has its part.
    pub limits: RequestLimits,
}

/// Bounds on what is remembered of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Connections that are listened to at one time.
    pub conversations: u32,
    /// Pairs of UDP ports, likewise; beyond it the one that was silent longest gives way.
    pub datagram_conversations: u32,
    /// How long a pair of UDP ports may be silent: what has no answer by then has none.
    pub datagram_idle: Span,
    /// Requests that wait for their answer, or answers that wait to be delivered, of all conversations.
    pub waiting: usize,
    /// Octets that came out of order, of all conversations.
    pub held: usize,
}

impl Default for RequestLimits {
    /// 150 MiB at most, each request and each conversation being some hundreds of octets.
    fn default() -> Self {
        Self {
            conversations: 131_072,
            datagram_conversations: 65_536,
            datagram_idle: Span::from_secs(10),
            waiting: 131_072,
            held: 32 << 20,
        }
    }
}

impl RequestLimits {
    /// The part of one of so many shards.
    #[must_use]
    pub fn shared_by(self, shards: u32) -> Self {
        let shards = shards.max(1);
        Self {
            conversations: self.conversations.div_ceil(shards),
            datagram_conversations: self.datagram_conversations.div_ceil(shards),
            datagram_idle: self.datagram_idle,
            waiting: self.waiting.div_ceil(shards as usize),
            held: self.held.div_ceil(shards as usize),
        }
    }
}

/// Whether a pair of endpoints is listened to, as far as nothing that was said has to be heard for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Neither of them is a server that was asked for.
    None,
    /// This one is the client.
    Client(Side),
    /// Either may be.
    Unknown,
}

impl RequestSettings {
    /// Everything that is recognised.
    #[must_use]
    pub fn every() -> Self {
        Self {
            protocol: None,
            ports: Vec::new(),
            servers: Vec::new(),
            udp: true,
            limits: RequestLimits::default(),
        }
    }

    /// Whether a protocol is wanted.
    pub(super) fn wants(&self, protocol: Protocol) -> bool {
        self.protocol.is_none_or(|only| only == protocol)
    }

    /// Whether two endpoints are listened to; `client` is who opened the connection, where that was seen.
    pub(super) fn interest(&self, key: &FlowKey, client: Option<Side>) -> Interest {
        if let Some(client) = client {
            return if self.fits(key, client.other()) { Interest::Client(client) } else { Interest::None };
        }
        match (self.fits(key, Side::Low), self.fits(key, Side::High)) {
            (false, false) => Interest::None,
            (true, false) => Interest::Client(Side::High),
            (false, true) => Interest::Client(Side::Low),
            (true, true) => Interest::Unknown,
        }
    }

    /// The protocol that is spoken with this server, where nothing has to be recognised.
    pub(super) fn protocol_at(&self, key: &FlowKey, server: Side) -> Option<Protocol> {
        let is_named = !self.ports.is_empty();
        self.protocol.filter(|only| is_named || well_known(key.port(server)) == Some(*only))
    }

    /// The protocol that the ports suggest, and who is the client then.
    pub(super) fn suggestion(&self, key: &FlowKey, client: Option<Side>) -> Option<(Protocol, Side)> {
        let at = |server: Side| {
            well_known(key.port(server))
                .filter(|protocol| self.wants(*protocol))
                .map(|protocol| (protocol, server.other()))
        };
        match client {
            Some(client) => at(client.other()),
            None => match (at(Side::Low), at(Side::High)) {
                (Some(_), Some(_)) => None,
                (low, high) => low.or(high),
            },
        }
    }

    fn fits(&self, key: &FlowKey, server: Side) -> bool {
        let address = key.tuple_from(server).source;
        (self.ports.is_empty() || self.ports.contains(&key.port(server)))
            && (self.servers.is_empty() || self.servers.contains(&address))
    }
}

/// The protocol that a port is usually for; a hint where octets do not tell.
const fn well_known(port: u16) -> Option<Protocol> {
    Some(match port {
        6379 | 26379 => Protocol::Redis,
        11211 => Protocol::Memcached,
        80 | 3128 | 8000 | 8008 | 8080 | 8888 => Protocol::Http,
        53 | 5353 => Protocol::Dns,
        3306 | 33060 => Protocol::MySql,
        5432 | 6432 => Protocol::PostgreSql,
        443 | 465 | 636 | 853 | 993 | 995 | 8443 => Protocol::Tls,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::FourTuple;

    use super::*;

    /// A key, and which of its sides is the one with the first port.
    fn key(port: u16, server_port: u16) -> (FlowKey, Side) {
        FlowKey::of(&FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 0, 0, 2]),
            source_port: port,
            destination_port: server_port,
        })
    }

    #[test]
    fn a_handshake_tells_more_than_ports_and_ports_more_than_nothing() {
        let settings = RequestSettings { ports: vec![6379], ..RequestSettings::every() };
        let (ours, asker) = key(40_000, 6379);
        assert_eq!(settings.interest(&ours, None), Interest::Client(asker));
        assert_eq!(settings.interest(&ours, Some(asker.other())), Interest::None);
        let (both, _) = key(6379, 6379);
        assert_eq!(settings.interest(&both, None), Interest::Unknown);
        assert_eq!(settings.interest(&key(40_000, 80).0, None), Interest::None);
    }

    #[test]
    fn an_address_tells_the_server_too() {
        let servers = vec![Address::v4([10, 0, 0, 2])];
        let settings = RequestSettings { servers, ..RequestSettings::every() };
        let (pair, asker) = key(40_000, 9_999);
        assert_eq!(settings.interest(&pair, None), Interest::Client(asker));
        assert_eq!(settings.interest(&pair, Some(asker.other())), Interest::None);
    }

    #[test]
    fn a_named_port_or_the_usual_one_needs_no_recognition() {
        let (usual, asker) = key(40_000, 6379);
        let (odd, odd_asker) = key(40_000, 7_000);
        let named = RequestSettings {
            protocol: Some(Protocol::Redis),
            ports: vec![7_000],
            ..RequestSettings::every()
        };
        assert_eq!(named.protocol_at(&odd, odd_asker.other()), Some(Protocol::Redis));
        let anywhere = RequestSettings { ports: Vec::new(), ..named };
        assert_eq!(anywhere.protocol_at(&odd, odd_asker.other()), None);
        assert_eq!(anywhere.protocol_at(&usual, asker.other()), Some(Protocol::Redis));
        assert_eq!(RequestSettings::every().protocol_at(&usual, asker.other()), None);
        let hint = Some((Protocol::Redis, asker));
        assert_eq!(RequestSettings::every().suggestion(&usual, None), hint);
        assert_eq!(RequestSettings::every().suggestion(&key(80, 443).0, None), None);
    }
}
