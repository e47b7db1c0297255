//! What the user typed, as typed.
//!
//! Nothing in here looks at the system: the same words give the same [`Args`] on any machine. What the program will
//! do is decided in [`Config`](super::Config).

use std::{net::IpAddr, num::NonZeroU16, path::PathBuf};

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::{
    doctor::DoctorCommandArgs,
    kit::KitArgs,
    latency::LatencyCommandArgs,
    layers::{ConfigCommandArgs, ConfigFileArgs},
    manual::GenerateCommandArgs,
    report::ReportCommandArgs,
    value::{self, FlowCounters, Listen},
};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tcpkit",
    version,
    about = "Watch TCP on a live interface or in capture files: who talks, which handshakes fail, and how far the numbers may be off.",
    override_usage = "tcpkit -i INTERFACE [OPTIONS] [EXPRESSION]...\n       tcpkit -r FILE [OPTIONS] [EXPRESSION]...\n       tcpkit latency -i INTERFACE|-r FILE [OPTIONS] [EXPRESSION]...\n       tcpkit report [--html FILE] -r FILE [OPTIONS] [EXPRESSION]...\n       tcpkit filter [OPTIONS] EXPRESSION...\n       tcpkit doctor [-i INTERFACE]\n       tcpkit config check FILE|default\n       tcpkit generate man|bash|zsh|fish [PAGE]\n       tcpkit track -i INTERFACE|-T FILE [OPTIONS] [EXPRESSION]...  (tcptrack; see tcpkit track --help)\n       tcpkit peek|peekstat [OPTIONS]  (tcpeek and tcpeekstat; see tcpkit peek --help)\n       tcpkit stat|prof [OPTIONS]  (tcpstat and tcpprof; see tcpkit stat -h)",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true,
    max_term_width = 100
)]
pub struct Args {
    /// What to do instead of capturing.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print this help.
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
    /// Print the version.
    #[arg(short = 'V', visible_short_alias = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    /// The agent's own options.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// What else the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a filter expression compiles to, and count what it matches in a file.
    Filter(FilterCommandArgs),
    /// Show requests as they come: by command, by server, and the slowest with where their time went.
    Latency(Box<LatencyCommandArgs>),
    /// Show the report of a capture, and nothing before its end: as text, as JSON, or as a page with plots.
    Report(Box<ReportCommandArgs>),
    /// Say what this host and its interfaces let a capture do, what will be lost, and how to mend it.
    Doctor(DoctorCommandArgs),
    /// Check a configuration file, or print one with every option in it.
    Config(ConfigCommandArgs),
    /// Print a man page, or the completions of a shell.
    Generate(GenerateCommandArgs),
}

/// Options of the agent, by heading.
#[derive(Clone, Debug, ClapArgs)]
pub struct AgentArgs {
    /// Where frames come from.
    #[command(flatten)]
    pub input: InputArgs,
    /// Which frames are wanted.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Which requests are measured.
    #[command(flatten)]
    pub requests: RequestArgs,
    /// How live capture is done.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// How much is remembered, and for how long.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
    /// A script of the user's.
    #[command(flatten)]
    pub script: ScriptArgs,
    /// What is written, and where.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What git-hulk/tcpkit has beside these.
    #[command(flatten)]
    pub kit: KitArgs,
    /// Where options come from that were not typed.
    #[command(flatten)]
    pub config_file: ConfigFileArgs,
}

/// Where frames come from.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// Capture live on this interface; may be repeated.
    #[arg(short, long, value_name = "INTERFACE", conflicts_with = "read")]
    pub interface: Vec<String>,
    /// Read this capture file (pcap, pcapng or snoop, also gzip or zstd; `-` is standard input); may be repeated, and
    /// the files are merged by time.
    #[arg(short, long, value_name = "FILE")]
    pub read: Vec<PathBuf>,
}

/// Which frames are wanted.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Filter", group = ArgGroup::new("selection").multiple(true).args(["ports", "servers"]))]
pub struct FilterArgs {
    /// tcpdump filter expression; without one every frame is wanted.
    #[arg(value_name = "EXPRESSION")]
    pub expression: Vec<String>,
    /// Only TCP from or to these ports, separated by commas; a protocol's name is -m of tcpkit 1.1.
    #[arg(short = 'p', long = "port", value_name = "PORT,...", value_delimiter = ',', value_parser = value::port)]
    pub ports: Vec<NonZeroU16>,
    /// Only frames from or to these server addresses, separated by commas; a number is --snaplen of tcpkit 1.1.
    #[arg(short = 's', long = "server", value_name = "ADDRESS,...", value_delimiter = ',', value_parser = value::address)]
    pub servers: Vec<IpAddr>,
    /// UDP from or to the ports of -p too.
    #[arg(short = 'u', long, requires = "ports")]
    pub udp: bool,
    /// Every ICMP and ICMPv6 error too, beside what -p and -s select.
    #[arg(long, requires = "selection")]
    pub icmp: bool,
    /// Take the expression to the letter: no ICMP errors that quote a wanted packet, no later fragments of one.
    #[arg(long)]
    pub strict_filter: bool,
}

