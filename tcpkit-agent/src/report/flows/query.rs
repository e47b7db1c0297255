//! What a listing of flows is asked for, and what comes of it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Serialize;
use tcpkit_common::flow::{Address, FourTuple};

use super::{FlowFilter, FlowRow, FlowState, Throughput};
use crate::time::Span;

/// Which flows to list, and in what order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowQuery {
    /// By what rows are ordered; flows that are equal in it follow by client and server.
    pub order: FlowOrder,
    /// Greatest first.
    pub descending: bool,
    /// Rows, at most; no more than [`FlowQuery::MOST_ROWS`] whatever is asked.
    pub limit: usize,
    /// Which flows.
    pub filter: FlowFilter,
    /// Flows that have ended count only when their last frame is no older than this; `None` for all that linger.
    pub closed_within: Option<Span>,
    /// Only rows behind this one, of a query with the same order: the next page.
    pub after: Option<FlowCursor>,
}

impl FlowQuery {
    /// What one listing holds at most: two megabytes in each worker.
    pub const MOST_ROWS: usize = 10_000;

    /// Rows that are wanted of each worker.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.limit.min(Self::MOST_ROWS)
    }
}

impl Default for FlowQuery {
    /// The hundred fastest.
    fn default() -> Self {
        Self {
            order: FlowOrder::Rate,
            descending: true,
            limit: 100,
            filter: FlowFilter::default(),
            closed_within: None,
            after: None,
        }
    }
}

/// By what a listing is ordered. What is unknown counts as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowOrder {
    /// Address and port of the client.
    Client,
    /// Address and port of the server.
    Server,
    /// State, in the order of a connection's life.
    State,
    /// Interface, in the order of the capture.
    Interface,
    /// First frame.
    Start,
    /// Time since the last frame.
    Idle,
    /// Wire bytes in a second, both directions.
    #[default]
    Rate,
    /// Those of the client.
    ClientRate,
    /// Those of the server.
    ServerRate,
    /// Wire bytes, both directions.
    Bytes,
    /// Segments on the wire, both directions.
    Segments,
    /// Segments sent again, both directions.
    Retransmissions,
    /// Smoothed round trip, both halves.
    RoundTrip,
    /// Time spent in stalls.
    Stalls,
}

impl FlowOrder {
    /// Every order.
    pub const ALL: [Self; 14] = [
        Self::Client,
        Self::Server,
        Self::State,
        Self::Interface,
        Self::Start,
        Self::Idle,
        Self::Rate,
        Self::ClientRate,
        Self::ServerRate,
        Self::Bytes,
        Self::Segments,
        Self::Retransmissions,
        Self::RoundTrip,
        Self::Stalls,
    ];

    /// The word in queries and options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::State => "state",
            Self::Interface => "interface",
            Self::Start => "start",
            Self::Idle => "idle",
            Self::Rate => "rate",
            Self::ClientRate => "client_rate",
            Self::ServerRate => "server_rate",
            Self::Bytes => "bytes",
            Self::Segments => "segments",
            Self::Retransmissions => "retransmissions",
            Self::RoundTrip => "rtt",
            Self::Stalls => "stalls",
        }
    }

    /// The order that a word means.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// The place of a flow in an order: the lesser comes first, and no two flows have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    value: [u64; 3],
    tuple: FourTuple,
}

impl Rank {
    /// The place of a flow with this value; `tuple` goes from client to server.
    #[must_use]
    pub const fn new(value: [u64; 3], tuple: FourTuple, descending: bool) -> Self {
        let [first, second, third] = value;
        let value = if descending { [!first, !second, !third] } else { value };
        Self { value, tuple }
    }

    /// The number that it begins with: of two places, the one that comes first has no greater one.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.value[0]
    }
}

/// Where a page of a listing ended; as text it is a word for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowCursor(pub Rank);

impl fmt::Display for FlowCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rank { value: [first, second, third], tuple } = &self.0;
        write!(formatter, "{first:x}.{second:x}.{third:x}")?;
        for address in [tuple.source, tuple.destination] {
            let (high, low) = address.halves();
            write!(formatter, ".{high:x}.{low:x}")?;
        }
        write!(formatter, ".{:x}.{:x}", tuple.source_port, tuple.destination_port)
    }
}

