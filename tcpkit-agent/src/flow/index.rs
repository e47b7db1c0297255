//! Where flows are, by the hash of their four-tuples.
//!
//! Open addressing in one array, an entry in eight octets: one line of memory tells, and can be asked for ahead. Hashes
//! are those that frames are dealt to shards by, by their upper digits; the lower ones are as good, so they are where an
//! entry wants to be. It lies there or behind, with no gap between; at least a quarter of the array is vacant.

use tcpkit_common::flow::FlowHash;

use super::{prefetch::prefetch, slab::PackedPlace};

/// Places by hash.
#[derive(Debug)]
pub(super) struct Index {
    /// As many as a power of two.
    entries: Vec<Entry>,
    /// Those that are not vacant.
    len: usize,
}

/// The hash of a flow in the upper half, and in the lower one its place, counted from 1; 0 is vacant: memory that was
/// never written is.
type Entry = u64;

const VACANT: Entry = 0;
/// Entries at first.
const LEAST: usize = 64;

impl Default for Index {
    fn default() -> Self {
        Self { entries: vec![VACANT; LEAST], len: 0 }
    }
}

impl Index {
    /// How many places are in it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The place of a hash that is the one.
    #[inline]
    pub(super) fn find(&self, hash: FlowHash, is_it: impl Fn(PackedPlace) -> bool) -> Option<PackedPlace> {
        let at = self.position(hash, is_it)?;
        Some(place_of(self.entries[at]))
    }

    /// Asks for the memory where a hash is.
    pub(super) fn fetch(&self, hash: FlowHash) {
        prefetch(&self.entries[self.home(hash)]);
    }

    /// Puts in a place that is not there.
    pub(super) fn insert(&mut self, hash: FlowHash, place: PackedPlace) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        self.put(entry(hash, place));
        self.len += 1;
    }

    /// Puts a place in the place of another one; false where that is not there.
    pub(super) fn replace(&mut self, hash: FlowHash, old: PackedPlace, new: PackedPlace) -> bool {
        let position = self.position(hash, |place| place == old);
        if let Some(at) = position {
            self.entries[at] = entry(hash, new);
        }
        position.is_some()
    }

    /// Takes a place out; false where it is not there.
    pub(super) fn remove(&mut self, hash: FlowHash, place: PackedPlace) -> bool {
        let position = self.position(hash, |other| other == place);
        if let Some(at) = position {
            self.close_gap(at);
            self.len -= 1;
        }
        position.is_some()
    }

    /// All places, in no order.
    pub(super) fn places(&self) -> impl Iterator<Item = PackedPlace> {
        self.entries.iter().filter(|entry| **entry != VACANT).map(|entry| place_of(*entry))
    }

    #[inline]
    fn position(&self, hash: FlowHash, is_it: impl Fn(PackedPlace) -> bool) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at];
            if entry == VACANT {
                return None;
            }
            if hash_of(entry) == hash && is_it(place_of(entry)) {
                return Some(at);
            }
            at = self.behind(at);
        }
    }

    /// Where a hash wants to be.
    #[inline]
    fn home(&self, hash: FlowHash) -> usize {
        hash.0 as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.home(hash_of(entry));
        while self.entries[at] != VACANT {
            at = self.behind(at);
        }
        self.entries[at] = entry;
    }

    /// Moves what lies behind a gap to where it would lie had there never been anything.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = gap;
        loop {
            at = self.behind(at);
            let entry = self.entries[at];
            if entry == VACANT {
                break;
            }
            let distance = |from: usize| at.wrapping_sub(from) & (self.entries.len() - 1);
            if distance(self.home(hash_of(entry))) >= distance(gap) {
                self.entries[gap] = entry;
                gap = at;
            }
        }
        self.entries[gap] = VACANT;
    }

    #[cold]
    fn grow(&mut self) {
        let more = vec![VACANT; self.entries.len() * 2];
        let entries = std::mem::replace(&mut self.entries, more);
        entries.into_iter().filter(|entry| *entry != VACANT).for_each(|entry| self.put(entry));
    }
}

fn entry(hash: FlowHash, place: PackedPlace) -> Entry {
    Entry::from(hash.0) << 32 | Entry::from(place.0) + 1
}

#[inline]
const fn hash_of(entry: Entry) -> FlowHash {
    FlowHash((entry >> 32) as u32)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn place_of(entry: Entry) -> PackedPlace {
    PackedPlace(entry as u32 - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::slab::Place;

    fn place(number: u32) -> PackedPlace {
        Place::HalfOpen(number).into()
    }

    proptest! {
        /// Hashes of few values, so that many want to be in one place, also in the last one.
        #[test]
        fn what_was_put_in_is_found_until_it_is_taken_out(
            steps in prop::collection::vec((any::<bool>(), 0u32..8, 0u32..40), 0..400),
        ) {
            let mut index = Index::default();
            let mut expected = Vec::new();
            for (removes, hash, number) in steps {
                let hash = FlowHash((LEAST as u32 * 2 - 4).wrapping_add(hash) | number << 20);
                let known = expected.iter().position(|known| *known == (hash, place(number)));
                if removes {
                    prop_assert_eq!(index.remove(hash, place(number)), known.is_some());
                    known.map(|known| expected.swap_remove(known));
                } else if known.is_none() {
                    index.insert(hash, place(number));
                    expected.push((hash, place(number)));
                }
            }
            prop_assert_eq!(index.len(), expected.len());
            let mut places: Vec<_> = index.places().collect();
            places.sort_unstable();
            let mut all: Vec<_> = expected.iter().map(|(_, place)| *place).collect();
            all.sort_unstable();
            prop_assert_eq!(places, all);
            for (hash, place) in expected {
                prop_assert_eq!(index.find(hash, |found| found == place), Some(place));
                let moved = Place::Full(7).into();
                prop_assert!(index.replace(hash, place, moved) && !index.replace(hash, place, moved));
                prop_assert_eq!(index.find(hash, |found| found == moved), Some(moved));
            }
        }
    }

    #[test]
    fn the_last_place_of_all_is_none_that_is_vacant() {
        let last = Place::HalfOpen(crate::flow::slab::Slab::MAX_FLOWS - 1).into();
        let mut index = Index::default();
        index.insert(FlowHash(0), last);
        assert_eq!(index.find(FlowHash(0), |_| true), Some(last));
        assert!(index.remove(FlowHash(0), last) && !index.remove(FlowHash(0), last));
    }
}
