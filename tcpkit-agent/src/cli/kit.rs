//! What git-hulk/tcpkit's command line has beside ours, and what of it the agent does.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
};

use clap::{Args as ClapArgs, ValueEnum};

use super::{
    args::AgentArgs,
    config::{Kit, KitLines, Listen, Stream, View, ports},
    failure::Failure,
    value,
};
use crate::time::Span;

/// Options of git-hulk/tcpkit.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "As git-hulk/tcpkit")]
pub struct KitArgs {
    /// With -m, append the lines and statistics to this file in place of standard output.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub lines: Option<PathBuf>,
    /// Run in the background from when the capture runs; until then errors are told here, afterwards in the file of -o.
    #[arg(short = 'd', long)]
    pub daemon: bool,
    /// Write the number of the process to this file, and remove it at the end.
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Serve statistics on this port of 127.0.0.1, also while a file is read; a bare connection gets them as JSON, and so
    /// does /stats by HTTP (?v=1.0.1 and ?v=1.1 for those versions' shapes).
    #[arg(short = 'P', long, value_name = "PORT", value_parser = value::port, conflicts_with = "stats_listen")]
    pub stats_port: Option<NonZeroU16>,
    /// Kibibytes of memory for frames between kernel and agent, in place of --ring-bytes.
    #[arg(short = 'B', long = "buffer", value_name = "KIB", value_parser = value::kibibytes, conflicts_with = "ring_bytes")]
    pub buffer_kib: Option<NonZeroU32>,
    /// Print a line for each packet, with its payload; alone it is -p raw -A.
    #[arg(short = 'A', long)]
    pub ascii: bool,
    /// Print a line for each packet (`-m raw`, `-p raw`).
    #[arg(long, hide = true, conflicts_with = "mode")]
    pub raw: bool,
    /// Whose words are printed: those of the version whose command line this is.
    #[arg(long, hide = true, value_enum, default_value_t)]
    pub dialect: Dialect,
    /// Bytes to keep of each frame (`-s` of 1.1.0).
    #[arg(long, hide = true, value_parser = value::snarf, conflicts_with = "snaplen")]
    pub snarf: Option<u32>,
}

/// A version of git-hulk/tcpkit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// 1.0.1 and its document.
    #[default]
    #[value(name = "1.0")]
    V10,
    /// 1.1.0.
    #[value(name = "1.1")]
    V11,
}

/// How the process lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// `-d`.
    pub daemon: bool,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// Where messages of a daemon go; nowhere without.
    pub messages: Option<Stream>,
}

/// What is to be shown, when `taken` is the option that has standard output.
///
/// # Errors
/// `-o` without anything to write there.
pub(super) fn view(args: &AgentArgs, taken: bool) -> Result<View, Failure> {
    let kit = &args.kit;
    let to_stdout = !(taken || args.output.quiet || kit.daemon);
    let target = kit.lines.clone().map(Stream::from_path).or(to_stdout.then_some(Stream::Standard));
    // Packets with their payload are 1.1.0's.
    let (lines, dialect) = match args.requests.mode {
        None if kit.raw => (KitLines::Packets { ascii: kit.ascii }, kit.dialect),
        None if kit.ascii => (KitLines::Packets { ascii: true }, Dialect::V11),
        None if kit.lines.is_none() => return Ok(View::Agent),
        None => {
            return Err(Failure::usage("-o")
                .because("there are no lines of requests or packets to write")
                .hint("say by -m PROTOCOL of which, or -m raw"));
        }
        Some(_) => (KitLines::Requests { threshold: threshold(args) }, kit.dialect),
    };
    let servers = args.filter.servers.clone();
    Ok(View::Kit(Box::new(Kit { dialect, lines, target, ports: ports(args), servers })))
}

/// The document has it so: every request, unless asked otherwise.
fn threshold(args: &AgentArgs) -> Span {
    args.requests
        .slower_than
        .map_or(Span(0), |least| Span(u64::try_from(least.as_nanos()).unwrap_or(u64::MAX)))
}

/// Where `-P` has statistics served.
pub(super) fn listen(args: &KitArgs) -> Option<Listen> {
    let port = args.stats_port?.get();
    Some(Listen { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), asked: true })
}

/// How the process is to live; `taken` is the option that has standard output.
///
/// # Errors
/// Something needs a standard stream, which there is none in the background.
pub(super) fn background(args: &AgentArgs, taken: Option<&str>) -> Result<Background, Failure> {
    let KitArgs { daemon, pid_file, lines, .. } = &args.kit;
    let lines = lines.clone().map(Stream::from_path);
    let stdin = args.input.read.iter().any(|file| file.as_os_str() == "-").then_some("-r -");
    let stdout = taken.or((lines == Some(Stream::Standard)).then_some("-o -"));
    if let Some(option) = stdin.or(stdout).filter(|_| *daemon) {
        return Err(Failure::usage(format!("-d and {option}"))
            .because("in the background there are no standard streams")
            .hint("name a file"));
    }
    Ok(Background { daemon: *daemon, pid_file: pid_file.clone(), messages: lines.filter(|_| *daemon) })
}

/// Options that older scripts have and that do nothing here; they are told of.
pub(super) fn without_effect(args: &AgentArgs) -> Vec<String> {
    let is_file = !args.input.read.is_empty();
    let packets = args.requests.mode.is_none();
    let told = [
        (is_file && args.kit.buffer_kib.is_some(), "-B has no effect on a file"),
        (is_file && args.kit.snarf.is_some(), "-s BYTES has no effect on a file"),
        (
            !packets && args.kit.ascii,
            "-A has no effect with a protocol: payload is shown with -m raw or -p raw",
        ),
        (
            packets && args.kit.ascii && args.kit.raw && args.kit.dialect == Dialect::V10,
            "-A has no effect with -m raw, which shows payload by itself",
        ),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned()).collect()
}

/// Bytes of each shard's ring, and of libpcap's buffer: what was asked for in all, at least.
pub(super) fn buffers(args: &AgentArgs, shards: u32) -> (u32, u32) {
    let Some(kib) = args.kit.buffer_kib else { return (args.capture.ring_bytes, args.capture.ring_bytes) };
    let total = kib.get().saturating_mul(1024);
    let ring = total.div_ceil(shards).clamp(value::MIN_RING_BYTES, value::MAX_RING_BYTES).next_power_of_two();
    (ring, total)
}

/// Whether every packet is shown, in the order of the capture.
pub(super) const fn shows_packets(args: &AgentArgs) -> bool {
    args.kit.raw || (args.kit.ascii && args.requests.mode.is_none())
}
