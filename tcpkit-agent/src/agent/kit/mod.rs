//! git-hulk/tcpkit on our engine: lines of requests or packets, the statistics at the end, the stats port's answers.
//!
//! Lines and statistics go to one place, standard output or the file of `-o`. Where that is a terminal, our own report
//! follows them.

mod lines;
mod output;
mod packets;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::tz::TimeZone;

use crate::{
    cli::{self, Config, Input, Kit, KitLines, View},
    report::Report,
    sink::{
        http::StatsAnswer,
        text::{self, TextOptions},
    },
    time::Span,
    view::kit::{Dialect, Interfaces, Lines, RawLines, Shape, Tally, Traffic, latency_statistics},
};

pub(super) use lines::RequestLines;
pub(super) use packets::PacketLines;

use output::Output;

/// Requests by server, shared by the thread that takes them and those that show them.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Tally>>);

impl Shared {
    /// A thread that panicked while it counted left counts behind that are whole.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A run with lines, as the outlets see it.
pub(super) struct KitOutlet {
    dialect: Dialect,
    lines: KitLines,
    /// Where they go; `None` is nowhere.
    output: Option<Output>,
    is_live: bool,
    shards: usize,
    ports: Vec<u16>,
    servers: Vec<IpAddr>,
    tally: Shared,
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
            output,
            is_live,
            shards: config.shards as usize,
            ports: kit.ports.clone(),
            servers: kit.servers.clone(),
            tally: Shared(Arc::new(Mutex::new(Tally::new(micros(kit.lines.threshold()))))),
        }))
    }

    /// What takes the requests; `None` where packets are shown.
    pub(super) fn requests(&self) -> Option<RequestLines> {
        let KitLines::Requests { threshold } = self.lines else { return None };
        let lines = self.output.as_ref().map(|output| {
            let lines = Lines::new(self.dialect, micros(threshold), output.is_terminal(), TimeZone::system());
            (lines, output.clone())
        });
        Some(RequestLines::new(lines, self.tally.clone(), self.shards, self.is_live))
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
            if let (Dialect::V10, KitLines::Requests { threshold }) = (self.dialect, self.lines) {
                let ports = self.tally.with(|tally| tally.by_port(&self.ports));
                words.push_str(&latency_statistics(&ports, micros(threshold)));
            }
            words.push_str(&Interfaces::of(report).statistics(self.dialect));
        }
        if output.is_terminal() {
            words.push('\n');
            words.push_str(&text::render(report, TextOptions::of(&std::io::stdout())));
        }
        output.add(words.as_bytes())?;
        output.finish()
    }
}

/// What the stats port answers, whatever is shown.
pub(super) fn statistics(config: &Config, kit: Option<&KitOutlet>) -> StatsAnswer {
    let tally = kit.map(|kit| kit.tally.clone());
    let ports = config.requests.as_ref().map(|requests| requests.ports.clone()).unwrap_or_default();
    let mode = config.requests.as_ref().map_or("raw", |requests| requests.mode.word());
    Arc::new(move |query: &str, report: &Report| {
        let shape = Shape::of_query(query)?;
        let render = |tally: &Tally| shape.render(tally, &ports, mode, &traffic(report));
        Some(
            tally
                .as_ref()
                .map_or_else(|| render(&Tally::default()), |tally| tally.with(|tally| render(tally))),
        )
    })
}

fn traffic(report: &Report) -> Traffic {
    let interfaces = Interfaces::of(report);
    Traffic { drops: interfaces.dropped, ..Traffic::default() }
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
