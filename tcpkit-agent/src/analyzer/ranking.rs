//! Sums by key in bounded memory: when the bound bites, the lighter half is folded into one sum for the others.
//!
//! Until then the sums are exact and merging is associative and commutative. After it the heaviest keys are still
//! there, with what they had since they were last folded, and `other` holds the rest: totals stay exact.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

/// A sum that a [`Ranking`] keeps for each key.
pub trait Weighed: Clone + Default {
    /// What keys are ranked by; the second number decides between equals of the first.
    fn weight(&self) -> (u64, u64);
    /// Adds another sum.
    fn add(&mut self, other: &Self);
}

/// Sums by key.
#[derive(Clone, Debug)]
pub struct Ranking<K: Eq + Hash, V> {
    /// Where the sum of a key is.
    places: HashMap<K, usize>,
    sums: Vec<(K, V)>,
    other: V,
    folded: u64,
    bound: usize,
}

impl<K: Copy + Ord + Hash, V: Weighed> Ranking<K, V> {
    /// Nothing yet; at most `bound` keys.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { places: HashMap::new(), sums: Vec::new(), other: V::default(), folded: 0, bound: bound.max(2) }
    }

    /// The sum of a key, to add to.
    pub fn entry(&mut self, key: K) -> &mut V {
        let place = self.place(key);
        self.at(place)
    }

    /// Where the sum of a key is, as long as [`folded`](Self::folded) stays what it is.
    pub fn place(&mut self, key: K) -> usize {
        if self.sums.len() >= self.bound && !self.places.contains_key(&key) {
            self.fold(self.bound / 2);
        }
        self.place_of(key)
    }

    /// The sum at a place, to add to.
    #[inline]
    pub fn at(&mut self, place: usize) -> &mut V {
        &mut self.sums[place].1
    }

    /// Adds another shard's sums.
    pub fn merge(&mut self, other: &Self) {
        for (key, sum) in &other.sums {
            let place = self.place_of(*key);
            self.at(place).add(sum);
        }
        self.other.add(&other.other);
        self.folded += other.folded;
        self.bound = self.bound.max(other.bound);
    }

    /// The heaviest `count` keys, the heaviest first; equals in order of their keys.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(K, &V)> {
        let mut ranked = self.ranked();
        ranked.truncate(count);
        ranked
    }

    /// The sum of all keys but the heaviest `count`.
    #[must_use]
    pub fn beyond(&self, count: usize) -> V {
        let mut rest = self.other.clone();
        self.ranked().into_iter().skip(count).for_each(|(_, sum)| rest.add(sum));
        rest
    }

    /// Keys that have a sum of their own.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// How many times a key lost its own sum because the bound bit.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    fn place_of(&mut self, key: K) -> usize {
        let Self { places, sums, .. } = self;
        *places.entry(key).or_insert_with(|| {
            sums.push((key, V::default()));
            sums.len() - 1
        })
    }

    fn ranked(&self) -> Vec<(K, &V)> {
        let mut ranked: Vec<(K, &V)> = self.sums.iter().map(|(key, sum)| (*key, sum)).collect();
        ranked.sort_unstable_by(|(a_key, a), (b_key, b)| {
            b.weight().cmp(&a.weight()).then_with(|| a_key.cmp(b_key))
        });
        ranked
    }

    fn fold(&mut self, keep: usize) {
        let heavier: HashSet<K> = self.ranked().into_iter().take(keep).map(|(key, _)| key).collect();
        let Self { places, sums, other, folded, .. } = self;
        sums.retain(|(key, sum)| {
            let stays = heavier.contains(key);
            if !stays {
                other.add(sum);
                *folded += 1;
            }
            stays
        });
        *places = sums.iter().enumerate().map(|(place, (key, _))| (*key, place)).collect();
    }
}

/// Whatever the order in which keys came.
impl<K: Copy + Ord + Hash, V: Weighed + PartialEq> PartialEq for Ranking<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let is_in_other =
            |(key, sum): &(K, V)| other.places.get(key).is_some_and(|place| other.sums[*place].1 == *sum);
        (self.sums.len(), self.folded, self.bound) == (other.sums.len(), other.folded, other.bound)
            && self.other == other.other
            && self.sums.iter().all(is_in_other)
    }
}

impl<K: Copy + Ord + Hash, V: Weighed + Eq> Eq for Ranking<K, V> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Weighed for u64 {
        fn weight(&self) -> (u64, u64) {
            (*self, 0)
        }

        fn add(&mut self, other: &Self) {
            *self += other;
        }
    }

    fn fed(bound: usize, additions: &[(u16, u64)]) -> Ranking<u16, u64> {
        let mut ranking = Ranking::new(bound);
        for (key, amount) in additions {
            *ranking.entry(*key) += amount;
        }
        ranking
    }

    fn total(ranking: &Ranking<u16, u64>) -> u64 {
        ranking.beyond(0)
    }

    #[test]
    fn the_heaviest_come_first_and_the_rest_is_summed_up() {
        let ranking = fed(16, &[(80, 5), (443, 9), (22, 5), (25, 1)]);
        let top: Vec<(u16, u64)> = ranking.top(3).into_iter().map(|(key, sum)| (key, *sum)).collect();
        assert_eq!(top, [(443, 9), (22, 5), (80, 5)]);
        assert_eq!(ranking.beyond(3), 1);
        assert_eq!(ranking.folded(), 0);
    }

    #[test]
    fn a_heavy_key_that_comes_late_still_gets_its_place() {
        let mut scan: Vec<(u16, u64)> = (0..1_000).map(|port| (port, 1)).collect();
        scan.extend((0..500).map(|_| (4_443, 1)));
        let ranking = fed(64, &scan);
        assert_eq!(ranking.top(1), [(4_443, &500)]);
        assert!(ranking.len() <= 64, "{}", ranking.len());
        assert!(ranking.folded() > 0);
        assert_eq!(total(&ranking), 1_500);
    }

    proptest! {
        #[test]
        fn merging_equals_feeding_one_until_the_bound_bites(
            a in prop::collection::vec((any::<u16>(), 0u64..9), 0..40),
            b in prop::collection::vec((any::<u16>(), 0u64..9), 0..40),
        ) {
            let (mut left, mut right) = (fed(1_000, &a), fed(1_000, &b));
            left.merge(&fed(1_000, &b));
            right.merge(&fed(1_000, &a));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left, fed(1_000, &[a, b].concat()));
        }

        #[test]
        fn nothing_is_lost_when_it_bites(additions in prop::collection::vec((any::<u16>(), 0u64..9), 0..400)) {
            let ranking = fed(8, &additions);
            prop_assert!(ranking.len() <= 8);
            prop_assert_eq!(total(&ranking), additions.iter().map(|(_, amount)| amount).sum::<u64>());
        }
    }
}
