//! Sums by key in bounded memory: when the bound bites, the lighter half is folded into one sum for the others.
//!
//! Until then the sums are exact and merging is associative and commutative. After it the heaviest keys are still
//! there, with what they had since they were last folded, and `other` holds the rest: totals stay exact, each sum is a
//! lower bound, and [`Ranking::top_bounded`] says how much its weight may lack.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

/// A sum that a [`Ranking`] keeps for each key.
pub trait Weighed: Clone + Default {
    /// What keys are ranked by; the second number decides between equals of the first.
    fn weight(&self) -> (u64, u64);
    /// Adds another sum.
    fn add(&mut self, other: &Self);
    /// Adds what was summed up of the same key elsewhere, or later.
    fn join(&mut self, other: &Self) {
        self.add(other);
    }
}

/// Sums by key.
#[derive(Clone, Debug)]
pub struct Ranking<K: Eq + Hash, V> {
    /// Where the sum of a key is.
    places: HashMap<K, usize>,
    sums: Vec<(K, Kept<V>)>,
    other: V,
    folded: u64,
    /// Most that a key without a sum can have lost: in each fold at most the heaviest weight that was folded.
    lost: u64,
    bound: usize,
}

/// A sum, and how much weight its key may have lost before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept<V> {
    sum: V,
    missing: u64,
}

impl<K: Copy + Ord + Hash, V: Weighed> Ranking<K, V> {
    /// Nothing yet; at most `bound` keys.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            places: HashMap::new(),
            sums: Vec::new(),
            other: V::default(),
            folded: 0,
            lost: 0,
            bound: bound.max(2),
        }
    }

    /// The sum of a key, to add to.
    pub fn entry(&mut self, key: K) -> &mut V {
        let place = self.place(key);
        self.at(place)
    }

    /// The same; what has to be folded away for it is told to `folded`.
    #[inline]
    pub fn entry_or_fold(&mut self, key: K, folded: impl FnMut(&K, &V)) -> &mut V {
        let place = self.place_or_fold(key, folded);
        self.at(place)
    }

    /// The same beyond the bound: for sums that are made of others.
    pub(super) fn entry_unbounded(&mut self, key: K) -> &mut V {
        let place = self.place_of(key, self.lost);
        self.at(place)
    }

    /// Where the sum of a key is, as long as [`folded`](Self::folded) stays what it is.
    pub fn place(&mut self, key: K) -> usize {
        self.place_or_fold(key, |_, _| {})
    }

    /// The sum at a place, to add to.
    #[inline]
    pub fn at(&mut self, place: usize) -> &mut V {
        &mut self.sums[place].1.sum
    }

    /// Adds another shard's sums, or later ones of the same shard; the whole may have `MERGED` times as many keys.
    pub fn merge(&mut self, other: &Self) {
        // What one of them does not know, it may have lost.
        for (key, kept) in &mut self.sums {
            kept.missing += other.get(key).map_or(other.lost, |theirs| theirs.missing);
        }
        for (key, theirs) in &other.sums {
            let place = self.place_of(*key, self.lost + theirs.missing);
            self.at(place).join(&theirs.sum);
        }
        self.other.add(&other.other);
        self.folded += other.folded;
        self.lost += other.lost;
        self.bound = self.bound.max(other.bound);
        if self.sums.len() > self.bound * MERGED {
            self.fold(self.bound * MERGED / 2, |_, _| {});
        }
    }

    /// The heaviest `count` keys, the heaviest first; equals in order of their keys.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(K, &V)> {
        let mut ranked = self.ranked();
        ranked.truncate(count);
        ranked
    }

    /// The same with how much each weight may lack at most: what its key had before it was last folded.
    #[must_use]
    pub fn top_bounded(&self, count: usize) -> Vec<(K, &V, u64)> {
        let folded = self.other.weight().0;
        let missing = |key: K| self.get(&key).map_or(0, |kept| kept.missing.min(folded));
        self.top(count).into_iter().map(|(key, sum)| (key, sum, missing(key))).collect()
    }

    /// Every sum, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.sums.iter().map(|(key, kept)| (key, &kept.sum))
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

    /// Whether another key would have others folded away.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.sums.len() >= self.bound
    }

    /// How many times a key lost its own sum because the bound bit.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    fn get(&self, key: &K) -> Option<&Kept<V>> {
        self.places.get(key).map(|place| &self.sums[*place].1)
    }

    #[inline]
    fn place_or_fold(&mut self, key: K, folded: impl FnMut(&K, &V)) -> usize {
        if self.sums.len() >= self.bound && !self.places.contains_key(&key) {
            self.fold(self.bound / 2, folded);
        }
        self.place_of(key, self.lost)
    }

    /// The place of a key; a new one may lack so much weight.
    fn place_of(&mut self, key: K, missing: u64) -> usize {
        let Self { places, sums, .. } = self;
        *places.entry(key).or_insert_with(|| {
            sums.push((key, Kept { sum: V::default(), missing }));
            sums.len() - 1
        })
    }

    fn ranked(&self) -> Vec<(K, &V)> {
        let mut ranked: Vec<(K, &V)> = self.iter().map(|(key, sum)| (*key, sum)).collect();
        ranked.sort_unstable_by(by_weight);
        ranked
    }

    #[cold]
    fn fold(&mut self, keep: usize, mut told: impl FnMut(&K, &V)) {
        let mut all: Vec<(K, &V)> = self.iter().map(|(key, sum)| (*key, sum)).collect();
        // Only which are the heavier ones matters, not their order.
        all.select_nth_unstable_by(keep, by_weight);
        let heavier: HashSet<K> = all.into_iter().take(keep).map(|(key, _)| key).collect();
        let Self { places, sums, other, folded, .. } = self;
        let mut heaviest = 0;
        sums.retain(|(key, Kept { sum, .. })| {
            let stays = heavier.contains(key);
            if !stays {
                told(key, sum);
                heaviest = heaviest.max(sum.weight().0);
                other.add(sum);
                *folded += 1;
            }
            stays
        });
        *places = sums.iter().enumerate().map(|(place, (key, _))| (*key, place)).collect();
        self.lost += heaviest;
    }
}

