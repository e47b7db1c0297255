//! Several files as one source, in order of time.
//!
//! Of the files' next frames the earliest comes first; at equal times, the file named first. Nothing is sorted within
//! a file: its frames come in the order in which they stand there, even where time steps back. One file alone passes
//! through untouched.
//!
//! A file that begins after another one has ended continues it, as the pieces of a rotated capture do: an interface of
//! the same name and link type keeps its number, so that flows go on across the pieces. Files that overlap in time
//! were captured at different places, and their interfaces stay apart.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
};

use super::{Block, Dropped, FrameDescriptor, Interface, Progress, Reader, SourceCounts, SourceError};
use crate::{time::Timestamp, wire::InterfaceId};

/// Readers, merged.
pub struct Merge {
    lanes: Vec<Lane>,
    /// Trouble of single files, reported after the frames read before it.
    errors: VecDeque<SourceError>,
}

/// One file and the frames of it that wait.
struct Lane {
    reader: Reader,
    block: Block,
    next: usize,
    /// How many of the block's drops were handed over.
    next_drop: usize,
    ended: bool,
    part: Part,
    /// For each interface of the file, in order, the number under which its frames go on.
    canonical: Vec<(InterfaceId, InterfaceId)>,
    /// Time of the latest frame handed over.
    latest: Timestamp,
}

/// The place of a file among the pieces of a capture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// None of its frames was handed over yet.
    Waiting,
    /// It goes on where the lane of this index ended, if any did.
    Begun(Option<usize>),
}

impl Merge {
    /// Merges readers whose interfaces stand in one table.
    #[must_use]
    pub fn new(readers: Vec<Reader>) -> Self {
        Self { lanes: readers.into_iter().map(Lane::new).collect(), errors: VecDeque::new() }
    }

    /// Fills the block with the next frames; false when all files are read, with no frames.
    ///
    /// # Errors
    /// Once for each file that is damaged or in trouble. The other files go on: call again until this says false.
    pub fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        if let [lane] = &mut self.lanes[..] {
            return lane.reader.fill(block);
        }
        block.clear();
        while self.errors.is_empty() && block.bytes.len() < BLOCK_LEN && block.frames.len() < BLOCK_FRAMES {
            self.refill(block);
            let Some((first, bound)) = self.earliest() else {
                break;
            };
            self.identify(first);
            if self.lanes[first].hand_over(bound, block) {
                return Ok(true);
            }
        }
        match self.errors.pop_front() {
            Some(error) if block.frames.is_empty() => Err(error),
            Some(error) => {
                self.errors.push_front(error);
                Ok(true)
            }
            None => Ok(!block.frames.is_empty()),
        }
    }

    /// As [`Reader::stop_on`], for all of them.
    pub fn stop_on(&mut self, flag: &Arc<AtomicBool>) {
        for lane in &mut self.lanes {
            lane.reader.stop_on(Arc::clone(flag));
        }
    }

    /// The files' readers, in the order in which they were given.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.lanes.iter().map(|lane| &lane.reader)
    }

    /// What all files together met so far; frames that still wait here are counted already.
    #[must_use]
    pub fn counts(&self) -> SourceCounts {
        let mut sum = SourceCounts::default();
        for reader in self.readers() {
            sum.add(reader.counts());
        }
        sum
    }

    /// When the last of the captures ended, as far as the files say.
    #[must_use]
    pub fn end_of_capture(&self) -> Option<Timestamp> {
        self.readers().filter_map(Reader::end_of_capture).max()
    }

    /// How far all files together are; no size when one of them is a pipe.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut sum = Progress { position: 0, size: Some(0) };
        for progress in self.readers().map(Reader::progress) {
            sum.position += progress.position;
            sum.size = sum.size.zip(progress.size).map(|(a, b)| a + b);
        }
        sum
    }

    /// Sees to it that every file that has frames left has one waiting.
    fn refill(&mut self, block: &mut Block) {
        for lane in &mut self.lanes {
            while !lane.ended && lane.next == lane.block.frames.len() {
                lane.hand_over_drops(block);
                (lane.next, lane.next_drop) = (0, 0);
                match lane.reader.fill(&mut lane.block) {
                    Ok(more) => lane.ended = !more,
                    Err(error) => self.errors.push_back(error),
                }
                block.interfaces.append(&mut lane.block.interfaces);
                if lane.ended {
                    lane.hand_over_drops(block);
                }
            }
        }
    }

    /// Decides under which numbers the lane's interfaces go on.
    fn identify(&mut self, index: usize) {
        let lane = &self.lanes[index];
        let described = lane.reader.interfaces();
        let continued = match lane.part {
            Part::Begun(_) if lane.canonical.len() == described.len() => return,
            Part::Begun(continued) => continued,
            Part::Waiting => self.ended_before(index),
        };
        let new = (lane.canonical.len()..described.len())
            .map(|place| {
                let kept = continued.and_then(|other| self.lanes[other].counterpart(described, place));
                (described[place].0, kept.unwrap_or(described[place].0))
            })
            .collect::<Vec<_>>();
        self.lanes[index].part = Part::Begun(continued);
        self.lanes[index].canonical.extend(new);
    }

    /// Of the files that have ended and that no other one continues, the one that ended last.
    fn ended_before(&self, index: usize) -> Option<usize> {
        let is_free = |other: &usize| !self.lanes.iter().any(|lane| lane.part == Part::Begun(Some(*other)));
        let ended = (0..self.lanes.len()).filter(|&other| other != index && self.lanes[other].is_drained());
        ended.filter(is_free).max_by_key(|&other| self.lanes[other].latest)
    }

    /// The lane whose frame comes next, and how far it may go before another lane's turn.
    fn earliest(&self) -> Option<(usize, Bound)> {
        let heads = || {
            let head = |(index, lane): (usize, &Lane)| Some((lane.head()?.timestamp, index));
            self.lanes.iter().enumerate().filter_map(head)
        };
        let (_, first) = heads().min()?;
        let bound = heads().filter(|&(_, index)| index != first).min();
        Some((first, Bound(bound.map(|(timestamp, index)| (timestamp, first < index)))))
    }
}