impl FromStr for FlowCursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let numbers: Result<Vec<u64>, _> =
            text.split('.').take(10).map(|part| u64::from_str_radix(part, 16)).collect();
        let numbers = numbers.map_err(|_| NotACursor)?;
        let Ok([first, second, third, a, b, c, d, source_port, destination_port]) =
            <[u64; 9]>::try_from(numbers)
        else {
            return Err(NotACursor);
        };
        let address =
            |high: u64, low: u64| Address(((u128::from(high) << 64) | u128::from(low)).to_be_bytes());
        let tuple = FourTuple {
            source: address(a, b),
            destination: address(c, d),
            source_port: source_port.try_into().map_err(|_| NotACursor)?,
            destination_port: destination_port.try_into().map_err(|_| NotACursor)?,
        };
        Ok(Self(Rank { value: [first, second, third], tuple }))
    }
}

/// A text that no listing gave out as its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a listing")]
pub struct NotACursor;

/// What one worker found.
#[derive(Clone, Debug, Default)]
pub struct ShardListing {
    /// Its first rows, in order.
    pub rows: Vec<(Rank, FlowRow)>,
    /// Flows that it looked at.
    pub considered: u64,
    /// Those of them that the query wants, on whatever page.
    pub matched: u64,
    /// Those of the matched ones that are open.
    pub open: u64,
    /// Wire bytes in a second of the matched ones, the client's and the server's.
    pub bytes_per_second: [f64; 2],
    /// Payload bytes in a second.
    pub payload_bytes_per_second: [f64; 2],
    /// Capture time at its end.
    pub now_us: i64,
}

impl ShardListing {
    /// Counts a flow that the query wants.
    pub fn count(&mut self, state: FlowState, throughput: Option<[Throughput; 2]>) {
        self.matched += 1;
        self.open += u64::from(state.is_open());
        for (place, one) in throughput.into_iter().flatten().enumerate() {
            self.bytes_per_second[place] += one.bytes;
            self.payload_bytes_per_second[place] += one.payload_bytes;
        }
    }
}

/// Flows as they stand, in the order that was asked for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct FlowListing {
    /// Flows that were looked at: all that are open, and the closed ones that linger.
    pub considered: u64,
    /// Those of them that the query wants, on whatever page.
    pub matched: u64,
    /// Those of the matched ones that are open.
    pub open: u64,
    /// Wire bytes in a second of the matched ones, the clients' and the servers'.
    pub bytes_per_second: [f64; 2],
    /// Payload bytes in a second.
    pub payload_bytes_per_second: [f64; 2],
    /// Capture time of the listing.
    pub now_us: i64,
    /// Workers that answered in time; what the others have is missing.
    pub workers: u32,
    /// The rows.
    pub flows: Vec<FlowRow>,
    /// What to ask for to get the next page; `null` on the last one.
    pub after: Option<String>,
}

impl FlowListing {
    /// The listing of all workers together.
    #[must_use]
    pub fn merge(query: &FlowQuery, shards: Vec<ShardListing>) -> Self {
        let mut listing = Self::default();
        let mut rows = Vec::new();
        for shard in shards {
            listing.workers += 1;
            listing.considered += shard.considered;
            listing.matched += shard.matched;
            listing.open += shard.open;
            for place in 0..2 {
                listing.bytes_per_second[place] += shard.bytes_per_second[place];
                listing.payload_bytes_per_second[place] += shard.payload_bytes_per_second[place];
            }
            listing.now_us = listing.now_us.max(shard.now_us);
            rows.extend(shard.rows);
        }
        rows.sort_unstable_by_key(|(rank, _)| *rank);
        let is_last = rows.len() <= query.rows();
        rows.truncate(query.rows());
        listing.after = rows.last().filter(|_| !is_last).map(|(rank, _)| FlowCursor(*rank).to_string());
        listing.flows = unique(rows);
        listing
    }
}

/// A flow that came past its handshake while it was looked for may have been found before and after.
fn unique(rows: Vec<(Rank, FlowRow)>) -> Vec<FlowRow> {
    let mut seen = BTreeSet::new();
    let is_new = |(rank, row): (Rank, FlowRow)| seen.insert((rank.tuple, row.start_us)).then_some(row);
    rows.into_iter().filter_map(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_being_a_word() {
        let tuple = FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address([0xfd, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
            source_port: 40_000,
            destination_port: 443,
        };
        for descending in [false, true] {
            let cursor = FlowCursor(Rank::new([1 << 40, 0, u64::MAX], tuple, descending));
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for wrong in ["", "1.2", "x.0.0.0.0.0.0.0.0", "0.0.0.0.0.0.0.10000.0", "0.0.0.0.0.0.0.0.0.0"] {
            assert_eq!(wrong.parse::<FlowCursor>(), Err(NotACursor), "{wrong}");
        }
    }

    #[test]
    fn every_order_has_a_word() {
        for order in FlowOrder::ALL {
            assert_eq!(FlowOrder::from_name(order.name()), Some(order));
        }
        assert_eq!(FlowOrder::from_name("size"), None);
    }
}
