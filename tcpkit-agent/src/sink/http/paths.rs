//! Every path of the endpoint, once: the router, the description and the list in a 404 are made of this.

use schemars::{Schema, SchemaGenerator};

use super::query::{Kind, Parameter};
use crate::report::{
    BandwidthReport, Event, HandshakeReport, LatencyReport, Ledger, PartReport, Report, RetransmitReport,
    StallReport,
    flows::{FlowListing, FlowOrder, FlowQuery},
};

/// A path and what it answers.
#[derive(Clone, Copy)]
pub(super) struct Path {
    pub(super) path: &'static str,
    /// What it is, in a sentence.
    pub(super) about: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) content: Content,
    /// Whether there may be no answer for now.
    pub(super) may_be_unavailable: bool,
}

/// What an answer consists of.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// JSON of this shape.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// JSON of a shape that is git-hulk/tcpkit's.
    AnyJson,
    /// Text of these media types; [`PROTOBUF`] is octets that are no text.
    Text(&'static [&'static str]),
    /// Server-sent events, each with JSON of this shape.
    Events(fn(&mut SchemaGenerator) -> Schema),
}

/// The paths, in the order of the manual.
pub(super) const PATHS: [Path; 15] = [
    Path {
        path: PAGE,
        about: "The page, which shows what the other paths tell, live.",
        parameters: &[],
        content: Content::Text(&["text/html"]),
        may_be_unavailable: false,
    },
    Path {
        path: REPORT,
        about: "The whole report as things stand, as --json prints it at the end.",
        parameters: &[PRETTY],
        content: Content::Json(SchemaGenerator::subschema_for::<Report>),
        may_be_unavailable: true,
    },
    Path {
        path: FLOWS,
        about: "Flows that are open, or closed a short while ago, page by page. Made between frames within a second or \
                so, one listing at a time.",
        parameters: &[PRETTY, SORT, ORDER, LIMIT, FILTER, CURSOR],
        content: Content::Json(SchemaGenerator::subschema_for::<FlowListing>),
        may_be_unavailable: true,
    },
    part(HANDSHAKES, "Handshakes by result, by server and by ICMP error, and their times.", |generator| {
        generator.subschema_for::<PartReport<'_, HandshakeReport>>()
    }),
    part(RETRANSMITS, "What was sent again, why, and by whom.", |generator| {
        generator.subschema_for::<PartReport<'_, RetransmitReport>>()
    }),
    part(LATENCY, "Round trips, and requests with where their time went.", |generator| {
        generator.subschema_for::<PartReport<'_, LatencyReport>>()
    }),
    part(STALLS, "What flows with something to do waited for.", |generator| {
        generator.subschema_for::<PartReport<'_, StallReport>>()
    }),
    part(BANDWIDTH, "Who used how much.", |generator| {
        generator.subschema_for::<PartReport<'_, BandwidthReport>>()
    }),
    part(LEDGER, "What became of each frame, and how complete the figures are.", |generator| {
        generator.subschema_for::<PartReport<'_, Ledger>>()
    }),
    Path {
        path: EVENTS,
        about: "Events as they happen, as --event-log writes them. A reader that is too slow loses events and is told \
                how many by an event named lost; one that comes again with Last-Event-ID is told what it missed.",
        parameters: &[],
        content: Content::Events(SchemaGenerator::subschema_for::<Event>),
        may_be_unavailable: true,
    },
    Path {
        path: METRICS,
        about: "Metrics for Prometheus: its protobuf format, with native histograms, or OpenMetrics 1.0.0 for who asks \
                for them, else the older text format.",
        parameters: &[],
        content: Content::Text(&["text/plain", "application/openmetrics-text", PROTOBUF]),
        may_be_unavailable: true,
    },
    Path {
        path: STATS,
        about: "The statistics of git-hulk/tcpkit, to the letter; a connection on which nothing is asked gets the same.",
        parameters: &[Parameter {
            name: "v",
            about: "The version of git-hulk/tcpkit whose shape is wanted.",
            kind: Kind::Choice(&["1.0", "1.0.1", "1.1"], "1.0"),
        }],
        content: Content::AnyJson,
        may_be_unavailable: true,
    },
    Path {
        path: HEALTHZ,
        about: "Whether the capture runs.",
        parameters: &[],
        content: Content::Text(&["text/plain"]),
        may_be_unavailable: true,
    },
    Path {
        path: READYZ,
        about: "Whether the capture runs and answers.",
        parameters: &[],
        content: Content::Text(&["text/plain"]),
        may_be_unavailable: true,
    },
    Path {
        path: OPENAPI,
        about: "This description.",
        parameters: &[PRETTY],
        content: Content::AnyJson,
        may_be_unavailable: false,
    },
];

const fn part(path: &'static str, about: &'static str, schema: fn(&mut SchemaGenerator) -> Schema) -> Path {
    Path { path, about, parameters: &[PRETTY], content: Content::Json(schema), may_be_unavailable: true }
}

/// The parameters of a path.
pub(super) fn parameters(path: &str) -> &'static [Parameter] {
    PATHS.iter().find(|one| one.path == path).map_or(&[], |one| one.parameters)
}

pub(super) const PAGE: &str = "/";
pub(super) const REPORT: &str = "/api/v1/report";
pub(super) const FLOWS: &str = "/api/v1/flows";
pub(super) const HANDSHAKES: &str = "/api/v1/handshakes";
pub(super) const RETRANSMITS: &str = "/api/v1/retransmits";
pub(super) const LATENCY: &str = "/api/v1/latency";
pub(super) const STALLS: &str = "/api/v1/stalls";
pub(super) const BANDWIDTH: &str = "/api/v1/bandwidth";
pub(super) const LEDGER: &str = "/api/v1/ledger";
pub(super) const EVENTS: &str = "/api/v1/events";
pub(super) const METRICS: &str = "/metrics";
pub(super) const STATS: &str = "/stats";
pub(super) const HEALTHZ: &str = "/healthz";
pub(super) const READYZ: &str = "/readyz";
pub(super) const OPENAPI: &str = "/openapi.json";

/// Octets whose parameters say which messages they are.
pub(super) const PROTOBUF: &str = "application/vnd.google.protobuf";

const PRETTY: Parameter =
    Parameter { name: "pretty", about: "JSON on several lines, for people.", kind: Kind::Flag };

const SORT: Parameter = Parameter {
    name: "sort",
    about: "By what the flows are ordered; what is unknown counts as zero.",
    kind: Kind::Choice(&SORTS, FlowOrder::Rate.name()),
};

const ORDER: Parameter = Parameter {
    name: "order",
    about: "Greatest first, or least first.",
    kind: Kind::Choice(&["desc", "asc"], "desc"),
};

const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "Flows on a page.",
    kind: Kind::Number(1, FlowQuery::MOST_ROWS as u64, 100),
};

const FILTER: Parameter = Parameter {
    name: "filter",
    about: "Which flows: 'port 443 and not host 10.0.0.1', 'server 10.0.0.0/8 or state syn_sent', 'interface eth0', \
            'midstream', 'open'.",
    kind: Kind::Text,
};

const CURSOR: Parameter = Parameter {
    name: "cursor",
    about: "What the page before said in after; sort and order must be the same.",
    kind: Kind::Pattern(r"^([0-9a-f]{1,16}\.){7}[0-9a-f]{1,4}\.[0-9a-f]{1,4}$"),
};

const SORTS: [&str; FlowOrder::ALL.len()] = {
    let mut names = [""; FlowOrder::ALL.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = FlowOrder::ALL[place].name();
        place += 1;
    }
    names
};
