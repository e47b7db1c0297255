//! What the program will do: validated, complete, no default left open.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

mod parts;

pub use parts::{
    CaptureOutput, Heard, Input, Limits, Listen, Live, Output, Requests, ScriptPlan, Stream, Talkers, View,
};

use super::{
    args::{AgentArgs, BackendChoice, CaptureArgs, HookChoice, LogLevel, Mode, OutputArgs},
    expression::effective_expression,
    failure::Failure,
    kit::{self, Background},
    layers::Origin,
    system::System,
    value::{Listen as ListenChoice, ListenAt},
};
use crate::{cli::value::FlowCounters, time::Span};

/// Where the agent listens when live, unless told otherwise.
pub const DEFAULT_LISTEN: ListenAt =
    ListenAt::Tcp(SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 33_333));

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
    /// Where the options come from, for a run that reads them again when it is asked to.
    pub origin: Option<Origin>,
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
            origin: None,
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
        CaptureArgs { flow_counters: FlowCounters::On | FlowCounters::Of(_), .. } => "--flow-counters",
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
        flow_counters: capture.flow_counters,
        counters_only: false,
        kernel_log: capture.kernel_log,
        duration: capture.duration,
    }
}

/// libpcap captures from things that are no network interfaces (`any`, `nflog`, `usbmon1`) and knows them best.
fn known(name: &str, capture: &CaptureArgs, system: &System) -> Result<(), Failure> {
    let may_be_missing = capture.backend == BackendChoice::Pcap || capture.reattach;
    if may_be_missing {
        return Ok(());
    }
    system.require(name)
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
        listen: kit::listen(&agent.kit).or_else(|| listen(args.stats_listen.clone(), live)),
        metrics_top: args.metrics_top,
        log: args.log,
        talkers: talkers(agent),
    })
}

fn talkers(args: &AgentArgs) -> Talkers {
    let (prefix_v4, prefix_v6) = args.analysis.prefix;
    Talkers { top: args.output.top.and_then(|top| top.try_into().ok()), prefix_v4, prefix_v6 }
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
