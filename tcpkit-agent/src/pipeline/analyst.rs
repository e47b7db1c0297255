//! A shard and its outlets: what a worker thread owns, whether its frames come from a ring or from a reader.

use std::{sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::{
    Adjustment, EngineSettings, FlowsAsked, Foreign, InterfaceFacts, Output, Shard,
    flows::Lister,
    outlet::{Delivery, Listener, Outlet},
    tables::TableMaker,
};
use crate::{
    report::ShardSnapshot,
    time::{Span, Timestamp},
    wire::{Frame, InterfaceId},
};

/// What the control plane may ask of a worker.
#[derive(Debug)]
pub(super) enum Request {
    /// What was measured since the last time.
    HandOver(Sender<Handover>),
    /// Flows as they stand, within a second.
    Flows(FlowsAsked),
    /// Other settings.
    Adjust(Arc<Adjustment>),
    /// A new interface, or other facts about a known one.
    Interface(InterfaceId, InterfaceFacts),
    /// Live only: the hooks are gone; empty the ring and say so.
    Drain(Sender<()>),
    /// Live only: nothing comes any more; finish at this time.
    Finish(Timestamp),
}

/// What one worker has measured since it was asked last.
#[derive(Debug)]
pub(super) struct Handover {
    /// Whose it is.
    pub(super) shard: u32,
    /// The measurements.
    pub(super) measured: Box<ShardSnapshot>,
    /// How full its ring is, from 0 to 1, where it has one.
    pub(super) ring_fill: Option<f64>,
}

/// One shard, its outlet and its neighbours.
#[derive(Debug)]
pub(super) struct Analyst {
    shard: Shard,
    index: u32,
    output: Output,
    outlet: Outlet,
    inbox: Receiver<Foreign>,
    neighbours: Vec<Sender<Foreign>>,
    /// Watermark: the latest time that this shard was told; never steps back.
    now: Timestamp,
    /// The progress that was told last.
    told: Timestamp,
    lister: Lister,
    /// When the next table is due; never, where none is wanted.
    next_table: Timestamp,
    tables: Option<Box<TableMaker>>,
    listener: Option<Arc<dyn Listener>>,
}

impl Analyst {
    /// The analyst of shard `index`; `neighbours` are the inboxes of all shards, its own too.
    pub(super) fn new(
        settings: &EngineSettings,
        index: u32,
        outlet: Outlet,
        inbox: Receiver<Foreign>,
        neighbours: Vec<Sender<Foreign>>,
    ) -> Self {
        let shard = Shard::new(settings, index);
        Self {
            shard,
            index,
            output: Output::default(),
            outlet,
            inbox,
            neighbours,
            now: Timestamp::MIN,
            told: Timestamp::MIN,
            lister: Lister::default(),
            next_table: if settings.tables.is_some() { Timestamp::MIN } else { Timestamp(i64::MAX) },
            tables: settings.tables.clone().map(|tables| Box::new(TableMaker::new(tables))),
            listener: None,
        }
    }

    /// Lets somebody hear what the shard finishes.
    pub(super) fn listen(&mut self, listener: Option<Arc<dyn Listener>>) {
        self.listener = listener;
    }

    /// The watermark.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Analyses a frame; `watermark` is the latest timestamp of the capture so far, this frame's included.
    #[inline]
    pub(super) fn on_frame(&mut self, frame: &Frame<'_>, watermark: Timestamp) {
        if watermark >= self.next_table {
            self.table_is_due(watermark);
        }
        self.now = self.now.max(watermark);
        self.shard.on_frame(frame, self.now, &mut self.output);
    }

    /// Makes the table of the time that has passed.
    #[cold]
    fn table_is_due(&mut self, now: Timestamp) {
        let Some(tables) = &mut self.tables else { return };
        let (table, next) = tables.on_time(&self.shard, now);
        self.next_table = next;
        self.output.tables.extend(table);
    }

    /// Counts a frame that came after as many as were asked for.
    pub(super) fn on_frame_beyond_count(&mut self, frame: &Frame<'_>) {
        self.shard.on_frame_beyond_count(frame);
    }

    /// Analyses a datagram that another shard, or the reader, put together.
    pub(super) fn on_foreign(&mut self, foreign: Foreign, watermark: Timestamp) {
        self.now = self.now.max(watermark);
        self.shard.on_foreign(foreign, self.now, &mut self.output);
    }

    /// Tells the shard an interface's facts.
    pub(super) fn on_interface(&mut self, id: InterfaceId, facts: InterfaceFacts) {
        self.shard.set_interface(id, facts);
    }

    /// Goes on with other settings.
    pub(super) fn adjust(&mut self, adjustment: &Adjustment) {
        self.shard.adjust(adjustment);
    }

    /// Takes what the neighbours handed over.
    pub(super) fn empty_inbox(&mut self) {
        while let Ok(foreign) = self.inbox.try_recv() {
            self.on_foreign(foreign, self.now);
        }
    }

    /// Lets timers run up to `watermark`, hands everything on, and promises that nothing older follows.
    pub(super) fn flush(&mut self, watermark: Timestamp) {
        self.now = self.now.max(watermark);
        self.shard.advance(self.now, &mut self.output);
        self.hand_over();
        self.deliver(self.now);
    }

    /// Ends the analysis at `end` and gives the final state.
    pub(super) fn finish(mut self, end: Timestamp) -> ShardSnapshot {
        self.empty_inbox();
        if let Some(tables) = &mut self.tables {
            self.output.tables.extend(tables.last(&self.shard));
        }
        self.now = self.now.max(end);
        self.shard.finish(self.now, &mut self.output);
        self.deliver(Timestamp(i64::MAX));
        self.shard.hand_over()
    }

    /// What was measured since the last time.
    pub(super) fn hand_over_measured(&mut self, ring_fill: Option<f64>) -> Handover {
        Handover { shard: self.index, measured: Box::new(self.shard.hand_over()), ring_fill }
    }

    /// Does something that keeps the worker from its frames, and notes for how long.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a worker pauses is its own affair, not the capture's"
    )]
    pub(super) fn pause(&mut self, work: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        work(self);
        let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.shard.on_pause(Span(nanoseconds));
    }

    /// Takes a request for a listing of flows.
    pub(super) fn ask_for_flows(&mut self, asked: FlowsAsked) {
        self.lister.ask(asked);
    }

    /// Whether a listing is under way: [`list_on`](Self::list_on) is to be called again soon.
    pub(super) fn is_listing(&self) -> bool {
        self.lister.is_busy()
    }

    /// Looks at some more flows for a listing; takes a fraction of a millisecond.
    pub(super) fn list_on(&mut self) {
        if self.is_listing() {
            self.pause(|analyst| analyst.lister.go_on(&analyst.shard));
        }
    }

    /// Gives the neighbours what is theirs. While an inbox is full the own one is emptied, so that two shards that
    /// hand each other much come on.
    fn hand_over(&mut self) {
        let mut foreign = std::mem::take(&mut self.output.foreign);
        for frame in foreign.drain(..) {
            let Some(neighbour) = self.neighbours.get(frame.shard as usize).cloned() else { continue };
            let mut waiting = frame;
            while let Err(TrySendError::Full(refused)) = neighbour.try_send(waiting) {
                waiting = refused;
                self.empty_inbox();
            }
        }
        self.output.foreign = foreign;
    }

    /// Each delivery wakes the thread that takes it, so what is empty waits until it says something new.
    fn deliver(&mut self, progress: Timestamp) {
        let is_empty = self.output.finished.is_empty()
            && self.output.events.is_empty()
            && self.output.handshakes.is_empty()
            && self.output.requests.is_empty()
            && self.output.tables.is_empty();
        if is_empty && progress < self.told + PROGRESS {
            return;
        }
        self.told = progress;
        // What ended by silence comes after what ended with a flow, though it may have been over before.
        self.output.requests.sort_by_key(|request| request.at);
        if let Some(listener) = self.listener.as_ref().filter(|_| !is_empty) {
            listener.hear(&self.output);
        }
        let delivery = Delivery {
            shard: self.index,
            finished: std::mem::take(&mut self.output.finished),
            events: std::mem::take(&mut self.output.events),
            handshakes: std::mem::take(&mut self.output.handshakes),
            requests: std::mem::take(&mut self.output.requests),
            tables: std::mem::take(&mut self.output.tables),
            progress,
        };
        self.outlet.send(delivery);
    }
}

/// Capture time that may pass before an empty delivery tells of it: how long a finished flow may wait for its place in
/// the order of all shards.
const PROGRESS: Span = Span::from_millis(100);
