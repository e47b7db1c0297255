//! Round trips of one direction of one flow in buckets: quantiles at most 1.6 % off, in a few dozen octets.
//!
//! Every power of two is cut into 32 buckets, and the middle of a bucket stands for what fell into it. A few buckets
//! lie in the flow itself; more spill into memory of their own, [`MOST`] of them at most, as long as the table's
//! [`SpillBudget`] lasts. Where there is no room for one more, the whole set is coarsened: two neighbours become one,
//! again and again until it fits, and [`RttHistogram::error`] says so. The result depends on what was fed and not on
//! the order: merging two sets is feeding one with all of it (as in I. Epicoco et al., "UDDSketch", 2020), as long as
//! the budget lasts.
//!
//! What is recorded waits beside the buckets until there are [`LATE`] of it, and is sorted in together: their memory,
//! which is seldom at hand, is waited for once.

use smallvec::SmallVec;

use super::bucket;
use crate::time::Span;

/// Durations that wait to be sorted in.
const LATE: usize = 7;
/// Buckets that lie in the flow.
const INLINE: usize = 2;
/// Buckets that spilled memory begins with; it doubles up to [`MOST`].
const SPILL: usize = 8;
/// Buckets at most: eight octaves at full resolution, 2 KiB.
const MOST: usize = 256;

/// A set of durations. It is not copied, because its memory is counted.
#[derive(Debug, Default)]
pub(in crate::flow) struct RttHistogram {
    /// Numbers of the buckets of the latest durations.
    late: [u16; LATE],
    /// How many those are.
    late_len: u8,
    /// How many low digits of a bucket's number count no more.
    coarseness: u8,
    /// In ascending order of their numbers.
    buckets: SmallVec<[Bucket; INLINE]>,
}

impl RttHistogram {
    /// Adds a duration.
    #[inline(always)]
    pub(in crate::flow) fn record(&mut self, span: Span, budget: &mut SpillBudget) {
        if usize::from(self.late_len) == LATE {
            self.sort_in(budget);
        }
        if let Some(late) = self.late.get_mut(usize::from(self.late_len)) {
            *late = bucket::of(span);
            self.late_len += 1;
        }
    }

    /// Adds all durations of another set.
    #[cfg(test)]
    pub(in crate::flow) fn merge(&mut self, other: &Self, budget: &mut SpillBudget) {
        let other = other.sorted();
        while self.coarseness < other.coarseness {
            self.coarsen();
        }
        for bucket in other.buckets {
            self.add(bucket.number(), bucket.count(), budget);
        }
    }

    /// All of it, to be read.
    pub(in crate::flow) fn sorted(&self) -> Sorted {
        let room = SmallVec::with_capacity(self.buckets.len() + LATE);
        let mut all = Self { coarseness: self.coarseness, buckets: room, ..Self::default() };
        let late = self.late[..usize::from(self.late_len)].iter().map(|number| Bucket::new(*number, 1));
        for bucket in self.buckets.iter().copied().chain(late) {
            let number = bucket::coarsened(bucket.number(), all.coarseness);
            let has_room = all.add_to_bucket(number, bucket.count());
            debug_assert!(has_room, "there is room for all of them");
        }
        while all.buckets.len() > MOST {
            all.coarsen();
        }
        Sorted { coarseness: all.coarseness, buckets: all.buckets.into_vec() }
    }

    /// Gives spilled memory back: the flow is gone.
    pub(in crate::flow) fn release(&mut self, budget: &mut SpillBudget) {
        budget.give_back(self.spilled());
        *self = Self::default();
    }

    /// Buckets of memory of its own.
    fn spilled(&self) -> usize {
        if self.buckets.spilled() { self.buckets.capacity() } else { 0 }
    }

    /// Sorts in what waits.
    #[inline(never)]
    fn sort_in(&mut self, budget: &mut SpillBudget) {
        let late = self.late;
        for number in &late[..usize::from(std::mem::take(&mut self.late_len))] {
            self.add(*number, 1, budget);
        }
    }

