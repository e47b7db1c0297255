//! Runs over blocks: the replay of files, and live capture by libpcap.

use crossbeam_channel::{Receiver, bounded};

use super::{
    context::Description,
    control::{Control, Ending, Subject, Wake},
    ending::{Deadline, first_error},
    engine,
    outlets::{self, Outlets},
    process::Begun,
    reload::{Backend, NewFilter, Prepared, Reloading},
    sources::{self, Lost, PcapSet},
};
use crate::{
    cli::{Config, Failure, Live, Stream},
    filter::Matcher,
    flow::{FlowLimits, Patience},
    pipeline::{BlockPlan, BlockSource, EngineSettings, FilterChange, FlowsAsked, Pipeline, ReaderTally},
    report::{
        Event, EventKind, Report,
        merge::{assemble, assemble_sum},
    },
    sink::{flows::FlowRequest, progress::Progress},
    source::{FlowTimers, InterfaceTable, LiveOptions, SourceError},
};

/// Replays files.
///
/// # Errors
/// What could not be opened, read or written; all else was done.
pub(super) fn replay(config: &Config, files: &[Stream], begun: Begun) -> anyhow::Result<()> {
    let mut interfaces = InterfaceTable::default();
    let source = sources::files(files, &mut interfaces)?;
    let progress = config.output.progress.then(|| {
        let total = source.progress().and_then(|progress| progress.size);
        Progress::new(total)
    });
    let plan = Plan { source, interfaces, progress, lost: Lost::default(), begun };
    run(config, plan, Description::new(config, "file"))
}

/// Captures by libpcap; `no_ebpf` says why eBPF does not, where that was tried first.
///
/// # Errors
/// What could not be opened, captured or written; all else was done.
pub(super) fn capture(
    config: &Config,
    live: &Live,
    no_ebpf: Option<&str>,
    begun: Begun,
) -> anyhow::Result<()> {
    let mut interfaces = InterfaceTable::default();
    let filter = config.expression.as_deref().map(|expression| prefilter(expression, config.strict_filter));
    let options = live.interfaces.iter().map(|interface| LiveOptions {
        interface: interface.clone(),
        snaplen: live.snaplen,
        buffer_bytes: Some(live.pcap_bytes),
        filter: filter.clone(),
        promiscuous: live.promiscuous.unwrap_or(true),
        immediate: false,
    });
    let source = PcapSet::open(options, &mut interfaces).map_err(|error| match no_ebpf {
        Some(reason) => anyhow::anyhow!("{reason}; nor can libpcap capture: {error}"),
        None => error.into(),
    })?;
    let mut description = Description::new(config, "pcap");
    if let Some(reason) = no_ebpf {
        let note = format!("captured by libpcap, because {reason}");
        tracing::warn!("{note}");
        description.notes.push(note);
    }
    let lost = source.lost();
    run(config, Plan { source, interfaces, progress: None, lost, begun }, description)
}

/// What the kernel filters for libpcap: all that the expression wants, and all that may belong to it (ICMP errors and
/// later fragments), among which the matcher then decides as it does for a file.
fn prefilter(expression: &str, strict: bool) -> String {
    if strict {
        return expression.to_owned();
    }
    format!("({expression}) or icmp or icmp6 or (ip[6:2] & 0x1fff != 0) or (ip6 proto 44)")
}

/// What a run is made of.
struct Plan<S> {
    source: S,
    interfaces: InterfaceTable,
    progress: Option<Progress>,
    lost: Lost,
    begun: Begun,
}

fn run<S: BlockSource + 'static>(
    config: &Config,
    plan: Plan<S>,
    description: Description,
) -> anyhow::Result<()> {
    let Plan { source, interfaces, progress, lost, begun } = plan;
    let link_types = interfaces.all().iter().map(|interface| interface.link_type).collect();
    let is_live = description.mode == "live";
    let mut settings = engine(config, is_live);
    adopt(&mut settings.flows, source.timers());
    let matcher = config.expression.as_deref().map(|e| Matcher::new(e, config.strict_filter)).transpose();
    let matcher = matcher.map_err(Failure::filter)?;
    let (mut control, wakes) = Control::new()?;
    let mut outlets = Outlets::open(config, is_live, &settings.flows, wakes.clone(), begun)?;
    let capture = outlets.start(&interfaces)?;
    let plan = BlockPlan {
        source,
        interfaces,
        matcher,
        capture,
        count: config.count.map(Into::into),
        is_live,
        listeners: outlets.listeners(),
    };
    let (pipeline, deliveries) = Pipeline::over_blocks(&settings, plan, move || {
        wakes.send(Wake::SourceEnded);
    })?;
    outlets.record(deliveries, config.shards)?;
    let deadline = Deadline::of(config);
    let reloading =
        if is_live { Reloading::new(config, Backend::Pcap { link_types }, outlets.parts()) } else { None };
    let mut run = Run { config, pipeline, description, progress, deadline, lost, reloading, changing: None };
    let ending = control.run(&mut run, &outlets.requests);
    control.give_up_on_second_signal(ending);
    run.finish(ending, outlets)
}

/// A replay of a file that tcpkit wrote goes by the time-outs of its capture, as far as the user asks for no others.
fn adopt(limits: &mut FlowLimits, timers: Option<FlowTimers>) {
    let Some(timers) = timers else { return };
    limits.linger = timers.linger;
    limits.idle = limits.idle.or(timers.idle);
    let is_usual = limits.patience == Patience::FromFirstSyn;
    if is_usual && limits.handshake_timeout == EngineSettings::HANDSHAKE_TIMEOUT {
        limits.handshake_timeout = timers.handshake;
    }
}

