//! A pipeline that runs: its threads, and what the control plane can ask of them.

use std::{
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    Adjustment, EngineSettings, FlowsAsked, Foreign, InterfaceFacts,
    analyst::{Analyst, Request},
    batch::Batch,
    facts::Facts,
    filters::Filters,
    gathering::Gathering,
    outlet::{Delivery, Listener, Outlet},
    reader::{BlockSource, FilterChange, Reader, ReaderOutcome, ReaderTally},
    ring_worker::{CaptureTap, RingWorker, Translation},
    router::Router,
    worker::Worker,
};
use crate::{
    filter::Matcher,
    report::{Event, ShardSnapshot},
    source::{
        Block, InterfaceTable,
        live::{RingReader, RingWaker},
    },
    time::Timestamp,
    wire::InterfaceId,
};

/// What a pipeline over blocks is made of.
pub struct BlockPlan<S> {
    /// Where the blocks come from.
    pub source: S,
    /// Interfaces that are known before the first block.
    pub interfaces: InterfaceTable,
    /// The filter; `None` wants everything.
    pub matcher: Option<Matcher>,
    /// `-w`.
    pub capture: Option<Sender<Block>>,
    /// Wanted frames after which the reader stops.
    pub count: Option<u64>,
    /// A capture that must not wait for its sinks.
    pub is_live: bool,
    /// One for each shard, or none.
    pub listeners: Vec<Arc<dyn Listener>>,
}

/// What a pipeline over rings is made of.
pub struct RingPlan {
    /// One per shard.
    pub rings: Vec<RingReader>,
    /// From records to frames.
    pub translation: Translation,
    /// Interfaces of the capture.
    pub interfaces: Vec<(InterfaceId, InterfaceFacts)>,
    /// `-w`: one tap per shard, or none.
    pub taps: Vec<CaptureTap>,
    /// Frames that are analysed and written, exactly, by all shards together; the others are counted.
    pub count: Option<u64>,
    /// One for each shard, or none.
    pub listeners: Vec<Arc<dyn Listener>>,
}

/// Threads at work.
pub struct Pipeline {
    requests: Vec<Asking>,
    gathering: Gathering,
    workers: Vec<JoinHandle<ShardSnapshot>>,
    reader: Option<JoinHandle<ReaderOutcome>>,
    /// The way to the reader's filter.
    filters: (Sender<FilterChange>, Receiver<FilterChange>),
    tally: Arc<Mutex<ReaderTally>>,
    stop: Arc<AtomicBool>,
    remaining: Option<Arc<AtomicU64>>,
    outlet: Outlet,
}

