//! Connections as the kernel alone has counted them: a listing where no frame is analysed.
//!
//! Known are both ends, the traffic of both directions, and when the first and the latest frame came. Who is client is
//! inferred; state, payload, round trips and retransmissions are not known.

use std::collections::HashSet;

use tcpkit_common::flow::FourTuple;

use super::{DirectionRow, FlowFacts, FlowQuery, FlowRow, FlowState, Rank, ShardListing, Throughput};
use crate::{
    report::{ExactFlow, ExactFlowCounts, ExactTraffic, StallRecord},
    time::Timestamp,
    wire::InterfaceId,
};

/// IANA's number of TCP.
const TCP: u8 = 6;

impl ShardListing {
    /// The connections of the kernel's table that a query wants; `name` is what an interface is called.
    ///
    /// Nobody knows which of them are over, so [`FlowQuery::closed_within`] leaves none of them out.
    #[must_use]
    pub fn counted(
        counts: &ExactFlowCounts,
        query: &FlowQuery,
        name: impl Fn(InterfaceId) -> Option<String>,
    ) -> Self {
        let mut listing = Self { now_us: counts.taken.as_micros(), ..Self::default() };
        let mut looked_at = HashSet::new();
        for one in counts.iter().filter(|one| one.protocol == TCP) {
            if !looked_at.insert(undirected(one.tuple)) {
                continue;
            }
            let Some((tuple, traffic)) = connection(counts, one.tuple) else { continue };
            let place = traffic.client.or(traffic.server).and_then(|one| name(one.interface));
            listing.considered += 1;
            listing.take(FlowRow::counted(tuple, &traffic, place, counts.taken), query);
        }
        listing.rows.sort_unstable_by_key(|(rank, _)| *rank);
        // One more than is wanted tells whether there is a next page.
        listing.rows.truncate(query.rows() + 1);
        listing
    }

    fn take(&mut self, row: FlowRow, query: &FlowQuery) {
        let tuple = row.tuple();
        let facts = FlowFacts {
            tuple,
            state: row.state,
            midstream: row.midstream,
            interface: row.interface.as_deref(),
        };
        if !query.filter.wants(&facts) {
            return;
        }
        let throughput = [&row.client, &row.server]
            .map(|one| Throughput { bytes: one.bytes_per_second.unwrap_or(0.0), payload_bytes: 0.0 });
        self.count(row.state, Some(throughput));
        let rank = Rank::new(row.value(query.order), tuple, query.descending);
        if query.after.is_none_or(|cursor| rank > cursor.0) {
            self.rows.push((rank, row));
        }
    }
}

/// The four-tuple of one direction, which is the same for both.
fn undirected(tuple: FourTuple) -> FourTuple {
    tuple.min(tuple.reversed())
}

/// A connection from client to server. As everywhere, the server has the lower port; where both are the same, the
/// client sent first.
fn connection(counts: &ExactFlowCounts, tuple: FourTuple) -> Option<(FourTuple, ExactTraffic)> {
    let tuple = if tuple.source_port < tuple.destination_port { tuple.reversed() } else { tuple };
    let traffic = counts.between(TCP, tuple)?;
    let first = |one: Option<ExactFlow>| one.map_or(Timestamp(i64::MAX), |one| one.first);
    let is_answer =
        tuple.source_port == tuple.destination_port && first(traffic.server) < first(traffic.client);
    if is_answer {
        let turned = ExactTraffic { client: traffic.server, server: traffic.client };
        return Some((tuple.reversed(), turned));
    }
    Some((tuple, traffic))
}

impl FlowRow {
    fn counted(tuple: FourTuple, traffic: &ExactTraffic, interface: Option<String>, now: Timestamp) -> Self {
        let both = || [traffic.client, traffic.server].into_iter().flatten();
        let start = both().map(|one| one.first).min().unwrap_or(now);
        let end = both().map(|one| one.last).max().unwrap_or(now);
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            interface,
            state: FlowState::Counted,
            midstream: true,
            start_us: start.as_micros(),
            end_us: end.as_micros(),
            idle_us: now.since(end).as_micros_f64(),
            handshake_us: None,
            client: DirectionRow::counted(traffic.client),
            server: DirectionRow::counted(traffic.server),
            stalls: StallRecord::default(),
        }
    }
}

