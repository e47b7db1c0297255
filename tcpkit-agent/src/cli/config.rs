//! What the program will do: validated, complete, no default left open.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use super::{
    args::{AgentArgs, BackendChoice, CaptureArgs, HookChoice, LogLevel, Mode, OutputArgs},
    expression::effective_expression,
    failure::Failure,
    kit::{self, Background, Kit},
    latency::LatencyPlan,
    peek::PeekArgs,
    system::System,
    value::Listen as ListenChoice,
};
use crate::time::Span;

/// Where the agent listens when live, unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 33_333);

/// Live, a flow without a frame for this long is forgotten, unless told otherwise.
const DEFAULT_IDLE_TIMEOUT: Span = Span::from_secs(3_600);

/// One run of the agent.
///
/// Made from [`Args`](super::Args) by [`Config::new`], which may look at the system; whatever stands in here is
/// consistent and needs no further check.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where frames come from.
    pub input: Input,
    /// tcpdump expression in force; `None` wants every frame.
    pub expression: Option<String>,
    /// Take the expression to the letter.
    pub strict_filter: bool,
    /// Look into tunnels.
    pub decapsulate: bool,
    /// Worker threads, `1..=64`.
    pub shards: u32,
    /// What is remembered.
    pub limits: Limits,
    /// Requests that are measured; `None` for none.
    pub requests: Option<Requests>,
    /// Stop after this many wanted frames.
    pub count: Option<NonZeroU64>,
    /// What is written.
    pub output: Output,
    /// What the measurements are shown as.
    pub view: View,
    /// How the process lives.
    pub background: Background,
    /// Options that do nothing here, for the user to know.
    pub without_effect: Vec<String>,
    /// A script of the user's.
    pub script: Option<ScriptPlan>,
    /// What the script wants to hear of; the script itself tells.
    pub heard: Heard,
}

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
    /// The agent's own messages.
    pub log: LogLevel,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
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

impl Config {
    /// What these words mean on this system.
    ///
    /// # Errors
    /// A [`Failure`] that names the option: nothing to capture from, an interface that does not exist, two outputs for
    /// one stream, a filter whose parentheses do not match.
    pub fn new(args: &AgentArgs, system: &System) -> Result<Self, Failure> {
        let input = input(args, system)?;
        let live = matches!(input, Input::Live(_));
        let taken = stdout_owner(&args.output)?;
        let view = kit::view(args, taken.is_some())?;
        balanced(&args.filter.expression.join(" "))?;
        Ok(Self {
            expression: effective_expression(&args.filter, args.requests.mode),
            strict_filter: args.filter.strict_filter,
            decapsulate: !args.analysis.no_decap,
            shards: shards(args, system.cores, live),
            limits: Limits {
                max_flows: args.analysis.max_flows,
                max_half_open: args.analysis.max_half_open,
                idle_timeout: idle_timeout(args.analysis.idle_timeout, live),
                handshake_timeout: span(args.analysis.handshake_timeout),
            },
            requests: requests(args),
            count: args.analysis.count.and_then(NonZeroU64::new),
            output: Output { text: has_text(args, &view, taken), ..output(args, live, system)? },
            background: kit::background(args, taken)?,
            without_effect: kit::without_effect(args),
            view,
            script: script(args),
            heard: Heard::default(),
            input,
        })
    }
}

/// Headers and the beginning of a request; where requests are measured, as many of them as one packet holds.
fn usual_snaplen(args: &AgentArgs) -> u32 {
    if requests(args).is_some() { 2_048 } else { 256 }
}

/// The ports that were asked for, in the order of the command line.
pub(super) fn ports(args: &AgentArgs) -> Vec<u16> {
    args.filter.ports.iter().copied().map(NonZeroU16::get).collect()
}

/// A threshold or a log alone is of every protocol.
fn requests(args: &AgentArgs) -> Option<Requests> {
    let is_asked = args.requests.slower_than.is_some() || args.output.request_log.is_some();
    let mode = args.requests.mode.or(is_asked.then_some(Mode::Auto))?;
    Some(Requests {
        mode,
        ports: ports(args),
        servers: args.filter.servers.clone(),
        udp: args.filter.udp || mode.has_datagrams(),
        slower_than: span(args.requests.slower_than.unwrap_or(args.output.event_after)),
    })
}

