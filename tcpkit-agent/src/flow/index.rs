//! Where flows are, by the hash of their four-tuples.
//!
//! Open addressing: an entry lies where its hash wants to be or behind, with no gap between; at least a quarter of the
//! places is vacant. Beside the entries, which take eight octets, lies an octet for each: that a flow is new these alone
//! tell, and they are so few that they stay at hand. The memory of an entry can be asked for ahead.
//! Hashes are those that frames are dealt to shards by, by their upper digits; the lower ones are as good, and say where
//! an entry wants to be.

use tcpkit_common::flow::FlowHash;

use super::{prefetch::prefetch, slab::PackedPlace};

/// Places by hash.
#[derive(Debug)]
pub(super) struct Index {
    /// What [`tag_of`] says of the entry there; as many as a power of two.
    tags: Vec<u8>,
    entries: Vec<Entry>,
    /// Those that are not vacant.
    len: usize,
}

/// The hash of a flow in the upper half, and its place in the lower one. A number, so that memory which was never
/// written need not be there.
type Entry = u64;

/// The tag of no entry.
const VACANT: u8 = 0;
/// Entries at first.
const LEAST: usize = 64;

impl Default for Index {
    fn default() -> Self {
        Self::of(LEAST)
    }
}

impl Index {
    fn of(places: usize) -> Self {
        Self { tags: vec![VACANT; places], entries: vec![0; places], len: 0 }
    }

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
        let home = self.home(hash);
        prefetch(&self.tags[home]);
        prefetch(&self.entries[home]);
    }

    /// Puts in a place that is not there.
    pub(super) fn insert(&mut self, hash: FlowHash, place: PackedPlace) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        self.put(entry(hash, place));
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
        self.taken().map(place_of)
    }

    fn taken(&self) -> impl Iterator<Item = Entry> {
        let both = self.tags.iter().zip(&self.entries);
        both.filter(|(tag, _)| **tag != VACANT).map(|(_, entry)| *entry)
    }

    #[inline]
    fn position(&self, hash: FlowHash, is_it: impl Fn(PackedPlace) -> bool) -> Option<usize> {
        let tag = tag_of(hash);
        let mut at = self.home(hash);
        loop {
            let here = self.tags[at];
            if here == VACANT {
                return None;
            }
            if here == tag {
                let entry = self.entries[at];
                if hash_of(entry) == hash && is_it(place_of(entry)) {
                    return Some(at);
                }
            }
            at = self.behind(at);
        }
    }

    /// Where a hash wants to be.
    #[inline]
    fn home(&self, hash: FlowHash) -> usize {
        hash.0 as usize & (self.tags.len() - 1)
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.tags.len() - 1)
    }

    fn put(&mut self, entry: Entry) {
        let mut at = self.home(hash_of(entry));
        while self.tags[at] != VACANT {
            at = self.behind(at);
        }
        self.set(at, entry);
        self.len += 1;
    }

    fn set(&mut self, at: usize, entry: Entry) {
        self.tags[at] = tag_of(hash_of(entry));
        self.entries[at] = entry;
    }

    /// Moves what lies behind a gap to where it would lie had there never been anything.
    fn close_gap(&mut self, mut gap: usize) {
        let mut at = self.behind(gap);
        while self.tags[at] != VACANT {
            let entry = self.entries[at];
            let distance = |from: usize| at.wrapping_sub(from) & (self.tags.len() - 1);
            if distance(self.home(hash_of(entry))) >= distance(gap) {
                self.set(gap, entry);
                gap = at;
            }
            at = self.behind(at);
        }
        self.tags[gap] = VACANT;
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Self::of(self.tags.len() * 2);
        self.taken().for_each(|entry| larger.put(entry));
        *self = larger;
    }
}

fn entry(hash: FlowHash, place: PackedPlace) -> Entry {
    Entry::from(hash.0) << 32 | Entry::from(place.0)
}

#[inline]
const fn hash_of(entry: Entry) -> FlowHash {
    FlowHash((entry >> 32) as u32)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn place_of(entry: Entry) -> PackedPlace {
    PackedPlace(entry as u32)
}

/// Seven digits in which hashes differ that want to be in neighbouring places, as those of one shard do: multiplying by
/// an odd number (2^32 divided by the golden ratio) brings all of them to the top.
#[inline]
const fn tag_of(hash: FlowHash) -> u8 {
    let [.., top] = hash.0.wrapping_mul(0x9e37_79b9).to_le_bytes();
    top | 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::slab::Place;

    /// Four hashes want to be in the last places, whether those are 64 or 128; the others in the first ones.
    const LAST_OF_ALL: u32 = 128 - 4;

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
                let hash = FlowHash((LAST_OF_ALL + hash) | number << 20);
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
}
