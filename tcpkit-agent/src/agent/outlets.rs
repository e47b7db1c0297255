//! The sinks of a run: opened before the first frame, closed after the last.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender};
use tokio::sync::Notify;

use super::{
    control::{Requests, Wakes},
    kit::{self, KitOutlet, PacketLines},
    latency::LatencyOutlet,
    peek::{PeekOutlet, SocketLines, socket_lines as lines},
    process::{Begun, Process},
    records::{RecordOutcome, RecordSinks, Recorder},
    reload::Parts,
    report::ReportOutlet,
    scripting::Scripting,
    track::TrackOutlet,
    writer::{self, Writing},
};
use crate::{
    cli::{Config, Failure, Listen, ListenAt, Stream, View},
    flow::FlowLimits,
    pipeline::{Delivery, Listener, Panicked},
    report::Report,
    sink::{
        capture::CaptureWriter,
        flows::{FlowSource, flow_channel},
        http::{
            Endpoint, EventHub, Health, LineAnswer, Place, ReportSource, Served, Serving, StatsAnswer,
            report_channel,
        },
        json,
        text::{self, TextOptions},
        write_stderr, write_stdout,
    },
    source::{Block, FlowTimers, InterfaceTable},
    time::Timestamp,
};

/// What a run writes to, beside the final report.
pub(super) struct Outlets {
    records: Option<RecordSinks>,
    recorder: Option<JoinHandle<RecordOutcome>>,
    writer: Option<CaptureWriter>,
    writing: Option<Writing>,
    endpoint: Option<Endpoint>,
    reports: ReportSource,
    flows: FlowSource,
    serving: Option<Serving>,
    health: Health,
    peek: Option<PeekOutlet>,
    kit: Option<KitOutlet>,
    packets: Option<PacketLines>,
    latency: Option<LatencyOutlet>,
    report: Option<ReportOutlet>,
    track: Option<TrackOutlet>,
    statistics: StatsAnswer,
    lines: LineAnswer,
    events: EventHub,
    /// Servers and commands that metrics tell apart.
    top: usize,
    process: Process,
    /// The user's script, where there is one.
    pub(super) scripting: Option<Scripting>,
    /// Whoever wants a report or a listing while the run goes on.
    pub(super) requests: Requests,
    wakes: Wakes,
}

impl Outlets {
    /// Opens the logs and the capture file and takes the address; no thread is started yet.
    ///
    /// # Errors
    /// A file cannot be created, or the address that the user asked for is not to be had.
    pub(super) fn open(
        config: &Config,
        live: bool,
        limits: &FlowLimits,
        wakes: Wakes,
        begun: Begun,
    ) -> anyhow::Result<Self> {
        let Begun { process, scripting } = begun;
        let peek = PeekOutlet::open(config)?;
        let kit = KitOutlet::open(config)?;
        let mut records = RecordSinks::open(&config.output, live)?;
        let report = ReportOutlet::open(config)?;
        records.page = report.as_ref().and_then(ReportOutlet::events);
        records.requests = kit.as_ref().and_then(KitOutlet::requests);
        records.peek = peek.as_ref().map(PeekOutlet::lines).transpose()?;
        let track = TrackOutlet::open(config);
        records.track = track.as_ref().and_then(TrackOutlet::tables);
        let filter = config.expression.as_deref();
        let timers =
            FlowTimers { handshake: limits.handshake_timeout, linger: limits.linger, idle: limits.idle };
        let create = |output| writer::create(output, filter, timers);
        let writer = config.output.capture.as_ref().map(create).transpose()?;
        let bell = Arc::new(Notify::new());
        let (reports, report_requests) = report_channel();
        let (flows, flow_requests) = flow_channel();
        let (reports, flows) = (reports.with_bell(Arc::clone(&bell)), flows.with_bell(Arc::clone(&bell)));
        let endpoint = config.output.listen.as_ref().map(bind).transpose()?.flatten();
        let events = EventHub::default();
        records.events = endpoint.is_some().then(|| events.clone());
        let lines = match lines::of(config)? {
            Some(SocketLines { sessions, answer }) => {
                records.peek = records.peek.or(Some(sessions));
                answer
            }
            None => lines::nobody(),
        };
        Ok(Self {
            records: Some(records),
            recorder: None,
            writer,
            writing: None,
            endpoint,
            reports,
            flows,
            serving: None,
            health: Health::starting(),
            peek,
            packets: kit.as_ref().and_then(|kit| kit.packets(config)),
            latency: LatencyOutlet::open(config),
            report,
            track,
            statistics: kit::statistics(config),
            kit,
            process,
            scripting,
            requests: Requests { reports: report_requests, flows: flow_requests, bell },
            events,
            lines,
            top: config.output.metrics_top.into(),
            wakes,
        })
    }

