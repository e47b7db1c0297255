//! What a segment acknowledges of the other side's stream: octets, round trips, losses mended, copies in vain.

use super::{
    counts::Cause,
    flight::{Flight, Range, later, octets},
    pair::Work,
    sent::FAR,
    sequence::Stream,
    step::StreamStepKind,
    trouble::{Gap, MEMORY, Past},
    verdict::Acked,
};
use crate::{
    time::Timestamp,
    wire::{SackBlock, SeqNumber},
};

/// What an acknowledgement covers for the first time.
#[derive(Clone, Copy, Debug, Default)]
struct Covered {
    octets: u32,
    segments: u32,
    /// When the newest of them was sent that was sent only once.
    newest: Option<Timestamp>,
    /// When the newest of all of them was sent.
    delivered: Timestamp,
    /// When the oldest of those was.
    oldest: Option<Timestamp>,
    /// Where the first of them ends that was sent only once, and that the receiver was not known to hold.
    original: Option<SeqNumber>,
    /// Any was sent again: then nobody knows which copy is acknowledged (Karn).
    is_ambiguous: bool,
}

impl Work<'_, '_, '_> {
    #[inline]
    pub(super) fn on_acknowledgement(&mut self, acked: &mut Acked) {
        let segment = self.seen.segment;
        let is_duplicate = self.on_announcement();
        let ack = segment.ack;
        let (mut cumulative, mut selective) = (Covered::default(), Covered::default());
        if self.is_ack_far(ack) {
            self.own.counts.rare().invalid_sequence += 1;
        } else {
            if !self.peer.has_acked(ack) {
                self.advance(ack, &mut cumulative);
            }
            if has_more_than_timestamps(segment.options.0) {
                selective = self.on_sack(ack);
            }
            if self.peer.trouble.is_some() {
                self.doubt_timeout([cumulative.original, selective.original]);
                self.look_after_trouble(ack);
            }
        }
        self.acked(&cumulative, &selective, is_duplicate, acked);
    }

    #[inline]
    fn acked(&mut self, cumulative: &Covered, selective: &Covered, is_duplicate: bool, acked: &mut Acked) {
        let is_clear = !cumulative.is_ambiguous;
        let since = |sent: Timestamp| self.seen.at.since(sent);
        let rtt = cumulative.newest.filter(|_| is_clear).max(selective.newest).map(since);
        let rtt_oldest = cumulative.oldest.filter(|_| is_clear).or(selective.oldest).map(since);
        if let Some(span) = rtt {
            self.peer.round_trip.sample(span);
        }
        acked.octets = cumulative.octets;
        acked.selectively = selective.octets;
        acked.rtt = rtt;
        acked.rtt_oldest = rtt_oldest;
        acked.segments = cumulative.segments + selective.segments;
        acked.in_flight = self.peer.in_flight();
        acked.is_duplicate = is_duplicate;
        acked.window = self.own_window();
    }

    /// The window announced by this segment, scaled as far as the scale is known.
    #[inline]
    fn own_window(&self) -> u32 {
        let shift = self.seen.flow.window_shift(self.seen.side).unwrap_or(0);
        self.own.scaled_window(shift).unwrap_or(0)
    }

    /// The acknowledgement moves on to `ack`.
    #[inline]
    fn advance(&mut self, ack: SeqNumber, covered: &mut Covered) {
        let before = self.peer.facts.has_una.then_some(self.peer.snd_una);
        if let Some(flight) = self.flights.get_mut(self.peer.flight) {
            let pieces = &mut *self.pieces;
            flight.acknowledge(ack, |start, range| covered.add(start, &range, pieces));
            if flight.is_empty() {
                Flight::release(self.flights, &mut self.peer.flight, self.budget);
            }
        }
        self.peer.delivered = self.peer.delivered.max(covered.delivered);
        covered.octets = before.map_or(covered.octets, |before| octets(before, ack));
        self.peer.facts.has_una = true;
        self.peer.snd_una = ack;
        if !self.pieces.is_empty() {
            self.settle(before, true);
        }
        if self.peer.facts.has_nxt && ack.after(self.peer.snd_nxt) {
            let from = before.map_or(self.peer.snd_nxt, |before| later(before, self.peer.snd_nxt));
            self.note_gap(from, ack);
        }
    }

    /// What the receiver holds beyond its acknowledgement (RFC 2018), and what it got twice (RFC 2883).
    #[cold]
    fn on_sack(&mut self, ack: SeqNumber) -> Covered {
        let mut covered = Covered::default();
        let options = self.seen.segment.options;
        let second = options.sack_blocks().nth(1);
        for (index, block) in options.sack_blocks().enumerate() {
            let is_sound = block.left.before(block.right)
                && ack.distance(block.right).unsigned_abs() <= FAR
                && ack.distance(block.left).unsigned_abs() <= FAR;
            if !is_sound {
                self.own.counts.rare().invalid_sequence += u32::from(index == 0);
                return covered;
            }
            if index == 0 && is_duplicate_block(&block, ack, second) {
                self.on_got_twice(&block);
                continue;
            }
            let Some(flight) = self.flights.get_mut(self.peer.flight) else { continue };
            let pieces = &mut *self.pieces;
            flight
                .hold(block.left, block.right, self.budget, |start, range| covered.add(start, range, pieces));
        }
        self.peer.delivered = self.peer.delivered.max(covered.delivered);
        if !self.pieces.is_empty() {
            self.settle(None, false);
        }
        covered
    }

    /// Looks at ranges acknowledged now that were sent again, or never captured. `before` is the acknowledgement
    /// before, where this one moved it on.
    #[cold]
    fn settle(&mut self, before: Option<SeqNumber>, is_gone: bool) {
        let mut pieces = std::mem::take(self.pieces);
        for (start, range) in pieces.drain(..) {
            if range.is_hole() {
                if is_gone {
                    self.note_gap(start, range.end);
                }
                continue;
            }
            let cause = self.settled_cause(start, &range, before);
            if is_gone
                && let Some(cause) = cause
                && let Some(trouble) = self.troubles.demand(&mut self.peer.trouble)
            {
                let Range { end, segments, sent, .. } = range;
                trouble.remember(Past { start, end, segments, cause, at: sent });
            }
        }
        *self.pieces = pieces;
    }

    /// Why a range was sent again, as its acknowledgement shows it.
    fn settled_cause(&mut self, start: SeqNumber, range: &Range, before: Option<SeqNumber>) -> Option<Cause> {
        let cause = range.cause?;
        if cause == Cause::Spurious || !self.is_answered_too_early(start, range, before) {
            return Some(cause);
        }
        self.revise(cause, u32::from(range.segments));
        if cause == Cause::Rto && before == Some(start) && self.echoes_older(range) == Some(true) {
            self.undo_recovery();
        }
        if let Some(flight) = self.flights.get_mut(self.peer.flight) {
            flight.revise(start, range.end, |range| range.cause = Some(Cause::Spurious));
        }
        Some(Cause::Spurious)
    }

    /// Whether the receiver must have answered an earlier copy than the last one.
    fn is_answered_too_early(&self, start: SeqNumber, range: &Range, before: Option<SeqNumber>) -> bool {
        match self.echoes_older(range) {
            Some(true) if before == Some(start) => true,
            Some(false) => false,
            _ => {
                let took = self.seen.at.since(range.sent);
                self.peer.round_trip.sure_min().is_some_and(|min| took.0 < min.0 / 2)
            }
        }
    }

    /// Whether the acknowledgement echoes a time stamp from before the first copy was sent again (RFC 3522). That says
    /// something only of the range that the acknowledgement stood at; the other answer holds for all.
    fn echoes_older(&self, range: &Range) -> Option<bool> {
        let (_, tsecr) = self.seen.segment.options.timestamps()?;
        Some(SeqNumber(tsecr).before(SeqNumber(range.tsval()?)))
    }

    /// The receiver got octets twice: what was sent again of them was sent in vain.
    fn on_got_twice(&mut self, block: &SackBlock) {
        let mut revised = [0_u32; Cause::COUNT];
        if let Some(trouble) = self.troubles.get_mut(self.peer.trouble) {
            trouble.take_past(block.left, block.right, |cause, segments| revised[cause.index()] += segments);
        }
        if let Some(flight) = self.flights.get_mut(self.peer.flight) {
            flight.revise(block.left, block.right, |range| {
                if let Some(cause) = range.cause.filter(|cause| *cause != Cause::Spurious) {
                    revised[cause.index()] += u32::from(range.segments);
                    range.cause = Some(Cause::Spurious);
                }
            });
        }
        for cause in Cause::ALL {
            self.revise(cause, revised[cause.index()]);
        }
    }

    /// Copies that were counted under `from` were sent in vain.
    fn revise(&mut self, from: Cause, segments: u32) {
        let counts = &mut self.peer.counts.rare().retransmissions;
        let segments = segments.min(counts[from.index()]);
        if segments == 0 || from == Cause::Spurious {
            return;
        }
        counts[from.index()] -= segments;
        counts[Cause::Spurious.index()] += segments;
        let kind = StreamStepKind::Revised { from, to: Cause::Spurious, segments };
        self.tell(self.seen.side.other(), kind);
    }

    /// The receiver has acknowledged what was not captured.
    #[cold]
    fn note_gap(&mut self, start: SeqNumber, end: SeqNumber) {
        if !self.peer.facts.is_seen || !start.before(end) {
            return;
        }
        let gap = Gap { start, end, at: self.seen.at };
        let Some(trouble) = self.troubles.demand(&mut self.peer.trouble) else { return };
        if let Some(oldest) = trouble.add_gap(gap) {
            self.tell_gap(&oldest);
        }
    }

    fn tell_gap(&mut self, gap: &Gap) {
        let bytes = self.peer.confirm_gap(gap.start, gap.end);
        self.tell(self.seen.side.other(), StreamStepKind::CaptureGap { bytes });
    }

    /// Ends what has come to its end of the losses of the stream that is acknowledged.
    #[cold]
    fn look_after_trouble(&mut self, ack: SeqNumber) {
        let now = self.seen.at;
        self.end_recovery(ack);
        while let Some(gap) = self.troubles.get_mut(self.peer.trouble).and_then(|trouble| {
            let until = Timestamp(now.0.saturating_sub_unsigned(MEMORY.0));
            trouble.take_gap(until)
        }) {
            self.tell_gap(&gap);
        }
        if self.troubles.get(self.peer.trouble).is_some_and(|trouble| trouble.is_settled(now)) {
            self.troubles.release(&mut self.peer.trouble);
        }
    }

    /// Whether a number acknowledges what cannot have been sent.
    #[inline]
    fn is_ack_far(&self, ack: SeqNumber) -> bool {
        let peer = &self.peer;
        (peer.facts.has_nxt && peer.snd_nxt.distance(ack).unsigned_abs() > FAR)
            && !(peer.facts.has_una && peer.snd_una.distance(ack).unsigned_abs() <= FAR)
    }
}

