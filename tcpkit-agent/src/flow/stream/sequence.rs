//! One direction of a flow, named by its sender: what every segment touches, kept small.

use super::{counts::Tally, flight::octets, pool::Slot};
use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// What remains in records.
    pub(super) counts: Tally,
    /// Segments with payload.
    pub(super) data_segments: u64,
    /// Octets that were under way at a time, at most; not among the counts, so that nothing lies in gaps.
    pub(super) max_in_flight: u32,
    /// SND.NXT: behind the last octet sent, FIN included.
    pub(super) snd_nxt: SeqNumber,
    /// SND.UNA: the highest acknowledgement of it.
    pub(super) snd_una: SeqNumber,
    /// The acknowledgement number that this side sent last.
    pub(super) last_ack: SeqNumber,
    /// The window that it announced last, not scaled.
    pub(super) window: u16,
    /// How often it has repeated that acknowledgement.
    pub(super) repeats: u16,
    /// Everything between `snd_una` and `snd_nxt` was sent together at `nxt_at`, in so many segments, and lies in no
    /// flight: most often one segment is all that is under way. 0 where that is not so.
    pub(super) lone: u16,
    /// What is known of it.
    pub(super) facts: Facts,
    /// The shift of the windows that it announces, or none, for the shortcut.
    pub(super) shift: u8,
    /// It is known.
    pub(super) knows_shift: bool,
    /// When the last octet in sequence was sent.
    pub(super) nxt_at: Timestamp,
    /// When it sent data last.
    pub(super) sent_at: Timestamp,
    /// When the newest octets were sent that the other side got.
    pub(super) delivered: Timestamp,
    /// When it acknowledged last.
    pub(super) acked_at: Timestamp,
    /// Since when its window is zero.
    pub(super) zero_since: Timestamp,
    /// From the capture point to the other side and back.
    pub(super) round_trip: RoundTrip,
    /// What is under way.
    pub(super) flight: Slot,
    /// What is to be kept of losses.
    pub(super) trouble: Slot,
}

/// What is known of a direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// `snd_nxt` counts.
    pub(super) has_nxt: bool,
    /// `snd_una` counts.
    pub(super) has_una: bool,
    /// `last_ack` and `window` count.
    pub(super) has_ack: bool,
    /// `window` came with a SYN, so it is not scaled (RFC 7323 §2.2).
    pub(super) window_of_syn: bool,
    /// The window is zero.
    pub(super) is_closed: bool,
    /// The last octet in sequence is a FIN.
    pub(super) has_fin: bool,
    /// Its last segment was a keep-alive.
    pub(super) kept_alive: bool,
    /// Its last segment was a probe of a zero window.
    pub(super) probed: bool,
    /// The octet at the edge went out as a probe of a zero window.
    pub(super) edge_is_probe: bool,
    /// Any segment of it was captured.
    pub(super) is_seen: bool,
}

/// Round-trip time of a half of the path, in microseconds (RFC 6298 §2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: u32,
    /// Zero where nothing was measured.
    min: u32,
    /// How often it was measured, up to [`SURE`].
    samples: u8,
}

impl Stream {
    /// Begins at `seq`, if it has not begun.
    #[inline]
    pub(super) const fn begin(&mut self, seq: SeqNumber) {
        if !self.facts.has_nxt {
            self.facts.has_nxt = true;
            self.snd_nxt = seq;
        }
    }

    /// Behind the last octet of data.
    #[inline]
    pub(super) const fn data_end(&self) -> SeqNumber {
        if self.facts.has_fin { SeqNumber(self.snd_nxt.0.wrapping_sub(1)) } else { self.snd_nxt }
    }

    /// Octets sent and not yet acknowledged.
    #[inline]
    pub(super) const fn in_flight(&self) -> u32 {
        if self.facts.has_nxt && self.facts.has_una { octets(self.snd_una, self.snd_nxt) } else { 0 }
    }

    /// Whether everything up to `seq` is acknowledged.
    #[inline]
    pub(super) const fn has_acked(&self, seq: SeqNumber) -> bool {
        self.facts.has_una && !seq.after(self.snd_una)
    }

    /// The window that it announced last, scaled; `None` where it announced none.
    #[inline]
    pub(super) const fn scaled_window(&self, shift: u8) -> Option<u32> {
        if !self.facts.has_ack {
            return None;
        }
        let shift = if self.facts.window_of_syn { 0 } else { shift };
        Some((self.window as u32) << shift)
    }

    /// Whether the other side takes a RST of this one with this number: in the window that it announced.
    pub(super) fn is_reset_taken(&self, peer: &Self, seq: SeqNumber, window: Option<u32>) -> bool {
        let window = window.unwrap_or(u32::from(u16::MAX)).max(1);
        let expected = if peer.facts.has_ack { Some(peer.last_ack) } else { None };
        let base = expected.or(self.facts.has_nxt.then_some(self.snd_nxt));
        base.is_none_or(|base| base.distance(seq).unsigned_abs() <= window || seq == self.snd_nxt)
    }

    /// The window closes or opens at `at`.
    pub(super) fn set_closed(&mut self, is_closed: bool, at: Timestamp) {
        if is_closed == self.facts.is_closed {
            return;
        }
        self.facts.is_closed = is_closed;
        if is_closed {
            self.zero_since = at;
            self.counts.rare().zero_window_episodes += 1;
        } else {
            let time = &mut self.counts.rare().zero_window_time;
            *time = sum(*time, at.since(self.zero_since));
        }
    }
}

impl RoundTrip {
    /// Another measurement.
    #[inline(always)]
    pub(super) fn sample(&mut self, span: Span) {
        let micros = micros(span);
        self.samples += u8::from(self.samples < SURE);
        if self.min == 0 {
            (self.smoothed, self.min) = (micros, micros);
            return;
        }
        // RFC 6298 §2.3: alpha is 1/8.
        self.smoothed = self.smoothed - self.smoothed / 8 + micros / 8;
        self.min = self.min.min(micros);
    }

    /// The least; `None` where nothing was measured.
    #[inline]
    pub(super) const fn min(&self) -> Option<Span> {
        if self.min == 0 { None } else { Some(Span(self.min as u64 * 1_000)) }
    }

    /// The least of enough to be near the truth.
    pub(super) fn sure_min(&self) -> Option<Span> {
        self.min().filter(|_| self.samples >= SURE)
    }

    /// SRTT; `None` where nothing was measured.
    #[inline]
    pub(super) const fn smoothed(&self) -> Option<Span> {
        if self.min == 0 { None } else { Some(Span(self.smoothed as u64 * 1_000)) }
    }
}

/// Measurements among which one met an empty queue.
const SURE: u8 = 8;

#[inline(always)]
fn micros(span: Span) -> u32 {
    u32::try_from(span.0 / 1_000).unwrap_or(u32::MAX).max(1)
}

/// Both spans, one after the other.
pub(super) const fn sum(one: Span, other: Span) -> Span {
    Span(one.0.saturating_add(other.0))
}
