//! The reader thread: blocks of frames from files or from libpcap, filtered, written on, and dealt to the shards.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crossbeam_channel::{Receiver, Sender};

use super::{batch::Batch, facts::Facts, filters::Filters, router::Router};
use crate::{
    analyzer::BurstAnalyzer,
    filter::{FilterError, Matcher},
    flow::WireCount,
    report::{ShardSnapshot, merge::BurstSender},
    source::{Block, Dropped, FlowTimers, Interface, Progress, SourceError},
    time::Timestamp,
    wire::{Ends, Frame, InterfaceId, ends},
};

/// Where the blocks come from.
pub trait BlockSource: Send {
    /// Fills the block with the next frames; false when there are none any more.
    ///
    /// # Errors
    /// What ends the source early; every frame before it was delivered.
    fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError>;

    /// What the source itself counted so far, beside the frames that it delivered.
    fn notes(&mut self) -> Vec<SourceNote>;

    /// Bytes read, and the bytes there are, where that is known.
    fn progress(&self) -> Option<Progress>;

    /// Makes a source that waits (for a pipe, for frames) end soon after the flag is set.
    fn stop_on(&mut self, flag: &Arc<AtomicBool>);

    /// The time-outs of the capture that the source replays, where it knows them.
    fn timers(&self) -> Option<FlowTimers> {
        None
    }

    /// Another filter comes into force at the moment that is given back. What the source itself leaves out, it leaves
    /// out by `prefilter` from then on (`None`: nothing), and what was captured before by the filter of that time.
    ///
    /// # Errors
    /// Why that cannot be; then nothing changes.
    fn change_filter(&mut self, prefilter: Option<String>) -> Result<Timestamp, SourceError>;

    /// When the capture ended, where the source says so.
    fn end_of_capture(&self) -> Option<Timestamp>;

    /// The time up to which timers may run while nothing comes: the clock's for a live source, none for a file.
    fn idle_time(&self) -> Option<Timestamp>;
}

/// A filter that takes the place of the one in force.
#[derive(Debug)]
pub struct FilterChange {
    /// What is wanted; `None` is every frame.
    pub matcher: Option<Matcher>,
    /// The expression by which the source itself may leave frames out.
    pub prefilter: Option<String>,
    /// Told as soon as it is in force, or why it does not come into force.
    pub reply: Sender<Result<(), SourceError>>,
}

/// What became of the frames before the shards; read by the control plane while the reader runs.
#[derive(Clone, Debug, Default)]
pub struct ReaderTally {
    /// Frames read and frames that the filter did not want, by interface.
    pub interfaces: Vec<InterfaceTally>,
    /// What the sources themselves count.
    pub notes: Vec<SourceNote>,
    /// Bytes read, and the bytes there are.
    pub progress: Option<Progress>,
    /// The account of fragments, which are put together before the shards, since it was taken out last.
    pub fragments: Option<Box<ShardSnapshot>>,
    /// Rates within milliseconds; shared, not copied.
    pub bursts: Arc<Mutex<ReaderBursts>>,
}