    /// Adds to the bucket of a number.
    fn add(&mut self, number: u16, count: u64, budget: &mut SpillBudget) {
        while !self.add_to_bucket(bucket::coarsened(number, self.coarseness), count) {
            if !self.grow(budget) {
                self.coarsen();
            }
        }
    }

    /// Adds to a bucket, or adds a bucket; false where there is no room for it.
    fn add_to_bucket(&mut self, number: u16, count: u64) -> bool {
        let buckets = self.buckets.as_mut_slice();
        // Halving takes no branch that a processor would have to foresee.
        let place = buckets.partition_point(|bucket| bucket.number() < number);
        if let Some(bucket) = buckets.get_mut(place).filter(|bucket| bucket.number() == number) {
            bucket.0 += count;
            return true;
        }
        let has_room = self.buckets.len() < self.buckets.capacity();
        if has_room {
            self.buckets.insert(place, Bucket::new(number, count));
        }
        has_room
    }

    /// Gets more room; false where there is none.
    #[cold]
    fn grow(&mut self, budget: &mut SpillBudget) -> bool {
        let room = self.spilled();
        let more = room.max(SPILL);
        if room + more > MOST || !budget.take(more) {
            return false;
        }
        self.buckets.reserve_exact(room + more - self.buckets.len());
        true
    }

    /// Makes one bucket of two neighbours.
    #[cold]
    fn coarsen(&mut self) {
        self.coarseness += 1;
        let coarseness = self.coarseness;
        let buckets = self.buckets.as_mut_slice();
        let mut kept = 0;
        for place in 0..buckets.len() {
            let number = bucket::coarsened(buckets[place].number(), coarseness);
            let count = buckets[place].count();
            if kept > 0 && buckets[kept - 1].number() == number {
                buckets[kept - 1] = Bucket::new(number, buckets[kept - 1].count() + count);
            } else {
                buckets[kept] = Bucket::new(number, count);
                kept += 1;
            }
        }
        self.buckets.truncate(kept);
    }
}

/// Everything that a set was fed with.
#[derive(Debug)]
pub(in crate::flow) struct Sorted {
    coarseness: u8,
    buckets: Vec<Bucket>,
}

impl Sorted {
    /// How many durations.
    pub(in crate::flow) fn samples(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.count()).sum()
    }

    /// The duration that this many per thousand do not exceed (nearest rank).
    pub(in crate::flow) fn per_mille(&self, per_mille: u32) -> Option<Span> {
        let samples = u128::from(self.samples());
        let rank = (samples * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut below = 0;
        self.buckets.iter().find_map(|bucket| {
            below += u128::from(bucket.count());
            (below >= rank).then(|| bucket::middle(bucket.number(), self.coarseness))
        })
    }

    /// How far a quantile may be off, as a part of its value.
    pub(in crate::flow) fn error(&self) -> f64 {
        bucket::error(self.coarseness)
    }
}

/// Memory that all flows of a table may take for buckets that do not fit into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) struct SpillBudget {
    /// Buckets that are left.
    left: usize,
    refused: u64,
}

impl SpillBudget {
    /// Memory of so many octets.
    pub(in crate::flow) const fn new(bytes: usize) -> Self {
        Self { left: bytes / size_of::<Bucket>(), refused: 0 }
    }

    /// How often a set was coarsened because nothing was left.
    pub(in crate::flow) const fn refused(&self) -> u64 {
        self.refused
    }

    const fn take(&mut self, buckets: usize) -> bool {
        let is_left = buckets <= self.left;
        if is_left {
            self.left -= buckets;
        } else {
            self.refused += 1;
        }
        is_left
    }

    const fn give_back(&mut self, buckets: usize) {
        self.left += buckets;
    }
}

/// A bucket's number in the upper 16 bits, and what is in it in the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bucket(u64);

impl Bucket {
    const COUNT_BITS: u32 = 48;

    const fn new(number: u16, count: u64) -> Self {
        Self((number as u64) << Self::COUNT_BITS | count)
    }