/// The other lanes' earliest frame, and whether a frame of the same time may still go before it.
#[derive(Clone, Copy)]
struct Bound(Option<(Timestamp, bool)>);

impl Bound {
    fn allows(self, timestamp: Timestamp) -> bool {
        match self.0 {
            None => true,
            Some((limit, true)) => timestamp <= limit,
            Some((limit, false)) => timestamp < limit,
        }
    }
}

impl Lane {
    fn new(reader: Reader) -> Self {
        Self {
            reader,
            block: Block::default(),
            next: 0,
            next_drop: 0,
            ended: false,
            part: Part::Waiting,
            canonical: Vec::new(),
            latest: Timestamp::MIN,
        }
    }

    /// All its frames were handed over, and there were some.
    fn is_drained(&self) -> bool {
        self.ended && self.next == self.block.frames.len() && self.part != Part::Waiting
    }

    /// The number that an interface of this file has, if it is like the one at `place` among those of another file:
    /// the same name and link type, and as many like it before.
    fn counterpart(&self, others: &[(InterfaceId, Interface)], place: usize) -> Option<InterfaceId> {
        let wanted = &others[place].1;
        let is_alike = |(_, interface): &&(InterfaceId, Interface)| {
            interface.name == wanted.name && interface.link_type == wanted.link_type
        };
        let before = others[..place].iter().filter(is_alike).count();
        let (id, _) = self.reader.interfaces().iter().filter(is_alike).nth(before)?;
        Some(self.canonical(*id))
    }

    /// The number under which frames of this interface go on.
    fn canonical(&self, id: InterfaceId) -> InterfaceId {
        kept_number(&self.canonical, id)
    }

    /// Gives frames and drops that wait the numbers under which they go on.
    fn rename(&mut self) {
        let Self { block, canonical, .. } = self;
        let kept = |id| kept_number(canonical, id);
        if canonical.iter().any(|(own, kept)| own != kept) {
            block.frames.iter_mut().for_each(|frame| frame.interface = kept(frame.interface));
            block.drops.iter_mut().for_each(|dropped| dropped.interface = kept(dropped.interface));
        }
    }

    fn head(&self) -> Option<&FrameDescriptor> {
        self.block.frames.get(self.next)
    }

    /// Moves frames up to the bound into the block; true when it exchanged whole blocks instead of copying.
    fn hand_over(&mut self, bound: Bound, block: &mut Block) -> bool {
        if self.next == 0 {
            self.rename();
        }
        let untouched = self.next == 0 && block.frames.is_empty();
        if untouched && self.block.frames.iter().all(|frame| bound.allows(frame.timestamp)) {
            std::mem::swap(&mut self.block.bytes, &mut block.bytes);
            std::mem::swap(&mut self.block.frames, &mut block.frames);
            block.drops.append(&mut self.block.drops);
            self.latest = block.frames.last().map_or(self.latest, |frame| frame.timestamp);
            return true;
        }
        while let Some(frame) = self.block.frames.get(self.next).copied()
            && bound.allows(frame.timestamp)
            && block.bytes.len() < BLOCK_LEN
            && block.frames.len() < BLOCK_FRAMES
        {
            let offset = u32::try_from(block.bytes.len()).expect("a block is shorter than 4 GiB");
            self.hand_over_drops(block);
            block.bytes.extend_from_slice(self.block.frame(&frame).bytes);
            block.frames.push(FrameDescriptor { offset, ..frame });
            self.latest = frame.timestamp;
            self.next += 1;
        }
        false
    }

    /// Moves what was lost before the lane's next frame to before the block's next frame.
    fn hand_over_drops(&mut self, block: &mut Block) {
        while let Some(dropped) = self.block.drops.get(self.next_drop)
            && dropped.before <= self.next
        {
            let interface = self.canonical(dropped.interface);
            block.drops.push(Dropped { before: block.frames.len(), interface, ..*dropped });
            self.next_drop += 1;
        }
    }
}

/// The number that stands beside this one, or itself.
fn kept_number(canonical: &[(InterfaceId, InterfaceId)], id: InterfaceId) -> InterfaceId {
    canonical.iter().find(|(own, _)| *own == id).map_or(id, |(_, kept)| *kept)
}

/// Bytes and frames after which a merged block is full.
const BLOCK_LEN: usize = 512 * 1024;
const BLOCK_FRAMES: usize = 16 * 1024;
