//! Where the flows of the latest segments are: a small table that may forget, and must be asked twice.
//!
//! An entry is found by a direction's four-tuple, far cheaper than the hash that flows are indexed by. It may be that
//! of another four-tuple, or of a flow that has left since: whoever asks compares the flow itself, so nothing here has
//! ever to be taken back.

use tcpkit_common::flow::FourTuple;

use super::key::Side;

/// Slots and senders by four-tuple.
#[derive(Debug)]
pub(super) struct Recent {
    /// A slot, and the side in the lowest bit.
    entries: Box<[u32; Self::ENTRIES]>,
}

impl Recent {
    /// 4 KiB: enough for the few hundred flows that are busy at a time.
    const ENTRIES: usize = 1 << Self::DIGITS;
    const DIGITS: u32 = 10;

    /// What was noted last where this four-tuple would be noted.
    #[inline(always)]
    pub(super) fn get(&self, tuple: &FourTuple) -> (u32, Side) {
        let entry = self.entries[place(tuple)];
        (entry >> 1, if entry & 1 == 0 { Side::Low } else { Side::High })
    }

    /// Notes the slot of a flow, and which of its sides sends segments of this four-tuple.
    pub(super) fn set(&mut self, tuple: &FourTuple, slot: u32, side: Side) {
        self.entries[place(tuple)] = slot << 1 | side as u32;
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { entries: Box::new([0; Self::ENTRIES]) }
    }
}

/// The low halves differ as a rule, and ports always do; multiplying by an odd number (2^64 divided by the golden
/// ratio) brings every bit to the top.
#[inline(always)]
const fn place(tuple: &FourTuple) -> usize {
    let (source, destination) = (tuple.source.halves().1, tuple.destination.halves().1);
    let ports = (tuple.source_port as u64) << 40 | (tuple.destination_port as u64) << 8;
    let mixed = (source.rotate_left(32) ^ destination ^ ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - Recent::DIGITS)) as usize
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
        assert_eq!(recent.get(&there), (7, Side::High));
        assert_eq!(recent.get(&there.reversed()), (7, Side::Low));
    }
}
