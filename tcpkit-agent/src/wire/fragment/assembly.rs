//! One datagram whose fragments are arriving.
//!
//! Two things are kept apart: which octets the headers have covered, and which of them were captured.

use super::super::packet::{FragmentInfo, Outer};
use super::{FragmentFrame, FrameTally, Reassembled, tally};
use crate::time::Timestamp;

/// The largest payload of an IP datagram (RFC 791 §3.1: a total length of 16 bits).
pub(super) const MAX_LEN: u32 = 0xffff;

/// What a fragment is charged beside its octets: about what its bookkeeping takes.
const FRAGMENT_COST: usize = 64;

/// Half-open, in octets of the datagram's payload.
type Range = (u32, u32);

/// What the fragments seen so far make of a datagram.
#[derive(Debug)]
pub(super) struct Assembly {
    serial: u64,
    begun: Timestamp,
    /// Covered by headers; sorted, disjoint, not touching.
    covered: Vec<Range>,
    /// Captured octets, disjoint, with where each run begins.
    runs: Vec<(u32, Box<[u8]>)>,
    /// Known with the last fragment.
    len: Option<u32>,
    /// Known with the first fragment; until then that of any other.
    protocol: u8,
    frames: FrameTally,
    frame_len: u64,
    outer: Outer,
    cost: usize,
}

/// How much of a fragment was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// All of it.
    New,
    /// Some of it.
    Overlap,
    /// Nothing.
    Duplicate,
}

impl Assembly {
    /// Nothing yet, since `begun`.
    pub(super) fn new(serial: u64, begun: Timestamp) -> Self {
        Self {
            serial,
            begun,
            covered: Vec::new(),
            runs: Vec::new(),
            len: None,
            protocol: 0,
            frames: Vec::new(),
            frame_len: 0,
            outer: Outer::default(),
            cost: 0,
        }
    }

    /// Tells datagrams with the same key apart.
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    /// When the first fragment came.
    pub(super) const fn begun(&self) -> Timestamp {
        self.begun
    }

    /// Octets that it is charged with.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    /// Frames that brought it.
    pub(super) const fn frames(&self) -> &FrameTally {
        &self.frames
    }

    /// Takes a fragment that ends within [`MAX_LEN`].
    pub(super) fn add(&mut self, fragment: &FragmentInfo<'_>, frame: &FragmentFrame) -> Added {
        tally(&mut self.frames, frame.tag, 1);
        self.frame_len += u64::from(frame.frame_len);
        self.outer = Outer { truncated: self.outer.truncated || frame.outer.truncated, ..frame.outer };
        self.cost += FRAGMENT_COST;
        if fragment.offset == 0 || self.covered.is_empty() {
            self.protocol = fragment.protocol;
        }
        let end = fragment.offset + fragment.len;
        if !fragment.more && self.len.is_none() {
            self.len = Some(end);
        }
        let gaps = self.gaps((fragment.offset, end));
        for &gap in &gaps {
            self.keep(gap, fragment);
        }
        let new: u32 = gaps.iter().map(|(from, to)| to - from).sum();
        self.cover((fragment.offset, end));
        match new {
            _ if new == fragment.len => Added::New,
            0 => Added::Duplicate,
            _ => Added::Overlap,
        }
    }

    /// Whether headers cover it from the first octet to the last.
    pub(super) fn is_whole(&self) -> bool {
        let covered = self.covered.first().map_or(0, |&(from, to)| if from == 0 { to } else { 0 });
        self.len.is_some_and(|len| covered >= len)
    }

    /// The whole datagram; `last` is the fragment that made it whole.
    pub(super) fn into_reassembled(mut self, last: &FragmentInfo<'_>) -> Reassembled {
        let len = self.len.unwrap_or_default();
        self.runs.sort_unstable_by_key(|(from, _)| *from);
        let mut bytes = Vec::new();
        for (from, run) in &self.runs {
            if *from as usize != bytes.len() {
                break;
            }
            bytes.extend_from_slice(run);
        }
        bytes.truncate(len as usize);
        Reassembled {
            source: last.source,
            destination: last.destination,
            version: last.version,
            protocol: self.protocol,
            len,
            bytes,
            frames: self.frames,
            frame_len: self.frame_len,
            header_len: last.header_len,
            outer: self.outer,
        }
    }

    /// The parts of `range` that nothing has covered.
    fn gaps(&self, range: Range) -> Vec<Range> {
        let (mut at, end) = range;
        let mut gaps = Vec::new();
        for &(from, to) in &self.covered {
            if from >= end {
                break;
            }
            if from > at {
                gaps.push((at, from));
            }
            at = at.max(to);
        }
        if at < end {
            gaps.push((at, end));
        }
        gaps
    }

    /// Keeps what was captured of the fragment's octets in `gap`.
    fn keep(&mut self, gap: Range, fragment: &FragmentInfo<'_>) {
        let from = (gap.0 - fragment.offset) as usize;
        let to = ((gap.1 - fragment.offset) as usize).min(fragment.payload.len());
        if let Some(run) = fragment.payload.get(from..to).filter(|run| !run.is_empty()) {
            self.cost += run.len();
            self.runs.push((gap.0, run.into()));
        }
    }

    /// Adds `range`, joining what it touches.
    fn cover(&mut self, range: Range) {
        let (mut from, mut to) = range;
        if from == to {
            return;
        }
        let first = self.covered.partition_point(|&(_, end)| end < from);
        let behind = self.covered.partition_point(|&(start, _)| start <= to);
        for &(start, end) in self.covered.get(first..behind).unwrap_or_default() {
            from = from.min(start);
            to = to.max(end);
        }
        self.covered.splice(first..behind, [(from, to)]);
    }
}
