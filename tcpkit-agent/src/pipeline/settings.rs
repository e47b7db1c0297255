//! What one run of the engine is told.

use std::sync::Arc;

use crate::{
    analyzer::{PrefixLengths, RequestSettings, RequestsTold},
    flow::{FlowLimits, Patience, StallKind, StreamStep, StreamStepKind},
    report::flows::FlowQuery,
    time::Span,
    wire::{ParseOptions, fragment::FragmentLimits},
};

/// Settings of all shards of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Shards that share the flows out between them; at least one.
    pub shards: u32,
    /// How frames are read.
    pub parse: ParseOptions,
    /// Bounds of the whole capture; each shard has its part of those in number.
    pub flows: FlowLimits,
    /// Bounds of each shard on datagrams that wait for fragments.
    pub fragments: FragmentLimits,
    /// What somebody reads.
    pub wanted: Wanted,
    /// Requests that are measured; `None` for none, which costs nothing.
    pub requests: Option<RequestSettings>,
    /// Microseconds from which on git-hulk/tcpkit calls a request slow; 0 for none.
    pub slow_us: u64,
    /// What makes a prefix, for talkers by prefix.
    pub prefixes: PrefixLengths,
    /// Whether an ICMP error decides the handshake that it answers.
    pub icmp: bool,
    /// Whether the report tells how the capture went.
    pub course: bool,
    /// Listings of the flows over capture time; they are whole with one shard only.
    pub tables: Option<TableSettings>,
}

/// Listings of the flows over capture time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// Capture time from one to the next.
    pub every: Span,
    /// What is in them.
    pub query: FlowQuery,
}

/// What shards hand out beside their measurements; what nobody reads is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A record of each finished flow.
    pub flows: bool,
    /// Events.
    pub events: bool,
    /// A record of each decided handshake.
    pub handshakes: bool,
    /// Loss episodes that cost their stream at least this much are events.
    pub loss_delay: Span,
    /// Stalls of at least this length are events; a client that thinks is none.
    pub stall: Span,
    /// A record of each request.
    pub requests: bool,
    /// Requests that took at least this long are events.
    pub slow_request: Span,
    /// A record of each request that was answered after at least so many microseconds, as git-hulk/tcpkit shows them.
    pub shown_us: Option<u64>,
    /// The reader of blocks looks at milliseconds; over rings the kernel does.
    pub bursts: bool,
}

impl Wanted {
    /// Which requests are handed out, as records or as events.
    pub(super) const fn requests_told(&self) -> RequestsTold {
        match (self.requests, self.events, self.shown_us) {
            (true, _, _) => RequestsTold::All,
            (false, true, None) => RequestsTold::Slow(self.slow_request),
            (false, true, Some(least)) => RequestsTold::Both(self.slow_request, least),
            (false, false, Some(least)) => RequestsTold::Answered(least),
            (false, false, None) => RequestsTold::None,
        }
    }

    /// Whether an event is made of what a stream did.
    pub(super) fn is_worth_a_line(&self, step: &StreamStep) -> bool {
        match &step.kind {
            StreamStepKind::EpisodeEnded(episode) => episode.delay >= self.loss_delay,
            StreamStepKind::Stalled(stall) => {
                stall.kind != StallKind::ClientThinking && stall.end.since(stall.start) >= self.stall
            }
            _ => false,
        }
    }
}

impl EngineSettings {
    /// Flows of a capture, at most, unless asked otherwise.
    pub const MAX_FLOWS: u32 = 1_000_000;
    /// Half-open flows of a capture, at most, unless asked otherwise: 50 MiB of them.
    pub const MAX_HALF_OPEN: u32 = 262_144;
    /// Closed flows that linger in one shard, at most.
    pub const MAX_LINGERING: u32 = 65_536;
    /// As long as tcpeek's manual says.
    pub const HANDSHAKE_TIMEOUT: Span = Span::from_secs(60);
    /// `TCP_TIMEWAIT_LEN` of Linux (include/net/tcp.h): what comes later belongs to no old connection.
    pub const LINGER: Span = Span::from_secs(60);
    /// RFC 5382 REQ-5: an established connection may be silent for two hours and four minutes.
    pub const IDLE: Span = Span::from_secs(7440);

    /// Loss episodes and stalls that cost as much are events, unless asked otherwise.
    pub const EVENT: Span = Span::from_secs(1);

    /// For files: no flow expires by silence.
    #[must_use]
    pub fn replay(shards: u32) -> Self {
        Self {
            shards: shards.max(1),
            parse: ParseOptions::default(),
            flows: FlowLimits {
                max_flows: Self::MAX_FLOWS,
                max_lingering: Self::MAX_LINGERING,
                max_half_open: Self::MAX_HALF_OPEN,
                handshake_timeout: Self::HANDSHAKE_TIMEOUT,
                patience: Patience::FromFirstSyn,
                linger: None,
                idle: None,
            },
            fragments: FragmentLimits::default(),
            wanted: Wanted {
                flows: true,
                events: true,
                handshakes: false,
                loss_delay: Self::EVENT,
                stall: Self::EVENT,
                requests: false,
                slow_request: Self::EVENT,
                shown_us: None,
                bursts: false,
            },
            requests: None,
            slow_us: 0,
            prefixes: PrefixLengths::default(),
            icmp: true,
            course: false,
            tables: None,
        }
    }

    /// For a live capture: closed and silent flows expire.
    #[must_use]
    pub fn live(shards: u32) -> Self {
        let mut settings = Self::replay(shards);
        settings.flows.linger = Some(Self::LINGER);
        settings.flows.idle = Some(Self::IDLE);
        settings
    }
}

/// What a shard must know of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Name, where it has one.
    pub name: Option<Arc<str>>,
    /// Interfaces of the same identity count as one: nameless ones share one, others have one each.
    pub identity: u16,
    /// Every frame of it passes another interface too, to which the flows belong: here they are traffic only.
    pub is_copy: bool,
}
