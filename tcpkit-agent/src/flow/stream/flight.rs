//! What one direction has under way: ranges from the oldest octet not acknowledged to the newest one sent.
//!
//! The ranges lie end to end. A range that was never captured is a *hole*; the others know when they were sent last,
//! how often, and whether the receiver holds them (RFC 2018). Bounded: beyond [`MAX_RANGES`] neighbours are joined.

use std::collections::VecDeque;

use super::{counts::Cause, pool::Reuse};
use crate::{time::Timestamp, wire::SeqNumber};

/// Ranges that one direction may have; 48 KiB.
pub(super) const MAX_RANGES: usize = 2048;
/// Ranges whose memory a flight keeps while nothing is under way.
const KEPT: usize = 16;

/// Octets that were sent together, up to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The octet behind the last one.
    pub(super) end: SeqNumber,
    /// TSval (RFC 7323) of the first copy that was sent again; of a hole, that of the segment behind it.
    pub(super) tsval: Option<u32>,
    /// When it was sent last; of a hole, when the segment behind it came.
    pub(super) sent: Timestamp,
    /// Segments on the wire.
    pub(super) segments: u16,
    /// How often it was sent; 0 is a hole.
    pub(super) copies: u8,
    /// The receiver holds it.
    pub(super) is_sacked: bool,
    /// Why it was sent last, where that was not the first time.
    pub(super) cause: Option<Cause>,
}

impl Range {
    /// Never captured.
    #[inline]
    pub(super) const fn is_hole(&self) -> bool {
        self.copies == 0
    }
}

/// The ranges under way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    start: SeqNumber,
    ranges: VecDeque<Range>,
    /// Octets that the receiver holds beyond what it has acknowledged.
    sacked: u32,
}

/// What is known of some octets that are seen again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inspected {
    /// Octets that were captured before.
    pub(super) again: u32,
    /// Octets that were not.
    pub(super) filled: u32,
    /// Octets that the receiver holds.
    pub(super) sacked: u32,
    /// The last time that any of the former were sent.
    pub(super) sent_before: Option<Timestamp>,
    /// When the first hole among them showed.
    pub(super) hole_since: Option<Timestamp>,
    /// TSval of the segment that showed it.
    pub(super) hole_tsval: Option<u32>,
    /// Any of the octets had been sent again before.
    pub(super) was_resent: bool,
}

impl Flight {
    /// Whether nothing is under way.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Octets that the receiver holds beyond what it has acknowledged.
    pub(super) const fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Adds what was sent behind everything else. True where the bound made it join its neighbour.
    #[inline]
    pub(super) fn push(&mut self, start: SeqNumber, range: Range) -> bool {
        if self.ranges.is_empty() {
            self.start = start;
        }
        if self.ranges.len() >= MAX_RANGES {
            return self.join(range);
        }
        self.ranges.push_back(range);
        false
    }

    /// Takes what is acknowledged up to `ack` from the front, piece by piece, and tells each with its start.
    #[inline]
    pub(super) fn acknowledge(&mut self, ack: SeqNumber, mut told: impl FnMut(SeqNumber, Range)) {
        while let Some(first) = self.ranges.front_mut() {
            let start = self.start;
            if !start.before(ack) {
                return;
            }
            let whole = *first;
            if whole.end.after(ack) {
                let acked = part(&whole, start, ack);
                first.segments = whole.segments.saturating_sub(acked.segments);
                self.start = ack;
                self.forget_sacked(&acked, start);
                told(start, acked);
                return;
            }
            self.ranges.pop_front();
            self.start = whole.end;
            self.forget_sacked(&whole, start);
            told(start, whole);
        }
    }

    /// Marks what the receiver says it holds; tells each range that it did not hold before.
    pub(super) fn hold(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        mut told: impl FnMut(SeqNumber, &Range),
    ) {
        let Some((from, to)) = self.cut_out(left, right) else { return };
        let mut start = self.start_of(from);
        for index in from..to {
            let range = &mut self.ranges[index];
            if !range.is_sacked {
                told(start, range);
                range.is_sacked = true;
                self.sacked = self.sacked.saturating_add(octets(start, range.end));
            }
            start = self.ranges[index].end;
        }
    }

    /// What is known of these octets, as far as they are under way.
    pub(super) fn inspect(&self, left: SeqNumber, right: SeqNumber) -> Inspected {
        let mut found = Inspected::default();
        let mut index = self.index_of(left);
        while let Some(range) = self.ranges.get(index) {
            let (from, to) = (later(self.start_of(index), left), earlier(range.end, right));
            if !from.before(to) {
                break;
            }
            found.add(range, octets(from, to));
            index += 1;
        }
        found
    }

    /// Octets behind `seq` that the receiver holds: evidence that what lies before was lost.
    pub(super) fn holds_behind(&self, seq: SeqNumber) -> bool {
        self.sacked > 0 && self.ranges.iter().rev().any(|range| range.is_sacked && range.end.after(seq))
    }

