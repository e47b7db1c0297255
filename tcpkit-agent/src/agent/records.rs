//! The thread that writes what the shards finish: flow log, event log, event lines for people.

use std::{io::IsTerminal as _, time::Duration};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{
    control::{Wake, Wakes},
    kit::RequestLines,
    peek::{LIVE_WAIT, PeekLines},
    track::TrackTables,
};
use crate::{
    cli::{Output, Stream},
    pipeline::{Delivery, FinishedRequest},
    report::{Event, FlowRecord, Record, RequestRecord},
    sink::{
        http::EventHub,
        log::{FlushPolicy, JsonLines, LogError},
        merge::{FlowOrder, OrderedMerge},
        page::EventList,
        text::{self, TextOptions},
        write_stdout,
    },
    time::Timestamp,
};

/// Where records go.
#[derive(Default)]
pub(super) struct RecordSinks {
    /// `--flow-log`.
    pub(super) flow_log: Option<JsonLines>,
    /// `--request-log`.
    pub(super) request_log: Option<JsonLines>,
    /// `--event-log`.
    pub(super) event_log: Option<JsonLines>,
    /// Events for a page.
    pub(super) page: Option<EventList>,
    /// Event lines on standard output.
    pub(super) lines: Option<EventLines>,
    /// Request lines of git-hulk/tcpkit.
    pub(super) requests: Option<RequestLines>,
    /// Session lines of tcpeek.
    pub(super) peek: Option<PeekLines>,
    /// The endpoint's readers of events.
    pub(super) events: Option<EventHub>,
    /// Tables of tcptrack.
    pub(super) track: Option<TrackTables>,
}

/// Event lines for people: at once where one may sit and watch, else by the buffer.
pub(super) struct EventLines {
    options: TextOptions,
    waiting: String,
    at_once: bool,
}

/// Takes deliveries until every shard has made its last.
pub(super) struct Recorder {
    pub(super) sinks: RecordSinks,
    pub(super) deliveries: Receiver<Delivery>,
    pub(super) shards: usize,
    /// Told once, when a sink does not take any more.
    pub(super) wakes: Wakes,
}

/// What became of the records.
#[derive(Debug, Default)]
pub(super) struct RecordOutcome {
    /// The first sink that failed.
    pub(super) error: Option<anyhow::Error>,
    /// Records of flows and requests that came out of order, because more waited than the bound allows.
    pub(super) disordered: u64,
    /// Events for a page.
    pub(super) events: Option<EventList>,
}

impl Recorder {
    /// Writes until the channel closes.
    pub(super) fn run(mut self) -> RecordOutcome {
        let mut waiting = Waiting::new(self.shards);
        let mut error = None;
        loop {
            let heard = self.hear();
            let outcome = match heard {
                Err(RecvTimeoutError::Disconnected) => break,
                // Keep taking, so that the shards come to their end.
                _ if error.is_some() => continue,
                Ok(delivery) => self.sinks.take(delivery, &mut waiting),
                Err(RecvTimeoutError::Timeout) => self.sinks.pause(),
            };
            if let Err(failure) = outcome {
                error = Some(failure);
                self.wakes.send(Wake::SinkFailed);
            }
        }
        if error.is_none() {
            error = self.sinks.finish(&mut waiting).err();
        }
        RecordOutcome { error, disordered: waiting.disordered(), events: self.sinks.page }
    }

    /// The next delivery; where lines wait only for their order, not for longer than they may.
    fn hear(&self) -> Result<Delivery, RecvTimeoutError> {
        if self.sinks.is_waiting() {
            return self.deliveries.recv_timeout(LINE_WAIT);
        }
        self.deliveries.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }
}

impl RecordSinks {
    /// Opens what the configuration names, before anything is captured.
    ///
    /// # Errors
    /// A file cannot be created.
    pub(super) fn open(output: &Output, live: bool) -> Result<Self, LogError> {
        let policy = if live { FlushPolicy::Live } else { FlushPolicy::Replay };
        let open = |what: &str, stream: &Option<Stream>| {
            stream.as_ref().map(|stream| JsonLines::create(what, &stream.path(), policy)).transpose()
        };
        Ok(Self {
            flow_log: open("flow log", &output.flow_log)?,
            request_log: open("request log", &output.request_log)?,
            event_log: open("event log", &output.event_log)?,
            page: None,
            lines: output.text.then(|| EventLines::new(live)),
            requests: None,
            peek: None,
            events: None,
            track: None,
        })
    }

