//! Durations in buckets whose width grows with their value: quantiles at most 1 % off, in bounded memory.
//!
//! Below 128 ns every value has a bucket of its own; above, every power of two is cut into 64 buckets, and the middle
//! of a bucket stands for what fell into it, so it is off by at most half a bucket: 1/128 of the value.
//! Minimum, maximum, mean and count are exact.

use crate::time::Span;

/// Binary digits of a value that are kept below its highest.
const DIGITS: u32 = 6;
/// Values below this one have a bucket of their own.
const EXACT: u64 = 2 << DIGITS;
/// Buckets up to the largest value.
const BUCKETS: usize = ((65 - DIGITS) as usize) << DIGITS;

/// A set of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanHistogram {
    /// Grows up to the largest value so far: most captures need a fraction of the range.
    buckets: Vec<u64>,
    samples: u64,
    sum: u128,
    min: Span,
    max: Span,
}

impl Default for SpanHistogram {
    fn default() -> Self {
        Self { buckets: Vec::new(), samples: 0, sum: 0, min: Span(u64::MAX), max: Span(0) }
    }
}

impl SpanHistogram {
    /// Adds a duration.
    #[inline]
    pub fn record(&mut self, span: Span) {
        self.record_at(Bucket::of(span), span);
    }

    /// The same, where its bucket is known: one duration is often added to several sets.
    #[inline]
    pub fn record_at(&mut self, bucket: Bucket, span: Span) {
        self.record_many(bucket, span, 1);
    }

    /// The same, so many times.
    #[inline]
    pub fn record_many(&mut self, Bucket(bucket): Bucket, span: Span, samples: u64) {
        if bucket >= self.buckets.len() {
            self.reach(bucket);
        }
        self.buckets[bucket] += samples;
        self.samples += samples;
        self.sum += u128::from(span.0) * u128::from(samples);
        self.min = self.min.min(span);
        self.max = self.max.max(span);
    }

    #[cold]
    fn reach(&mut self, bucket: usize) {
        self.buckets.resize(bucket + 1, 0);
    }

    /// Adds all durations of another set.
    pub fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += theirs;
        }
        self.samples += other.samples;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Shortest.
    #[must_use]
    pub fn min(&self) -> Option<Span> {
        (self.samples > 0).then_some(self.min)
    }

    /// Longest.
    #[must_use]
    pub fn max(&self) -> Option<Span> {
        (self.samples > 0).then_some(self.max)
    }

    /// Mean, in nanoseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean needs no more than the 53 digits of a float")]
    pub fn mean_ns(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum as f64 / self.samples as f64)
    }

    /// All of them together; saturates after 584 years.
    #[must_use]
    pub fn total(&self) -> Span {
        Span(u64::try_from(self.sum).unwrap_or(u64::MAX))
    }

    /// How many are at most as long as each of these bounds, in nanoseconds, and longer than the one before; the last
    /// number is of those beyond. The middle of a bucket stands for what fell into it, as for the percentiles.
    #[must_use]
    pub fn by_bound<const BUCKETS: usize>(&self, bounds: &[u64]) -> [u64; BUCKETS] {
        let mut counts = [0; BUCKETS];
        for (place, count) in self.places(bounds) {
            if let Some(sum) = counts.get_mut(place) {
                *sum += count;
            }
        }
        counts
    }

    /// The same, for many bounds; what would be zeros at the end is left out.
    #[must_use]
    pub fn by_bounds(&self, bounds: &[u64]) -> Vec<u64> {
        let mut counts = Vec::new();
        for (place, count) in self.places(bounds) {
            if place >= counts.len() {
                counts.resize(place + 1, 0);
            }
            counts[place] += count;
        }
        counts
    }

    /// Between which bounds each bucket lies that is not empty, and how many are in it.
    fn places(&self, bounds: &[u64]) -> impl Iterator<Item = (usize, u64)> {
        let mut place = 0;
        self.buckets.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(bucket, count)| {
            let middle = middle_of(bucket);
            place += bounds[place..].iter().take_while(|bound| **bound < middle).count();
            (place, *count)
        })
    }

    /// Durations by bucket, the shortest first.
    pub(super) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The duration that this many per thousand do not exceed (nearest rank).
    #[must_use]
    pub fn per_mille(&self, per_mille: u32) -> Option<Span> {
        let samples = u128::from(self.samples);
        let rank = u64::try_from((samples * u128::from(per_mille)).div_ceil(1000)).unwrap_or(u64::MAX);
        let rank = rank.clamp(1, self.samples.max(1));
        let mut below = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(Span(middle_of(bucket)).clamp(self.min, self.max));
            }
        }
        None
    }
}