/// What one file or interface counted itself.
#[derive(Clone, Debug, Default)]
pub struct SourceNote {
    /// The file, or the interface's name.
    pub source: String,
    /// Frames lost because the capturing buffer was full.
    pub ring_full: u64,
    /// Named counts that are no fates.
    pub notes: Vec<(&'static str, u64)>,
}

/// One interface's frames before the shards.
#[derive(Clone, Debug)]
pub struct InterfaceTally {
    /// The interface.
    pub interface: Interface,
    /// Frames read.
    pub seen: u64,
    /// Frames that the filter did not want.
    pub filtered: u64,
}

/// How a reader ended.
#[derive(Debug, Default)]
pub struct ReaderOutcome {
    /// When the capture ended, by the source or by its last frame.
    pub end: Option<Timestamp>,
    /// What was wrong with the sources; every frame before the damage was delivered.
    pub errors: Vec<ReadError>,
}

/// What keeps frames from being read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A source is damaged or in trouble.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The expression has no meaning on an interface that the source turned out to have.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// What the reader thread needs.
pub(super) struct Reader<S> {
    pub(super) source: S,
    pub(super) filters: Filters,
    /// Filters that are to take the place of the one in force.
    pub(super) changes: Receiver<FilterChange>,
    /// `-w`: every wanted frame, in the order read.
    pub(super) capture: Option<Sender<Block>>,
    /// One per shard.
    pub(super) shards: Vec<Sender<Batch>>,
    /// Splits blocks where there are several shards.
    pub(super) router: Option<Router>,
    pub(super) recycle: Receiver<Block>,
    pub(super) facts: Facts,
    pub(super) tally: Arc<Mutex<ReaderTally>>,
    pub(super) stop: Arc<AtomicBool>,
    /// Wanted frames still to deliver (`--count`).
    pub(super) remaining: Option<u64>,
    /// Rates within milliseconds, where they are wanted.
    pub(super) bursts: Option<Arc<Mutex<ReaderBursts>>>,
}

impl<S: BlockSource> Reader<S> {
    /// Reads until the source ends, has given enough, or the control plane says stop; leaves the end of the capture
    /// in `end` before the workers learn that nothing comes any more.
    pub(super) fn run(mut self, end: &OnceLock<Timestamp>) -> ReaderOutcome {
        let mut watermark = Timestamp::MIN;
        let mut errors = Vec::new();
        while !self.stop.load(Relaxed) && self.remaining != Some(0) {
            self.change_filter();
            let mut block = self.recycle.try_recv().unwrap_or_default();
            match self.source.fill(&mut block) {
                Ok(true) => {
                    if let Err(error) = self.on_block(block, &mut watermark) {
                        errors.push(error.into());
                        break;
                    }
                }
                Ok(false) => {
                    // The last words of a source may be of interfaces and losses.
                    errors.extend(self.on_block(block, &mut watermark).err().map(ReadError::from));
                    break;
                }
                Err(error) => errors.push(error.into()),
            }
        }
        self.publish(true, watermark);
        let last = Some(watermark).filter(|last| *last > Timestamp::MIN);
        let outcome = ReaderOutcome { end: self.source.end_of_capture().max(last), errors };
        if let Some(time) = outcome.end {
            // Nobody else sets it.
            let _first = end.set(time);
        }
        outcome
    }

    fn on_block(&mut self, mut block: Block, watermark: &mut Timestamp) -> Result<(), FilterError> {
        self.learn(&block.interfaces);
        let verdict = self.select(&mut block);
        self.filters.forget(*watermark);
        self.count_bursts(&block);
        self.publish(false, *watermark);
        let is_news = !(block.frames.is_empty() && block.interfaces.is_empty() && block.drops.is_empty());
        if let Some(capture) = self.capture.as_ref().filter(|_| is_news) {
            // A writer that failed has told the control plane, which ends the capture.
            drop(capture.send(copy_of(&block)));
        }
        if block.frames.is_empty() {
            self.idle(watermark);
            return verdict;
        }
        self.deal(block, watermark);
        verdict
    }

    /// Another filter, where one is asked for.
    fn change_filter(&mut self) {
        let Ok(FilterChange { matcher, prefilter, reply }) = self.changes.try_recv() else { return };
        let moment = self.source.change_filter(prefilter);
        if let Ok(moment) = moment {
            self.filters.change(matcher, moment);
        }
        let _asker_went_away = reply.send(moment.map(drop));
    }

    /// Nothing came: the shards' timers go by the source's clock, where it has one.
    fn idle(&self, watermark: &mut Timestamp) {
        let Some(time) = self.source.idle_time() else { return };
        *watermark = time.max(*watermark);
        for shard in &self.shards {
            // A worker ends only after its reader, or by a panic that the join reports.
            drop(shard.send(Batch::Idle(*watermark)));
        }
    }

    fn deal(&mut self, block: Block, watermark: &mut Timestamp) {
        let Some(router) = &mut self.router else {
            let before = *watermark;
            *watermark = block.frames.iter().fold(before, |latest, frame| latest.max(frame.timestamp));
            if let Some(shard) = self.shards.first() {
                drop(shard.send(Batch::Whole { block: Box::new(block), watermark: before }));
            }
            return;
        };
        for (shard, batch) in self.shards.iter().zip(router.split(block, watermark)) {
            // A worker ends only after its reader, or by a panic that the join reports.
            drop(shard.send(batch));
        }
    }

    /// Counts the frames and leaves those that the filter wants; at an error, those before it.
    fn select(&mut self, block: &mut Block) -> Result<(), FilterError> {
        let tally = Arc::clone(&self.tally);
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tally.interfaces.len();
        let are_known = block.frames.iter().all(|frame| usize::from(frame.interface.0) < known);
        let stay_as_they_are = are_known && block.drops.is_empty();
        if stay_as_they_are && self.filters.want_all() && self.remaining.is_none() {
            for run in block.frames.chunk_by(|one, next| one.interface == next.interface) {
                tally.interfaces[usize::from(run[0].interface.0)].seen += run.len() as u64;
            }
            return Ok(());
        }
        self.select_each(block, &mut tally)
    }