    fn take(&mut self, delivery: Delivery, waiting: &mut Waiting) -> anyhow::Result<()> {
        let shard = delivery.shard as usize;
        for event in &delivery.events {
            self.event(event)?;
        }
        if let Some(peek) = &mut self.peek {
            peek.take(shard, delivery.handshakes, delivery.progress)?;
        }
        if let Some(track) = &mut self.track {
            delivery.finished.iter().for_each(|finished| track.take(&finished.record));
            delivery.tables.into_iter().try_for_each(|table| track.print(table))?;
        }
        if let Some(log) = &mut self.flow_log {
            for finished in delivery.finished {
                let order = FlowOrder::of(finished.at, &finished.record);
                waiting.flows.push(shard, order, finished.record);
            }
            waiting.flows.advance(shard, delivery.progress);
            release(log, &mut waiting.flows)?;
        }
        self.requests(shard, delivery.requests, delivery.progress, &mut waiting.requests)?;
        self.settle()
    }

    fn requests(
        &mut self,
        shard: usize,
        requests: Vec<FinishedRequest>,
        progress: Timestamp,
        waiting: &mut OrderedMerge<RequestRecord>,
    ) -> anyhow::Result<()> {
        for FinishedRequest { at, record } in requests {
            if let Some(lines) = &mut self.requests {
                lines.take(shard, at, &record);
            }
            if self.request_log.is_some() {
                waiting.push(shard, FlowOrder::of_request(at, &record), record);
            }
        }
        if let Some(lines) = &mut self.requests {
            lines.advance(shard, progress)?;
        }
        if let Some(log) = &mut self.request_log {
            waiting.advance(shard, progress);
            release(log, waiting)?;
        }
        Ok(())
    }

    /// Whether lines wait for earlier ones of another shard.
    fn is_waiting(&self) -> bool {
        self.peek.as_ref().is_some_and(PeekLines::is_waiting)
            || self.requests.as_ref().is_some_and(RequestLines::is_waiting)
    }

    /// Nothing came for a moment.
    fn pause(&mut self) -> anyhow::Result<()> {
        self.requests.iter_mut().try_for_each(RequestLines::pause)?;
        self.peek.iter_mut().try_for_each(PeekLines::pause)
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        self.events.iter().for_each(|hub| hub.publish(event));
        if let Some(log) = &mut self.event_log {
            log.write(event)?;
        }
        if let Some(events) = &mut self.page {
            events.add(event);
        }
        match &mut self.lines {
            Some(lines) => lines.add(event),
            None => Ok(()),
        }
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.logs().try_for_each(JsonLines::settle)?;
        self.lines.iter_mut().filter(|lines| lines.at_once).try_for_each(EventLines::write)
    }

    fn finish(&mut self, waiting: &mut Waiting) -> anyhow::Result<()> {
        self.flow_log.iter_mut().try_for_each(|log| release(log, &mut waiting.flows))?;
        self.request_log.iter_mut().try_for_each(|log| release(log, &mut waiting.requests))?;
        self.logs().try_for_each(JsonLines::finish)?;
        self.lines.iter_mut().try_for_each(EventLines::write)?;
        self.requests.iter_mut().try_for_each(RequestLines::finish)?;
        self.track.iter_mut().try_for_each(TrackTables::finish)?;
        self.peek.iter_mut().try_for_each(PeekLines::finish)
    }

    fn logs(&mut self) -> impl Iterator<Item = &mut JsonLines> {
        self.flow_log.iter_mut().chain(&mut self.request_log).chain(&mut self.event_log)
    }
}

/// Records that wait for slower shards, each for its place in its log.
struct Waiting {
    flows: OrderedMerge<FlowRecord>,
    requests: OrderedMerge<RequestRecord>,
}

impl Waiting {
    fn new(shards: usize) -> Self {
        Self { flows: OrderedMerge::new(shards, WAITING), requests: OrderedMerge::new(shards, WAITING) }
    }

    const fn disordered(&self) -> u64 {
        self.flows.disordered() + self.requests.disordered()
    }
}

/// Writes what no slower shard can precede.
fn release<T: Record>(log: &mut JsonLines, merge: &mut OrderedMerge<T>) -> Result<(), LogError> {
    while let Some(record) = merge.pop() {
        log.write(&record)?;
    }
    Ok(())
}

impl EventLines {
    fn new(live: bool) -> Self {
        let stdout = std::io::stdout();
        let at_once = live || stdout.is_terminal();
        Self { options: TextOptions::of(&stdout), waiting: String::new(), at_once }
    }

    fn add(&mut self, event: &Event) -> anyhow::Result<()> {
        self.waiting.push_str(&text::event(event, self.options));
        self.waiting.push('\n');
        if self.waiting.len() < LINES_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        write_stdout(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Event lines that are written in one go.
const LINES_BYTES: usize = 64 << 10;

/// How long a line that waits for its place among others' may wait.
const LINE_WAIT: Duration = Duration::from_nanos(LIVE_WAIT.0);

/// Finished flows, and requests, that may wait for a slower shard.
const WAITING: usize = 1 << 16;