/// The heavier first, of equals the lower key.
fn by_weight<K: Ord, V: Weighed>((a_key, a): &(K, &V), (b_key, b): &(K, &V)) -> std::cmp::Ordering {
    b.weight().cmp(&a.weight()).then_with(|| a_key.cmp(b_key))
}

/// Whatever the order in which keys came.
impl<K: Copy + Ord + Hash, V: Weighed + PartialEq> PartialEq for Ranking<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let bounds = |one: &Self| (one.sums.len(), one.folded, one.lost, one.bound);
        bounds(self) == bounds(other)
            && self.other == other.other
            && self.sums.iter().all(|(key, kept)| other.get(key) == Some(kept))
    }
}

impl<K: Copy + Ord + Hash, V: Weighed + Eq> Eq for Ranking<K, V> {}

/// Sums of several shards hold so many times the keys that one shard may have.
const MERGED: usize = 4;

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

    #[test]
    fn what_is_merged_again_and_again_stays_bounded() {
        let mut sum = Ranking::new(8);
        for round in 0..100 {
            sum.merge(&fed(8, &[(round * 3, 1), (round * 3 + 1, 2), (7_777, 5)]));
        }
        assert!(sum.len() <= 8 * MERGED && sum.folded() > 0);
        assert_eq!(sum.top(1), [(7_777, &500)]);
        assert_eq!(total(&sum), 800);
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

        #[test]
        fn every_sum_is_at_most_its_bound_off_on_any_number_of_shards(
            shards in prop::collection::vec(prop::collection::vec((0u16..40, 0u64..9), 0..200), 1..5),
        ) {
            let truth = fed(1_000, &shards.concat());
            let mut parts = shards.iter().map(|additions| fed(8, additions));
            let mut merged = parts.next().unwrap();
            parts.for_each(|part| merged.merge(&part));
            for (key, sum, missing) in merged.top_bounded(usize::MAX) {
                let exact = truth.get(&key).unwrap().sum;
                prop_assert!(*sum <= exact && exact <= sum + missing, "{key}: {exact} is not in {sum} + {missing}");
            }
            // Whoever is not named had no more than what is lost.
            for (key, kept) in &truth.sums {
                prop_assert!(merged.get(key).is_some() || kept.sum <= merged.lost);
            }
        }

        #[test]
        fn bounds_do_not_depend_on_who_is_merged_into_whom(
            shards in prop::collection::vec(prop::collection::vec((0u16..40, 0u64..9), 0..200), 3),
        ) {
            let parts: Vec<_> = shards.iter().map(|additions| fed(8, additions)).collect();
            let merged = |order: [usize; 3]| {
                let mut merged = parts[order[0]].clone();
                order[1..].iter().for_each(|part| merged.merge(&parts[*part]));
                merged
            };
            prop_assert_eq!(merged([0, 1, 2]), merged([2, 1, 0]));
            prop_assert_eq!(merged([0, 1, 2]), merged([1, 0, 2]));
        }
    }
}
