//! One flow as it stands: a row of a listing.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::Serialize;
use tcpkit_common::flow::{Address, FourTuple};

use crate::{
    flow::{Ending, Flow, FlowView, Handshake, Outcome, Side},
    report::{StallRecord, flows::FlowOrder},
    time::{Span, Timestamp},
};

/// A flow that is open, or closed a short while ago.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FlowRow {
    /// Sender of the first SYN; mid-stream, inferred.
    pub client_ip: IpAddr,
    /// Its port.
    pub client_port: u16,
    /// The other side.
    pub server_ip: IpAddr,
    /// Its port.
    pub server_port: u16,
    /// Interface that the flow belongs to, where it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Where it stands.
    pub state: FlowState,
    /// Neither SYN nor SYN/ACK was seen; who is client was inferred.
    pub midstream: bool,
    /// First frame.
    pub start_us: i64,
    /// Last frame so far.
    pub end_us: i64,
    /// Capture time since then.
    pub idle_us: f64,
    /// First SYN to the ACK that completes the handshake.
    pub handshake_us: Option<f64>,
    /// What the client sent.
    pub client: DirectionRow,
    /// What the server sent.
    pub server: DirectionRow,
    /// What the flow waited for although it had something to do, of whatever kind.
    pub stalls: StallRecord,
}

/// One direction of a flow so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DirectionRow {
    /// Frames captured.
    pub frames: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Bytes on the wire, link header included.
    pub bytes: u64,
    /// Payload bytes, retransmitted ones included.
    pub payload_bytes: u64,
    /// Segments with payload that were sent again, for whatever cause.
    pub retransmissions: u64,
    /// Wire bytes in a second: since the flow was listed before, half a second ago or more, or since it began; `null`
    /// where neither is known.
    pub bytes_per_second: Option<f64>,
    /// Payload bytes in a second.
    pub payload_bytes_per_second: Option<f64>,
    /// Round trips of this side's data, seen from the capture point.
    pub rtt: RoundTripNow,
}

/// Round trips of one direction's data, in microseconds; `null` without samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RoundTripNow {
    /// Smoothed round-trip time (SRTT of RFC 6298 §2).
    pub smoothed: Option<f64>,
    /// The least.
    pub min: Option<f64>,
}

/// How much one direction carried in each second, lately.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Wire bytes.
    pub bytes: f64,
    /// Payload bytes.
    pub payload_bytes: f64,
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowState {
    /// A SYN was sent, and nothing answered yet.
    SynSent,
    /// A SYN/ACK answered, and its ACK is to come.
    SynReceived,
    /// Open in both directions.
    Established,
    /// One side has finished.
    Closing,
    /// Both sides have.
    Closed,
    /// A RST ended it.
    Reset,
    /// A RST answered the SYN.
    Refused,
    /// An ICMP error answered the SYN.
    Unreachable,
    /// Nothing answered the SYN within the time-out.
    Timeout,
    /// Only the kernel has counted it: whether it is open is not known, nor anything else but its traffic.
    Counted,
}

impl FlowState {
    /// Every state, in the order of a connection's life.
    pub const ALL: [Self; 10] = [
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::Closing,
        Self::Closed,
        Self::Reset,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Counted,
    ];

    /// The word in records, filters and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::Established => "established",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Counted => "counted",
        }
    }

    /// Whether anything is to be expected of it, as far as is known.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::Closing | Self::Counted)
    }

    /// Where a flow stands.
    #[must_use]
    pub fn of(flow: &Flow, handshake: &Handshake) -> Self {
        match (flow.ending(), handshake.outcome()) {
            (Some(Ending::Fin), _) => Self::Closed,
            (Some(Ending::Reset(_)), Outcome::Reject) => Self::Refused,
            (Some(Ending::Reset(_)), _) => Self::Reset,
            (_, Outcome::Unreachable) => Self::Unreachable,
            (Some(_), _) | (None, Outcome::Timeout) => Self::Timeout,
            (None, Outcome::Pending) if handshake.is_answered() => Self::SynReceived,
            (None, Outcome::Pending) => Self::SynSent,
            (None, _) if flow.has_finished_side() => Self::Closing,
            (None, _) => Self::Established,
        }
    }
}

impl FlowRow {
    /// The row of a flow as it stands at `now`; `view` is `None` for a half-open one, and `throughput` is that of the
    /// client and of the server.
    #[must_use]
    pub fn observed(
        flow: &Flow,
        handshake: &Handshake,
        view: Option<&FlowView<'_>>,
        throughput: Option<[Throughput; 2]>,
        interface: Option<&Arc<str>>,
        now: Timestamp,
    ) -> Self {
        let client = flow.client();
        let tuple = flow.key().tuple_from(client);
        let direction = |side: Side, place: usize| {
            DirectionRow::observed(flow, side, view, throughput.and_then(|both| both.get(place).copied()))
        };
        Self {
            client_ip: tuple.source.to_ip(),
            client_port: tuple.source_port,
            server_ip: tuple.destination.to_ip(),
            server_port: tuple.destination_port,
            interface: interface.map(ToString::to_string),
            state: FlowState::of(flow, handshake),
            midstream: !handshake.is_seen(),
            start_us: flow.start.as_micros(),
            end_us: flow.end.as_micros(),
            idle_us: now.since(flow.end).as_micros_f64(),
            handshake_us: handshake.duration().map(Span::as_micros_f64),
            client: direction(client, 0),
            server: direction(client.other(), 1),
            stalls: view.map_or(StallRecord::default(), stalls),
        }
    }