/// Which requests are measured; none, where none of these is given.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Requests")]
pub struct RequestArgs {
    /// Measure the requests of this protocol and print a line for each, at the servers of -p and -s or else wherever it
    /// is recognised; `auto` is every protocol that is recognised, `raw` prints packets instead.
    #[arg(short, long, value_name = "PROTOCOL", value_enum, hide_possible_values = false)]
    pub mode: Option<Mode>,
    /// Tell only of requests that took at least this many milliseconds (decimals allowed) [default: all with -m, else as
    /// --event-after].
    #[arg(short = 't', long = "slower-than", value_name = "MILLISECONDS", value_parser = value::milliseconds)]
    pub slower_than: Option<std::time::Duration>,
}

/// How live capture is done.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Live capture")]
pub struct CaptureArgs {
    /// Bytes to keep of each frame, at least 64; 0 keeps whole frames [default: 256, with requests measured 2048].
    #[arg(long, value_name = "BYTES", value_parser = value::snaplen, conflicts_with = "read")]
    pub snaplen: Option<u32>,
    /// Where in the kernel to look: `auto` is tc on an interface that carries the host's own traffic and native xdp on
    /// a tap without addresses.
    #[arg(
        long,
        value_name = "HOOK",
        value_enum,
        default_value_t,
        conflicts_with = "read",
        hide_possible_values = false
    )]
    pub hook: HookChoice,
    /// Wait for interfaces that are not there yet, and attach again to those that disappear when an interface of the
    /// same name comes back; tcpkit then keeps the privileges CAP_BPF and CAP_NET_ADMIN.
    #[arg(long, conflicts_with = "read")]
    pub reattach: bool,
    /// How to capture: `auto` is ebpf, and pcap (libpcap) where ebpf cannot run.
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t, conflicts_with = "read")]
    pub backend: BackendChoice,
    /// Size of each shard's ring between kernel and agent, a power of two from 64K to 1G.
    #[arg(long, value_name = "BYTES", default_value = "32M", value_parser = value::ring_bytes, conflicts_with = "read")]
    pub ring_bytes: u32,
    /// Count traffic by flow and by millisecond in the kernel too, which stays right when records are lost: `on`, `off`,
    /// or for so many flows, each direction one; `auto` is on for views that show it.
    #[arg(long, value_name = "FLOWS", default_value = "auto", value_parser = value::flow_counters, conflicts_with = "read")]
    pub flow_counters: FlowCounters,
    /// Show messages of the eBPF programs on standard error from this level on, whatever --log says (debug: why a frame
    /// has no record); this costs time for each frame, and some messages are lost when there are many.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Off, conflicts_with = "read")]
    pub kernel_log: LogLevel,
    /// Stop after this many seconds (decimals allowed); without it, run until interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = value::positive_seconds, conflicts_with = "read")]
    pub duration: Option<std::time::Duration>,
}

/// How much is remembered, and for how long.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Analysis")]
pub struct AnalysisArgs {
    /// Stop after this many wanted frames.
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Worker threads, each with its own flows, 1 to 64 [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub shards: Option<u32>,
    /// Flows remembered at one time, in all shards together; beyond it the longest idle one gives way.
    #[arg(long, value_name = "FLOWS", default_value = "1000000", value_parser = clap::value_parser!(u32).range(64..))]
    pub max_flows: u32,
    /// Half-open flows remembered at one time, of all flows: in a SYN flood the oldest of them gives way, and no
    /// established flow.
    #[arg(long, value_name = "FLOWS", default_value = "262144", value_parser = clap::value_parser!(u32).range(64..))]
    pub max_half_open: u32,
    /// Forget a flow after this many seconds of capture time without a frame; 0 is never [default: 3600 live, 0 for
    /// files].
    #[arg(long, value_name = "SECONDS", value_parser = value::seconds)]
    pub idle_timeout: Option<std::time::Duration>,
    /// Call a handshake failed after this many seconds of capture time without an answer.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = value::positive_seconds)]
    pub handshake_timeout: std::time::Duration,
    /// Bits that make a prefix, of IPv4 and of IPv6 addresses, for talkers by prefix.
    #[arg(long, value_name = "V4,V6", default_value = "24,48", value_parser = value::prefixes)]
    pub prefix: (u8, u8),
    /// Analyse the outer packet of a tunnel, not the inner one.
    #[arg(long)]
    pub no_decap: bool,
}

/// A script of the user's.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Script")]
pub struct ScriptArgs {
    /// Run this Lua script, which standard output then belongs to: its process(packet) gets every wanted TCP and UDP
    /// packet in capture order (and makes --shards 1), its on_request, on_flow and on_handshake what was analysed.
    #[arg(short = 'S', long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Cut off a call of the script that takes more Lua instructions.
    #[arg(long, value_name = "INSTRUCTIONS", default_value = "10000000", requires = "script", value_parser = clap::value_parser!(u64).range(1000..))]
    pub script_budget: u64,
}

/// What is written, and where.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write the wanted frames to this capture file: pcapng if it ends in .pcapng, else nanosecond pcap; `-` is
    /// standard output.
    #[arg(short = 'w', long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// With -w, begin a new file (FILE1, FILE2, ...) before it exceeds this many millions of bytes.
    #[arg(short = 'C', long, value_name = "MEGABYTES", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub rotate_size: Option<u32>,
    /// With -w, begin a new file after this many seconds of capture time.
    #[arg(short = 'G', long, value_name = "SECONDS", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub rotate_seconds: Option<u32>,
    /// Write one JSON object for each finished flow to this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub flow_log: Option<PathBuf>,
    /// Write one JSON object for each request to this file, with where its time went; `-` is standard output; without
    /// -m it is of every protocol that is recognised.
    #[arg(long, value_name = "FILE")]
    pub request_log: Option<PathBuf>,
    /// Write one JSON object for each event (failed handshake, long loss or stall, slow request, capture loss, interface
    /// change) to this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub event_log: Option<PathBuf>,
    /// Tell of loss episodes and stalls that cost a flow at least this many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = value::seconds)]
    pub event_after: std::time::Duration,
    /// Print the report as JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Rows of each list of talkers [default: 5 in text, 100 in JSON].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: Option<u32>,
    /// Serve reports, flows, events and metrics by HTTP on this address and port, or on the Unix socket unix:PATH,
    /// which answers tcpeek's lines too; `off` serves none [default: 127.0.0.1:33333 live, off for files].
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = value::listen)]
    pub stats_listen: Option<Listen>,
    /// Tell so many servers and commands apart in metrics; all others are one, named `other`.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub metrics_top: u16,
    /// Print no event lines, no progress and no summary; errors, --json and the logs remain.
    #[arg(long)]
    pub quiet: bool,
    /// Show the agent's own messages on standard error from this level on.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Warn)]
    pub log: LogLevel,
}

