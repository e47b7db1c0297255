//! When a run ends, and with what.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use tcpkit_common::{counter::Counter, record::Hook};

use crate::{
    cli::{Config, Input},
    report::{Event, EventKind},
    source::{Block, Dropped, live::HookCounters},
    time::{Span, Timestamp},
    wire::InterfaceId,
};

/// `--duration`: the end of a live capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    begun: Instant,
    duration: Duration,
}

impl Deadline {
    /// The deadline that was asked for, counted from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the agent runs is its own affair, not the capture's"
    )]
    pub(super) fn of(config: &Config) -> Option<Self> {
        let Input::Live(live) = &config.input else { return None };
        live.duration.map(|duration| Self { begun: Instant::now(), duration })
    }

    /// Whether it has come.
    pub(super) fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.duration
    }
}

/// The first of several errors decides how the run ends; the others are told on standard error.
///
/// # Errors
/// The first error.
pub(super) fn first_error(errors: impl IntoIterator<Item = anyhow::Error>) -> anyhow::Result<()> {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for error in errors {
        if let (_, Some(line)) = crate::cli::verdict(&error) {
            crate::sink::write_stderr(&line);
        }
    }
    Err(first)
}

/// Notices, once a second, that frames were lost between the kernel and the analysis.
#[derive(Debug)]
pub(super) struct LossWatch {
    /// `-w`, which is told of losses too.
    writer: Option<Sender<Block>>,
    looked: Option<Timestamp>,
    /// Matched and lost at the last look, by interface and hook; a hook may join them.
    before: BTreeMap<(usize, Hook), (u64, u64)>,
}

impl LossWatch {
    /// Nothing is lost yet; `writer` takes the blocks of `-w`.
    pub(super) const fn new(writer: Option<Sender<Block>>) -> Self {
        Self { writer, looked: None, before: BTreeMap::new() }
    }

    /// The last look, whenever the one before was; the writer is told nothing after it.
    pub(super) fn finish(
        &mut self,
        now: Timestamp,
        counters: &[HookCounters],
        name: impl Fn(usize) -> Option<String>,
    ) -> Vec<Event> {
        self.looked = None;
        let events = self.look(now, counters, name);
        self.writer = None;
        events
    }

    /// One event for each place that lost frames since the last look.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        counters: &[HookCounters],
        name: impl Fn(usize) -> Option<String>,
    ) -> Vec<Event> {
        if self.looked.is_some_and(|looked| now.since(looked) < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked = Some(now);
        let mut events = Vec::new();
        let mut block = Block::default();
        for counters in counters {
            let before = self.before.entry((counters.interface, counters.hook)).or_default();
            let lost = counters.get(Counter::RingFull) + counters.get(Counter::HelperFailed);
            let (matched, frames) = (counters.matched() - before.0, lost - before.1);
            *before = (counters.matched(), lost);
            if frames > 0 {
                let place = InterfaceId(u16::try_from(counters.interface).unwrap_or(u16::MAX));
                block.drops.push(Dropped { before: 0, interface: place, frames });
                let interface = name(counters.interface).unwrap_or_default();
                let completeness = share(matched.saturating_sub(frames), matched);
                let kind = EventKind::CaptureLoss { interface, frames, completeness };
                events.push(Event { time: now, kind });
            }
        }
        if let Some(writer) = self.writer.as_ref().filter(|_| !events.is_empty()) {
            // A writer that failed has told the control plane.
            drop(writer.send(block));
        }
        events
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of the frames of one second needs no 53 bits")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Time between two looks: a burst of losses is one line.
const LOOK_EVERY: Span = Span::from_secs(1);