/// The bucket of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket(usize);

impl Bucket {
    /// Which it is.
    #[must_use]
    #[inline]
    pub const fn of(span: Span) -> Self {
        Self(bucket_of(span.0))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a bucket number is below BUCKETS")]
const fn bucket_of(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let shift = 63 - DIGITS - value.leading_zeros();
    ((shift as usize) << DIGITS) + (value >> shift) as usize
}

const fn middle_of(bucket: usize) -> u64 {
    if (bucket as u64) < EXACT {
        return bucket as u64;
    }
    let shift = (bucket >> DIGITS) - 1;
    let digits = (bucket - (shift << DIGITS)) as u64;
    (digits << shift) + ((1u64 << shift) >> 1)
}

/// The least value in a bucket; of one behind the last, what no value reaches.
pub(super) const fn least_of(bucket: usize) -> u64 {
    if (bucket as u64) < EXACT {
        return bucket as u64;
    }
    let shift = (bucket >> DIGITS) - 1;
    let digits = (bucket - (shift << DIGITS)) as u64;
    if shift > 57 { u64::MAX } else { digits << shift }
}

const _: () = assert!(bucket_of(u64::MAX) + 1 == BUCKETS);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(values: &[u64]) -> SpanHistogram {
        let mut histogram = SpanHistogram::default();
        values.iter().for_each(|value| histogram.record(Span(*value)));
        histogram
    }

    fn merged(a: &SpanHistogram, b: &SpanHistogram) -> SpanHistogram {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    #[test]
    fn an_empty_set_has_no_quantiles() {
        let empty = SpanHistogram::default();
        assert_eq!((empty.min(), empty.max(), empty.per_mille(500)), (None, None, None));
        assert_eq!(empty.mean_ns(), None);
    }

    #[test]
    fn one_sample_is_every_quantile_exactly() {
        let one = set(&[1_234_567]);
        assert_eq!(one.per_mille(500), Some(Span(1_234_567)));
        assert_eq!(one.per_mille(990), Some(Span(1_234_567)));
    }

    #[test]
    fn bounds_part_what_is_clearly_below_from_what_is_clearly_above() {
        let spans = set(&[0, 9_900, 10_100, 24_000, 980_000_000, 1_000_000_000_000]);
        assert_eq!(spans.by_bound::<4>(&[10_000, 25_000, 1_000_000_000]), [2, 2, 1, 1]);
        assert_eq!(spans.by_bounds(&[10_000, 25_000, 1_000_000_000]), [2, 2, 1, 1]);
        assert_eq!(set(&[0, 9_900]).by_bounds(&[10_000, 25_000]), [2]);
        assert_eq!(set(&[]).by_bound::<4>(&[1, 2, 3]), [0; 4]);
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_one_per_cent_off(
            mut values in prop::collection::vec((0u32..64, any::<u64>()), 1..200),
            per_mille in 0u32..=1000,
        ) {
            let mut values: Vec<u64> = values.drain(..).map(|(shift, value)| value >> shift).collect();
            let measured = set(&values).per_mille(per_mille).unwrap().0;
            values.sort_unstable();
            let rank = (values.len() * per_mille as usize).div_ceil(1000).max(1);
            let exact = values[rank - 1];
            prop_assert!(measured.abs_diff(exact) <= exact / 100, "{measured} for {exact}");
        }

        #[test]
        fn merging_is_associative_and_commutative(
            a in prop::collection::vec(any::<u64>(), 0..50),
            b in prop::collection::vec(any::<u64>(), 0..50),
            c in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let (a, b, c) = (set(&a), set(&b), set(&c));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        }
    }
}
