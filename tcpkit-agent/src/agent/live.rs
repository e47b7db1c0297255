//! Live capture by eBPF, or by libpcap where eBPF cannot run.

use caps::Capability;
use crossbeam_channel::Sender;
use tcpkit_common::counter::Counter;

use super::{
    blocks,
    context::Description,
    control::{Control, Ending, Subject},
    ending::{Deadline, LossWatch, first_error},
    engine,
    interfaces::Interfaces,
    outlets::{self, Outlets},
    process::Begun,
    reload::{Backend, NewFilter, Reloading},
    traffic::KernelTraffic,
};
use crate::{
    cli::{BackendChoice, CaptureOutput, Config, Failure, HookChoice, Input, Live, View},
    filter,
    pipeline::{CaptureTap, FlowsAsked, Pipeline, RingPlan, Translation},
    report::{
        Count, Event, EventKind, Report,
        flows::ShardListing,
        merge::{ReportContext, SourceCounts, assemble, assemble_sum},
    },
    sink::flows::FlowRequest,
    source::{
        Block, Interface, InterfaceTable,
        live::{self, Clock, HookCounters, LiveCapture, LiveError, LiveInterface, ObjectFilter},
    },
    time::Timestamp,
    wire::{InterfaceId, LinkType},
};

/// The reason alone: the advice to try libpcap is being followed.
pub(super) fn without_advice(reason: &str) -> &str {
    [", or try --backend pcap", "; try --backend pcap"]
        .iter()
        .find_map(|advice| reason.strip_suffix(advice))
        .unwrap_or(reason)
}

