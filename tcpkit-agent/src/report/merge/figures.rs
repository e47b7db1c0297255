//! What metrics need beside the report.

use super::ReportContext;
use crate::{
    analyzer::{Cut, RequestSum, RoundTrips, SpanHistogram, Traffic},
    flow::{Half, StallKind},
    report::{
        Count, DURATION_BOUNDS_NS, Durations, Figures, NATIVE_BOUNDS_NS, RequestDurations,
        RoundTripDurations, ShardSnapshot, TrafficFigure,
    },
    wire::{FrameDirection, Transport},
};

/// Commands that come with their durations; the others are in the sum.
const NAMED: usize = 100;

pub(super) fn figures(context: &ReportContext, sum: &ShardSnapshot) -> Figures {
    let stalls = |kind: &StallKind| (kind.name(), durations(sum.stalls.spans(*kind)));
    let protocols = sum.requests.protocols().filter(|(_, requests, _)| requests.requests() > 0);
    let commands = sum.requests.commands().top(NAMED).into_iter();
    Figures {
        handshake: durations(sum.handshakes.durations()),
        server_rtt: durations(sum.handshakes.server_rtts()),
        client_rtt: durations(sum.handshakes.client_rtts()),
        towards_server: round_trips(sum.round_trips.towards(Half::Server)),
        towards_client: round_trips(sum.round_trips.towards(Half::Client)),
        loss_episode: durations(sum.retransmissions.episodes()),
        loss_delay: durations(sum.retransmissions.delays()),
        stalls: StallKind::ALL.iter().map(stalls).collect(),
        protocols: protocols.map(|(name, requests, _)| (name, of_requests(requests))).collect(),
        commands: commands
            .map(|((protocol, command), requests)| {
                ((protocol.name(), command.to_str().into_owned()), durations(&requests.total))
            })
            .collect(),
        all_commands: durations(&sum.requests.total().total),
        traffic: traffic(context, sum),
        pauses: durations(&sum.pauses),
        rings: context.ring_fills.clone(),
    }
}

fn durations(spans: &SpanHistogram) -> Durations {
    Durations {
        buckets: spans.by_bound(&DURATION_BOUNDS_NS),
        native: spans.by_bounds(&NATIVE_BOUNDS_NS),
        sum_ns: spans.total().0,
    }
}

fn round_trips(trips: &RoundTrips) -> RoundTripDurations {
    RoundTripDurations { rtt: durations(&trips.spans), queueing: durations(&trips.above_min) }
}

fn of_requests(requests: &RequestSum) -> RequestDurations {
    RequestDurations {
        total: durations(&requests.total),
        server: durations(&requests.server),
        blocking: durations(&requests.blocking),
    }
}

/// By name: several numbers may stand for one interface.
fn traffic(context: &ReportContext, sum: &ShardSnapshot) -> Vec<TrafficFigure> {
    let mut figures: Vec<TrafficFigure> = Vec::new();
    for (id, traffic) in sum.bandwidth.interfaces() {
        let interface = context.interface(id);
        for figure in cells(&interface, traffic) {
            let is_same = |other: &&mut TrafficFigure| {
                other.interface == figure.interface
                    && (other.direction, other.protocol) == (figure.direction, figure.protocol)
            };
            match figures.iter_mut().find(is_same) {
                Some(other) => add(&mut other.count, figure.count),
                None => figures.push(figure),
            }
        }
    }
    figures
}

fn cells(interface: &str, traffic: &Traffic) -> Vec<TrafficFigure> {
    let mut cells = Vec::new();
    for (protocol, transport) in TRANSPORTS {
        for (direction, way) in DIRECTIONS {
            let count =
                traffic.count(Cut { version: None, transport: Some(transport), direction: Some(way) });
            if count.frames > 0 {
                let count = Count { frames: count.frames, packets: count.packets, bytes: count.bytes };
                cells.push(TrafficFigure { interface: interface.to_owned(), direction, protocol, count });
            }
        }
    }
    cells
}

const fn add(sum: &mut Count, count: Count) {
    sum.frames += count.frames;
    sum.packets += count.packets;
    sum.bytes += count.bytes;
}

const TRANSPORTS: [(&str, Transport); 4] = [
    ("tcp", Transport::Tcp),
    ("udp", Transport::Udp),
    ("icmp", Transport::Icmp),
    ("other", Transport::Other),
];

const DIRECTIONS: [(&str, FrameDirection); 3] = [
    ("inbound", FrameDirection::Inbound),
    ("outbound", FrameDirection::Outbound),
    ("unknown", FrameDirection::Unknown),
];