pub(super) fn no_input(system: &System) -> Failure {
    Failure::usage("nothing to capture from")
        .hint("give -i INTERFACE or -r FILE; see tcpkit --help")
        .detail(format!("Usage: tcpkit -i INTERFACE [OPTIONS] [EXPRESSION]...\n       tcpkit -r FILE [OPTIONS] [EXPRESSION]...\nInterfaces: {}", system.list()))
}

fn input(args: &AgentArgs, system: &System) -> Result<Input, Failure> {
    if !args.input.read.is_empty() {
        return files(&args.input.read).map(Input::Files);
    }
    let asked = kit::interfaces(args);
    if asked.is_empty() {
        return Err(no_input(system));
    }
    let mut interfaces: Vec<String> = Vec::new();
    for name in &asked {
        if !interfaces.contains(name) {
            known(name, &args.capture, system)?;
            interfaces.push(name.clone());
        }
    }
    for_ebpf_only(&args.capture)?;
    Ok(Input::Live(live(interfaces, args, shards(args, system.cores, true))))
}

/// libpcap has no hooks and no programs of ours: a wish about them cannot be granted.
fn for_ebpf_only(capture: &CaptureArgs) -> Result<(), Failure> {
    let option = match capture {
        CaptureArgs { backend, .. } if *backend != BackendChoice::Pcap => return Ok(()),
        CaptureArgs { hook, .. } if *hook != HookChoice::Auto => "--hook",
        CaptureArgs { reattach: true, .. } => "--reattach",
        CaptureArgs { kernel_log, .. } if *kernel_log != LogLevel::Off => "--kernel-log",
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("{option} and --backend pcap"))
        .because("libpcap runs no eBPF program")
        .hint("give one of them only"))
}

/// Live, a shard for each core; a replay's reader has a core of its own. Only one shard sees packets in their order.
fn shards(args: &AgentArgs, cores: u32, live: bool) -> u32 {
    let workers = if live { cores } else { cores.saturating_sub(1) };
    let usual = if kit::shows_packets(args) { 1 } else { workers.clamp(1, 64) };
    args.analysis.shards.unwrap_or(usual)
}

/// Event lines and the summary have standard output where nothing else has it.
fn has_text(args: &AgentArgs, view: &View, taken: Option<&str>) -> bool {
    let is_free = !matches!(view, View::Kit(kit) if kit.target == Some(Stream::Standard));
    let has_script = args.script.script.is_some();
    taken.is_none() && is_free && !args.output.quiet && !args.kit.daemon && !has_script
}

fn live(interfaces: Vec<String>, args: &AgentArgs, shards: u32) -> Live {
    let capture = &args.capture;
    let (ring_bytes, pcap_bytes) = kit::buffers(args, shards);
    Live {
        interfaces,
        reattach: capture.reattach,
        hook: capture.hook,
        backend: capture.backend,
        snaplen: args.kit.snarf.or(capture.snaplen).unwrap_or_else(|| usual_snaplen(args)),
        ring_bytes,
        pcap_bytes,
        promiscuous: None,
        kernel_log: capture.kernel_log,
        duration: capture.duration,
    }
}

/// libpcap captures from things that are no network interfaces (`any`, `nflog`, `usbmon1`) and knows them best.
fn known(name: &str, capture: &CaptureArgs, system: &System) -> Result<(), Failure> {
    let may_be_missing = capture.backend == BackendChoice::Pcap || capture.reattach;
    if may_be_missing || system.interfaces.iter().any(|known| known == name) {
        return Ok(());
    }
    if name == Live::EVERY_INTERFACE && capture.backend == BackendChoice::Auto {
        return Ok(());
    }
    Err(Failure::run(format!("interface {name}"))
        .because("does not exist")
        .hint(format!("there are: {}", system.list())))
}