    /// Serves the endpoint and starts the writer; the sender takes blocks for it, where there is one.
    ///
    /// # Errors
    /// The interfaces cannot be described in the file, or a thread cannot be had.
    pub(super) fn start(&mut self, interfaces: &InterfaceTable) -> anyhow::Result<Option<Sender<Block>>> {
        if let Some(peek) = &mut self.peek {
            peek.start(interfaces, &self.reports)?;
        }
        if let Some(endpoint) = self.endpoint.take() {
            tracing::info!(place = %endpoint.place(), "endpoint listens");
            self.serving = Some(endpoint.spawn(self.served())?);
        }
        let mut blocks = None;
        let (writer, packets) = (self.writer.take(), self.packets.take());
        if writer.is_some() || packets.is_some() {
            let (sender, writing) = writer::start(writer, packets, interfaces, self.wakes.clone())?;
            self.writing = Some(writing);
            blocks = Some(sender);
        }
        match &mut self.scripting {
            Some(scripting) => Ok(scripting.start(blocks, &self.wakes)?),
            None => Ok(blocks),
        }
    }

    fn served(&self) -> Served {
        Served {
            reports: self.reports.clone(),
            flows: self.flows.clone(),
            health: self.health.clone(),
            statistics: Arc::clone(&self.statistics),
            lines: Arc::clone(&self.lines),
            events: self.events.clone(),
            top: self.top,
        }
    }

    /// What goes on with new settings at a reload.
    pub(super) fn parts(&self) -> Parts {
        Parts {
            script: self.scripting.as_ref().map(Scripting::states),
            threshold: self.kit.as_ref().map(KitOutlet::threshold),
        }
    }

    /// Ports that a reload has added are told of at the end, too.
    pub(super) fn add_ports(&mut self, config: &Config) {
        if let Some(kit) = &mut self.kit {
            kit.add_ports(config);
        }
    }

    /// Who hears what the shards finish.
    pub(super) fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        self.scripting.as_ref().map(Scripting::listeners).unwrap_or_default()
    }

    /// Blocks that the writer is done with.
    pub(super) fn recycled(&self) -> Option<Receiver<Block>> {
        let scripting = self.scripting.as_ref().and_then(Scripting::recycled);
        self.writing.as_ref().map(|writing| writing.recycled.clone()).or(scripting)
    }

    /// Begins to take records; the capture runs.
    ///
    /// # Errors
    /// A thread cannot be had, or the terminal cannot be left.
    pub(super) fn record(&mut self, deliveries: Receiver<Delivery>, shards: u32) -> anyhow::Result<()> {
        let Some(sinks) = self.records.take() else { return Ok(()) };
        let recorder = Recorder { sinks, deliveries, shards: shards as usize, wakes: self.wakes.clone() };
        self.recorder = Some(thread::Builder::new().name("recorder".into()).spawn(move || recorder.run())?);
        self.health.set_capturing();
        if let Some(latency) = &mut self.latency {
            latency.start(&self.reports, &self.wakes)?;
        }
        if let Some(track) = &mut self.track {
            track.start(&self.flows, &self.reports, &self.wakes)?;
        }
        self.process.ready().map_err(Into::into)
    }

    /// The capture does not run any more.
    pub(super) fn ended(&self) {
        self.health.set_trouble("the capture has ended");
    }

    /// Ends the logs, when every shard has made its last delivery.
    ///
    /// # Errors
    /// The recorder panicked.
    pub(super) fn finish_records(&mut self) -> Result<RecordOutcome, Panicked> {
        let Some(recorder) = self.recorder.take() else { return Ok(RecordOutcome::default()) };
        let mut outcome = recorder.join().map_err(|_| Panicked("recorder"))?;
        if let (Some(report), Some(events)) = (&mut self.report, outcome.events.take()) {
            report.take_events(events);
        }
        Ok(outcome)
    }

    /// Ends the capture file, when no sender of blocks is left.
    ///
    /// # Errors
    /// What the device refused, or standard output of the script.
    pub(super) fn finish_writer(&mut self, end: Option<Timestamp>) -> anyhow::Result<()> {
        let scripted = self.scripting.as_mut().map_or(Ok(()), Scripting::finish);
        let written = self.finish_file(end);
        scripted.and(written)
    }

    fn finish_file(&mut self, end: Option<Timestamp>) -> anyhow::Result<()> {
        self.writing.take().map_or(Ok(()), |writing| writing.finish(end))
    }

    /// Shows the view's last words, where the run has a view.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn conclude(&mut self, report: &Report) -> anyhow::Result<()> {
        if let Some(peek) = &mut self.peek {
            peek.conclude(report);
        }
        if let Some(latency) = &mut self.latency {
            latency.conclude(report)?;
        }
        if let Some(view) = &mut self.report {
            view.conclude(report)?;
        }
        if let Some(track) = &mut self.track {
            track.conclude(report)?;
        }
        self.kit.as_mut().map_or(Ok(()), |kit| kit.conclude(report))
    }

    /// Stops serving; the process's number goes with it.
    pub(super) fn close(self) {
        drop(self.serving);
        drop(self.process);
    }
}

