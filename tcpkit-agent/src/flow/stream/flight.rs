//! What one direction has under way: ranges from the oldest octet not acknowledged to the newest one sent.
//!
//! The ranges lie end to end. A range that was never captured is a *hole*; the others know when they were sent last,
//! how often, and whether the receiver holds them (RFC 2018). Bounded by [`MAX_RANGES`] and by the [`Budget`] of all
//! flights together: beyond them what comes is joined with its neighbour, and that is counted.

use std::collections::VecDeque;

use super::{
    counts::Cause,
    pool::{Pool, Reuse, Slot},
};
use crate::{time::Timestamp, wire::SeqNumber};

/// Ranges that one direction may have; 48 KiB.
const MAX_RANGES: usize = 2048;
/// Ranges that every flight has memory for, and keeps while nothing is under way.
const FREE: usize = 16;

/// Octets that were sent together, up to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    /// The octet behind the last one.
    pub(super) end: SeqNumber,
    /// TSval (RFC 7323) of the first copy that was sent again; of a hole, that of the segment behind it.
    tsval: u32,
    has_tsval: bool,
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
    /// Sent for the first time.
    #[inline]
    pub(super) fn first(end: SeqNumber, sent: Timestamp, packets: u32) -> Self {
        let segments = u16::try_from(packets).unwrap_or(u16::MAX);
        Self { end, tsval: 0, has_tsval: false, sent, segments, copies: 1, is_sacked: false, cause: None }
    }

    /// Not captured; what shows it was sent at `sent` and carried this TSval.
    pub(super) fn hole(end: SeqNumber, sent: Timestamp, tsval: Option<u32>) -> Self {
        let mut range = Self { copies: 0, ..Self::first(end, sent, 1) };
        range.set_tsval(tsval);
        range
    }

    /// See `tsval`.
    pub(super) const fn tsval(&self) -> Option<u32> {
        if self.has_tsval { Some(self.tsval) } else { None }
    }

    fn set_tsval(&mut self, tsval: Option<u32>) {
        (self.tsval, self.has_tsval) = (tsval.unwrap_or(0), tsval.is_some());
    }

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

