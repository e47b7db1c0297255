//! Durations in wide buckets, eight for each doubling: small enough to be kept for many moments of a capture.
//!
//! Two of one growing set, an earlier and a later one, tell what came between them.

use super::{SpanHistogram, span_histogram::least_of};
use crate::time::Span;

/// Buckets of a [`SpanHistogram`] that are one here.
const WIDTH: usize = 8;

/// How many durations there are in each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoarseHistogram {
    /// Up to the longest duration.
    buckets: Vec<u64>,
}

/// A bucket that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoarseBucket {
    /// Which, counted from the shortest durations.
    pub number: usize,
    /// How many.
    pub samples: u64,
}

impl CoarseHistogram {
    /// The same durations, told less exactly.
    #[must_use]
    pub fn of(spans: &SpanHistogram) -> Self {
        Self { buckets: spans.buckets().chunks(WIDTH).map(|chunk| chunk.iter().sum()).collect() }
    }

    /// Adds all durations of another set.
    pub fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += theirs;
        }
    }

    /// What came since `earlier`, which was a part of this set.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().copied().chain(std::iter::repeat(0));
        Self {
            buckets: self
                .buckets
                .iter()
                .zip(before)
                .map(|(now, before)| now.saturating_sub(before))
                .collect(),
        }
    }

    /// How many.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The buckets that are not empty, the shortest durations first.
    pub fn buckets(&self) -> impl Iterator<Item = CoarseBucket> {
        let numbered = self.buckets.iter().enumerate();
        numbered.map(|(number, samples)| CoarseBucket { number, samples: *samples }).filter(|b| b.samples > 0)
    }

    /// The middle of the bucket of the duration that this many per thousand do not exceed: at most 1/16 off.
    #[must_use]
    pub fn per_mille(&self, per_mille: u64) -> Option<Span> {
        let rank = (u128::from(self.samples()) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut below = 0;
        let bucket = self.buckets().find(|bucket| {
            below += u128::from(bucket.samples);
            below >= rank
        })?;
        let (from, end) = (bucket.from().0, bucket.end().0);
        Some(Span(from + (end - from) / 2))
    }
}

impl CoarseBucket {
    /// The shortest duration in it.
    #[must_use]
    pub const fn from(&self) -> Span {
        Span(least_of(self.number * WIDTH))
    }

    /// The half of a doubling that it belongs to: 2k begins with 2^k ns, 2k + 1 with 1.5 times that; what is below 64 ns
    /// is in 10 or 11.
    #[must_use]
    pub const fn row(&self) -> usize {
        self.number / 4 + 10
    }

    /// Every duration in it is shorter.
    #[must_use]
    pub const fn end(&self) -> Span {
        Span(least_of((self.number + 1) * WIDTH))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(values: &[u64]) -> SpanHistogram {
        let mut histogram = SpanHistogram::default();
        values.iter().for_each(|value| histogram.record(Span(*value)));
        histogram
    }

    #[test]
    fn a_bucket_is_an_eighth_of_a_doubling() {
        let only = |value| CoarseHistogram::of(&set(&[value])).buckets().next().unwrap();
        assert_eq!((only(1_024).from(), only(1_024).end()), (Span(1_024), Span(1_152)));
        assert_eq!((only(5).from(), only(5).end()), (Span(0), Span(8)));
        assert_eq!([5, 1_024, 1_535, 1_536, 1 << 33].map(|value| only(value).row()), [10, 20, 20, 21, 66]);
        assert!(only(u64::MAX).from() < only(u64::MAX).end());
    }

    proptest! {
        #[test]
        fn every_duration_lies_in_its_bucket(shift in 0u32..64, value: u64) {
            let value = value >> shift;
            let bucket = CoarseHistogram::of(&set(&[value])).buckets().next().unwrap();
            prop_assert!(bucket.from().0 <= value && value <= bucket.end().0);
        }

        #[test]
        fn what_came_between_is_the_difference(
            before in prop::collection::vec(0u64..1 << 40, 0..40),
            more in prop::collection::vec(0u64..1 << 40, 0..40),
        ) {
            let both = CoarseHistogram::of(&set(&[before.clone(), more.clone()].concat()));
            let between = both.since(&CoarseHistogram::of(&set(&before)));
            let expected = CoarseHistogram::of(&set(&more));
            prop_assert_eq!(between.samples(), more.len() as u64);
            prop_assert!(between.buckets().eq(expected.buckets()));
            prop_assert_eq!(between.per_mille(990), expected.per_mille(990));
        }

        #[test]
        fn a_quantile_is_at_most_a_sixteenth_off(
            mut values in prop::collection::vec(128u64..1 << 40, 1..100),
            per_mille in 1u64..=1000,
        ) {
            let measured = CoarseHistogram::of(&set(&values)).per_mille(per_mille).unwrap().0;
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).unwrap()).div_ceil(1000);
            let exact = values[rank - 1];
            prop_assert!(measured.abs_diff(exact) <= exact / 16 + 1, "{measured} for {exact}");
        }
    }
}
