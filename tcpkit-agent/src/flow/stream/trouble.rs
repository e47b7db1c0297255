//! What is to be kept of losses, for a direction that has some: its sender's recovery, the episode, what was sent
//! again of late, and the holes that the receiver acknowledged.
//!
//! It is given back when everything in it is settled; all lists are short.

use std::collections::VecDeque;

use super::{
    counts::Cause,
    flight::{earlier, later, octets},
    pool::Reuse,
};
use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// Copies that a D-SACK may still name.
const MAX_PAST: usize = 32;
/// Acknowledged holes that may still be filled.
const MAX_GAPS: usize = 8;
/// How long copies and holes may matter: several of the longest round trips.
pub(super) const MEMORY: Span = Span::from_secs(4);

/// How the sender recovers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recovery {
    /// It does not.
    #[default]
    Open,
    /// By acknowledgements, until this is acknowledged.
    Fast(SeqNumber),
    /// After its timer ran out, until this is acknowledged.
    Timeout(SeqNumber),
}

/// From the first retransmission for a loss until what was sent before is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    pub(super) start: Timestamp,
    /// Its end, in sequence space.
    pub(super) until: SeqNumber,
    /// First transmission of the first octet lost, as far as it was seen.
    pub(super) lost_at: Timestamp,
    /// Behind the first range lost.
    pub(super) lost_end: SeqNumber,
    /// When that was acknowledged.
    pub(super) mended_at: Option<Timestamp>,
    pub(super) retransmissions: [u32; Cause::COUNT],
    pub(super) bytes: u64,
}

/// A copy that is acknowledged by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) start: SeqNumber,
    pub(super) end: SeqNumber,
    pub(super) segments: u16,
    pub(super) cause: Cause,
    pub(super) at: Timestamp,
}

/// A hole that the receiver acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) start: SeqNumber,
    pub(super) end: SeqNumber,
    pub(super) at: Timestamp,
}

/// What is kept of losses.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) recovery: Recovery,
    /// The sender still looks for signs that its timer ran out in vain.
    pub(super) is_timeout_doubted: bool,
    /// What a tail loss probe would bring an acknowledgement of (RFC 8985 §7.3: TLP.end_seq).
    pub(super) probed: Option<SeqNumber>,
    pub(super) episode: Option<Episode>,
    past: VecDeque<Past>,
    gaps: VecDeque<Gap>,
    /// When anything was added last.
    pub(super) touched: Timestamp,
}

impl Trouble {
    /// Whether nothing in it can matter any more.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.recovery == Recovery::Open
            && self.episode.is_none()
            && self.gaps.is_empty()
            && now.since(self.touched) > MEMORY
    }

    /// Remembers a copy that is acknowledged.
    pub(super) fn remember(&mut self, past: Past) {
        self.touched = self.touched.max(past.at);
        if let Some(last) = self.past.back_mut()
            && last.cause == past.cause
            && last.end == past.start
        {
            last.end = past.end;
            last.segments = last.segments.saturating_add(past.segments);
            return;
        }
        if self.past.len() >= MAX_PAST {
            self.past.pop_front();
        }
        self.past.push_back(past);
    }

    /// The receiver got these octets twice: takes what was sent of them in vain, and tells causes and segments.
    pub(super) fn take_past(&mut self, left: SeqNumber, right: SeqNumber, mut told: impl FnMut(Cause, u32)) {
        let mut index = 0;
        while let Some(past) = self.past.get(index).copied() {
            let (from, to) = (later(past.start, left), earlier(past.end, right));
            if past.cause == Cause::Spurious || !from.before(to) {
                index += 1;
                continue;
            }
            self.past.remove(index);
            let front = past.share(octets(past.start, from));
            let taken = past.share(octets(past.start, to)) - front;
            told(past.cause, u32::from(taken));
            let rest = past.segments - front - taken;
            for (start, end, segments) in [(past.start, from, front), (to, past.end, rest)] {
                if start.before(end) && self.past.len() < MAX_PAST {
                    self.past.insert(index, Past { start, end, segments, ..past });
                    index += 1;
                }
            }
        }
    }

    /// The receiver acknowledged a hole; gives the oldest one where there are too many.
    pub(super) fn add_gap(&mut self, gap: Gap) -> Option<Gap> {
        self.touched = self.touched.max(gap.at);
        if let Some(last) = self.gaps.back_mut()
            && last.end == gap.start
        {
            last.end = gap.end;
            return None;
        }
        let oldest = if self.gaps.len() >= MAX_GAPS { self.gaps.pop_front() } else { None };
        self.gaps.push_back(gap);
        oldest
    }

    /// These octets come after all: takes them out of the holes, and gives how many they were.
    pub(super) fn fill_gaps(&mut self, left: SeqNumber, right: SeqNumber) -> u32 {
        let mut filled = 0;
        let mut index = 0;
        while let Some(gap) = self.gaps.get(index).copied() {
            let (from, to) = (later(gap.start, left), earlier(gap.end, right));
            if !from.before(to) {
                index += 1;
                continue;
            }
            filled += octets(from, to);
            self.gaps.remove(index);
            for (start, end) in [(gap.start, from), (to, gap.end)] {
                if start.before(end) && self.gaps.len() < MAX_GAPS + 1 {
                    self.gaps.insert(index, Gap { start, end, ..gap });
                    index += 1;
                }
            }
        }
        filled
    }

    /// Takes the oldest hole that was acknowledged before `until`.
    pub(super) fn take_gap(&mut self, until: Timestamp) -> Option<Gap> {
        if self.gaps.front()?.at <= until { self.gaps.pop_front() } else { None }
    }
}

impl Reuse for Trouble {
    fn reset(&mut self) {
        let (mut past, mut gaps) = (std::mem::take(&mut self.past), std::mem::take(&mut self.gaps));
        past.clear();
        gaps.clear();
        *self = Self { past, gaps, ..Self::default() };
    }
}

impl Past {
    /// How many of its segments its first octets were.
    fn share(&self, count: u32) -> u16 {
        let whole = u64::from(octets(self.start, self.end)).max(1);
        let share = (u64::from(self.segments) * u64::from(count) + whole / 2) / whole;
        u16::try_from(share).unwrap_or(u16::MAX).min(self.segments)
    }
}
