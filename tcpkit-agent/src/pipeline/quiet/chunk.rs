//! A stretch of a file: its records, and what the segments in them say.
//!
//! A record belongs to the stretch in which it begins.

use super::relay::Refused;
use crate::{
    flow::{
        FlowKey,
        quiet::{Brief, Hasher},
    },
    source::{Flat, Shape},
    time::{Span, Timestamp},
    wire::{self, Frame, Packet, ParseOptions},
};

/// What a thread keeps to read stretches into.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// Octets of a stretch.
    stretch: u64,
    /// Octets of them that were read.
    filled: usize,
    /// Where in the file they begin.
    base: u64,
    /// Where records begin among them.
    records: Vec<u32>,
}

/// What a stretch says to each of the threads.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// In the order of the file, by owner.
    pub(super) briefs: Vec<Vec<Brief>>,
    /// Which frame of the file its first one is.
    pub(super) number: u64,
    /// Frames that may have closed a flow.
    pub(super) closing: u64,
    /// The times of its frames.
    pub(super) clock: Clock,
}

/// How time passes in a stretch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The earliest and the latest time of a frame.
    pub(super) earliest: Timestamp,
    pub(super) latest: Timestamp,
    /// How far a frame was behind one before it, at most.
    pub(super) step_back: Span,
}

impl Default for Clock {
    fn default() -> Self {
        Self { earliest: Timestamp(i64::MAX), latest: Timestamp::MIN, step_back: Span::default() }
    }
}

impl Clock {
    #[inline(always)]
    fn on_frame(&mut self, at: Timestamp) {
        self.latest = self.latest.max(at);
        self.earliest = self.earliest.min(at);
        self.step_back = self.step_back.max(self.latest.since(at));
    }

    /// How far a frame was behind one before it, those before the stretch included; the latest of those was at `now`.
    pub(super) fn step_back_from(&self, now: Timestamp) -> Span {
        self.step_back.max(now.since(self.earliest))
    }
}

impl Chunk {
    pub(super) fn new(shape: &Shape, stretch: u64) -> Self {
        let longest = Shape::RECORD_HEADER + shape.max_captured as usize;
        let bytes = vec![0; usize::try_from(stretch).expect("a stretch fits into memory") + longest];
        Self { bytes, stretch, filled: 0, base: 0, records: Vec::new() }
    }

    /// Reads the octets from `base` on.
    pub(super) fn read(&mut self, file: &Flat, base: u64) -> Result<(), Refused> {
        (self.base, self.filled) = (base, 0);
        let len = usize::try_from((file.len - base).min(self.stretch)).map_err(|_| Refused)?;
        self.fill(file, len)
    }

    /// Looks for the records, of which the first begins at `start` of the file; tells where the one behind the last
    /// begins.
    pub(super) fn find_records(&mut self, file: &Flat, start: u64) -> Result<u64, Refused> {
        self.records.clear();
        let end = self.filled;
        let mut at = usize::try_from(start - self.base).map_err(|_| Refused)?;
        while at < end {
            if at + Shape::RECORD_HEADER > self.filled {
                self.fill(file, at + Shape::RECORD_HEADER)?;
            }
            let captured = file.shape.captured(header(&self.bytes, at).ok_or(Refused)?);
            if captured > file.shape.max_captured {
                return Err(Refused);
            }
            self.records.push(u32::try_from(at).map_err(|_| Refused)?);
            at += Shape::RECORD_HEADER + captured as usize;
        }
        if at > self.filled {
            self.fill(file, at)?;
        }
        Ok(self.base + at as u64)
    }

    /// Records that were found.
    pub(super) fn records(&self) -> u64 {
        self.records.len() as u64
    }

    /// Reads on, up to so many octets.
    fn fill(&mut self, file: &Flat, len: usize) -> Result<(), Refused> {
        let room = self.bytes.get_mut(self.filled..len).ok_or(Refused)?;
        file.read_at(room, self.base + self.filled as u64).map_err(|_| Refused)?;
        self.filled = len;
        Ok(())
    }

    /// The frames, each with its place.
    #[inline(always)]
    pub(super) fn frames(&self, shape: Shape) -> impl Iterator<Item = (u32, Frame<'_>)> {
        (0..).zip(&self.records).filter_map(move |(place, at)| {
            let (at, bytes) = (*at as usize, &self.bytes);
            let header = header(bytes, at)?;
            let from = at + Shape::RECORD_HEADER;
            Some((place, shape.frame(header, bytes.get(from..from + shape.captured(header) as usize)?)))
        })
    }

    /// Tells what the segments say.
    #[inline(never)]
    pub(super) fn share_out(
        &self,
        shape: Shape,
        options: ParseOptions,
        hasher: &Hasher,
        shares: &mut Shares,
    ) -> Result<(), Refused> {
        shares.briefs.iter_mut().for_each(Vec::clear);
        shares.closing = 0;
        let mut clock = Clock::default();
        for (place, frame) in self.frames(shape) {
            clock.on_frame(frame.timestamp);
            match wire::plain(&frame, options) {
                Some(plain) => {
                    shares.add(Brief::of(&plain.segment, frame.timestamp, frame.frame_len, place, hasher));
                }
                None => {
                    // A copy, so that what the others say need not be in memory.
                    let frame = Frame { ..frame };
                    rare(&frame, options, hasher, place)?.into_iter().for_each(|brief| shares.add(brief));
                }
            }
        }
        shares.clock = clock;
        Ok(())
    }
}

impl Shares {
    /// Hands a segment to the thread that has its flow.
    #[inline(always)]
    fn add(&mut self, brief: Brief) {
        self.closing += u64::from(brief.closes());
        // By the upper digits: tables go by the lower ones.
        let owner = (u64::from(brief.hash) * self.briefs.len() as u64) >> u32::BITS;
        self.briefs[owner as usize].push(brief);
    }
}

/// What a frame that is not of the commonest kind says of a flow, where it says something.
#[inline(never)]
fn rare(
    frame: &Frame<'_>,
    options: ParseOptions,
    hasher: &Hasher,
    place: u32,
) -> Result<Option<Brief>, Refused> {
    if let Some(plain) = wire::nearly_plain(frame, options) {
        return Ok(Some(Brief::of(&plain.segment, frame.timestamp, frame.frame_len, place, hasher)));
    }
    let tuple = match wire::parse_unusual(frame, options).packet {
        Ok(Packet::Tcp(segment)) => segment.tuple,
        Ok(Packet::MalformedTcp(malformed)) => malformed.segment.tuple,
        Ok(Packet::IcmpError(error)) => error.quoted,
        // Whose segment it is shows only when it is put together.
        Ok(Packet::Fragment(_)) => return Err(Refused),
        Ok(Packet::Udp(_) | Packet::Other(_)) | Err(_) => return Ok(None),
    };
    Ok(Some(Brief::odd(FlowKey::of(&tuple).0, frame.timestamp, place, hasher)))
}

#[inline(always)]
fn header(bytes: &[u8], at: usize) -> Option<&[u8; Shape::RECORD_HEADER]> {
    bytes.get(at..)?.first_chunk()
}
