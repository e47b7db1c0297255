//! What a report says of the capture itself: its sources, its interfaces, and what was counted before the shards.

use std::{collections::BTreeMap, sync::PoisonError};

use crate::{
    cli::{Config, Input},
    filter::link_type_name,
    pipeline::ReaderTally,
    report::{
        CaptureInfo, InterfaceInfo, ReloadCounts,
        merge::{self, ReportContext, SourceCounts},
    },
    source::{Interface, live::link_speed},
    time::Timestamp,
    wire::{FrameDirection, InterfaceId},
};

/// What is known of a capture before its first frame, and does not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    /// `live` or `file`.
    pub(super) mode: &'static str,
    /// `ebpf`, `pcap` or `file`.
    pub(super) backend: &'static str,
    /// The ledger's word for frames without a hook.
    pub(super) hookless: &'static str,
    sources: Vec<String>,
    filter: Option<String>,
    snaplen: Option<u32>,
    shards: u32,
    /// Rows of each list of talkers.
    top: Option<usize>,
    /// How often the configuration was read again.
    pub(super) reloads: ReloadCounts,
    /// How each interface is captured, where that is told apart.
    pub(super) hooks: Vec<String>,
    /// Sentences for the user: fall-backs, damage, oddities.
    pub(super) notes: Vec<String>,
    /// Changes of interfaces that were told, and those that would have been too many.
    changes: (usize, u64),
}

impl Description {
    /// The capture that a configuration asks for.
    pub(super) fn new(config: &Config, backend: &'static str) -> Self {
        let (mode, sources, snaplen) = match &config.input {
            Input::Live(live) => ("live", live.interfaces.clone(), Some(live.snaplen)),
            Input::Files(files) => ("file", files.iter().map(ToString::to_string).collect(), None),
        };
        Self {
            mode,
            backend,
            hookless: if backend == "pcap" { "pcap" } else { "file" },
            sources,
            filter: config.expression.clone(),
            snaplen,
            shards: config.shards,
            top: config.output.talkers.top,
            reloads: ReloadCounts::default(),
            hooks: Vec::new(),
            notes: Vec::new(),
            changes: (0, 0),
        }
    }

    /// From now on this configuration is in force.
    pub(super) fn adjust(&mut self, config: &Config) {
        self.top = config.output.talkers.top;
        if self.filter != config.expression {
            let name =
                |filter: &Option<String>| filter.as_deref().map_or("none".to_owned(), |it| format!("'{it}'"));
            self.note_change(format!(
                "the filter changed while the capture ran, from {} to {}",
                name(&self.filter),
                name(&config.expression)
            ));
            self.filter.clone_from(&config.expression);
        }
    }

    /// Notes what happened to an interface: the first changes, and how many there were beyond them.
    pub(super) fn note_change(&mut self, sentence: String) {
        if self.changes.0 < CHANGES {
            self.changes.0 += 1;
            self.notes.push(sentence);
        } else {
            self.changes.1 += 1;
        }
    }

    /// What a report of a capture by blocks needs beside the measurements.
    pub(super) fn of_blocks(
        &self,
        tally: &ReaderTally,
        end: Option<Timestamp>,
        complete: bool,
    ) -> ReportContext {
        let interfaces: Vec<_> = tally.interfaces.iter().map(|tally| &tally.interface).collect();
        let mut counts: Vec<SourceCounts> = (0u16..)
            .zip(&tally.interfaces)
            .map(|(number, tally)| SourceCounts {
                place: (InterfaceId(number), None),
                filtered: tally.filtered,
                recorded: tally.seen - tally.filtered,
                ring_full: 0,
                helper_failed: 0,
                notes: Vec::new(),
                traffic: None,
            })
            .collect();
        for note in &tally.notes {
            // What a file counts as a whole stands with the first of its interfaces.
            let first = interfaces.iter().position(|interface| belongs(interface, &note.source));
            if let Some(counts) = first.and_then(|first| counts.get_mut(first)) {
                counts.ring_full += note.ring_full;
                counts.notes.extend(note.notes.iter().copied());
            }
        }
        let mut context = self.context(&interfaces, counts, end, complete);
        let bursts = tally.bursts.lock().unwrap_or_else(PoisonError::into_inner);
        context.bursts = bursts
            .finished()
            .map(|((interface, direction), series)| {
                let name = interfaces.get(usize::from(interface.0)).map(|one| display_name(one));
                let place = (name.unwrap_or_default(), direction_name(direction));
                let begin_us = |number: i64| number.saturating_mul(1_000);
                merge::bursts(place, &series, begin_us, |_, sender| Some(sender))
            })
            .collect();
        if let Some(first) = context.sources.first_mut() {
            first.notes.push(("late_for_bursts", bursts.late().frames));
        }
        context
    }

    /// The context of a report, from interfaces in order of their number.
    pub(super) fn context(
        &self,
        interfaces: &[&Interface],
        sources: Vec<SourceCounts>,
        end: Option<Timestamp>,
        complete: bool,
    ) -> ReportContext {
        let names: BTreeMap<_, _> = (0u16..)
            .map(InterfaceId)
            .zip(interfaces.iter().map(|interface| display_name(interface)))
            .collect();
        ReportContext {
            complete,
            capture: CaptureInfo {
                mode: self.mode,
                backend: self.backend,
                sources: self.sources.clone(),
                interfaces: interfaces.iter().enumerate().map(|(index, one)| self.info(index, one)).collect(),
                first_us: None,
                last_us: None,
                end_us: end.map(Timestamp::as_micros),
                filter: self.filter.clone(),
                snaplen: self.snaplen,
                shards: self.shards,
                notes: self.told(),
            },
            sources,
            interfaces: names,
            hookless: self.hookless,
            exact_flows: None,
            bursts: Vec::new(),
            ring_fills: Vec::new(),
            speeds: self.speeds(interfaces),
            top: self.top,
            reloads: self.reloads,
        }
    }

    /// Speeds of the links as they are now; a file does not tell any.
    fn speeds(&self, interfaces: &[&Interface]) -> BTreeMap<InterfaceId, u64> {
        let live = (0u16..).map(InterfaceId).zip(interfaces).filter(|_| self.mode == "live");
        live.filter_map(|(id, interface)| Some((id, link_speed(interface.name.as_deref()?)?))).collect()
    }

    fn told(&self) -> Vec<String> {
        let beyond = (self.changes.1 > 0)
            .then(|| format!("{} more changes of interfaces or filters: see the event log", self.changes.1));
        self.notes.iter().cloned().chain(beyond).collect()
    }

    fn info(&self, index: usize, interface: &Interface) -> InterfaceInfo {
        InterfaceInfo {
            name: interface.name.clone(),
            source: interface.source.clone(),
            link_type: link_type_name(interface.link_type),
            hook: match self.backend {
                "pcap" => Some("pcap".to_owned()),
                _ => self.hooks.get(index).cloned(),
            },
        }
    }
}

/// Changes of interfaces that a report tells one by one: a cable may be loose for days.
const CHANGES: usize = 100;

fn belongs(interface: &Interface, source: &str) -> bool {
    interface.source == source || interface.name.as_deref() == Some(source)
}

const fn direction_name(direction: FrameDirection) -> &'static str {
    match direction {
        FrameDirection::Unknown => "unknown",
        FrameDirection::Inbound => "inbound",
        FrameDirection::Outbound => "outbound",
    }
}

/// An interface's name, or its file for a nameless one.
fn display_name(interface: &Interface) -> String {
    interface.name.clone().unwrap_or_else(|| interface.source.clone())
}
