//! Octets of one way that have arrived, in whatever order.

use std::collections::{BTreeMap, HashMap};

use tcpkit_agent::wire::SeqNumber;

use super::{observed::Sent, truth::Way};

/// Octets of one way that arrived, sooner or later, of the frames so far.
pub(super) struct Reached {
    base: u32,
    /// Starts to ends, apart from each other, counted from the base.
    ranges: BTreeMap<i64, i64>,
}

impl Reached {
    /// Nothing yet; numbers count from here.
    pub(super) const fn from(seq: SeqNumber) -> Self {
        Self { base: seq.0, ranges: BTreeMap::new() }
    }

    /// Whether all of it has arrived.
    pub(super) fn covers(&self, sent: &Sent) -> bool {
        let start = self.offset_of(sent.seq.0);
        let before = self.ranges.range(..=start).next_back();
        before.is_some_and(|(_, end)| *end >= start + i64::from(sent.payload_len))
    }

    /// Whether octets behind its first one have arrived.
    pub(super) fn is_beyond(&self, sent: &Sent) -> bool {
        self.ranges.last_key_value().is_some_and(|(_, end)| *end > self.offset_of(sent.seq.0))
    }

    /// All of it arrives.
    pub(super) fn take_whole(&mut self, sent: &Sent) {
        self.insert(self.offset_of(sent.seq.0), sent.payload_len.into());
    }

    fn offset_of(&self, seq: u32) -> i64 {
        i64::from(seq.wrapping_sub(self.base).cast_signed())
    }

    /// A super-segment may have been cut on its way: its parts count their identifications on.
    pub(super) fn take(&mut self, sent: &Sent, arrived: &HashMap<(Way, u32, u16), u32>) {
        let mut at = 0;
        while at < sent.payload_len {
            let part = u16::try_from(at / sent.segment_len).unwrap_or_default();
            let seq = sent.seq.advanced(at).0;
            match arrived.get(&(sent.way, seq, sent.identification.wrapping_add(part))) {
                Some(len) => {
                    self.insert(self.offset_of(seq), i64::from(*len));
                    at += len;
                }
                None => at += sent.segment_len,
            }
        }
    }

    fn insert(&mut self, mut start: i64, len: i64) {
        let mut end = start + len;
        while let Some((&other, &other_end)) = self.ranges.range(..=end).next_back() {
            if other_end < start {
                break;
            }
            self.ranges.remove(&other);
            (start, end) = (start.min(other), end.max(other_end));
        }
        self.ranges.insert(start, end);
    }
}
