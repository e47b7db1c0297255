//! Connections as a table of text: at the end of a file, or each time so much time has passed.

use std::{cmp::Ordering, net::SocketAddr};

use crate::report::{
    Close, FlowRecord, HandshakeResult,
    flows::{FlowOrder, FlowRow, FlowState, Rank},
};

/// A connection as a line of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableLine {
    /// Who opened it.
    pub client: SocketAddr,
    /// The other end.
    pub server: SocketAddr,
    /// Where it stands, or how it ended.
    pub state: FlowState,
    /// First frame.
    pub start_us: i64,
    /// Time from its first to its last frame, in microseconds.
    pub lasted_us: f64,
    /// Time from its last frame to the end of the table's time, in microseconds.
    pub idle_us: f64,
    /// Packets of client and server.
    pub packets: [u64; 2],
    /// Wire bytes.
    pub bytes: [u64; 2],
    /// Payload bytes.
    pub payload: [u64; 2],
    /// Wire bytes in a second, over the time of the table or of the connection.
    pub rates: [Option<f64>; 2],
    /// Segments sent again.
    pub retransmissions: u64,
    /// Smoothed round trip of the whole path, in microseconds.
    pub round_trip_us: Option<f64>,
    /// Time spent in stalls, in microseconds.
    pub stalls_us: f64,
}

/// What a table's connections come to, those included that have no line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TableTotals {
    /// Connections.
    pub connections: u64,
    /// Packets.
    pub packets: u64,
    /// Wire bytes.
    pub bytes: u64,
    /// Payload bytes.
    pub payload: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Connections that are not in these sums.
    pub unlisted: u64,
}

impl TableTotals {
    /// Adds a connection.
    pub fn add(&mut self, line: &TableLine) {
        self.connections += 1;
        self.packets += line.packets.iter().sum::<u64>();
        self.bytes += line.bytes.iter().sum::<u64>();
        self.payload += line.payload.iter().sum::<u64>();
        self.retransmissions += line.retransmissions;
    }

    /// Adds other connections.
    pub const fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.payload += other.payload;
        self.retransmissions += other.retransmissions;
        self.unlisted += other.unlisted;
    }
}

impl TableLine {
    /// A connection that is over, or that the end of its file cut off.
    #[must_use]
    pub fn of_record(record: &FlowRecord) -> Self {
        let lasted_us = Self::lasted(record.start_us, record.end_us);
        let (client, server) = (&record.client, &record.server);
        let again = |one: &crate::report::RetransmissionsByCause| {
            [one.rto, one.fast, one.tlp, one.spurious, one.unknown].into_iter().map(u64::from).sum::<u64>()
        };
        let stalls = &record.stalls;
        let kinds = [
            &stalls.zero_window,
            &stalls.rto,
            &stalls.server_thinking,
            &stalls.client_thinking,
            &stalls.sender_idle,
        ];
        Self {
            client: SocketAddr::new(record.client_ip, record.client_port),
            server: SocketAddr::new(record.server_ip, record.server_port),
            state: state(record),
            start_us: record.start_us,
            lasted_us,
            idle_us: 0.0,
            packets: [client.segments, server.segments],
            bytes: [client.bytes, server.bytes],
            payload: [client.payload_bytes, server.payload_bytes],
            rates: Self::rates([client.bytes, server.bytes], lasted_us),
            retransmissions: again(&client.retransmissions) + again(&server.retransmissions),
            round_trip_us: match (client.rtt.smoothed, server.rtt.smoothed) {
                (Some(one), Some(other)) => Some(one + other),
                (one, other) => one.or(other),
            },
            stalls_us: kinds.iter().map(|kind| kind.us).sum(),
        }
    }

    /// Microseconds from a connection's first to its last frame.
    #[must_use]
    pub const fn lasted(start_us: i64, end_us: i64) -> f64 {
        super::column::micros(end_us.saturating_sub(start_us))
    }

    /// Bytes in a second of a connection that lasted so many microseconds.
    #[must_use]
    pub fn rates(bytes: [u64; 2], lasted_us: f64) -> [Option<f64>; 2] {
        bytes.map(|bytes| (lasted_us > 0.0).then(|| of_count(bytes) * 1e6 / lasted_us))
    }

