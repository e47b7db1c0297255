//! Where the flows of the latest segments are: a small table that may forget, and must be asked twice.
//!
//! An entry is found by a direction's four-tuple, far cheaper than the hash that flows are indexed by. It may be that
//! of a flow that has left since, or, once in a long while, of another four-tuple: whoever asks compares the flow
//! itself, so nothing here has ever to be taken back.

use tcpkit_common::flow::FourTuple;

use super::key::Side;

/// Slots and senders by four-tuple.
#[derive(Debug)]
pub(super) struct Recent {
    entries: Box<[Entry; Self::ENTRIES]>,
}

/// The direction that was noted last at some place.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// What its four-tuple is known by: another one's flow, which is far away as a rule, need not be waited for.
    tag: u32,
    /// Its flow's slot, and its side in the lowest bit.
    slot: u32,
}

impl Recent {
    /// 16 KiB: enough for the thousand flows that are busy at a time.
    const ENTRIES: usize = 1 << Self::DIGITS;
    const DIGITS: u32 = 11;

    /// What was noted last of this four-tuple, as far as can be told.
    #[inline(always)]
    pub(super) fn get(&self, tuple: &FourTuple) -> Option<(u32, Side)> {
        let (place, tag) = place_and_tag(tuple);
        let entry = self.entries[place];
        let side = if entry.slot & 1 == 0 { Side::Low } else { Side::High };
        (entry.tag == tag).then_some((entry.slot >> 1, side))
    }

    /// Notes the slot of a flow, and which of its sides sends segments of this four-tuple.
    pub(super) fn set(&mut self, tuple: &FourTuple, slot: u32, side: Side) {
        let (place, tag) = place_and_tag(tuple);
        self.entries[place] = Entry { tag, slot: slot << 1 | side as u32 };
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { entries: Box::new([Entry::default(); Self::ENTRIES]) }
    }
}

/// The low halves differ as a rule, and ports always do; multiplying by an odd number (2^64 divided by the golden
/// ratio) brings every bit to the top. The place is its highest digits, the tag those that follow.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "these digits are meant, and no others")]
const fn place_and_tag(tuple: &FourTuple) -> (usize, u32) {
    let (source, destination) = (tuple.source.halves().1, tuple.destination.halves().1);
    let ports = (tuple.source_port as u64) << 40 | (tuple.destination_port as u64) << 8;
    let mixed = (source.rotate_left(32) ^ destination ^ ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let rest = u64::BITS - Recent::DIGITS;
    ((mixed >> rest) as usize, (mixed >> (rest - u32::BITS)) as u32)
}

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::Address;

    use super::*;

    #[test]
    fn what_was_noted_is_found_by_its_own_direction() {
        let there = FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 0, 0, 2]),
            source_port: 40_000,
            destination_port: 80,
        };
        let mut recent = Recent::default();
        recent.set(&there, 7, Side::High);
        recent.set(&there.reversed(), 7, Side::Low);
        assert_eq!(recent.get(&there), Some((7, Side::High)));
        assert_eq!(recent.get(&there.reversed()), Some((7, Side::Low)));
        assert_eq!(recent.get(&FourTuple { source_port: 40_001, ..there }), None);
    }
}