fn files(paths: &[PathBuf]) -> Result<Vec<Stream>, Failure> {
    let files: Vec<Stream> = paths.iter().cloned().map(Stream::from_path).collect();
    if files.iter().filter(|file| **file == Stream::Standard).count() > 1 {
        return Err(Failure::usage("-r -").because("standard input can be read once only"));
    }
    Ok(files)
}

fn idle_timeout(asked: Option<Duration>, live: bool) -> Option<Span> {
    match asked {
        Some(Duration::ZERO) => None,
        Some(timeout) => Some(span(timeout)),
        None => live.then_some(DEFAULT_IDLE_TIMEOUT),
    }
}

fn script(args: &AgentArgs) -> Option<ScriptPlan> {
    let path = args.script.script.clone()?;
    let ports = ports(args);
    Some(ScriptPlan { path, budget: args.script.script_budget, ports, servers: args.filter.servers.clone() })
}

fn output(agent: &AgentArgs, live: bool, system: &System) -> Result<Output, Failure> {
    let args = &agent.output;
    let stream = |path: &Option<PathBuf>| path.clone().map(Stream::from_path);
    let capture = stream(&args.write).map(|target| CaptureOutput {
        target,
        rotate_bytes: args.rotate_size.map(|millions| u64::from(millions) * 1_000_000),
        rotate_after: args.rotate_seconds.map(|seconds| Span::from_secs(u64::from(seconds))),
    });
    if capture.as_ref().is_some_and(CaptureOutput::rotates_standard_output) {
        return Err(Failure::usage("-C and -G")
            .because("standard output cannot be rotated")
            .hint("give -w a file"));
    }
    Ok(Output {
        capture,
        flow_log: stream(&args.flow_log),
        request_log: stream(&args.request_log),
        event_log: stream(&args.event_log),
        event_after: span(args.event_after),
        json: args.json,
        text: false,
        progress: !live && !args.quiet && !agent.kit.daemon && system.stderr_is_terminal,
        listen: kit::listen(&agent.kit).or_else(|| listen(args.stats_listen, live)),
        log: args.log,
    })
}

impl CaptureOutput {
    /// Whether further files may follow the first.
    #[must_use]
    pub const fn rotates(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_after.is_some()
    }

    fn rotates_standard_output(&self) -> bool {
        self.target == Stream::Standard && self.rotates()
    }
}

fn listen(choice: Option<ListenChoice>, live: bool) -> Option<Listen> {
    match choice {
        Some(ListenChoice::Off) => None,
        Some(ListenChoice::At(address)) => Some(Listen { address, asked: true }),
        None => live.then_some(Listen { address: DEFAULT_LISTEN, asked: false }),
    }
}

/// The one option that writes to standard output; two of them would be a mixture that nobody can read.
pub(super) fn stdout_owner(args: &OutputArgs) -> Result<Option<&'static str>, Failure> {
    let dash = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let mut owners = [
        ("-w -", dash(&args.write)),
        ("--flow-log -", dash(&args.flow_log)),
        ("--request-log -", dash(&args.request_log)),
        ("--event-log -", dash(&args.event_log)),
        ("--json", args.json),
    ]
    .into_iter()
    .filter_map(|(option, wanted)| wanted.then_some(option));
    match (owners.next(), owners.next()) {
        (Some(first), Some(second)) => Err(Failure::usage(format!("{first} and {second}"))
            .because("both write to standard output")
            .hint("give one of them a file")),
        (first, _) => Ok(first),
    }
}

/// A `)` without its `(` would end the parentheses that keep the user's words apart from what the options imply.
fn balanced(words: &str) -> Result<(), Failure> {
    let mut open = Vec::new();
    for (column, symbol) in words.chars().enumerate() {
        match symbol {
            '(' => open.push(column),
            ')' if open.pop().is_none() => return Err(unbalanced(words, column, "this ) has no (")),
            _ => {}
        }
    }
    open.pop().map_or(Ok(()), |column| Err(unbalanced(words, column, "this ( has no )")))
}

fn unbalanced(words: &str, column: usize, reason: &str) -> Failure {
    Failure::usage("filter expression").because(reason).detail(format!("  {words}\n  {:column$}^", ""))
}

fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
