//! Traffic of each flow as the kernel counted it: right even when not one frame reached the analysis.
//!
//! A table of moments: who shows flows asks it for the traffic of a connection ([`ExactFlowCounts::get`]), or ranks all
//! of them ([`ExactFlowCounts::iter`]). Every frame that was wanted is in one row or in [`ExactFlowCounts::other`].

use std::{collections::HashMap, net::SocketAddr};

use tcpkit_common::{
    flow::{Address, FourTuple},
    record::Hook,
};

use super::Count;
use crate::{time::Timestamp, wire::InterfaceId};

/// IANA's number of TCP.
const TCP: u8 = 6;

/// One direction of one flow at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactFlow {
    /// IANA protocol number: 6 is TCP, 17 is UDP.
    pub protocol: u8,
    /// Sender and receiver; the innermost ones of a tunnel, unless `--no-decap` was given.
    pub tuple: FourTuple,
    /// Where it was counted.
    pub interface: InterfaceId,
    /// Where it was counted, and whether it came or went.
    pub hook: Hook,
    /// Since the capture began, but for what was in the kernel's table when the flow gave way there and had not been
    /// read before: that is in [`ExactFlowCounts::other`].
    pub count: Count,
    /// Frames, packets and bytes per second, over the time between the last two readings.
    pub rate: ExactRate,
    /// First frame.
    pub first: Timestamp,
    /// Latest frame.
    pub last: Timestamp,
}

/// A rate over the time between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExactRate {
    /// Frames per second.
    pub frames: f64,
    /// Packets on the wire per second.
    pub packets: f64,
    /// Bytes on the wire per second.
    pub bytes: f64,
}

/// Both directions of a flow where it was seen first; `None` for a direction without frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExactTraffic {
    /// What the client sent.
    pub client: Option<ExactFlow>,
    /// What the server sent.
    pub server: Option<ExactFlow>,
}

/// All flows, read at one moment.
#[derive(Clone, Debug)]
pub struct ExactFlowCounts {
    rows: Vec<ExactFlow>,
    /// Where the rows of a directed four-tuple begin; the others follow by `next`.
    first: HashMap<(u8, FourTuple), usize>,
    /// For each row, the next one of the same four-tuple at another place.
    next: Vec<Option<usize>>,
    /// When it was read.
    pub taken: Timestamp,
    /// What no row has: neither TCP nor UDP, fragments, and what gave way in the kernel before it was read.
    pub other: ExactOther,
}

/// What was counted and stands in no row; together with the rows it makes up every frame that was wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExactOther {
    /// Neither TCP nor UDP, or a fragment, whose ports are not known.
    pub no_flow: Count,
    /// Of flows that gave way to others in the kernel's table, after they were last read; the kernel's own totals less
    /// everything else.
    pub evicted: Count,
    /// Of flows that were read and are not remembered any more, because they were idle for long.
    pub forgotten: Count,
    /// How often a flow gave way in the kernel's table.
    pub evictions: u64,
}

impl ExactFlowCounts {
    /// A table of these rows.
    #[must_use]
    pub fn new(rows: Vec<ExactFlow>, taken: Timestamp, other: ExactOther) -> Self {
        let mut first = HashMap::with_capacity(rows.len());
        let next = rows.iter().enumerate().map(|(at, row)| first.insert((row.protocol, row.tuple), at));
        let next = next.collect();
        Self { rows, first, next, taken, other }
    }

    /// Traffic of a TCP connection; `None` when the kernel has counted none.
    #[must_use]
    pub fn get(&self, client: SocketAddr, server: SocketAddr) -> Option<ExactTraffic> {
        self.of(TCP, client, server)
    }

    /// Traffic between two ends by this protocol (6 is TCP, 17 is UDP); `None` when the kernel has counted none.
    ///
    /// A flow that passes several interfaces is told of where it was seen first, as everywhere in tcpkit.
    #[must_use]
    pub fn of(&self, protocol: u8, client: SocketAddr, server: SocketAddr) -> Option<ExactTraffic> {
        let tuple = FourTuple {
            source: address(client),
            destination: address(server),
            source_port: client.port(),
            destination_port: server.port(),
        };
        self.between(protocol, tuple)
    }

