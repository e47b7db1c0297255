//! What a side announces: its acknowledgement repeated, its window closed, the other side's window filled.
//!
//! Counted as Wireshark counts them, so that one can be held against the other.

use super::{pair::Work, step::StreamStepKind};
use crate::wire::SeqNumber;

impl Work<'_, '_, '_> {
    /// Takes acknowledgement and window as announced; true where they repeat those before.
    #[inline]
    pub(super) fn on_announcement(&mut self) -> bool {
        let segment = self.seen.segment;
        let is_plain = self.is_plain();
        let (own, peer) = (&mut *self.own, &*self.peer);
        let is_same = own.facts.has_ack && segment.ack == own.last_ack;
        let repeats = is_same
            && segment.payload_len == 0
            && segment.window != 0
            && segment.window == own.window
            && segment.seq == own.snd_nxt
            && is_plain
            && !peer.facts.kept_alive;
        own.repeats = if is_same { own.repeats.saturating_add(u16::from(repeats)) } else { 0 };
        own.last_ack = segment.ack;
        own.window = segment.window;
        own.acked_at = self.seen.at;
        own.facts.has_ack = true;
        own.facts.window_of_syn = segment.flags.contains(crate::wire::TcpFlags::SYN);
        if is_plain {
            self.on_window();
        }
        if repeats {
            self.own.counts.rare().duplicate_acks += 1;
            self.tell(self.seen.side.other(), StreamStepKind::DuplicateAck);
        }
        repeats
    }

    #[inline]
    fn on_window(&mut self) {
        let is_closed = self.seen.segment.window == 0;
        if is_closed && !self.own.facts.probed {
            self.own.counts.rare().zero_windows += 1;
        }
        if is_closed != self.own.facts.is_closed {
            self.own.set_closed(is_closed, self.seen.at);
            if is_closed {
                self.tell(self.seen.side.other(), StreamStepKind::ZeroWindow);
            }
        }
    }

    /// Whether the other side's window is zero, so that only a probe may be sent.
    #[inline]
    pub(super) const fn is_window_closed(&self) -> bool {
        self.peer.facts.is_closed
    }

    /// What the other side announced last, scaled; `None` where the scale is not known, or no window.
    #[inline]
    pub(super) fn peer_window(&self) -> Option<u32> {
        let shift = self.seen.flow.window_shift(self.seen.side.other())?;
        self.peer.scaled_window(shift)
    }

    /// Whether data up to `end` fills the other side's window to the last octet.
    #[inline]
    pub(super) fn note_window_full(&mut self, end: SeqNumber) {
        let left = self.peer.last_ack.distance(end);
        if left <= 0 || !self.is_plain() {
            return;
        }
        if self.peer_window().is_some_and(|window| left.unsigned_abs() == window) {
            self.own.counts.rare().window_full += 1;
        }
    }
}