impl Covered {
    #[inline]
    fn add(&mut self, start: SeqNumber, range: &Range, pieces: &mut Vec<(SeqNumber, Range)>) {
        if !range.is_hole() {
            self.delivered = self.delivered.max(range.sent);
        }
        if range.copies != 1 || range.cause.is_some() {
            self.is_ambiguous = true;
            pieces.push((start, *range));
            return;
        }
        self.octets = self.octets.saturating_add(octets(start, range.end));
        self.segments = self.segments.saturating_add(u32::from(range.segments));
        if !range.is_sacked {
            self.original.get_or_insert(range.end);
            self.newest = self.newest.max(Some(range.sent));
            self.oldest = Some(self.oldest.map_or(range.sent, |oldest| oldest.min(range.sent)));
        }
    }
}

impl Stream {
    /// A hole that the receiver acknowledged stays one; gives its octets.
    pub(super) fn confirm_gap(&mut self, start: SeqNumber, end: SeqNumber) -> u64 {
        let bytes = u64::from(octets(start, end));
        self.counts.rare().capture_gaps += 1;
        self.counts.rare().capture_gap_bytes += bytes;
        bytes
    }
}

/// Whether the first block of several tells of octets that the receiver got twice (RFC 2883 §4): they are acknowledged
/// already, or the second block holds them.
fn is_duplicate_block(first: &SackBlock, ack: SeqNumber, second: Option<SackBlock>) -> bool {
    let is_held = second.is_some_and(|second| {
        !first.left.before(second.left) && !first.right.after(second.right) && first.left != first.right
    });
    !first.right.after(ack) || is_held
}

/// Whether there may be a SACK option: most segments carry time stamps alone (RFC 7323, appendix A), or nothing.
#[inline]
pub(in crate::flow) fn has_more_than_timestamps(options: &[u8]) -> bool {
    // The first four octets as one word.
    let is_timestamps = options.len() == 12 && options.first_chunk() == Some(&[1, 1, 8, 10]);
    !options.is_empty() && !is_timestamps
}
