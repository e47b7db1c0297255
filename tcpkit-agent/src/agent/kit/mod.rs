//! git-hulk/tcpkit on our engine: lines of requests or packets, the statistics at the end, the stats port's answers.
//!
//! Lines and statistics go to one place, standard output or the file of `-o`. Where that is a terminal, our own report
//! follows them.

mod lines;
mod output;
mod packets;
mod statistics;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use jiff::tz::TimeZone;

use crate::{
    cli::{self, Config, Input, Kit, KitLines, View},
    report::Report,
    sink::{
        text::{self, TextOptions},
        write_stderr,
    },
    time::Span,
    view::kit::{Dialect, Interfaces, Lines, RawLines, by_port, latency_statistics},
};

pub(super) use lines::RequestLines;
pub(super) use packets::PacketLines;
pub(super) use statistics::statistics;

use output::Output;

/// Latency from which on a request gets a line, in microseconds; a reload changes it.
#[derive(Clone, Debug)]
pub(super) struct Threshold(Arc<AtomicU64>);

impl Threshold {
    fn new(kit: &Kit) -> Self {
        Self(Arc::new(AtomicU64::new(micros(kit.lines.threshold()))))
    }

    fn micros(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// From now on it is this configuration's.
    pub(super) fn adjust(&self, config: &Config) {
        if let View::Kit(kit) = &config.view {
            self.0.store(micros(kit.lines.threshold()), Relaxed);
        }
    }
}

/// A run with lines, as the outlets see it.
pub(super) struct KitOutlet {
    dialect: Dialect,
    lines: KitLines,
    threshold: Threshold,
    /// Where they go; `None` is nowhere.
    output: Option<Output>,
    is_live: bool,
    shards: usize,
    ports: Vec<u16>,
    servers: Vec<IpAddr>,
}

impl KitOutlet {
    /// Opens the file of `-o`; nothing, where no lines were asked for.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let View::Kit(kit) = &config.view else { return Ok(None) };
        let is_live = matches!(config.input, Input::Live(_));
        let output = kit.target.as_ref().map(|target| Output::open(target, is_live)).transpose()?;
        Ok(Some(Self {
            dialect: dialect(kit),
            lines: kit.lines,
            threshold: Threshold::new(kit),
            output,
            is_live,
            shards: config.shards as usize,
            ports: kit.ports.clone(),
            servers: kit.servers.clone(),
        }))
    }

    /// What takes the requests; `None` where packets are shown, or nobody reads.
    pub(super) fn requests(&self) -> Option<RequestLines> {
        let (KitLines::Requests { .. }, Some(output)) = (self.lines, &self.output) else { return None };
        let shown = (output.is_terminal(), output.has_colour());
        let lines = Lines::new(self.dialect, self.threshold.micros(), shown, TimeZone::system());
        Some(RequestLines::new(lines, self.threshold.clone(), output.clone(), self.shards, self.is_live))
    }

    /// Which requests get a line; whoever has it may change that.
    pub(super) fn threshold(&self) -> Threshold {
        self.threshold.clone()
    }

    /// Tells at the end also of ports that were asked for while the run went on.
    pub(super) fn add_ports(&mut self, config: &Config) {
        let View::Kit(kit) = &config.view else { return };
        let new: Vec<_> = kit.ports.iter().copied().filter(|port| !self.ports.contains(port)).collect();
        self.ports.extend(new);
    }

    /// What takes the packets; `None` where requests are shown, or nobody reads.
    pub(super) fn packets(&self, config: &Config) -> Option<PacketLines> {
        let (KitLines::Packets { ascii }, Some(output)) = (self.lines, &self.output) else { return None };
        let servers = (self.ports.clone(), self.servers.clone());
        let lines = RawLines::new(self.dialect, ascii, output.is_terminal(), servers, TimeZone::system());
        Some(PacketLines::new(lines, output.clone(), super::engine(config, self.is_live).parse))
    }

    /// Writes the statistics, and on a terminal our report.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn conclude(&mut self, report: &Report) -> anyhow::Result<()> {
        let Some(output) = &self.output else { return Ok(()) };
        let mut words = String::new();
        // 1.1.0 ends a file without a word.
        if self.dialect == Dialect::V10 || self.is_live {
            if let (Dialect::V10, KitLines::Requests { .. }) = (self.dialect, self.lines) {
                let ports = by_port(&report.services, &self.ports);
                words.push_str(&latency_statistics(&ports, self.threshold.micros()));
            }
            words.push_str(&Interfaces::of(report).statistics(self.dialect));
        }
        if output.is_terminal() {
            words.push('\n');
            words.push_str(&text::render(report, TextOptions::of(&std::io::stdout())));
        }
        output.add(words.as_bytes())?;
        output.finish()?;
        warn_of_missing(report);
        Ok(())
    }
}

/// Live, lines that nobody takes are let go; the statistics have their requests.
fn warn_of_missing(report: &Report) {
    let dropped = report.ledger.total.notes.get("records_dropped").copied().unwrap_or(0);
    if dropped > 0 {
        write_stderr(&format!(
            "tcpkit: warning: {dropped} lines and records were not written, because they were read too slowly"
        ));
    }
}

const fn dialect(kit: &Kit) -> Dialect {
    match kit.dialect {
        cli::Dialect::V10 => Dialect::V10,
        cli::Dialect::V11 => Dialect::V11,
    }
}

/// Whole microseconds: what lasts longer than them is at least as long.
const fn micros(span: Span) -> u64 {
    span.0.div_ceil(1_000)
}

/// Least latency of the requests that are shown, in microseconds; `None` where none are.
pub(super) fn shown_us(view: &View) -> Option<u64> {
    match view {
        View::Kit(kit) => match (kit.lines, &kit.target) {
            (KitLines::Requests { threshold }, Some(_)) => Some(micros(threshold)),
            _ => None,
        },
        _ => None,
    }
}

/// Latency from which on a request counts as slow, in microseconds; 0 for none.
pub(super) fn slow_us(view: &View) -> u64 {
    match view {
        View::Kit(kit) => micros(kit.lines.threshold()),
        _ => 0,
    }
}