    /// The same for a four-tuple from client to server.
    #[must_use]
    pub fn between(&self, protocol: u8, tuple: FourTuple) -> Option<ExactTraffic> {
        let both = || self.places(protocol, tuple).chain(self.places(protocol, tuple.reversed()));
        let place = both().min_by_key(|row| (row.first, row.interface))?.interface;
        let there = |tuple| {
            let rows = self.places(protocol, tuple).filter(|row| row.interface == place);
            rows.copied().reduce(ExactFlow::joined)
        };
        Some(ExactTraffic { client: there(tuple), server: there(tuple.reversed()) })
    }

    /// All rows, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ExactFlow> {
        self.rows.iter()
    }

    fn places(&self, protocol: u8, tuple: FourTuple) -> impl Iterator<Item = &ExactFlow> {
        let first = self.first.get(&(protocol, tuple)).copied();
        let places = std::iter::successors(first, |at| self.next.get(*at).copied().flatten());
        places.filter_map(|at| self.rows.get(at))
    }
}

impl ExactFlow {
    /// What two hooks of one interface saw of one direction.
    fn joined(self, other: Self) -> Self {
        let (a, b) = (self.rate, other.rate);
        Self {
            count: Count {
                frames: self.count.frames + other.count.frames,
                packets: self.count.packets + other.count.packets,
                bytes: self.count.bytes + other.count.bytes,
            },
            rate: ExactRate {
                frames: a.frames + b.frames,
                packets: a.packets + b.packets,
                bytes: a.bytes + b.bytes,
            },
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            ..self
        }
    }
}

const fn address(end: SocketAddr) -> Address {
    match end {
        SocketAddr::V4(end) => Address::v4(end.ip().octets()),
        SocketAddr::V6(end) => Address(end.ip().octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(protocol: u8, from: (&str, u16), to: (&str, u16), interface: u16, first: i64) -> ExactFlow {
        let end = |(ip, port): (&str, u16)| address(SocketAddr::new(ip.parse().unwrap(), port));
        ExactFlow {
            protocol,
            tuple: FourTuple {
                source: end(from),
                destination: end(to),
                source_port: from.1,
                destination_port: to.1,
            },
            interface: InterfaceId(interface),
            hook: Hook::TcIngress,
            count: Count { frames: 1, packets: 2, bytes: 1_000 + first.unsigned_abs() },
            rate: ExactRate { frames: 1.0, packets: 2.0, bytes: 1_000.0 },
            first: Timestamp(first),
            last: Timestamp(first + 5),
        }
    }

    #[test]
    fn a_flow_is_told_of_where_it_was_seen_first() {
        let (a, b) = (("10.0.0.1", 40_000), ("10.0.0.2", 80));
        let rows = vec![
            row(6, a, b, 1, 30),
            row(6, a, b, 0, 20),
            row(6, b, a, 0, 25),
            row(6, b, a, 1, 22),
            row(17, a, b, 0, 1),
        ];
        let counts = ExactFlowCounts::new(rows, Timestamp(99), ExactOther::default());
        let (client, server) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let traffic = counts.get(client, server).unwrap();
        assert_eq!(traffic.client.unwrap().count.bytes, 1_020);
        assert_eq!(traffic.server.unwrap().count.bytes, 1_025);
        let other_way = counts.get(server, client).unwrap();
        assert_eq!((other_way.client, other_way.server), (traffic.server, traffic.client));
        assert_eq!(counts.of(17, client, server).unwrap().server, None);
        assert_eq!(counts.of(17, server, server), None);
        assert_eq!(counts.iter().len(), 5);
    }

    #[test]
    fn an_ipv4_address_written_as_ipv6_is_the_same_end() {
        let rows = vec![row(6, ("10.0.0.1", 1), ("10.0.0.2", 2), 0, 0)];
        let counts = ExactFlowCounts::new(rows, Timestamp(0), ExactOther::default());
        let mapped = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(counts.get(mapped("[::ffff:10.0.0.1]:1"), mapped("[::ffff:10.0.0.2]:2")).is_some());
    }
}