impl DirectionRow {
    fn counted(one: Option<ExactFlow>) -> Self {
        Self {
            frames: one.map_or(0, |one| one.count.frames),
            segments: one.map_or(0, |one| one.count.packets),
            bytes: one.map_or(0, |one| one.count.bytes),
            bytes_per_second: Some(one.map_or(0.0, |one| one.rate.bytes)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use tcpkit_common::{flow::Address, record::Hook};

    use super::*;
    use crate::report::{
        Count, ExactOther, ExactRate,
        flows::{FlowFilter, FlowListing, FlowOrder},
    };

    const A: ([u8; 4], u16) = ([10, 0, 0, 1], 40_000);
    const B: ([u8; 4], u16) = ([10, 0, 0, 2], 443);

    fn one(protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16), bytes: u64, first: i64) -> ExactFlow {
        ExactFlow {
            protocol,
            tuple: FourTuple {
                source: Address::v4(from.0),
                destination: Address::v4(to.0),
                source_port: from.1,
                destination_port: to.1,
            },
            interface: InterfaceId(0),
            hook: Hook::TcIngress,
            count: Count { frames: bytes / 100, packets: bytes / 50, bytes },
            rate: ExactRate { frames: 1.0, packets: 2.0, bytes: 10.0 },
            first: Timestamp(first * 1_000),
            last: Timestamp((first + 5) * 1_000),
        }
    }

    fn list(rows: Vec<ExactFlow>, query: &FlowQuery) -> FlowListing {
        let counts = ExactFlowCounts::new(rows, Timestamp(100_000), ExactOther::default());
        FlowListing::merge(query, vec![ShardListing::counted(&counts, query, |_| Some("eth0".to_owned()))])
    }

    #[test]
    fn both_directions_are_one_connection_whoever_was_counted_first() {
        let (there, back) = (one(6, A, B, 1_000, 20), one(6, B, A, 3_000, 10));
        for rows in [vec![there, back], vec![back, there]] {
            let listing = list(rows, &FlowQuery::default());
            let [row] = &listing.flows[..] else { panic!("one connection: {listing:?}") };
            assert_eq!((row.client_port, row.server_port, row.state), (A.1, B.1, FlowState::Counted));
            assert_eq!((row.client.bytes, row.client.segments, row.server.bytes), (1_000, 20, 3_000));
            assert_eq!((row.start_us, row.end_us, row.idle_us), (10, 25, 75.0));
            assert_eq!(listing.bytes_per_second, [10.0, 10.0]);
            assert_eq!((listing.considered, listing.matched, listing.open), (1, 1, 1));
        }
    }

    #[test]
    fn of_equal_ports_the_first_sender_is_the_client() {
        let (a, b) = (([10, 0, 0, 1], 179), ([10, 0, 0, 2], 179));
        let listing = list(vec![one(6, a, b, 100, 20), one(6, b, a, 200, 10)], &FlowQuery::default());
        assert_eq!(listing.flows[0].client_ip.to_string(), "10.0.0.2");
        assert_eq!((listing.flows[0].client.bytes, listing.flows[0].server.bytes), (200, 100));
    }

    #[test]
    fn a_query_orders_filters_and_turns_pages() {
        let rows: Vec<_> = (0..10u16)
            .map(|number| one(6, (A.0, 50_000 + number), B, 100 * u64::from(number + 1), 1))
            .chain([one(17, A, B, 9_999, 1)])
            .collect();
        let mut query = FlowQuery { order: FlowOrder::Bytes, limit: 4, ..FlowQuery::default() };
        let mut ports = Vec::new();
        loop {
            let listing = list(rows.clone(), &query);
            assert_eq!(listing.matched, 10, "datagrams are no connection");
            ports.extend(listing.flows.iter().map(|row| row.client_port));
            let Some(after) = listing.after else { break };
            query.after = Some(after.parse().unwrap());
        }
        assert_eq!(ports, (50_000..50_010).rev().collect::<Vec<u16>>());
        query = FlowQuery { filter: FlowFilter::parse("port 50003").unwrap(), ..FlowQuery::default() };
        assert_eq!(list(rows, &query).flows.len(), 1);
    }
}