    const fn number(self) -> u16 {
        (self.0 >> Self::COUNT_BITS) as u16
    }

    const fn count(self) -> u64 {
        self.0 & ((1 << Self::COUNT_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLENTY: usize = 1 << 20;

    fn set(values: &[u64], budget: &mut SpillBudget) -> RttHistogram {
        let mut histogram = RttHistogram::default();
        values.iter().for_each(|value| histogram.record(Span(*value), budget));
        histogram
    }

    fn content(histogram: &RttHistogram) -> (u8, Vec<Bucket>) {
        let Sorted { coarseness, buckets } = histogram.sorted();
        (coarseness, buckets)
    }

    /// Values of every magnitude.
    fn values(most: usize) -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((0u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift), 1..most)
    }

    #[test]
    fn an_empty_set_has_no_quantiles() {
        let empty = RttHistogram::default().sorted();
        assert_eq!((empty.samples(), empty.per_mille(0), empty.per_mille(1000)), (0, None, None));
    }

    #[test]
    fn eight_octaves_keep_their_resolution() {
        let mut budget = SpillBudget::new(PLENTY);
        let wide: Vec<u64> = (0..256 * 8).map(|step| 20_000 + 19_900 * step / 8).collect();
        let histogram = set(&wide, &mut budget).sorted();
        assert_eq!((histogram.coarseness, histogram.samples()), (0, wide.len() as u64));
        assert!(histogram.error() < 0.016);
    }

    #[test]
    fn what_is_spilled_comes_back() {
        let mut budget = SpillBudget::new(PLENTY);
        let mut histogram = set(&(1..10_000).map(|value| value * 777).collect::<Vec<_>>(), &mut budget);
        assert_ne!(budget, SpillBudget::new(PLENTY));
        histogram.release(&mut budget);
        assert_eq!(budget, SpillBudget::new(PLENTY));
    }

    #[test]
    fn without_memory_it_is_coarse_and_says_so() {
        let mut nothing = SpillBudget::new(0);
        let histogram = set(&(0..60).map(|shift| 1 << shift).collect::<Vec<_>>(), &mut nothing).sorted();
        assert_eq!(histogram.samples(), 60);
        assert!(nothing.refused() > 0 && histogram.error() > 0.5, "{histogram:?}");
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_no_more_than_it_says(
            mut values in values(500),
            per_mille in 0u32..=1000,
            bytes in prop::sample::select(vec![0, 128, 512, PLENTY]),
        ) {
            let histogram = set(&values, &mut SpillBudget::new(bytes)).sorted();
            values.sort_unstable();
            let rank = (values.len() * per_mille as usize).div_ceil(1000).max(1);
            let exact = values[rank - 1] as f64;
            let given = histogram.per_mille(per_mille).unwrap().0 as f64;
            // Buckets do not get narrower than a nanosecond.
            let allowed = exact.max(64.0) * histogram.error();
            prop_assert!((given - exact).abs() <= allowed, "{given} for {exact}: {histogram:?}");
        }

        #[test]
        fn merging_two_is_feeding_one(a in values(2_000), b in values(2_000)) {
            let mut budget = SpillBudget::new(PLENTY);
            let all = set(&[a.clone(), b.clone()].concat(), &mut budget);
            let (mut ab, mut ba) = (set(&a, &mut budget), set(&b, &mut budget));
            ab.merge(&set(&b, &mut budget), &mut budget);
            ba.merge(&set(&a, &mut budget), &mut budget);
            prop_assert_eq!(content(&ab), content(&all));
            prop_assert_eq!(content(&ba), content(&all));
        }

        #[test]
        fn memory_is_bounded_and_nothing_is_lost(values in values(3_000), bytes in 0usize..5_000) {
            let mut budget = SpillBudget::new(bytes);
            let histogram = set(&values, &mut budget);
            prop_assert_eq!(histogram.sorted().samples(), values.len() as u64);
            prop_assert!(histogram.buckets.as_slice().len() <= MOST);
            prop_assert!(budget.left <= bytes / size_of::<Bucket>());
        }
    }
}