    fn select_each(&mut self, block: &mut Block, tally: &mut ReaderTally) -> Result<(), FilterError> {
        let mut frames = std::mem::take(&mut block.frames);
        let mut verdict = Ok(());
        let mut places = Places::default();
        let (filters, remaining) = (&mut self.filters, &mut self.remaining);
        let mut drops = std::mem::take(&mut block.drops);
        frames.retain(|descriptor| {
            places.on_frame(&mut drops);
            if verdict.is_err() || *remaining == Some(0) {
                return false;
            }
            let Some(count) = tally.interfaces.get_mut(usize::from(descriptor.interface.0)) else {
                return false;
            };
            let wanted = match filters.want(&block.frame(descriptor)) {
                Ok(wanted) => wanted,
                Err(error) => {
                    verdict = Err(error);
                    return false;
                }
            };
            count.seen += 1;
            count.filtered += u64::from(!wanted);
            if let Some(remaining) = remaining {
                *remaining -= u64::from(wanted);
            }
            places.kept += usize::from(wanted);
            wanted
        });
        places.on_end(&mut drops);
        (block.frames, block.drops) = (frames, drops);
        verdict
    }

    /// Before the frames are dealt to shards, so that the number of shards does not show.
    fn count_bursts(&self, block: &Block) {
        let Some(bursts) = &self.bursts else { return };
        let mut bursts = bursts.lock().unwrap_or_else(PoisonError::into_inner);
        for descriptor in &block.frames {
            let frame = block.frame(descriptor);
            let ends = ends(&frame);
            let sender = ends.map(|ends| (ends.protocol, ends.tuple));
            bursts.on_frame((frame.interface, frame.direction), frame.timestamp, wire(&frame, ends), sender);
        }
    }

    /// Makes new interfaces known to everybody behind.
    pub(super) fn learn(&mut self, new: &[(InterfaceId, Interface)]) {
        for (id, interface) in new {
            let facts = self.facts.of(interface);
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.interfaces.push(InterfaceTally { interface: interface.clone(), seen: 0, filtered: 0 });
            drop(tally);
            if let Some(router) = &mut self.router {
                router.on_interface(*id, facts.clone());
            }
            for shard in &self.shards {
                drop(shard.send(Batch::Interface(*id, facts.clone())));
            }
        }
    }

    fn publish(&mut self, last: bool, watermark: Timestamp) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.notes = self.source.notes();
        tally.progress = self.source.progress();
        let account = match (last, self.router.take()) {
            (true, Some(router)) => Some(router.finish(watermark)),
            (false, Some(mut router)) => {
                let account = router.hand_over();
                self.router = Some(router);
                Some(account)
            }
            (_, None) => None,
        };
        if let Some(account) = account {
            tally.fragments.get_or_insert_default().merge(&account);
        }
    }
}

/// Bursts as a reader sees them.
pub type ReaderBursts = BurstAnalyzer<BurstSender>;

/// What a frame stood for on the wire, as far as a glance at its headers tells.
#[inline]
fn wire(frame: &Frame<'_>, ends: Option<Ends>) -> WireCount {
    let headers = ends.map_or(0, |ends| ends.headers_len);
    let (len, size) = (frame.frame_len, u32::from(frame.gso_size));
    if size == 0 || headers == 0 || headers >= len {
        return WireCount::one(len);
    }
    let packets = (len - headers).div_ceil(size);
    let bytes = u64::from(len) + u64::from(packets - 1) * u64::from(headers);
    WireCount { packets, bytes, full_len: headers + size }
}

/// Keeps losses at their place among the frames while frames are taken out.
#[derive(Debug, Default)]
struct Places {
    /// Number of the frame at hand.
    frame: usize,
    /// Frames before it that stayed.
    kept: usize,
    /// The first loss that still has its old place.
    next: usize,
}

impl Places {
    #[inline]
    fn on_frame(&mut self, drops: &mut [Dropped]) {
        while let Some(dropped) = drops.get_mut(self.next).filter(|dropped| dropped.before <= self.frame) {
            dropped.before = self.kept;
            self.next += 1;
        }
        self.frame += 1;
    }

    fn on_end(&mut self, drops: &mut [Dropped]) {
        for dropped in drops.iter_mut().skip(self.next) {
            dropped.before = self.kept;
        }
    }
}

/// A copy of the wanted frames for the writer, so that the block itself can go on to the shards.
fn copy_of(block: &Block) -> Block {
    Block {
        bytes: block.bytes.clone(),
        frames: block.frames.clone(),
        interfaces: block.interfaces.clone(),
        drops: block.drops.clone(),
    }
}
