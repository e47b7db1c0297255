//! One direction of a connection as a stream: the first captured copy of each octet, in order.
//!
//! A segment at the number that is expected becomes a piece that borrows its octets. One beyond it is kept until the
//! hole before it is filled, or the peer acknowledges it: then it was lost by the capture, and is a piece without
//! bytes. While nobody knows which of the two it will be, what the peer says waits too: an answer is not heard before
//! its question, nor a question before the answer that was lost. What was heard once is never heard again. What is kept
//! is bounded, by direction and by shard; where a bound bites, the hole is taken for lost, and that is counted.

use std::collections::VecDeque;

use super::{counts::RequestCounts, sizes::SegmentSizes};
use crate::{
    protocol::Piece,
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// Octets from what is expected beyond which a segment belongs to nobody: larger than windows in use.
const FAR: u32 = 1 << 24;
/// An acknowledgement may run ahead of what the capture lost this far.
const FAR_ACK: i32 = 1 << 30;
/// How long octets that are acknowledged already may still come: the two directions of a link have queues of their own.
const GRACE: Span = Span::from_millis(3);
/// Segments and octets that one direction may keep.
const MAX_LATE: usize = 1_024;
const MAX_LATE_BYTES: usize = 1 << 20;

/// What bounds and counts the directions of a shard together.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// Octets that came out of order.
    pub(super) held: usize,
    pub(super) max_held: usize,
    /// Requests that wait for an answer, and answers that wait to be delivered.
    pub(super) waiting: usize,
    pub(super) max_waiting: usize,
    pub(super) counts: RequestCounts,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    next: SeqNumber,
    has_begun: bool,
    is_crowded: bool,
    /// Octets that were heard, or given up.
    heard: u64,
    /// How far the peer has acknowledged.
    acked: u64,
    /// Where its FIN stands.
    fin: Option<u64>,
    is_ended: bool,
    /// Since when the peer has acknowledged more than was heard.
    gap_since: Option<Timestamp>,
    late: VecDeque<Late>,
    late_bytes: usize,
    sizes: SegmentSizes,
}

/// Octets that came out of order, or never.
#[derive(Debug)]
pub(super) struct Late {
    offset: u64,
    at: Timestamp,
    len: u32,
    segment_size: u32,
    bytes: Box<[u8]>,
}

/// The payload of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub(super) at: Timestamp,
    /// Octets on the wire.
    pub(super) len: u32,
    /// Octets of each packet on the wire that it stands for.
    pub(super) segment_size: u32,
    /// As many of the octets as were captured.
    pub(super) bytes: &'a [u8],
}

impl Direction {
    /// The direction begins with the octet of this number, if it has not begun.
    pub(super) const fn begin(&mut self, first: SeqNumber) {
        if !self.has_begun {
            self.has_begun = true;
            self.next = first;
        }
    }

