//! Everything that leaves tcpkit as data: the only types that are serialised.
//!
//! Names are those of the manual. Times are whole microseconds since the epoch (`_us`, integers); durations are
//! microseconds with nanosecond decimals (`_us`, floats); sizes are bytes.
//! A field that this version of tcpkit cannot fill is absent; `null` means *not seen*.

mod agent;
mod bandwidth;
mod bursts;
mod capture;
mod course;
mod doctor;
mod event;
mod exact_flows;
mod exact_report;
mod figures;
mod flow;
pub mod flows;
mod handshake;
mod handshakes;
mod ledger;
pub mod merge;
mod observed;
mod problem;
mod record;
mod request;
mod requests;
mod series;
mod service;
mod snapshot;
mod stream;
mod talkers;
mod totals;

pub use agent::{AgentReport, ReloadCounts};
pub use bandwidth::{BandwidthReport, InterfaceBandwidth, LinkUse, PeakRate, SizeBucket, TrafficReport};
pub use bursts::{BurstFlow, BurstReport, BurstWindows};
pub use capture::{CaptureInfo, InterfaceInfo};
pub use course::{Course, Moment};
pub use doctor::{DoctorReport, ExaminedRecord, FindingRecord};
pub use event::{Event, EventKind};
pub use exact_flows::{ExactFlow, ExactFlowCounts, ExactOther, ExactRate, ExactTraffic};
pub use exact_report::{ExactFlowRecord, ExactFlowsReport};
pub use figures::{
    DURATION_BOUNDS_NS, DURATION_BUCKETS, Durations, Figures, NATIVE_BOUNDS_NS, NATIVE_FIRST, NATIVE_SCHEMA,
    RequestDurations, RoundTripDurations, TrafficFigure,
};
pub use flow::{
    Close, DirectionRecord, FlowRecord, HandshakeResult, RetransmissionsByCause, RstRecord, RttRecord,
    StallRecord, StallsByKind,
};
pub use handshake::HandshakeRecord;
pub use handshakes::{HandshakeCounts, HandshakeReport, IcmpErrorCount, ServerHandshakes};
pub use ledger::{Ledger, LedgerEntry};
pub use problem::Problem;
pub use record::{EventsLost, PartReport, Record};
pub(crate) use request::millis;
pub use request::{Culprit, RequestRecord, TimeSpent};
pub use requests::{
    CommandRequests, PortRequests, ProtocolRequests, RequestSpans, RequestSummary, RequestsReport,
    ServerRequests,
};
pub use series::{DistributionReport, SeriesBin, SeriesReport, SeriesSpans, SpanBucket};
pub use service::{BUCKET_BOUNDS_US, BUCKETS, Sent, ServiceCount, Services};
pub use snapshot::{Extent, ShardSnapshot};
pub use stream::{
    FlowName, FlowRetransmissions, FlowStalls, LatencyReport, PortRetransmissions, RetransmitReport,
    RoundTripReport, SentAgainCount, ServerRetransmissions, StallReport, StallSummary,
};
pub use talkers::{AddressTalk, PortTalk, PrefixTalk, SentCount, ServiceTalk, TalkCount, TalkersReport};
pub use totals::{Count, ResetCount, SpanSummary, Totals};

use schemars::JsonSchema;
use serde::Serialize;

/// A protocol by IANA's number: the names of those that tcpkit follows, else the number.
pub(crate) fn protocol_name(number: u8) -> String {
    match number {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => other.to_string(),
    }
}

/// Version of the report's shape; a field may be added without a new one, none removed or changed.
pub const SCHEMA: &str = "tcpkit.report/1";

/// What tcpkit says of a capture: the whole of it, or so far.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// False for a report of a capture that still runs.
    pub complete: bool,
    /// delivered / matched: the share of the wanted frames that the figures below rest on; `null` without frames.
    pub completeness: Option<f64>,
    /// Where the frames came from.
    pub capture: CaptureInfo,
    /// What became of each frame.
    pub ledger: Ledger,
    /// Frames, packets, bytes and flows.
    pub totals: Totals,
    /// Handshakes by result, and their times.
    pub handshake: HandshakeReport,
    /// What was sent again, and why.
    pub retransmit: RetransmitReport,
    /// How long round trips took, and requests.
    pub latency: LatencyReport,
    /// What flows with something to do waited for.
    pub stalls: StallReport,
    /// Who used how much.
    pub bandwidth: BandwidthReport,
    /// The agent's own health; absent where nobody has asked for anything while the capture ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentReport>,
    /// How the capture went; only where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesReport>,
    /// Requests as git-hulk/tcpkit counts them, for its statistics; its JSON is that of `/stats`.
    #[serde(skip)]
    pub services: Services,
    /// What metrics need beside all that.
    #[serde(skip)]
    pub figures: Figures,
    /// Traffic by flow as the kernel counts it, for views; `None` where it does not (`--flow-counters`).
    #[serde(skip)]
    pub exact_flows: Option<std::sync::Arc<ExactFlowCounts>>,
}