    /// Who it is between, from client to server.
    #[must_use]
    pub const fn tuple(&self) -> FourTuple {
        tuple(
            SocketAddr::new(self.client_ip, self.client_port),
            SocketAddr::new(self.server_ip, self.server_port),
        )
    }

    /// What it is ordered by, as a listing does.
    #[must_use]
    pub fn value(&self, order: FlowOrder) -> [u64; 3] {
        let rate = |one: &DirectionRow| whole(one.bytes_per_second.unwrap_or(0.0));
        let value = match order {
            FlowOrder::Client => return endpoint(SocketAddr::new(self.client_ip, self.client_port)),
            FlowOrder::Server => return endpoint(SocketAddr::new(self.server_ip, self.server_port)),
            FlowOrder::State => self.state as u64,
            FlowOrder::Interface => self.interface.as_deref().map_or(0, beginning),
            FlowOrder::Start => self.start_us.cast_unsigned() ^ (1 << 63),
            FlowOrder::Idle => whole(self.idle_us * 1e3),
            FlowOrder::Rate => rate(&self.client) + rate(&self.server),
            FlowOrder::ClientRate => rate(&self.client),
            FlowOrder::ServerRate => rate(&self.server),
            FlowOrder::Bytes => self.bytes(),
            FlowOrder::Segments => self.client.segments + self.server.segments,
            FlowOrder::Retransmissions => self.retransmissions(),
            FlowOrder::RoundTrip => whole(self.round_trip().unwrap_or(0.0) * 1e3),
            FlowOrder::Stalls => whole(self.stalls.us * 1e3),
        };
        [value, 0, 0]
    }

    /// Smoothed round trip of the whole path, in microseconds: of both halves, or of the one that is known.
    #[must_use]
    pub fn round_trip(&self) -> Option<f64> {
        match (self.client.rtt.smoothed, self.server.rtt.smoothed) {
            (Some(server_half), Some(client_half)) => Some(server_half + client_half),
            (one, other) => one.or(other),
        }
    }

    /// Wire bytes of both directions.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.client.bytes + self.server.bytes
    }

    /// Segments sent again in both directions.
    #[must_use]
    pub const fn retransmissions(&self) -> u64 {
        self.client.retransmissions + self.server.retransmissions
    }

    /// Wire bytes in a second in both directions; unknown counts as none.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        self.client.bytes_per_second.unwrap_or(0.0) + self.server.bytes_per_second.unwrap_or(0.0)
    }
}

impl DirectionRow {
    fn observed(
        flow: &Flow,
        side: Side,
        view: Option<&FlowView<'_>>,
        throughput: Option<Throughput>,
    ) -> Self {
        let sent = flow.side(side);
        let micros = |span: Option<Span>| span.map(Span::as_micros_f64);
        Self {
            frames: sent.frames,
            segments: sent.segments,
            bytes: sent.bytes,
            payload_bytes: sent.payload_bytes,
            retransmissions: view.map_or(0, |view| view.retransmitted_segments(side)),
            bytes_per_second: throughput.map(|now| now.bytes),
            payload_bytes_per_second: throughput.map(|now| now.payload_bytes),
            rtt: RoundTripNow {
                smoothed: micros(view.and_then(|view| view.smoothed_round_trip(side))),
                min: micros(view.and_then(|view| view.least_round_trip(side))),
            },
        }
    }
}

fn stalls(view: &FlowView<'_>) -> StallRecord {
    let (count, took) = view.stalls();
    StallRecord { count, us: took.as_micros_f64() }
}

/// The four-tuple between two ends.
#[must_use]
pub const fn tuple(client: SocketAddr, server: SocketAddr) -> FourTuple {
    FourTuple {
        source: address(client),
        destination: address(server),
        source_port: client.port(),
        destination_port: server.port(),
    }
}

/// An end as what it is ordered by.
#[must_use]
pub const fn endpoint(end: SocketAddr) -> [u64; 3] {
    let (high, low) = address(end).halves();
    [high, low, end.port() as u64]
}

const fn address(end: SocketAddr) -> Address {
    match end {
        SocketAddr::V4(end) => Address::v4(end.ip().octets()),
        SocketAddr::V6(end) => Address(end.ip().octets()),
    }
}

/// The first octets of a name, which order it well enough.
fn beginning(name: &str) -> u64 {
    let octets = name.bytes().chain(std::iter::repeat(0)).take(8);
    octets.fold(0, |sum, octet| (sum << 8) | u64::from(octet))
}

#[expect(clippy::cast_possible_truncation, reason = "a conversion of floats saturates")]
#[expect(clippy::cast_sign_loss, reason = "nothing here is negative")]
const fn whole(value: f64) -> u64 {
    value as u64
}
