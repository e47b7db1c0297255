//! The parts of a [`Config`](super::Config): what is captured, measured, remembered, written and shown.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::{
    cli::{
        args::{BackendChoice, HookChoice, LogLevel, Mode},
        kit::Kit,
        latency::LatencyPlan,
        peek::PeekArgs,
        report::ReportPlan,
        track::TrackArgs,
        value::{FlowCounters, ListenAt},
    },
    time::Span,
};

/// A script and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptPlan {
    /// Where it is.
    pub path: PathBuf,
    /// Lua instructions that each call may take.
    pub budget: u64,
    /// Ports that are servers'; none where nothing is known of them.
    pub ports: Vec<u16>,
    /// Addresses of servers.
    pub servers: Vec<IpAddr>,
}

/// What somebody on the worker's thread hears of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Finished flows.
    pub flows: bool,
    /// Decided handshakes.
    pub handshakes: bool,
    /// Measured requests.
    pub requests: bool,
}

/// What the measurements are shown as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// tcpkit's own report, logs and endpoint.
    Agent,
    /// tcpeek's lines and summary.
    Peek(Box<PeekArgs>),
    /// git-hulk/tcpkit's lines and statistics.
    Kit(Box<Kit>),
    /// Tables of requests.
    Latency(LatencyPlan),
    /// The report alone.
    Report(ReportPlan),
    /// tcptrack's table of connections.
    Track(Box<TrackArgs>),
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Interfaces of this host.
    Live(Live),
    /// Capture files, in the order of the command line.
    Files(Vec<Stream>),
}

/// A live capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Each once, in the order of the command line; they existed when the command line was read, or may be waited for.
    pub interfaces: Vec<String>,
    /// Wait for those that are not there.
    pub reattach: bool,
    /// Which hook.
    pub hook: HookChoice,
    /// eBPF or libpcap.
    pub backend: BackendChoice,
    /// Bytes kept of each frame, `64..=262_144`.
    pub snaplen: u32,
    /// Bytes of each shard's ring, a power of two.
    pub ring_bytes: u32,
    /// Bytes of libpcap's buffer.
    pub pcap_bytes: u32,
    /// Take frames that are not addressed to this host; `None` is as the backend does by itself.
    pub promiscuous: Option<bool>,
    /// Traffic by flow and by millisecond, counted in the kernel.
    pub flow_counters: FlowCounters,
    /// Nothing but the kernel's counters is wanted: no frame reaches the analysis. Needs eBPF.
    pub counters_only: bool,
    /// aya-log level of the eBPF programs.
    pub kernel_log: LogLevel,
    /// Stop after this time.
    pub duration: Option<Duration>,
}

/// Requests that are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// Of which protocol.
    pub mode: Mode,
    /// At servers on these ports; where there are none, on any.
    pub ports: Vec<u16>,
    /// At these servers; where there are none, at any.
    pub servers: Vec<IpAddr>,
    /// Those by UDP too.
    pub udp: bool,
    /// What took at least this long is told as an event.
    pub slower_than: Span,
}

/// Bounds on what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Flows in all shards together.
    pub max_flows: u32,
    /// Half-open flows of them, at most.
    pub max_half_open: u32,
    /// Capture time without a frame after which a flow is forgotten; `None` is never.
    pub idle_timeout: Option<Span>,
    /// Capture time without an answer after which a handshake has failed.
    pub handshake_timeout: Span,
}

/// What is written, and where. At most one of these has standard output.
#[derive(Clone, Debug)]
pub struct Output {
    /// `-w`.
    pub capture: Option<CaptureOutput>,
    /// `--flow-log`.
    pub flow_log: Option<Stream>,
    /// `--request-log`.
    pub request_log: Option<Stream>,
    /// `--event-log`.
    pub event_log: Option<Stream>,
    /// Loss episodes and stalls that cost at least this much are events.
    pub event_after: Span,
    /// Print the report as JSON on standard output.
    pub json: bool,
    /// Print event lines and the summary on standard output; false when it is taken, or with `--quiet`.
    pub text: bool,
    /// Show progress on standard error: a terminal is there, and files are read.
    pub progress: bool,
    /// Serve reports.
    pub listen: Option<Listen>,
    /// Servers and commands that metrics tell apart.
    pub metrics_top: u16,
    /// The agent's own messages.
    pub log: LogLevel,
    /// How talkers are listed.
    pub talkers: Talkers,
}

/// How talkers are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talkers {
    /// Rows of each list; `None` is as many as suit text and JSON.
    pub top: Option<usize>,
    /// Bits that make a prefix of an IPv4 address, at most 32.
    pub prefix_v4: u8,
    /// The same of an IPv6 address, at most 128.
    pub prefix_v6: u8,
}

impl Output {
    /// Nothing is written but warnings: for a view that writes everything itself.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            capture: None,
            flow_log: None,
            request_log: None,
            event_log: None,
            event_after: Span::from_secs(1),
            json: false,
            text: false,
            progress: false,
            listen: None,
            metrics_top: 0,
            log: LogLevel::Warn,
            talkers: Talkers::default(),
        }
    }
}

impl Default for Talkers {
    fn default() -> Self {
        Self { top: None, prefix_v4: 24, prefix_v6: 48 }
    }
}

/// `-w`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureOutput {
    /// Where to.
    pub target: Stream,
    /// Begin a new file before this one exceeds this many bytes.
    pub rotate_bytes: Option<u64>,
    /// Begin a new file after this much capture time.
    pub rotate_after: Option<Span>,
}

/// Where the endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port, or the path of a Unix socket.
    pub address: ListenAt,
    /// The user asked for it: that it is busy is then an error, else a warning.
    pub asked: bool,
}

/// A file, or a standard stream in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// `-`: standard input or output, whichever the option means.
    Standard,
    /// A path.
    File(PathBuf),
}

impl Live {
    /// On these interfaces, by whatever hook suits them, headers only, until it is ended.
    #[must_use]
    pub const fn on(interfaces: Vec<String>, backend: BackendChoice) -> Self {
        Self {
            interfaces,
            reattach: false,
            hook: HookChoice::Auto,
            backend,
            snaplen: 256,
            ring_bytes: 32 << 20,
            pcap_bytes: 32 << 20,
            promiscuous: None,
            flow_counters: FlowCounters::Auto,
            counters_only: false,
            kernel_log: LogLevel::Off,
            duration: None,
        }
    }

    /// libpcap's name for all interfaces together; eBPF programs sit on single ones.
    pub const EVERY_INTERFACE: &str = "any";
}

impl Stream {
    /// A path as the user typed it, `-` being the standard stream.
    #[must_use]
    pub fn from_path(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Standard } else { Self::File(path) }
    }

    /// The path as sources and sinks take it, `-` being the standard stream.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Standard => PathBuf::from("-"),
            Self::File(path) => path.clone(),
        }
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Standard => formatter.write_str("-"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl CaptureOutput {
    /// Whether further files may follow the first.
    #[must_use]
    pub const fn rotates(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_after.is_some()
    }

    pub(super) fn rotates_standard_output(&self) -> bool {
        self.target == Stream::Standard && self.rotates()
    }
}