    /// How far the peer has acknowledged.
    #[inline]
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }

    /// Where segments began.
    pub(super) const fn sizes(&self) -> &SegmentSizes {
        &self.sizes
    }

    /// Behind the last octet that was captured.
    pub(super) fn edge(&self) -> u64 {
        self.late.back().map_or(self.heard, Late::end)
    }

    /// How many octets of the direction come before this number; 0 for what is before its beginning.
    pub(super) fn offset_of(&self, seq: SeqNumber) -> u64 {
        self.heard.saturating_add_signed(i64::from(self.next.distance(seq)))
    }

    /// Whether nothing waits, and its end is not in sight.
    #[inline]
    pub(super) fn is_calm(&self) -> bool {
        !self.is_waiting() && self.fin.is_none()
    }

    /// Whether something waits for octets before it, or for time to show that they do not come.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.gap_since.is_some() || !self.late.is_empty()
    }

    /// Since when the peer has acknowledged octets that were not captured so far.
    pub(super) fn gap_since(&self) -> Option<Timestamp> {
        self.gap_since.filter(|_| self.late.front().is_none_or(|first| first.offset != self.heard))
    }

    /// Takes the payload of a segment; a piece where it is what was expected. `waits` where it may answer what was not
    /// heard yet.
    #[inline]
    pub(super) fn on_payload<'a>(
        &mut self,
        start: SeqNumber,
        payload: Payload<'a>,
        waits: bool,
        budget: &mut Budget,
    ) -> Option<Piece<'a>> {
        self.begin(start);
        if start == self.next && self.late.is_empty() && !waits {
            return Some(self.take(payload));
        }
        self.on_displaced(start, payload, waits, budget)
    }

    /// Whether the next octets begin there.
    #[inline]
    pub(super) fn expects(&self, start: SeqNumber) -> bool {
        self.has_begun && start == self.next
    }

    /// Takes the payload of a segment that is [expected](Self::expects) while nothing waits.
    #[inline]
    pub(super) fn on_expected<'a>(&mut self, payload: Payload<'a>) -> Piece<'a> {
        self.take(payload)
    }

    /// The peer acknowledges everything before this number.
    #[inline]
    pub(super) fn on_acknowledgement(&mut self, ack: SeqNumber, at: Timestamp) {
        let distance = self.next.distance(ack);
        if !self.has_begun || distance > FAR_ACK {
            return;
        }
        let acked = self.heard.saturating_add_signed(i64::from(distance));
        let acked = self.fin.map_or(acked, |fin| acked.min(fin));
        if acked > self.acked {
            self.acked = acked;
            if acked > self.heard && self.gap_since.is_none() {
                self.gap_since = Some(at);
            }
        }
    }

    /// A FIN stands at this number.
    pub(super) fn on_fin(&mut self, seq: SeqNumber) {
        self.begin(seq);
        if self.fin.is_none() && self.next.distance(seq).unsigned_abs() <= FAR {
            let fin = self.offset_of(seq).max(self.heard);
            self.fin = Some(fin);
            self.acked = self.acked.min(fin);
            if self.acked <= self.heard {
                self.gap_since = None;
            }
        }
    }

    /// Whether everything up to the FIN was heard; tells it once.
    pub(super) fn ends(&mut self) -> bool {
        let ends = !self.is_ended && self.fin.is_some_and(|fin| self.heard >= fin);
        self.is_ended |= ends;
        ends
    }

    /// Whether it has ended.
    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// When the next octets of what was kept were captured, if they may be heard now. `peer_gap` is since when the peer's
    /// octets before it are waited for; `is_over` when nothing comes any more.
    pub(super) fn ready(
        &self,
        at: Timestamp,
        peer_gap: Option<Timestamp>,
        is_over: bool,
    ) -> Option<Timestamp> {
        if let Some(first) = self.late.front().filter(|first| first.offset == self.heard) {
            let waits = peer_gap.is_some_and(|since| first.at >= since) && !is_over && !self.is_crowded;
            return (!waits).then_some(first.at);
        }
        let since = self.gap_since.or(self.late.front().map(|first| first.at)).unwrap_or(at);
        (self.gap_end(at, is_over) > self.heard).then_some(since)
    }

    /// Takes what is [`ready`](Self::ready).
    pub(super) fn release(&mut self, at: Timestamp, is_over: bool, budget: &mut Budget) -> Option<Late> {
        if self.late.front().is_none_or(|first| first.offset != self.heard) {
            let until = self.gap_end(at, is_over);
            return (until > self.heard).then(|| self.skip(until, at, budget));
        }
        let late = self.late.pop_front()?;
        self.free(&late, budget);
        self.advance(late.len, late.segment_size);
        Some(late)
    }

    /// Up to where octets are known now to be lost by the capture.
    fn gap_end(&self, at: Timestamp, is_over: bool) -> u64 {
        let is_known = is_over || self.gap_since.is_some_and(|since| at >= since + GRACE);
        let acked = if is_known { self.acked } else { 0 };
        match self.late.front() {
            Some(first) if is_over || self.is_crowded => first.offset,
            Some(first) => first.offset.min(acked),
            None => acked,
        }
    }

    /// Gives up what was kept.
    pub(super) fn clear(&mut self, budget: &mut Budget) {
        while let Some(late) = self.late.pop_front() {
            self.free(&late, budget);
        }
    }

    /// Octets up to there were never captured.
    fn skip(&mut self, until: u64, at: Timestamp, budget: &mut Budget) -> Late {
        let len = u32::try_from(until - self.heard).unwrap_or(u32::MAX);
        let at = self.gap_since.unwrap_or(at);
        let gap = Late { offset: self.heard, at, len, segment_size: len, bytes: Box::default() };
        budget.counts.capture_gaps += 1;
        budget.counts.capture_gap_bytes += u64::from(len);
        if self.is_crowded && self.acked < until {
            budget.counts.holes_given_up += 1;
        }
        self.is_crowded = false;
        self.advance(len, len);
        gap
    }

    #[inline]
    fn take<'a>(&mut self, payload: Payload<'a>) -> Piece<'a> {
        let Payload { at, len, segment_size, bytes } = payload;
        let piece = Piece { offset: self.heard, at, len, bytes };
        self.advance(len, segment_size);
        piece
    }

    #[inline]
    fn advance(&mut self, len: u32, segment_size: u32) {
        if len <= segment_size {
            self.sizes.on_segments(self.heard, len.max(1), u32::from(len > 0));
        } else {
            let size = segment_size.max(1);
            self.sizes.on_segments(self.heard, size, len.div_ceil(size));
        }
        self.next = self.next.advanced(len);
        self.heard += u64::from(len);
        if self.heard >= self.acked {
            self.gap_since = None;
        }
    }

    /// Octets that were heard before, or that come before their time.
    #[cold]
    fn on_displaced<'a>(
        &mut self,
        start: SeqNumber,
        payload: Payload<'a>,
        waits: bool,
        budget: &mut Budget,
    ) -> Option<Piece<'a>> {
        let distance = self.next.distance(start);
        if distance.unsigned_abs() > FAR {
            budget.counts.strange_segments += 1;
            return None;
        }
        let ahead = u32::try_from(distance).unwrap_or(0);
        let behind = u32::try_from(-i64::from(distance)).unwrap_or(0);
        if behind >= payload.len {
            return None;
        }
        let offset = self.heard + u64::from(ahead);
        let payload = payload.from(behind);
        if ahead > 0 || waits {
            self.hold(offset, payload, budget);
            return None;
        }
        match self.late.front().map(|late| late.offset - offset) {
            Some(room) if room < u64::from(payload.len) => {
                // What is kept from there on was captured first.
                let room = u32::try_from(room).unwrap_or(u32::MAX);
                self.hold(offset + u64::from(room), payload.from(room), budget);
                Some(self.take(payload.to(room)))
            }
            _ => Some(self.take(payload)),
        }
    }

    /// Keeps those of the octets that are not kept already.
    fn hold(&mut self, mut offset: u64, mut payload: Payload<'_>, budget: &mut Budget) {
        let mut place = self.late.partition_point(|late| late.end() <= offset);
        while let Some(next) = self.late.get(place) {
            let end = offset + u64::from(payload.len);
            if next.offset >= end {
                break;
            }
            let (next_offset, next_end) = (next.offset, next.end());
            if next_offset > offset {
                let room = u32::try_from(next_offset - offset).unwrap_or(u32::MAX);
                self.insert(place, offset, payload.to(room), budget);
                place += 1;
            }
            if next_end >= end {
                return;
            }
            payload = payload.from(u32::try_from(next_end - offset).unwrap_or(u32::MAX));
            offset = next_end;
            place += 1;
        }
        self.insert(place, offset, payload, budget);
    }

    fn insert(&mut self, place: usize, offset: u64, payload: Payload<'_>, budget: &mut Budget) {
        let Payload { at, len, segment_size, bytes } = payload;
        self.late.insert(place, Late { offset, at, len, segment_size, bytes: bytes.into() });
        self.late_bytes += bytes.len();
        budget.held += bytes.len();
        budget.counts.out_of_order_segments += 1;
        self.is_crowded =
            self.late.len() > MAX_LATE || self.late_bytes > MAX_LATE_BYTES || budget.held > budget.max_held;
    }

    fn free(&mut self, late: &Late, budget: &mut Budget) {
        self.late_bytes -= late.bytes.len();
        budget.held -= late.bytes.len();
    }
}

impl Late {
    const fn end(&self) -> u64 {
        self.offset + self.len as u64
    }

    /// As a dialogue hears it.
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece { offset: self.offset, at: self.at, len: self.len, bytes: &self.bytes }
    }
}

impl Payload<'_> {
    /// Without so many of its first octets.
    fn from(self, octets: u32) -> Self {
        let bytes = self.bytes.get(octets as usize..).unwrap_or_default();
        Self { len: self.len - octets.min(self.len), bytes, ..self }
    }

    /// So many of its first octets.
    fn to(self, octets: u32) -> Self {
        let bytes = self.bytes.get(..octets as usize).unwrap_or(self.bytes);
        Self { len: octets.min(self.len), bytes, ..self }
    }
}