/// A pipeline over blocks under control.
struct Run<'a> {
    config: &'a Config,
    pipeline: Pipeline,
    description: Description,
    progress: Option<Progress>,
    deadline: Option<Deadline>,
    /// Interfaces that libpcap captures no more.
    lost: Lost,
    /// Whether and how the configuration is read again.
    reloading: Option<Reloading>,
    /// A reload whose filter the reader is to take, and its answer.
    changing: Option<(Prepared, Receiver<Result<(), SourceError>>)>,
}

impl Subject for Run<'_> {
    fn report(&mut self) -> Report {
        self.pipeline.gather();
        let context = self.description.of_blocks(&self.pipeline.tally(), None, false);
        assemble_sum(context, self.pipeline.sum())
    }

    fn list(&mut self, FlowRequest { query, reply }: FlowRequest) {
        self.pipeline.ask_for_flows(&FlowsAsked { query, reply });
    }

    fn print(&mut self) {
        let report = self.report();
        // A sink that is gone ends the run by itself.
        drop(outlets::print_now(self.config, &report));
    }

    fn reload(&mut self) -> Option<Ending> {
        let Some(reloading) = &mut self.reloading else { return Some(Ending::Signal("SIGHUP")) };
        reloading.ask();
        None
    }

    fn on_tick(&mut self) -> Option<Ending> {
        self.change_filter();
        self.note_lost();
        if let Some(progress) = &mut self.progress {
            let tally = self.pipeline.tally();
            let frames = tally.interfaces.iter().map(|interface| interface.seen).sum();
            progress.update(tally.progress.map_or(0, |progress| progress.position), frames);
        }
        self.deadline.as_ref().filter(|deadline| deadline.is_over()).map(|_| Ending::Enough)
    }
}

impl Run<'_> {
    /// Hands the filter of a reload that is prepared to the reader, and settles the reload when the reader has it.
    fn change_filter(&mut self) {
        let Self { reloading: Some(reloading), changing, pipeline, description, .. } = self else { return };
        if let Some((prepared, reply)) = changing.take() {
            let outcome = match reply.try_recv() {
                Err(_) => return *changing = Some((prepared, reply)),
                Ok(Ok(())) => Ok(prepared),
                Ok(Err(error)) => Err(Failure::run("the filter").because(error)),
            };
            return reloading.settle(outcome, pipeline, description, sources::clock());
        }
        let outcome = match reloading.poll() {
            None => return,
            Some(Err(failure)) => Err(failure),
            Some(Ok(mut prepared)) => match prepared.filter.take() {
                Some(NewFilter::Matcher(matcher)) => {
                    let Config { expression, strict_filter, .. } = &prepared.config;
                    let prefilter = expression.as_deref().map(|it| prefilter(it, *strict_filter));
                    let (reply, answer) = bounded(1);
                    if pipeline.change_filter(FilterChange { matcher, prefilter, reply }) {
                        return *changing = Some((prepared, answer));
                    }
                    Err(Failure::run("the filter").because("the reader is still busy with the one before"))
                }
                _ => Ok(prepared),
            },
        };
        reloading.settle(outcome, pipeline, description, sources::clock());
    }

    /// Tells of interfaces that disappeared, as an event and in the report.
    fn note_lost(&mut self) {
        let tell = |(interface, change): (String, String)| {
            self.description.notes.push(format!("{interface} {change}"));
            Event { time: sources::clock(), kind: EventKind::Interface { interface, change } }
        };
        let events = self.lost.take().into_iter().map(tell).collect();
        self.pipeline.announce(events);
    }

    fn finish(mut self, ending: Ending, mut outlets: Outlets) -> anyhow::Result<()> {
        self.note_lost();
        if let Some(reloading) = &self.reloading {
            outlets.add_ports(reloading.config());
        }
        let Self { config, pipeline, mut description, progress, .. } = self;
        pipeline.stop();
        outlets.ended();
        let dropped = pipeline.dropped_records();
        let (snapshots, outcome, tally) = pipeline.finish_blocks()?;
        if let Some(progress) = progress {
            progress.finish();
        }
        let records = outlets.finish_records()?;
        let written = outlets.finish_writer(outcome.end);
        description.notes.extend(notes(ending, &tally));
        outlets::record_notes(&records, &mut description.notes);
        description.notes.extend(outcome.errors.iter().map(ToString::to_string));
        let mut context = description.of_blocks(&tally, outcome.end, true);
        if let Some(first) = context.sources.first_mut() {
            first.notes.push(("records_dropped", dropped));
            first.notes.extend(outlets::script_notes(&outlets));
        }
        let report = assemble(context, &snapshots);
        let printed = outlets::print(config, &report);
        let concluded = outlets.conclude(&report);
        outlets::warn_of_loss(&report);
        outlets.close();
        let errors = outcome.errors.into_iter().map(anyhow::Error::from);
        let others = [records.error, written.err(), printed.err().map(Into::into), concluded.err()];
        first_error(errors.chain(others.into_iter().flatten()))
    }
}

/// What the user should know about how the run ended.
fn notes(ending: Ending, tally: &ReaderTally) -> Vec<String> {
    let Ending::Signal(signal) = ending else { return Vec::new() };
    match tally.progress {
        Some(progress) if progress.size != Some(progress.position) => {
            vec![format!("stopped by {signal} before the end of the files")]
        }
        _ => Vec::new(),
    }
}
