//! `tcpkit track`: a screen while a live capture runs on a terminal, and tables of files or by the clock.

mod fetch;
mod outlet;
mod periodic;
mod quiet;
mod scene;
mod tables;

use std::{
    env,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use super::{log_to_stderr, run};
use crate::{
    cli::{
        BackendChoice, Background, Config, Failure, Heard, Input, Limits, Live, Output, Stream, System,
        TrackArgs, View,
    },
    pipeline::{EngineSettings, TableSettings},
    report::flows::{FlowFilter, FlowOrder, FlowQuery},
    time::Span,
};

pub(super) use outlet::TrackOutlet;
pub(super) use tables::TrackTables;

/// Runs tcptrack until the files end, or the user says so.
///
/// # Errors
/// What could not be understood, opened, read or written; all else was done.
pub fn track(args: TrackArgs, system: &System) -> anyhow::Result<()> {
    sorting(&args)?;
    let input = if args.files.is_empty() { live(&args, system)? } else { files(&args.files)? };
    if args.files.is_empty() && args.interval.is_none() {
        let instead = match args.counters_only {
            true => "for tables give --interval SECONDS in place of --counters",
            false => "give --interval SECONDS for tables, or -T FILE",
        };
        needs_terminal(instead)?;
    }
    let config = config(args, input, system);
    log_to_stderr(&config);
    if quiet::track(&config, system)? {
        return Ok(());
    }
    run(&config)
}

/// By what rows are ordered, and whether the greatest comes first.
fn sorting(args: &TrackArgs) -> Result<(FlowOrder, bool), Failure> {
    let usual =
        if args.files.is_empty() || args.interval.is_some() { FlowOrder::Rate } else { FlowOrder::Bytes };
    let Some(word) = &args.sort else { return Ok((usual, true)) };
    let (name, descending) = word.strip_prefix('-').map_or((word.as_str(), true), |name| (name, false));
    let order = FlowOrder::from_name(name).ok_or_else(|| {
        let names: Vec<_> = FlowOrder::ALL.iter().map(|order| order.name()).collect();
        Failure::run(format!("--sort '{word}'"))
            .because("no such column")
            .hint(format!("there are {}", names.join(", ")))
    })?;
    Ok((order, descending))
}

/// What is listed for a table.
fn table_query(args: &TrackArgs, closed_within: Option<Span>) -> FlowQuery {
    // Looked at when the run began.
    let (order, descending) = sorting(args).unwrap_or_default();
    let only = if args.only_from_syn { "not midstream" } else { "" };
    FlowQuery {
        order,
        descending,
        // Those that get no line count in the last one.
        limit: FlowQuery::MOST_ROWS,
        filter: FlowFilter::parse(only).unwrap_or_default(),
        closed_within,
        after: None,
    }
}

/// Tables over capture time, where they are wanted of a file.
pub(super) fn table_settings(args: &TrackArgs) -> Option<TableSettings> {
    let every = args.interval.filter(|_| !args.files.is_empty())?;
    Some(TableSettings { every, query: table_query(args, Some(every)) })
}

/// A screen needs a terminal that lets itself be written to; where there is none, there is something `instead`.
fn needs_terminal(instead: &str) -> Result<(), Failure> {
    let refused = |what: &str, why: String| Err(Failure::run(what).because(why).hint(instead));
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return refused("the screen", "standard input and output are no terminal".to_owned());
    }
    let term = env::var("TERM").unwrap_or_default();
    if ["", "dumb", "unknown"].contains(&term.as_str()) {
        let why = if term.is_empty() { "TERM is not set".to_owned() } else { format!("TERM is {term}") };
        return refused("the terminal cannot be drawn on", why);
    }
    let (columns, lines) = ratatui::crossterm::terminal::size().unwrap_or((0, 0));
    // A pseudo-terminal of no size was never told one.
    if columns > 0 && columns < 80 {
        return Err(Failure::legacy("tcptrack requires a screen at least 80 columns wide to run."));
    }
    if lines > 0 && lines < 6 {
        return Err(Failure::legacy("tcptrack requires a screen at least 6 rows tall to run."));
    }
    Ok(())
}

fn config(args: TrackArgs, input: Input, system: &System) -> Config {
    let is_file = matches!(input, Input::Files(_));
    // The reader of files has a core of its own; tables over capture time are whole with one shard only.
    let shards = match is_file {
        true if args.interval.is_some() => 1,
        true => system.cores.saturating_sub(1).clamp(1, 64),
        false => system.cores.clamp(1, 64),
    };
    Config {
        input,
        expression: args.expression.clone(),
        strict_filter: false,
        decapsulate: true,
        shards,
        limits: Limits {
            max_flows: EngineSettings::MAX_FLOWS,
            max_half_open: EngineSettings::MAX_HALF_OPEN,
            idle_timeout: (!is_file).then_some(EngineSettings::IDLE),
            handshake_timeout: EngineSettings::HANDSHAKE_TIMEOUT,
        },
        requests: None,
        count: None,
        output: Output { progress: is_file && system.stderr_is_terminal, ..Output::silent() },
        view: View::Track(Box::new(args)),
        background: Background::default(),
        without_effect: Vec::new(),
        script: None,
        heard: Heard::default(),
        origin: None,
    }
}

fn live(args: &TrackArgs, system: &System) -> Result<Input, Failure> {
    let mut interfaces: Vec<String> = Vec::new();
    for name in &args.interfaces {
        system.require(name)?;
        if !interfaces.contains(name) {
            interfaces.push(name.clone());
        }
    }
    Ok(Input::Live(Live {
        snaplen: SNAPLEN,
        ring_bytes: BUFFER,
        pcap_bytes: BUFFER,
        promiscuous: Some(args.promiscuous),
        counters_only: args.counters_only,
        ..Live::on(interfaces, if args.counters_only { BackendChoice::Ebpf } else { args.backend })
    }))
}

fn files(paths: &[PathBuf]) -> Result<Input, Failure> {
    let files: Vec<Stream> = paths.iter().cloned().map(Stream::from_path).collect();
    if files.iter().filter(|file| **file == Stream::Standard).count() > 1 {
        return Err(Failure::run("-T -").because("standard input can be read once only"));
    }
    Ok(Input::Files(files))
}

/// Bytes of each frame: every header, options and tunnels included.
const SNAPLEN: u32 = 192;

/// Bytes of each shard's ring, and of libpcap's buffer.
const BUFFER: u32 = 32 << 20;
