//! SIGHUP: the configuration file and the script are read again, and what may change while a capture runs, changes.
//!
//! Everything is read, judged, compiled and loaded on a thread of its own, whole: at the first error nothing has changed.
//! Then the filter takes its place, which the kernel may refuse, and behind it what cannot fail. Frames go on all the
//! time; each meets the old filter or the new one.

mod prepare;
#[cfg(test)]
mod tests;

use std::thread;

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::{
    context::Description,
    engine,
    kit::Threshold,
    scripting::{Loaded, States},
    set_log_level,
};
use crate::{
    cli::{AgentArgs, Config, Failure, Input, Origin, System},
    filter::Matcher,
    pipeline::{Adjustment, Pipeline},
    report::{Event, EventKind, ReloadCounts},
    sink::write_stderr,
    source::live::ObjectFilter,
    time::Timestamp,
    wire::LinkType,
};
use prepare::Task;

/// The reloads of one run.
pub(super) struct Reloading {
    origin: Origin,
    /// What is in force.
    config: Config,
    backend: Backend,
    parts: Parts,
    counts: ReloadCounts,
    preparing: Option<Receiver<Result<Prepared, Failure>>>,
    /// Asked for again while one was under way.
    again: bool,
}

/// What else goes on with new settings, beside filter and workers.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The user's script.
    pub(super) script: Option<States>,
    /// Which requests get a line.
    pub(super) threshold: Option<Threshold>,
}

/// Who filters frames, and what frames those are.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    /// Programs in the kernel.
    Ebpf {
        /// How the frames of each interface begin.
        link_types: Vec<LinkType>,
    },
    /// libpcap, and behind it the reader.
    Pcap {
        /// How the frames of each interface begin.
        link_types: Vec<LinkType>,
    },
}

/// A filter that can take the place of the one in force.
pub(super) enum NewFilter {
    /// For the programs; `None` wants every frame.
    Object(Option<ObjectFilter>),
    /// For the reader; `None` wants every frame.
    Matcher(Option<Matcher>),
}

/// A configuration that was read, judged and found good, with all that it takes.
pub(super) struct Prepared {
    args: AgentArgs,
    /// With what may change changed, and everything else as it was.
    pub(super) config: Config,
    /// Where that is another one.
    pub(super) filter: Option<NewFilter>,
    /// Where there is a script.
    pub(super) script: Option<Loaded>,
    changed: Vec<String>,
    at_next_start: Vec<String>,
}

impl Reloading {
    /// Of a run with this configuration; nothing, where nothing can be read again.
    pub(super) fn new(config: &Config, backend: Backend, parts: Parts) -> Option<Self> {
        Some(Self {
            origin: config.origin.clone()?,
            config: config.clone(),
            backend,
            parts,
            counts: ReloadCounts::default(),
            preparing: None,
            again: false,
        })
    }

    /// What is in force.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Somebody asks for a reload: it is prepared beside the run; [`poll`](Self::poll) tells when that is done.
    pub(super) fn ask(&mut self) {
        if self.origin.file().is_none() && self.parts.script.is_none() {
            write_stderr(
                "tcpkit: SIGHUP: nothing to read again, for there is neither --config FILE nor a script; the capture goes on",
            );
            return;
        }
        if self.preparing.is_some() {
            self.again = true;
            return;
        }
        let task = Task {
            origin: self.origin.clone(),
            running: self.config.clone(),
            backend: self.backend.clone(),
            script: self.parts.script.as_ref().map(States::successor),
            system: self.system(),
        };
        let (sender, prepared) = bounded(1);
        let work = move || drop(sender.send(task.prepare()));
        match thread::Builder::new().name("reload".into()).spawn(work) {
            Ok(_) => self.preparing = Some(prepared),
            Err(error) => tracing::warn!("no thread for a reload: {error}"),
        }
    }

    /// What was prepared, where that is done.
    pub(super) fn poll(&mut self) -> Option<Result<Prepared, Failure>> {
        let outcome = match self.preparing.as_ref()?.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return None,
            // Its message stands on standard error.
            Err(TryRecvError::Disconnected) => Err(Failure::run("reload").because("its thread panicked")),
        };
        self.preparing = None;
        Some(outcome)
    }

    /// Brings what was prepared into force, but for the filter, which is in force already; or tells why not.
    pub(super) fn settle(
        &mut self,
        outcome: Result<Prepared, Failure>,
        pipeline: &Pipeline,
        description: &mut Description,
        now: Timestamp,
    ) {
        let event = match outcome {
            Ok(mut prepared) => {
                if let (Some(states), Some(loaded)) = (&self.parts.script, prepared.script.take()) {
                    states.replace(loaded);
                }
                pipeline.adjust(Adjustment::from(&engine(&prepared.config, true)));
                if let Some(threshold) = &self.parts.threshold {
                    threshold.adjust(&prepared.config);
                }
                description.adjust(&prepared.config);
                self.done(prepared, now)
            }
            Err(failure) => self.refused(&failure, now),
        };
        description.reloads = self.counts;
        pipeline.announce(vec![event]);
        if std::mem::take(&mut self.again) {
            self.ask();
        }
    }

    fn done(&mut self, prepared: Prepared, now: Timestamp) -> Event {
        let Prepared { args, config, changed, at_next_start, .. } = prepared;
        self.counts.done += 1;
        if config.output.log != self.config.output.log {
            set_log_level(&config);
        }
        let file = self.file();
        for option in &at_next_start {
            write_stderr(&format!("tcpkit: {option} changed in {file}: takes effect at the next start"));
        }
        tracing::info!(changed = changed.join(", "), "{file} was read again");
        self.origin.set_running(args);
        self.config = config;
        let kind = EventKind::Reload { outcome: "done", changed, at_next_start, reason: None };
        Event { time: now, kind }
    }

    /// Everything stays as it was.
    fn refused(&mut self, failure: &Failure, now: Timestamp) -> Event {
        self.counts.refused += 1;
        let told = failure.to_string();
        let reason = told.lines().next().unwrap_or_default().to_owned();
        write_stderr(&format!("tcpkit: reload refused, the running settings stay: {reason}"));
        let (changed, at_next_start) = (Vec::new(), Vec::new());
        let kind = EventKind::Reload { outcome: "refused", changed, at_next_start, reason: Some(reason) };
        Event { time: now, kind }
    }

    /// This system; an interface that is captured need not be there now.
    fn system(&self) -> System {
        let mut system = System::current();
        if let Input::Live(live) = &self.config.input {
            system.interfaces.extend(live.interfaces.iter().cloned());
        }
        system
    }

    fn file(&self) -> String {
        self.origin.file().map_or_else(|| "the script".to_owned(), |file| file.display().to_string())
    }
}