/// What the script's calls came to, for the ledger.
pub(super) fn script_notes(outlets: &Outlets) -> Vec<(&'static str, u64)> {
    outlets.scripting.as_ref().map(Scripting::notes).unwrap_or_default()
}

/// Takes the address; a busy default is a warning, everything else an error.
fn bind(listen: &Listen) -> Result<Option<Endpoint>, Failure> {
    let place = match &listen.address {
        ListenAt::Tcp(address) => Place::Tcp(*address),
        ListenAt::Unix(path) => Place::Unix(path.clone()),
    };
    match Endpoint::bind(&place) {
        Ok(endpoint) => Ok(Some(endpoint)),
        Err(error) if !listen.asked => {
            let address = &listen.address;
            let reason = if error.is_busy() {
                "is taken".to_owned()
            } else {
                format!("cannot be had: {}", error.source)
            };
            write_stderr(&format!(
                "tcpkit: warning: {address} {reason}; this capture has no endpoint: give --stats-listen another address"
            ));
            Ok(None)
        }
        Err(error) => Err(Failure::run(format!("--stats-listen {}", listen.address))
            .because(&error.source)
            .hint(match &listen.address {
                ListenAt::Tcp(_) => "give another address or port, or 'off'",
                ListenAt::Unix(_) => "give another path in a directory that is there and may be written",
            })),
    }
}

/// SIGUSR1: prints the report as things stand, also among lines of requests or packets.
///
/// # Errors
/// Standard output does not take it.
pub(super) fn print_now(config: &Config, report: &Report) -> std::io::Result<()> {
    if matches!(&config.view, View::Kit(kit) if kit.target == Some(Stream::Standard)) {
        return write_stdout(&text::render(report, TextOptions::of(&std::io::stdout())));
    }
    print(config, report)
}

/// Prints the report where the user wants it.
///
/// # Errors
/// Standard output does not take it.
pub(super) fn print(config: &Config, report: &Report) -> std::io::Result<()> {
    if config.output.json {
        return write_stdout(&json::render(report));
    }
    if config.output.text {
        let screen = text::render(report, TextOptions::of(&std::io::stdout()));
        // Event lines may stand above it.
        let gap = if report.capture.mode == "live" { "\n" } else { "" };
        return write_stdout(&format!("{gap}{screen}"));
    }
    Ok(())
}

/// What the run's records went through, for the report's notes.
pub(super) fn record_notes(outcome: &RecordOutcome, notes: &mut Vec<String>) {
    if outcome.disordered > 0 {
        notes.push(format!(
            "{} records stand out of order, because shards were far apart",
            outcome.disordered
        ));
    }
}

/// Whatever else is silent: that frames were lost is said.
pub(super) fn warn_of_loss(report: &Report) {
    let total = &report.ledger.total;
    let lost = total.ring_full + total.helper_failed;
    if lost > 0 {
        write_stderr(&format!(
            "tcpkit: warning: {lost} of {} wanted frames were lost before the analysis: the figures rest on the others",
            total.matched
        ));
    }
    if !report.ledger.closes {
        write_stderr("tcpkit: warning: the ledger does not close; please report this as a defect");
    }
}