/// `tcpkit filter`.
#[derive(Clone, Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub struct FilterCommandArgs {
    /// tcpdump filter expression.
    #[arg(value_name = "EXPRESSION", required = true)]
    pub expression: Vec<String>,
    /// Count what libpcap and the translation match in this capture file; exit status 1 where they differ.
    #[arg(short, long, value_name = "FILE")]
    pub read: Option<PathBuf>,
    /// Link type to compile for, by name or number; with -r it is the file's.
    #[arg(long, value_name = "TYPE", default_value = "EN10MB", conflicts_with = "read")]
    pub link_type: String,
}

/// `--mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Every protocol that is recognised.
    Auto,
    /// RESP2, RESP3 and inline commands.
    Redis,
    /// Text, meta and binary commands.
    Memcached,
    /// HTTP/1.0 and HTTP/1.1.
    Http,
    /// By UDP and TCP.
    Dns,
    /// MySQL and MariaDB.
    #[value(name = "mysql")]
    MySql,
    /// The protocol's version 3.
    #[value(name = "postgresql")]
    PostgreSql,
    /// The handshake.
    Tls,
}

impl Mode {
    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Redis => "redis",
            Self::Memcached => "memcached",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::MySql => "mysql",
            Self::PostgreSql => "postgresql",
            Self::Tls => "tls",
        }
    }

    /// Whether this protocol, or one that is recognised, is spoken by UDP as well.
    #[must_use]
    pub const fn has_datagrams(self) -> bool {
        matches!(self, Self::Auto | Self::Dns)
    }
}

/// `--hook`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HookChoice {
    /// By what the interface is for.
    #[default]
    Auto,
    /// Traffic control on the way in and out.
    Tc,
    /// Native XDP on the way in, traffic control on the way out.
    Xdp,
}

/// `--backend`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// eBPF, and libpcap where that cannot run.
    #[default]
    Auto,
    /// eBPF or an error.
    Ebpf,
    /// libpcap.
    Pcap,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What an operator should act on.
    Warn,
    /// State of the agent.
    Info,
    /// Each flow.
    Debug,
    /// Each packet.
    Trace,
}

impl LogLevel {
    /// The level as `tracing` knows it.
    #[must_use]
    pub const fn filter(self) -> tracing::level_filters::LevelFilter {
        use tracing::level_filters::LevelFilter;
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    /// The level as aya-log numbers it (`Error` is 1, `Trace` is 5); 0 is silence.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}

const EXAMPLES: &str = "\
Examples:
  tcpkit -i eth0 port 443                     capture what port 443 does, until Ctrl-C
  tcpkit -i eth0 -p 6379 -w redis.pcapng      and keep the frames
  tcpkit -i eth0 -p 6379 -m redis -t 10       and the requests that took 10 ms or more
  tcpkit -r trace.pcap --json                 the report of a file as JSON
  tcpkit -r - --flow-log flows.jsonl < x.pcap one line for each flow
  tcpkit report -r trace.pcap --html o.html   its report as a page with plots
  tcpkit filter -r trace.pcap 'tcp[13] & 2 != 0'

Exit status: 0 all well, 1 something failed, 2 bad usage.";
