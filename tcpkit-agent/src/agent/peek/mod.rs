//! `tcpkit peek` and `tcpkit peekstat`: tcpeek and tcpeekstat on our engine.
//!
//! A session fails for silence when nothing of it came for `-t` seconds, however often the client tried before.

mod lines;
mod outlet;
pub(super) mod socket_lines;
mod stat;
mod user;

use std::path::PathBuf;

use super::{log_to_stderr, run};
use crate::{
    cli::{
        Background, Config, Failure, Heard, HookChoice, Input, Limits, Live, Output, PeekArgs, Stream,
        System, View,
    },
    filter::libpcap_version,
    pipeline::EngineSettings,
    source::live::addresses,
    time::Span,
};

pub(super) use lines::{LIVE_WAIT, PeekLines};
pub(super) use outlet::PeekOutlet;
pub(super) use socket_lines::SocketLines;
pub use stat::peekstat;

/// Runs tcpeek until the files end, or the user says so.
///
/// # Errors
/// What could not be understood, opened, read or written; all else was done.
pub fn peek(args: PeekArgs, system: &System) -> anyhow::Result<()> {
    // An expression that means nothing is refused before anything is opened.
    outlet::view(&args)?;
    let input = if args.read.is_empty() { live(&args, system)? } else { files(&args.read)? };
    let config = config(args, input, system);
    log_to_stderr(&config);
    ignore_signals();
    run(&config)
}

/// What `-v` prints.
#[must_use]
pub fn version() -> String {
    format!("tcpeek {} (with {})\n", env!("CARGO_PKG_VERSION"), libpcap_version())
}

fn config(args: PeekArgs, input: Input, system: &System) -> Config {
    // The reader of files has a core of its own.
    let others = u32::from(matches!(input, Input::Files(_)));
    Config {
        input,
        expression: None,
        strict_filter: false,
        decapsulate: true,
        shards: system.cores.saturating_sub(others).clamp(1, 64),
        limits: Limits {
            max_flows: EngineSettings::MAX_FLOWS,
            max_half_open: EngineSettings::MAX_HALF_OPEN,
            // Who has succeeded is of no more interest; the margin keeps an undecided one from being forgotten first.
            idle_timeout: Some(Span(args.timeout.0.saturating_add(IDLE_MARGIN.0))),
            handshake_timeout: args.timeout,
        },
        requests: None,
        count: None,
        output: Output { log: args.log, ..Output::silent() },
        view: View::Peek(Box::new(args)),
        background: Background::default(),
        without_effect: Vec::new(),
        script: None,
        heard: Heard::default(),
        origin: None,
    }
}

fn live(args: &PeekArgs, system: &System) -> Result<Input, Failure> {
    let name = match &args.interface {
        Some(name) => name.clone(),
        None => first_interface()?,
    };
    system.require(&name)?;
    let interfaces = vec![name];
    if args.own.is_empty() && addresses(&interfaces).is_ok_and(|own| own.is_empty()) {
        return Err(Failure::run(format!("interface {}", interfaces[0]))
            .because("has no address, so nobody can say which sessions come in and which go out")
            .hint("give --self ADDRESS"));
    }
    Ok(Input::Live(Live {
        // TC changes nothing on the host, as tcpeek did not.
        hook: HookChoice::Tc,
        snaplen: SNAPLEN,
        ring_bytes: (args.buffer_mib << 20).next_power_of_two(),
        pcap_bytes: args.buffer_mib << 20,
        promiscuous: Some(args.promiscuous),
        ..Live::on(interfaces, args.backend)
    }))
}

/// The one that tcpdump would take.
pub(super) fn first_interface() -> Result<String, Failure> {
    match pcap::Device::lookup() {
        Ok(Some(device)) => Ok(device.name),
        Ok(None) => Err(Failure::run("-i").because("no interface to capture on").hint("name one by -i")),
        Err(error) => Err(Failure::run("-i").because(error).hint("name an interface by -i")),
    }
}

fn files(paths: &[PathBuf]) -> Result<Input, Failure> {
    let files: Vec<Stream> = paths.iter().cloned().map(Stream::from_path).collect();
    if files.iter().filter(|file| **file == Stream::Standard).count() > 1 {
        return Err(Failure::run("-r -").because("standard input can be read once only"));
    }
    Ok(Input::Files(files))
}

/// tcpeek goes on when it gets one of these.
fn ignore_signals() {
    for signal in [libc::SIGUSR2, libc::SIGALRM] {
        // SAFETY: to ignore a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// How much longer than its handshake a silent flow is remembered.
const IDLE_MARGIN: Span = Span::from_secs(60);

/// Bytes of each frame that tcpeek looked at; every header up to TCP's options fits, and what ICMP quotes of one.
const SNAPLEN: u32 = 138;