    /// Marks octets as sent (again) now: for `cause`, or for the first time where that is `None`.
    pub(super) fn resend(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        sent: Timestamp,
        tsval: Option<u32>,
        cause: Option<Cause>,
    ) {
        let Some((from, to)) = self.cut_out(left, right) else { return };
        for range in self.ranges.range_mut(from..to) {
            if range.copies < 2 {
                range.tsval = tsval;
            }
            // A hole that was sent again was sent before, where nobody looked.
            let least = if cause.is_some() { 2 } else { 1 };
            range.copies = range.copies.saturating_add(1).max(least);
            range.sent = sent;
            range.cause = cause;
        }
    }

    /// The ranges in these octets that were sent again; `revise` says what their cause is now.
    pub(super) fn revise(&mut self, left: SeqNumber, right: SeqNumber, mut revise: impl FnMut(&mut Range)) {
        let (from, to) = (self.index_of(left), self.index_of(right));
        let to = (to + 1).min(self.ranges.len());
        let mut start = self.start_of(from);
        for range in self.ranges.range_mut(from.min(to)..to) {
            let is_inside = !start.before(left) && !range.end.after(right);
            start = range.end;
            if is_inside && range.cause.is_some() {
                revise(range);
            }
        }
    }

    /// The indices of the ranges that make up these octets, cut where they begin and end; `None` where none are.
    fn cut_out(&mut self, left: SeqNumber, right: SeqNumber) -> Option<(usize, usize)> {
        let last = self.ranges.back()?.end;
        let (left, right) = (later(self.start, left), earlier(last, right));
        if !left.before(right) {
            return None;
        }
        let from = self.cut(left);
        Some((from, self.cut(right).max(from + 1)))
    }

    /// Cuts a range in two at `seq`, and gives the index of what begins there. At the bound it is left whole.
    fn cut(&mut self, seq: SeqNumber) -> usize {
        let index = self.index_of(seq);
        let start = self.start_of(index);
        let is_full = self.ranges.len() >= MAX_RANGES;
        let Some(range) = self.ranges.get_mut(index) else { return index };
        if start == seq || is_full {
            return index;
        }
        let first = part(range, start, seq);
        range.segments = range.segments.saturating_sub(first.segments);
        self.ranges.insert(index, first);
        index + 1
    }

    /// The first range that ends behind `seq`.
    fn index_of(&self, seq: SeqNumber) -> usize {
        self.ranges.partition_point(|range| !range.end.after(seq))
    }

    fn start_of(&self, index: usize) -> SeqNumber {
        index.checked_sub(1).and_then(|before| self.ranges.get(before)).map_or(self.start, |range| range.end)
    }

    const fn forget_sacked(&mut self, range: &Range, start: SeqNumber) {
        if range.is_sacked {
            self.sacked = self.sacked.saturating_sub(octets(start, range.end));
        }
    }

    #[cold]
    fn join(&mut self, range: Range) -> bool {
        if let Some(last) = self.ranges.back_mut() {
            last.end = range.end;
            last.sent = range.sent;
            last.segments = last.segments.saturating_add(range.segments);
        }
        true
    }
}

impl Reuse for Flight {
    fn reset(&mut self) {
        self.ranges.clear();
        if self.ranges.capacity() > KEPT {
            self.ranges.shrink_to(KEPT);
        }
        self.sacked = 0;
    }
}

impl Inspected {
    fn add(&mut self, range: &Range, octets: u32) {
        if range.is_hole() {
            self.filled += octets;
            self.hole_since.get_or_insert(range.sent);
            self.hole_tsval = self.hole_tsval.or(range.tsval);
        } else {
            self.again += octets;
            self.sent_before = self.sent_before.max(Some(range.sent));
            self.was_resent |= range.copies > 1;
        }
        if range.is_sacked {
            self.sacked += octets;
        }
    }
}

/// The front of a range, up to `end`, with its share of the segments; front and rest have as many as the whole.
fn part(range: &Range, start: SeqNumber, end: SeqNumber) -> Range {
    let (whole, front) = (u64::from(octets(start, range.end)).max(1), u64::from(octets(start, end)));
    let share = (u64::from(range.segments) * front + whole / 2) / whole;
    Range { end, segments: u16::try_from(share).unwrap_or(u16::MAX), ..*range }
}

/// Octets from one number up to another behind it.
pub(super) const fn octets(from: SeqNumber, to: SeqNumber) -> u32 {
    let distance = from.distance(to);
    if distance > 0 { distance.unsigned_abs() } else { 0 }
}

/// The one further on.
pub(super) const fn later(one: SeqNumber, other: SeqNumber) -> SeqNumber {
    if one.before(other) { other } else { one }
}

/// The one further back.
pub(super) const fn earlier(one: SeqNumber, other: SeqNumber) -> SeqNumber {
    if one.before(other) { one } else { other }
}