/// Captures by what the user chose, or by the best that works here.
///
/// # Errors
/// What could not be opened, captured or written; all else was done.
pub(super) fn capture(config: &Config, live: &Live, begun: Begun) -> anyhow::Result<()> {
    if live.backend == BackendChoice::Pcap {
        return blocks::capture(config, live, None, begun);
    }
    if live.backend == BackendChoice::Auto && live.interfaces.iter().any(|name| name == Live::EVERY_INTERFACE)
    {
        return blocks::capture(
            config,
            live,
            Some("only libpcap has the device any; name interfaces for eBPF"),
            begun,
        );
    }
    match open(config, live) {
        Ok(capture) => run(config, capture, begun),
        Err(error)
            if error.is_for_libpcap() && (live.backend == BackendChoice::Auto || live.counters_only) =>
        {
            let reason = error.to_string();
            let reason = without_advice(&reason);
            let needs_ebpf = [("--counters", live.counters_only), ("--reattach", live.reattach)];
            match needs_ebpf.iter().find(|(_, is_given)| *is_given) {
                Some((option, _)) => {
                    Err(Failure::run(*option).because(format_args!("needs eBPF: {reason}")).into())
                }
                None => blocks::capture(config, live, Some(reason), begun),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Why eBPF does not capture.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Filter(#[from] filter::FilterError),
    #[error(transparent)]
    Translate(#[from] filter::TranslateError),
    #[error(
        "a filter cannot stand for interfaces with and without Ethernet headers; start one tcpkit for each kind"
    )]
    MixedLinks,
}

impl OpenError {
    /// Whether libpcap may do what eBPF cannot; what the user got wrong is wrong for both.
    const fn is_for_libpcap(&self) -> bool {
        !matches!(
            self,
            Self::Filter(_) | Self::Live(LiveError::UnknownInterface { .. } | LiveError::NoInterface)
        )
    }
}

fn open(config: &Config, live: &Live) -> Result<LiveCapture, OpenError> {
    let options = options(config.expression.as_deref(), live)?;
    let flow_counters = live.flow_counters.number(matches!(config.view, View::Agent | View::Track(_)));
    Ok(LiveCapture::open(live::LiveOptions {
        shards: config.shards,
        strict_filter: config.strict_filter,
        no_decap: !config.decapsulate,
        flow_counters,
        bursts: flow_counters > 0 && !live.counters_only,
        counts_only: live.counters_only,
        ..options
    })?)
}

/// Counts on the interfaces and records nothing; the expression is taken to the letter.
///
/// # Errors
/// One line: why eBPF does not capture.
pub(super) fn open_counters(expression: Option<&str>, live: &Live) -> Result<LiveCapture, String> {
    let open = || {
        let options = options(expression, live)?;
        Ok(LiveCapture::open(live::LiveOptions {
            counts_only: true,
            strict_filter: true,
            no_decap: true,
            ..options
        })?)
    };
    open().map_err(|error: OpenError| error.to_string())
}

/// What the plan says of how to capture.
fn options(expression: Option<&str>, live: &Live) -> Result<live::LiveOptions, OpenError> {
    let filter = match expression {
        Some(expression) => {
            let link_types = live::link_types(&live.interfaces, live.reattach)?;
            Some(object_filter(expression, &link_types, live.snaplen)?)
        }
        None => None,
    };
    Ok(live::LiveOptions {
        interfaces: live.interfaces.clone(),
        hook: match live.hook {
            HookChoice::Auto => live::HookChoice::Auto,
            HookChoice::Tc => live::HookChoice::Tc,
            HookChoice::Xdp => live::HookChoice::Xdp,
        },
        tc_attach: live::TcAttach::Auto,
        xdp: live::XdpKind::Auto,
        snaplen: live.snaplen,
        ring_bytes: live.ring_bytes,
        promiscuous: live.promiscuous.unwrap_or(false),
        reattach: live.reattach,
        log_level: live.kernel_log.number(),
        filter,
        ..live::LiveOptions::default()
    })
}

/// The expression for programs on interfaces whose frames begin so.
///
/// # Errors
/// It does not compile, or cannot be translated.
pub(super) fn object_filter(
    expression: &str,
    link_types: &[LinkType],
    snaplen: u32,
) -> Result<ObjectFilter, OpenError> {
    let Some((first, others)) = link_types.split_first() else { return Err(LiveError::NoInterface.into()) };
    if others.iter().any(|other| other != first) {
        return Err(OpenError::MixedLinks);
    }
    let program = filter::compile(expression, *first, snaplen)?;
    let translation = filter::translate(&program)?;
    let reach = translation.reach;
    let place = Box::new(move |object: &mut Vec<u8>| {
        *object = filter::place(object, &translation.direct, &translation.copy)
            .map_err(|error| error.to_string())?;
        Ok(())
    });
    Ok(ObjectFilter { place, reach })
}

fn run(config: &Config, mut capture: LiveCapture, begun: Begun) -> anyhow::Result<()> {
    let mut description = Description::new(config, "ebpf");
    description.notes.extend_from_slice(capture.notes());
    capture.notes().iter().for_each(|note| tracing::info!("{note}"));
    let interfaces = capture.interfaces().iter().map(|one| interface(one, config)).collect();
    let interfaces = Interfaces::new(interfaces, &capture);
    description.hooks = interfaces.hooks(&capture);
    let mut table = InterfaceTable::default();
    for interface in interfaces.all() {
        table.add(interface.clone());
    }
    let (mut control, wakes) = Control::new()?;
    let settings = engine(config, true);
    let mut outlets = Outlets::open(config, true, &settings.flows, wakes, begun)?;
    give_up_privileges(config, &capture, &mut description);
    let blocks = outlets.start(&table)?;
    let taps = taps(config, blocks.as_ref(), &outlets);
    let clock = capture.clock();
    let plan = RingPlan {
        rings: capture.take_readers(),
        translation: Translation::new(capture.clock(), interfaces.link_types()),
        interfaces: interfaces.facts(),
        taps,
        count: config.count.map(Into::into),
        listeners: outlets.listeners(),
    };
    let (pipeline, deliveries) = Pipeline::over_rings(&settings, plan)?;
    outlets.record(deliveries, config.shards)?;
    let deadline = Deadline::of(config);
    let losses = LossWatch::new(blocks);
    let backend = Backend::Ebpf { link_types: interfaces.link_types() };
    let reloading = Reloading::new(config, backend, outlets.parts());
    let mut run = Run {
        config,
        capture,
        pipeline,
        description,
        interfaces,
        clock,
        deadline,
        losses,
        traffic: KernelTraffic::default(),
        reloading,
    };
    let ending = control.run(&mut run, &outlets.requests);
    control.give_up_on_second_signal(ending);
    run.finish(ending, outlets)
}

/// From here on the process keeps only what it needs to end well; the threads that follow inherit that.
fn give_up_privileges(config: &Config, capture: &LiveCapture, description: &mut Description) {
    let mut keep = Vec::new();
    if let Some(origin) = &config.origin {
        if origin.file().is_some() {
            // Another filter is another program.
            keep.extend([Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON]);
        }
        if origin.file().is_some() || config.script.is_some() {
            // Both may lie in a folder of somebody else, as they did at the start.
            keep.push(Capability::CAP_DAC_READ_SEARCH);
        }
    }
    if live(config).is_some_and(|live| live.reattach) {
        keep.push(Capability::CAP_BPF);
    }
    if capture.has_to_restore() || !keep.is_empty() {
        keep.push(Capability::CAP_NET_ADMIN);
    }
    if config.output.capture.as_ref().is_some_and(CaptureOutput::rotates) {
        // Each new file may lie in a folder of somebody else.
        keep.push(Capability::CAP_DAC_OVERRIDE);
    }
    if let Err(refusal) = live::privilege::keep_only(&keep) {
        tracing::warn!("{refusal}");
        description.notes.push(refusal);
    }
}

fn interface(one: &LiveInterface, config: &Config) -> Interface {
    Interface {
        name: Some(one.name.clone()),
        source: "live".to_owned(),
        link_type: one.link_type,
        snaplen: live(config).map(|live| live.snaplen),
        index: one.index,
    }
}

const fn live(config: &Config) -> Option<&Live> {
    match &config.input {
        Input::Live(live) => Some(live),
        Input::Files(_) => None,
    }
}

/// One tap for each shard, when there is a file to write.
fn taps(config: &Config, blocks: Option<&Sender<Block>>, outlets: &Outlets) -> Vec<CaptureTap> {
    let (Some(blocks), Some(recycled)) = (blocks, outlets.recycled()) else { return Vec::new() };
    (0..config.shards).map(|_| CaptureTap::new(blocks.clone(), recycled.clone())).collect()
}

/// A live capture under control.
struct Run<'a> {
    config: &'a Config,
    capture: LiveCapture,
    pipeline: Pipeline,
    description: Description,
    interfaces: Interfaces,
    clock: std::sync::Arc<Clock>,
    deadline: Option<Deadline>,
    losses: LossWatch,
    /// What the kernel counts beside the records.
    traffic: KernelTraffic,
    /// Whether and how the configuration is read again.
    reloading: Option<Reloading>,
}

impl Subject for Run<'_> {
    fn report(&mut self) -> Report {
        self.traffic.look(&mut self.capture, &self.clock);
        // The shards first: what they have delivered, the kernel has counted.
        self.pipeline.gather();
        let mut context = self.context(None, false);
        context.ring_fills = self.pipeline.ring_fills();
        assemble_sum(context, self.pipeline.sum())
    }

    fn list(&mut self, FlowRequest { query, reply }: FlowRequest) {
        if self.is_by_counters() {
            self.traffic.look(&mut self.capture, &self.clock);
            let Some(counts) = self.traffic.flows(&self.capture, &self.clock) else { return };
            let name = |id: InterfaceId| self.interfaces.name(id.0.into());
            // Who asked may have gone away.
            drop(reply.send(ShardListing::counted(&counts, &query, name)));
            return;
        }
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
        self.settle_reload();
        let events = self.changes();
        self.pipeline.announce(events);
        let counters = self.capture.counters();
        self.traffic.look(&mut self.capture, &self.clock);
        if !self.is_by_counters() {
            let losses = self.losses.look(self.clock.now(), &counters, |index| self.interfaces.name(index));
            self.pipeline.announce(losses);
        }
        if self.capture.is_over() {
            return Some(Ending::NoInterface);
        }
        let over = self.deadline.is_some_and(|deadline| deadline.is_over());
        (self.pipeline.has_enough() || over).then_some(Ending::Enough)
    }
}

impl Run<'_> {
    /// Whether nothing but the kernel's counters is looked at: what it does not record then is not lost.
    fn is_by_counters(&self) -> bool {
        live(self.config).is_some_and(|live| live.counters_only)
    }

    /// Brings a reload that is prepared into force: the filter first, which alone may be refused.
    fn settle_reload(&mut self) {
        let Self { reloading: Some(reloading), capture, pipeline, description, clock, .. } = self else {
            return;
        };
        let Some(outcome) = reloading.poll() else { return };
        let outcome = outcome.and_then(|mut prepared| {
            if let Some(NewFilter::Object(filter)) = prepared.filter.take() {
                let replaced = capture.replace_filter(filter, prepared.config.strict_filter);
                replaced.map_err(|error| Failure::run("the filter").because(error))?;
            }
            Ok(prepared)
        });
        reloading.settle(outcome, pipeline, description, clock.now());
    }

    /// What happened to the interfaces, as events; it stands in the report too.
    fn changes(&mut self) -> Vec<Event> {
        let changes = self.capture.changes();
        if changes.is_empty() {
            return Vec::new();
        }
        for (id, facts) in self.interfaces.update(&self.capture) {
            self.pipeline.set_interface(id, &facts);
        }
        self.description.hooks = self.interfaces.hooks(&self.capture);
        let is_waited_for = live(self.config).is_some_and(|live| live.reattach);
        let time = self.clock.now();
        let sentences = changes.iter().flat_map(|change| self.interfaces.tell(change, is_waited_for));
        let sentences: Vec<_> = sentences.collect();
        for (name, what) in &sentences {
            self.description.note_change(format!("{name} {what}"));
        }
        let event = |(interface, change)| Event { time, kind: EventKind::Interface { interface, change } };
        sentences.into_iter().map(event).collect()
    }

    fn context(&mut self, end: Option<Timestamp>, complete: bool) -> ReportContext {
        let interfaces: Vec<_> = self.interfaces.all().iter().collect();
        let mut counts: Vec<_> = self.capture.counters().iter().map(source_counts).collect();
        if self.config.count.is_some() {
            // The kernel counted also what came after as many frames as were asked for.
            counts.iter_mut().for_each(|counts| counts.traffic = None);
        }
        if let Some(first) = counts.first_mut() {
            first.notes.push(("clock_steps", self.clock.steps().unsigned_abs()));
            first.notes.push(("records_dropped", self.pipeline.dropped_records()));
        }
        let mut context = self.description.context(&interfaces, counts, end, complete);
        context.exact_flows = self.traffic.flows(&self.capture, &self.clock);
        context.bursts = self.traffic.bursts(&self.clock, |index| self.interfaces.name(index));
        context
    }

    fn finish(mut self, ending: Ending, mut outlets: Outlets) -> anyhow::Result<()> {
        let is_by_counters = self.is_by_counters();
        outlets.ended();
        if let Some(reloading) = &self.reloading {
            outlets.add_ports(reloading.config());
        }
        let problems = self.capture.detach();
        self.description.notes.extend(problems);
        self.traffic.finish(&mut self.capture, &self.clock);
        let end = self.clock.now();
        // The last losses, for the events and for the capture file, which is told nothing after them.
        let counters = self.capture.counters();
        let losses = self.losses.finish(end, &counters, |index| self.interfaces.name(index));
        self.pipeline.announce(losses);
        if ending == Ending::NoInterface {
            self.description.notes.push("every interface disappeared".to_owned());
        }
        let mut context = self.context(Some(end), true);
        let names = self.names();
        let snapshots = self.pipeline.finish_rings(end)?;
        let records = outlets.finish_records()?;
        outlets::record_notes(&records, &mut context.capture.notes);
        let written = outlets.finish_writer(Some(end));
        if let Some(first) = context.sources.first_mut() {
            first.notes.extend(outlets::script_notes(&outlets));
        }
        let report = assemble(context, &snapshots);
        let printed = outlets::print(self.config, &report);
        let concluded = outlets.conclude(&report);
        if !is_by_counters {
            outlets::warn_of_loss(&report);
        }
        outlets.close();
        let gone =
            (ending == Ending::NoInterface).then(|| anyhow::anyhow!("every interface disappeared: {names}"));
        let errors = [gone, records.error, written.err(), printed.err().map(Into::into), concluded.err()];
        first_error(errors.into_iter().flatten())
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.interfaces.all().iter().filter_map(|one| one.name.as_deref()).collect();
        names.join(", ")
    }
}

fn source_counts(counters: &HookCounters) -> SourceCounts {
    SourceCounts {
        place: (InterfaceId(u16::try_from(counters.interface).unwrap_or(u16::MAX)), Some(counters.hook)),
        filtered: counters.get(Counter::Filtered),
        recorded: counters.get(Counter::Recorded),
        ring_full: counters.get(Counter::RingFull),
        helper_failed: counters.get(Counter::HelperFailed),
        notes: vec![
            ("filter_out_of_reach", counters.get(Counter::FilterOutOfReach)),
            ("super_segments", counters.get(Counter::SuperSegments)),
        ],
        traffic: Some(Count {
            frames: counters.get(Counter::Frames),
            packets: counters.get(Counter::WirePackets),
            bytes: counters.get(Counter::WireBytes),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::live::LiveError;

    #[test]
    fn a_note_of_libpcap_does_not_advise_libpcap() {
        let reason = LiveError::Privileges { missing: vec!["CAP_BPF"] }.to_string();
        assert!(reason.contains("--backend pcap"), "the error itself advises it: {reason}");
        assert!(!without_advice(&reason).contains("--backend pcap"), "{reason}");
    }
}