impl Pipeline {
    /// Starts a reader and one worker per shard; `on_end` is called when the reader is done.
    ///
    /// # Errors
    /// A thread cannot be had.
    pub fn over_blocks<S: BlockSource + 'static>(
        settings: &EngineSettings,
        mut plan: BlockPlan<S>,
        on_end: impl FnOnce() + Send + 'static,
    ) -> io::Result<(Self, Receiver<Delivery>)> {
        let shards = settings.shards;
        let (mut pipeline, analysts, requests, deliveries) = Self::prepare(settings, plan.is_live);
        let (recycle, recycled) = bounded(BLOCKS * shards as usize + 2);
        let end = Arc::new(OnceLock::new());
        let mut senders = Vec::new();
        for (index, (mut analyst, requests)) in analysts.into_iter().zip(requests).enumerate() {
            analyst.listen(plan.listeners.get(index).cloned());
            let (sender, batches) = bounded(BLOCKS);
            senders.push(sender);
            let worker = Worker { analyst, batches, requests, recycle: recycle.clone() };
            let end = Arc::clone(&end);
            pipeline.spawn(index, move || worker.run(|last| end.get().copied().unwrap_or(last)))?;
        }
        plan.source.stop_on(&pipeline.stop);
        let reader = pipeline.reader(settings, plan, senders, recycled);
        pipeline.reader = Some(named("reader", move || {
            let outcome = reader.run(&end);
            on_end();
            outcome
        })?);
        Ok((pipeline, deliveries))
    }

    /// Starts one worker per ring.
    ///
    /// # Errors
    /// A thread cannot be had.
    pub fn over_rings(settings: &EngineSettings, plan: RingPlan) -> io::Result<(Self, Receiver<Delivery>)> {
        let (mut pipeline, analysts, requests, deliveries) = Self::prepare(settings, true);
        let watermark = Arc::new(AtomicI64::new(Timestamp::MIN.0));
        pipeline.remaining = plan.count.map(|count| Arc::new(AtomicU64::new(count)));
        let mut taps = plan.taps.into_iter();
        let parts = analysts.into_iter().zip(requests).zip(plan.rings);
        for (index, ((mut analyst, requests), ring)) in parts.enumerate() {
            pipeline.requests[index].waker = Some(ring.waker());
            analyst.listen(plan.listeners.get(index).cloned());
            plan.interfaces.iter().for_each(|(id, facts)| analyst.on_interface(*id, facts.clone()));
            let worker = RingWorker {
                analyst,
                ring,
                requests,
                translation: plan.translation.clone(),
                watermark: Arc::clone(&watermark),
                remaining: pipeline.remaining.clone(),
                capture: taps.next(),
            };
            pipeline.spawn(index, move || worker.run())?;
        }
        Ok((pipeline, deliveries))
    }

    /// The sums of all workers and of the reader's fragments, as things stand.
    ///
    /// A worker hands over what it measured since the last time, without copying it, and is kept from its frames for
    /// microseconds.
    pub fn gather(&mut self) -> &ShardSnapshot {
        let Self { gathering, workers, requests, .. } = self;
        gathering.gather(
            |worker| workers.get(worker).is_some_and(|worker| !worker.is_finished()),
            |worker, reply| {
                // One that has ended meanwhile hands everything over at its end.
                requests[worker].send(Request::HandOver(reply));
            },
        );
        if let Some(fragments) = self.take_fragments() {
            self.gathering.add(&fragments);
        }
        self.gathering.sum()
    }

    /// The sums as they were gathered last.
    #[must_use]
    pub const fn sum(&self) -> &ShardSnapshot {
        self.gathering.sum()
    }

    /// How full each worker's ring was when it handed over last, from 0 to 1; empty without rings.
    #[must_use]
    pub fn ring_fills(&self) -> Vec<f64> {
        self.gathering.ring_fills()
    }

    fn take_fragments(&self) -> Option<Box<ShardSnapshot>> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).fragments.take()
    }

    /// Asks every worker for a listing of its flows; each answers for itself, within a second or so.
    pub fn ask_for_flows(&self, asked: &FlowsAsked) {
        for requests in &self.requests {
            // A worker that has ended has no flows.
            requests.send(Request::Flows(asked.clone()));
        }
    }

    /// What the reader counted so far.
    #[must_use]
    pub fn tally(&self) -> ReaderTally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether as many frames were taken from the rings as were asked for.
    #[must_use]
    pub fn has_enough(&self) -> bool {
        self.remaining.as_ref().is_some_and(|remaining| remaining.load(Relaxed) == 0)
    }

    /// Records of flows and handshakes that no sink took.
    #[must_use]
    pub fn dropped_records(&self) -> u64 {
        self.outlet.dropped()
    }

    /// Tells every shard an interface's facts.
    pub fn set_interface(&self, id: InterfaceId, facts: &InterfaceFacts) {
        for requests in &self.requests {
            requests.send(Request::Interface(id, facts.clone()));
        }
    }

    /// Has every worker go on with other settings, each between two batches.
    pub fn adjust(&self, adjustment: Adjustment) {
        let adjustment = Arc::new(adjustment);
        for requests in &self.requests {
            requests.send(Request::Adjust(Arc::clone(&adjustment)));
        }
    }

    /// Has the reader of blocks go on with another filter; it answers as soon as it does. False while it has not yet
    /// taken the one before.
    #[must_use]
    pub fn change_filter(&self, change: FilterChange) -> bool {
        self.filters.0.try_send(change).is_ok()
    }

    /// Hands events of the control plane to the sinks.
    pub fn announce(&self, events: Vec<Event>) {
        if !events.is_empty() {
            let progress = Timestamp::MIN;
            self.outlet.send(Delivery {
                shard: 0,
                finished: Vec::new(),
                events,
                handshakes: Vec::new(),
                requests: Vec::new(),
                tables: Vec::new(),
                progress,
            });
        }
    }

    /// Asks the reader to stop after its current block.
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Waits for reader and workers; gives the final measurements.
    ///
    /// # Errors
    /// A thread panicked; its message stands on standard error.
    pub fn finish_blocks(mut self) -> Result<(Vec<ShardSnapshot>, ReaderOutcome, ReaderTally), Panicked> {
        let outcome = match self.reader.take() {
            Some(reader) => reader.join().map_err(|_| Panicked("reader"))?,
            None => ReaderOutcome::default(),
        };
        let fragments = self.take_fragments();
        let tally = self.tally();
        let mut snapshots = self.join()?;
        snapshots.extend(fragments.map(|fragments| *fragments));
        Ok((snapshots, outcome, tally))
    }

    /// Empties the rings, which must not be fed any more, and finishes at `end`.
    ///
    /// # Errors
    /// A thread panicked; its message stands on standard error.
    pub fn finish_rings(self, end: Timestamp) -> Result<Vec<ShardSnapshot>, Panicked> {
        let drained: Vec<_> = self
            .requests
            .iter()
            .filter_map(|requests| {
                let (reply, answer) = bounded(1);
                requests.send(Request::Drain(reply)).then_some(answer)
            })
            .collect();
        // Only when all rings are empty has everything been handed over that a neighbour is to get.
        for answer in drained {
            answer.recv().map_err(|_| Panicked("worker"))?;
        }
        for requests in &self.requests {
            requests.send(Request::Finish(end));
        }
        self.join()
    }

    /// What was gathered while they worked, and what each of them has measured since.
    fn join(self) -> Result<Vec<ShardSnapshot>, Panicked> {
        let joined = self.workers.into_iter().map(|worker| worker.join().map_err(|_| Panicked("worker")));
        let mut snapshots = joined.collect::<Result<Vec<_>, _>>()?;
        snapshots.push(self.gathering.finish());
        Ok(snapshots)
    }

    fn prepare(
        settings: &EngineSettings,
        may_drop: bool,
    ) -> (Self, Vec<Analyst>, Vec<Receiver<Request>>, Receiver<Delivery>) {
        let (outlet, deliveries) = Outlet::new(may_drop);
        let (neighbours, inboxes): (Vec<Sender<Foreign>>, Vec<_>) =
            (0..settings.shards).map(|_| bounded(INBOX)).unzip();
        let analysts = (0..settings.shards)
            .zip(inboxes)
            .map(|(index, inbox)| Analyst::new(settings, index, outlet.clone(), inbox, neighbours.clone()))
            .collect();
        let asking = |_| {
            let (sender, receiver) = bounded(REQUESTS);
            (Asking { sender, waker: None }, receiver)
        };
        let (requests, receivers) = (0..settings.shards).map(asking).unzip();
        let pipeline = Self {
            requests,
            gathering: Gathering::new(settings.shards),
            workers: Vec::new(),
            reader: None,
            filters: bounded(1),
            tally: Arc::default(),
            stop: Arc::default(),
            remaining: None,
            outlet,
        };
        (pipeline, analysts, receivers, deliveries)
    }

    fn reader<S: BlockSource>(
        &self,
        settings: &EngineSettings,
        plan: BlockPlan<S>,
        shards: Vec<Sender<Batch>>,
        recycle: Receiver<Block>,
    ) -> Reader<S> {
        let mut reader = Reader {
            source: plan.source,
            filters: Filters::new(plan.matcher),
            changes: self.filters.1.clone(),
            capture: plan.capture,
            shards,
            router: (settings.shards > 1).then(|| Router::new(settings)),
            recycle,
            facts: Facts::default(),
            tally: Arc::clone(&self.tally),
            stop: Arc::clone(&self.stop),
            remaining: plan.count,
            bursts: settings.wanted.bursts.then(|| Arc::clone(&self.tally().bursts)),
        };
        let known: Vec<_> = (0u16..).map(InterfaceId).zip(plan.interfaces.all().iter().cloned()).collect();
        reader.learn(&known);
        reader
    }

    fn spawn(
        &mut self,
        index: usize,
        work: impl FnOnce() -> ShardSnapshot + Send + 'static,
    ) -> io::Result<()> {
        self.workers.push(named(&format!("shard-{index}"), work)?);
        Ok(())
    }
}

/// The way to one worker.
struct Asking {
    sender: Sender<Request>,
    /// Ends the sleep of one that waits for its ring.
    waker: Option<RingWaker>,
}

impl Asking {
    /// Sends a request; false where the worker has ended.
    fn send(&self, request: Request) -> bool {
        let is_there = self.sender.send(request).is_ok();
        if let Some(waker) = &self.waker {
            waker.wake();
        }
        is_there
    }
}

/// A thread of the pipeline panicked: a bug, told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {0} thread panicked; please report this with the message above")]
pub struct Panicked(pub(crate) &'static str);

fn named<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Blocks on their way to one worker.
const BLOCKS: usize = 4;

/// Frames on their way from shard to shard.
const INBOX: usize = 4_096;

/// Requests on their way to one worker.
const REQUESTS: usize = 16;