/// What was under way, and was acknowledged as it should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) segments: u32,
    /// When the newest of it was sent.
    pub(super) newest: Timestamp,
    /// When the oldest of it was.
    pub(super) oldest: Timestamp,
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

    /// Adds what was sent behind everything else.
    #[inline]
    pub(super) fn push(&mut self, start: SeqNumber, range: Range, budget: &mut Budget) {
        if self.ranges.is_empty() {
            self.start = start;
        }
        if self.ranges.len() < self.ranges.capacity() || self.grow(budget) {
            self.ranges.push_back(range);
        } else {
            self.join(range);
        }
    }

    /// Gives back what it has, and its slot.
    #[inline]
    pub(super) fn release(flights: &mut Pool<Self>, slot: &mut Slot, budget: &mut Budget) {
        if let Some(flight) = flights.get_mut(*slot) {
            if flight.ranges.capacity() > FREE {
                budget.left += flight.ranges.capacity();
                flight.ranges = VecDeque::with_capacity(FREE);
            }
            flights.release(slot);
        }
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

    /// How many of the first ranges an acknowledgement covers, where it covers them whole and they were sent once and
    /// nothing else is known of them.
    #[inline]
    pub(super) fn calm_front(&self, ack: SeqNumber) -> Option<usize> {
        let mut start = self.start;
        for (index, range) in self.ranges.iter().enumerate() {
            if !start.before(ack) {
                return Some(index);
            }
            if range.end.after(ack) || range.copies != 1 || range.is_sacked || range.cause.is_some() {
                return None;
            }
            start = range.end;
        }
        Some(self.ranges.len())
    }

    /// Takes this many of the first ranges, of which [`calm_front`](Self::calm_front) told.
    #[inline]
    pub(super) fn take_calm(&mut self, count: usize) -> Option<Taken> {
        let mut taken: Option<Taken> = None;
        for _ in 0..count {
            let Some(Range { end, sent, segments, .. }) = self.ranges.pop_front() else { break };
            self.start = end;
            let before = taken.unwrap_or(Taken { segments: 0, newest: sent, oldest: sent });
            taken = Some(Taken {
                segments: before.segments.saturating_add(u32::from(segments)),
                newest: before.newest.max(sent),
                oldest: before.oldest.min(sent),
            });
        }
        taken
    }

    /// Marks what the receiver says it holds; tells each range that it did not hold before.
    pub(super) fn hold(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        budget: &mut Budget,
        mut told: impl FnMut(SeqNumber, &Range),
    ) {
        let Some((from, to)) = self.cut_out(left, right, budget) else { return };
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
        let mut behind = self.ranges.iter().rev().take_while(|range| range.end.after(seq));
        self.sacked > 0 && behind.any(|range| range.is_sacked)
    }

    /// Marks octets as sent (again) now: for `cause`, or for the first time where that is `None`.
    pub(super) fn resend(
        &mut self,
        left: SeqNumber,
        right: SeqNumber,
        sent: Timestamp,
        tsval: Option<u32>,
        cause: Option<Cause>,
        budget: &mut Budget,
    ) {
        let Some((from, to)) = self.cut_out(left, right, budget) else { return };
        for range in self.ranges.range_mut(from..to) {
            if range.copies < 2 {
                range.set_tsval(tsval);
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
    fn cut_out(&mut self, left: SeqNumber, right: SeqNumber, budget: &mut Budget) -> Option<(usize, usize)> {
        let last = self.ranges.back()?.end;
        let (left, right) = (later(self.start, left), earlier(last, right));
        if !left.before(right) {
            return None;
        }
        let from = self.cut(left, budget);
        Some((from, self.cut(right, budget).max(from + 1)))
    }

    /// Cuts a range in two at `seq`, and gives the index of what begins there. At the bound it is left whole.
    fn cut(&mut self, seq: SeqNumber, budget: &mut Budget) -> usize {
        let index = self.index_of(seq);
        let start = self.start_of(index);
        if start == seq || index >= self.ranges.len() {
            return index;
        }
        if self.ranges.len() == self.ranges.capacity() && !self.grow(budget) {
            return index;
        }
        let Some(range) = self.ranges.get_mut(index) else { return index };
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

    /// Makes room for as many again, where the bounds allow it.
    #[cold]
    fn grow(&mut self, budget: &mut Budget) -> bool {
        let has = self.ranges.capacity();
        if has < FREE {
            self.ranges.reserve_exact(has.max(FREE / 4));
            return true;
        }
        // What was free until now counts from here on.
        let taken = if has > FREE { has } else { 2 * has };
        if has >= MAX_RANGES || taken > budget.left {
            budget.joined += 1;
            return false;
        }
        self.ranges.reserve_exact(2 * has - self.ranges.len());
        budget.left -= taken;
        true
    }

    #[cold]
    fn join(&mut self, range: Range) {
        if let Some(last) = self.ranges.back_mut() {
            last.end = range.end;
            last.sent = range.sent;
            last.segments = last.segments.saturating_add(range.segments);
        }
    }
}

/// Ranges that all flights of a table may have beyond those that each one has anyway.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    /// Times that it, or the bound of one flight, made a range join its neighbour or stay whole.
    pub(super) joined: u64,
}

impl Budget {
    /// This many ranges.
    pub(super) const fn new(ranges: usize) -> Self {
        Self { left: ranges, joined: 0 }
    }
}

impl Reuse for Flight {
    fn reset(&mut self) {
        self.ranges.clear();
        self.sacked = 0;
    }
}

impl Inspected {
    fn add(&mut self, range: &Range, octets: u32) {
        if range.is_hole() {
            self.filled += octets;
            self.hole_since.get_or_insert(range.sent);
            self.hole_tsval = self.hole_tsval.or(range.tsval());
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
#[inline(always)]
pub(in crate::flow) const fn octets(from: SeqNumber, to: SeqNumber) -> u32 {
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
