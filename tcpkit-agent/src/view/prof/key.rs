//! What a packet counts under, taken from the places where tcpprof looks for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ProfOptions;
use crate::view::stat::{Decoder, Network, Transport};

/// A row's key; ties of bytes are sorted by it, as tcpprof's tree had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) place: Place,
    /// Where sources and destinations stand apart.
    pub(super) way: Option<Way>,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    /// A link, a protocol, a port; of addresses the four octets, the first of them lowest.
    Number(u32),
    V6([u8; 16]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Way {
    Source,
    Destination,
}

impl Key {
    pub(super) const fn number(number: u32) -> Self {
        Self { place: Place::Number(number), way: None }
    }
}

impl Place {
    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::Number(number) => Ipv4Addr::from(number.to_le_bytes()).into(),
            Self::V6(octets) => Ipv6Addr::from(octets).into(),
        }
    }

    /// tcpprof takes zero for none.
    fn is_none(&self) -> bool {
        *self == Self::Number(0)
    }
}

/// The keys of source and destination; `None` where there is none.
pub(super) type Keys = [Option<Key>; 2];

fn keys(options: &ProfOptions, source: Place, destination: Place) -> Keys {
    let key = |place: Place, way: Way| {
        (!place.is_none()).then_some(Key { place, way: options.splits.then_some(way) })
    };
    [key(source, Way::Source), key(destination, Way::Destination)]
}

/// The ports of TCP and UDP.
pub(super) fn ports(decoder: &Decoder, network: Network, options: &ProfOptions) -> Keys {
    let has_ports = matches!(decoder.transport(network), Transport::Tcp | Transport::Udp);
    let at = match network {
        Network::V4 if options.strict => strict_ports_at(decoder),
        // tcpprof knows nothing of IP options.
        Network::V4 => Some(IPV4_LEN),
        Network::V6 if options.ipv6 => Some(IPV6_LEN),
        _ => None,
    };
    let (true, Some(at)) = (has_ports, at) else { return [None; 2] };
    let port = |at: usize| {
        let port = u32::from(u16::from_be_bytes([decoder.at(at), decoder.at(at + 1)]));
        let is_shown = options.ports_below.is_none_or(|below| port < below);
        Place::Number(if is_shown { port } else { 0 })
    };
    keys(options, port(at), port(at + 2))
}

/// Behind the IP options; a fragment that is not the first has none, and what was not kept cannot be told.
fn strict_ports_at(decoder: &Decoder) -> Option<usize> {
    let len = usize::from(decoder.at(0) & 0x0f) * 4;
    let offset = u16::from_be_bytes([decoder.at(6), decoder.at(7)]) & 0x1fff;
    (offset == 0 && (IPV4_LEN..=IPV6_LEN).contains(&len)).then_some(len)
}

/// The addresses.
pub(super) fn hosts(decoder: &Decoder, network: Network, options: &ProfOptions) -> Keys {
    match network {
        Network::V4 => keys(options, v4(decoder, 12), v4(decoder, 16)),
        Network::V6 if options.ipv6 => keys(options, v6(decoder, 8, 16), v6(decoder, 24, 16)),
        _ => [None; 2],
    }
}

/// The classful networks of IPv4, and /64 of IPv6.
pub(super) fn networks(decoder: &Decoder, network: Network, options: &ProfOptions) -> Keys {
    let of = |at: usize| class_network(std::array::from_fn(|index| decoder.at(at + index)), options.strict);
    match network {
        Network::V4 => keys(options, of(12), of(16)),
        Network::V6 if options.ipv6 => keys(options, v6(decoder, 8, 8), v6(decoder, 24, 8)),
        _ => [None; 2],
    }
}

fn v4(decoder: &Decoder, at: usize) -> Place {
    Place::Number(u32::from_le_bytes(std::array::from_fn(|index| decoder.at(at + index))))
}

/// The first `len` octets of an address.
fn v6(decoder: &Decoder, at: usize, len: usize) -> Place {
    Place::V6(std::array::from_fn(|index| if index < len { decoder.at(at + index) } else { 0 }))
}

/// RFC 791 §3.2. tcpprof's `inet_netof` gives the network's number alone, which it then prints as if it were an address:
/// backwards, where it has more than one octet.
fn class_network([a, b, c, _]: [u8; 4], strict: bool) -> Place {
    let octets = match a {
        0..=127 => [a, 0, 0, 0],
        128..=191 if strict => [a, b, 0, 0],
        128..=191 => [b, a, 0, 0],
        _ if strict => [a, b, c, 0],
        _ => [c, b, a, 0],
    };
    Place::Number(u32::from_le_bytes(octets))
}

/// An IPv4 header without options, and an IPv6 header.
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
