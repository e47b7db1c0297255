//! What a segment does to its own stream: data that is new, sent again, late, or beyond a hole.
//!
//! Bytes decide what was seen before; time and acknowledgements decide only whether octets that come late were sent
//! again (something before the capture point lost them) or overtaken.

use super::{
    cause::Copy,
    counts::Cause,
    flight::{Flight, Inspected, Range, earlier, later, octets},
    pair::Work,
    step::StreamStepKind,
    verdict::Sent,
};
use crate::{
    time::{Span, Timestamp},
    wire::{SeqNumber, TcpFlags},
};

/// Octets from what is expected beyond which a segment belongs to nobody: larger than windows in use.
pub(in crate::flow) const FAR: u32 = 1 << 24;

/// What the octets of a segment were, before it came.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    /// Captured before, and acknowledged.
    acknowledged: u32,
    /// Never captured: in a hole, acknowledged or not, or before everything captured.
    late: u32,
    /// Those under way.
    inspected: Inspected,
    /// Where those begin.
    from: SeqNumber,
}

impl Parts {
    const fn again(&self) -> u32 {
        self.acknowledged + self.inspected.again
    }

    const fn filled(&self) -> u32 {
        self.late + self.inspected.filled
    }
}

impl Work<'_, '_, '_> {
    #[inline]
    pub(super) fn on_sent(&mut self) -> Sent {
        let segment = self.seen.segment;
        let start = segment.seq.advanced(u32::from(segment.flags.contains(TcpFlags::SYN)));
        let end = start.advanced(segment.payload_len);
        self.own.begin(start);
        self.own.facts.is_seen = true;
        let mut sent = if segment.payload_len == 0 {
            self.on_empty(start)
        } else if start == self.own.snd_nxt && !self.is_window_closed() {
            self.note_no_probe();
            self.note_window_full(end);
            self.extend(start, end);
            Sent { new: segment.payload_len, ..Sent::default() }
        } else {
            self.on_displaced(start, end)
        };
        if segment.flags.contains(TcpFlags::FIN) {
            self.on_fin(end);
        }
        sent.in_flight = self.own.in_flight();
        self.own.max_in_flight = self.own.max_in_flight.max(sent.in_flight);
        sent
    }

    #[inline]
    const fn note_no_probe(&mut self) {
        self.own.facts.kept_alive = false;
        self.own.facts.probed = false;
    }

    #[inline]
    fn on_empty(&mut self, start: SeqNumber) -> Sent {
        self.note_no_probe();
        if start.advanced(1) == self.own.snd_nxt && self.is_plain() {
            self.own.facts.kept_alive = true;
            self.own.counts.rare().keep_alives += 1;
            self.own.counts.rare().window_probes += u32::from(self.is_window_closed());
            return Sent { is_probe: true, ..Sent::default() };
        }
        if self.is_far(start) {
            self.own.counts.rare().invalid_sequence += 1;
        }
        Sent::default()
    }

    /// Data that does not simply follow what was sent before.
    #[cold]
    fn on_displaced(&mut self, start: SeqNumber, end: SeqNumber) -> Sent {
        self.note_no_probe();
        if let Some(sent) = self.on_probe(start, end) {
            return sent;
        }
        if self.is_far(start) && !self.resynchronises(start, end) {
            self.own.counts.rare().invalid_sequence += 1;
            return Sent::default();
        }
        self.note_window_full(end);
        if self.own.facts.has_fin && end.after(self.own.data_end()) {
            // Data behind a FIN: one of them is not what it says, and the data is what is captured now.
            self.own.snd_nxt = self.own.data_end();
            self.own.facts.has_fin = false;
        }
        let edge = self.own.data_end();
        if !start.before(edge) {
            self.open_hole(edge, start);
            self.extend(start, end);
            return Sent { new: octets(start, end), ..Sent::default() };
        }
        let sent = self.on_overlap(start, earlier(end, edge));
        if end.after(edge) {
            self.extend(edge, end);
        }
        Sent { new: octets(edge, end), ..sent }
    }

    /// One octet at the edge: a keep-alive, or a probe of a window that is closed.
    fn on_probe(&mut self, start: SeqNumber, end: SeqNumber) -> Option<Sent> {
        let is_one = octets(start, end) == 1 && self.is_plain();
        let probe = Sent { is_probe: true, ..Sent::default() };
        if !is_one {
            return None;
        }
        if start == self.own.snd_nxt && self.is_window_closed() {
            self.own.facts.probed = true;
            self.own.facts.edge_is_probe = true;
            self.own.counts.rare().window_probes += 1;
            self.extend(start, end);
            self.own.facts.edge_is_probe = true;
            return Some(probe);
        }
        if end != self.own.snd_nxt {
            return None;
        }
        if self.own.facts.edge_is_probe && self.is_window_closed() {
            self.own.facts.probed = true;
            self.own.counts.rare().window_probes += 1;
            return Some(probe);
        }
        let is_data = !self.own.has_acked(end) && !self.is_window_closed();
        self.own.facts.kept_alive = true;
        self.own.counts.rare().keep_alives += 1;
        self.own.counts.rare().window_probes += u32::from(self.is_window_closed());
        // An octet that is still to be acknowledged is data sent again, in the form of a keep-alive.
        if is_data { None } else { Some(probe) }
    }

    /// Octets before the edge: sent again, or late.
    fn on_overlap(&mut self, start: SeqNumber, end: SeqNumber) -> Sent {
        let parts = self.parts(start, end);
        let copy = Copy { end, from: parts.from, inspected: parts.inspected };
        let is_resent = parts.again() > 0 || (parts.filled() > 0 && self.is_sent_again(&copy));
        self.own.counts.unique_bytes += u64::from(parts.filled());
        let tsval = self.seen.segment.options.timestamps().map(|(tsval, _)| tsval);
        if !is_resent {
            self.own.counts.rare().out_of_order += 1;
            self.note_resent(&parts, end, tsval, None);
            self.tell(self.seen.side, StreamStepKind::OutOfOrder);
            return Sent { new: parts.filled(), ..Sent::default() };
        }
        let cause = self.cause(&copy);
        let before = parts.inspected.sent_before.or(Some(self.own.nxt_at)).filter(|_| parts.again() > 0);
        let sent_before = before.or(parts.inspected.hole_since);
        self.note_resent(&parts, end, tsval, Some(cause));
        self.count_retransmission(&copy, octets(start, end), cause, sent_before);
        self.own.sent_at = self.seen.at;
        Sent { again: octets(start, end), cause: Some(cause), sent_before, ..Sent::default() }
    }

    fn note_resent(&mut self, parts: &Parts, end: SeqNumber, tsval: Option<u32>, cause: Option<Cause>) {
        if let Some(flight) = self.flights.get_mut(self.own.flight) {
            flight.resend(parts.from, end, self.seen.at, tsval, cause, self.budget);
        }
    }

    fn count_retransmission(&mut self, copy: &Copy, bytes: u32, cause: Cause, before: Option<Timestamp>) {
        let len = self.seen.segment.payload_len.max(1);
        let share = (u64::from(self.seen.packets) * u64::from(bytes)).div_ceil(u64::from(len));
        let segments = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        let counts = self.own.counts.rare();
        let count = &mut counts.retransmissions[cause.index()];
        *count = count.saturating_add(segments);
        counts.retransmitted_frames += u32::from(!self.own.facts.kept_alive);
        counts.retransmitted_bytes += u64::from(bytes);
        let since = before.unwrap_or(self.seen.at);
        self.tell(self.seen.side, StreamStepKind::Retransmitted { cause, segments, bytes, since });
        self.on_retransmitted(copy, cause, segments, bytes);
    }

    fn parts(&mut self, start: SeqNumber, end: SeqNumber) -> Parts {
        let una = if self.own.facts.has_una { self.own.snd_una } else { start };
        let acked_end = later(start, earlier(end, una));
        let acked = octets(start, acked_end);
        let trouble = self.troubles.get_mut(self.own.trouble);
        let in_gaps = trouble.map_or(0, |trouble| trouble.fill_gaps(start, acked_end));
        let first = self.seen.flow.first_number(self.seen.side).unwrap_or(start);
        let before_all = octets(start, earlier(first, acked_end));
        let acknowledged = acked.saturating_sub(in_gaps).saturating_sub(before_all);
        let flight = self.flights.get(self.own.flight);
        let mut inspected = flight.map(|flight| flight.inspect(acked_end, end)).unwrap_or_default();
        let unknown = octets(acked_end, end).saturating_sub(inspected.again + inspected.filled);
        let mut late = acked - acknowledged;
        if acked_end.before(first) {
            late += unknown;
        } else {
            inspected.again += unknown;
        }
        Parts { acknowledged, late, inspected, from: acked_end }
    }

    /// Everything between what was sent and what is sent now was not captured, or comes later.
    fn open_hole(&mut self, edge: SeqNumber, start: SeqNumber) {
        let from = if self.own.facts.has_una { later(edge, self.own.snd_una) } else { edge };
        if from.before(start) {
            let tsval = self.seen.segment.options.timestamps().map(|(tsval, _)| tsval);
            self.push(from, Range::hole(start, self.seen.at, tsval));
        }
    }

    /// Takes octets behind everything else.
    #[inline]
    fn extend(&mut self, start: SeqNumber, end: SeqNumber) {
        self.own.snd_nxt = end;
        self.own.nxt_at = self.seen.at;
        self.own.sent_at = self.seen.at;
        self.own.facts.has_fin = false;
        self.own.facts.edge_is_probe = false;
        self.own.counts.unique_bytes += u64::from(octets(start, end));
        let from = if self.own.facts.has_una { later(start, self.own.snd_una) } else { start };
        if from != start {
            self.on_late(start, earlier(from, end));
        }
        if from.before(end) {
            self.push(from, Range::first(end, self.seen.at, self.seen.packets));
        }
    }

    /// Octets come that were acknowledged before they were captured: they were no loss of ours.
    #[cold]
    fn on_late(&mut self, start: SeqNumber, end: SeqNumber) {
        if let Some(trouble) = self.troubles.get_mut(self.own.trouble) {
            trouble.fill_gaps(start, end);
        }
    }

    #[inline]
    fn push(&mut self, start: SeqNumber, range: Range) {
        if let Some(flight) = self.flights.demand(&mut self.own.flight) {
            flight.push(start, range, self.budget);
        }
    }

    #[cold]
    fn on_fin(&mut self, end: SeqNumber) {
        let edge = self.own.data_end();
        if self.own.facts.has_fin || end.before(edge) {
            // With data it is a segment of data, and counted as such.
            if end == edge && self.seen.segment.payload_len == 0 {
                self.own.counts.rare().fin_retransmissions += 1;
            }
            return;
        }
        if self.is_far(end) {
            return;
        }
        self.open_hole(edge, end);
        self.own.snd_nxt = end.advanced(1);
        self.own.facts.has_fin = true;
        self.own.nxt_at = self.seen.at;
    }

    /// Whether a number is so far from what is expected that it cannot be of this stream.
    #[inline]
    fn is_far(&self, seq: SeqNumber) -> bool {
        self.own.snd_nxt.distance(seq).unsigned_abs() > FAR
    }

    /// Whether a segment from afar shows that the stream itself is there, and not where it was thought.
    ///
    /// The other side acknowledges octets only that it got: what it acknowledged last stands near.
    fn resynchronises(&mut self, start: SeqNumber, end: SeqNumber) -> bool {
        let is_known = self.own.facts.has_una && self.own.snd_una.distance(start).unsigned_abs() <= FAR;
        if is_known {
            Flight::release(self.flights, &mut self.own.flight, self.budget);
            self.own.snd_nxt = later(start, earlier(end, self.own.snd_una));
            self.own.facts.has_fin = false;
        }
        is_known
    }

    /// Whether the segment neither opens nor ends anything.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        !self.seen.segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::FIN).with(TcpFlags::RST))
    }

    /// A RST counts where the receiver would take it (RFC 5961 §3.2): in its window.
    #[cold]
    pub(super) fn check_reset(&mut self) {
        if !self.own.is_reset_taken(self.peer, self.seen.segment.seq, self.peer_window()) {
            self.own.counts.rare().invalid_sequence += 1;
        }
    }

    /// How long octets that come late may be overtaken ones, where nothing else tells: tshark's three milliseconds.
    pub(super) const OVERTAKEN: Span = Span::from_millis(3);
}