    /// A connection as it stands.
    #[must_use]
    pub fn of_row(row: &FlowRow) -> Self {
        let (client, server) = (&row.client, &row.server);
        Self {
            client: SocketAddr::new(row.client_ip, row.client_port),
            server: SocketAddr::new(row.server_ip, row.server_port),
            state: row.state,
            start_us: row.start_us,
            lasted_us: super::column::micros(row.end_us.saturating_sub(row.start_us)),
            idle_us: row.idle_us,
            packets: [client.segments, server.segments],
            bytes: [client.bytes, server.bytes],
            payload: [client.payload_bytes, server.payload_bytes],
            rates: [client.bytes_per_second, server.bytes_per_second],
            retransmissions: row.retransmissions(),
            round_trip_us: row.round_trip(),
            stalls_us: row.stalls.us,
        }
    }

    /// Its place in an order; connections with the same ends follow by their beginning.
    #[must_use]
    pub fn rank(&self, order: FlowOrder, descending: bool) -> (Rank, i64) {
        let value = match order {
            FlowOrder::Client => return self.endpoint(self.client, descending),
            FlowOrder::Server => return self.endpoint(self.server, descending),
            FlowOrder::State => self.state as u64,
            FlowOrder::Interface => 0,
            FlowOrder::Start => self.start_us.cast_unsigned() ^ (1 << 63),
            FlowOrder::Idle => nanos(self.idle_us),
            FlowOrder::Rate => nanos(self.rates.iter().flatten().sum::<f64>()),
            FlowOrder::ClientRate => nanos(self.rates[0].unwrap_or(0.0)),
            FlowOrder::ServerRate => nanos(self.rates[1].unwrap_or(0.0)),
            FlowOrder::Bytes => self.bytes.iter().sum(),
            FlowOrder::Segments => self.packets.iter().sum(),
            FlowOrder::Retransmissions => self.retransmissions,
            FlowOrder::RoundTrip => nanos(self.round_trip_us.unwrap_or(0.0)),
            FlowOrder::Stalls => nanos(self.stalls_us),
        };
        (Rank::new([value, 0, 0], self.tuple(), descending), self.start_us)
    }

    /// What comes first of two lines of one place: connections of the same ends that began at the same time.
    #[must_use]
    pub fn tie(&self, other: &Self) -> Ordering {
        let figures = |line: &Self| {
            let times =
                [line.lasted_us, line.stalls_us, line.round_trip_us.unwrap_or(-1.0)].map(f64::to_bits);
            (times, line.packets, line.bytes, line.payload, line.retransmissions, line.state as u8)
        };
        figures(self).cmp(&figures(other))
    }

    fn endpoint(&self, end: SocketAddr, descending: bool) -> (Rank, i64) {
        (Rank::new(crate::report::flows::endpoint(end), self.tuple(), descending), self.start_us)
    }

    const fn tuple(&self) -> tcpkit_common::flow::FourTuple {
        crate::report::flows::tuple(self.client, self.server)
    }
}

/// Where a connection stood at its end.
const fn state(record: &FlowRecord) -> FlowState {
    match (record.close, record.handshake) {
        (Close::Fin, _) => FlowState::Closed,
        (Close::RstClient | Close::RstServer, HandshakeResult::Reject) => FlowState::Refused,
        (Close::RstClient | Close::RstServer, _) => FlowState::Reset,
        (_, HandshakeResult::Unreachable) => FlowState::Unreachable,
        (_, HandshakeResult::Timeout) => FlowState::Timeout,
        (_, HandshakeResult::Pending) if record.server_rtt_us.is_some() => FlowState::SynReceived,
        (_, HandshakeResult::Pending) => FlowState::SynSent,
        _ => FlowState::Established,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than the 53 digits of a float")]
const fn of_count(count: u64) -> f64 {
    count as f64
}

/// Microseconds, or bytes in a second, in thousandths, for an order.
#[expect(clippy::cast_possible_truncation, reason = "a conversion of floats saturates")]
#[expect(clippy::cast_sign_loss, reason = "nothing here is negative")]
const fn nanos(value: f64) -> u64 {
    (value * 1e3) as u64
}
