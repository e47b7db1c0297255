//! Several files as one source, in order of time.
//!
//! Of the files' next frames the earliest comes first; at equal times, the file named first. Nothing is sorted within
//! a file: its frames come in the order in which they stand there, even where time steps back. One file alone passes
//! through untouched.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
};

use super::{Block, FrameDescriptor, Progress, Reader, SourceCounts, SourceError};
use crate::time::Timestamp;

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
    ended: bool,
}

impl Merge {
    /// Merges readers whose interfaces stand in one table.
    #[must_use]
    pub fn new(readers: Vec<Reader>) -> Self {
        let lane = |reader| Lane { reader, block: Block::default(), next: 0, ended: false };
        Self { lanes: readers.into_iter().map(lane).collect(), errors: VecDeque::new() }
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
                lane.next = 0;
                match lane.reader.fill(&mut lane.block) {
                    Ok(more) => lane.ended = !more,
                    Err(error) => self.errors.push_back(error),
                }
                block.interfaces.append(&mut lane.block.interfaces);
            }
        }
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
    fn head(&self) -> Option<&FrameDescriptor> {
        self.block.frames.get(self.next)
    }

    /// Moves frames up to the bound into the block; true when it exchanged whole blocks instead of copying.
    fn hand_over(&mut self, bound: Bound, block: &mut Block) -> bool {
        let untouched = self.next == 0 && block.frames.is_empty();
        if untouched && self.block.frames.iter().all(|frame| bound.allows(frame.timestamp)) {
            std::mem::swap(&mut self.block.bytes, &mut block.bytes);
            std::mem::swap(&mut self.block.frames, &mut block.frames);
            return true;
        }
        while let Some(frame) = self.block.frames.get(self.next)
            && bound.allows(frame.timestamp)
            && block.bytes.len() < BLOCK_LEN
            && block.frames.len() < BLOCK_FRAMES
        {
            let offset = u32::try_from(block.bytes.len()).expect("a block is shorter than 4 GiB");
            block.bytes.extend_from_slice(self.block.frame(frame).bytes);
            block.frames.push(FrameDescriptor { offset, ..*frame });
            self.next += 1;
        }
        false
    }
}

/// Bytes and frames after which a merged block is full.
const BLOCK_LEN: usize = 512 * 1024;
const BLOCK_FRAMES: usize = 16 * 1024;
