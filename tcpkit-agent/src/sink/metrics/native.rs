//! Durations in the buckets of Prometheus's native histograms, as its protobuf format has them.
//!
//! The contract: runs of buckets that follow one another, and each bucket's count as its difference to the one before;
//! buckets that are empty are left out, but for the few between two runs that a run of its own would cost more.

use prometheus_client::encoding::{NativeHistogram, NativeHistogramBuckets};

use crate::report::{NATIVE_FIRST, NATIVE_SCHEMA};

/// Durations in native buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Native {
    /// All durations.
    pub(super) count: u64,
    /// Those of 0.
    zero: u64,
    /// Empty buckets before each run (before the first: the number of its first bucket), and buckets in it.
    runs: Vec<(i32, u32)>,
    /// Of each bucket, how much more it has than the one before.
    deltas: Vec<i64>,
}

impl Native {
    /// From how many fell into each bucket, of which the first has those of 0.
    pub(super) fn of(counts: &[u64]) -> Self {
        let mut native = Self {
            count: counts.iter().sum(),
            zero: counts.first().copied().unwrap_or(0),
            ..Self::default()
        };
        let (mut next, mut before) = (0, 0);
        for (bucket, count) in (NATIVE_FIRST..).zip(counts).skip(1).filter(|(_, count)| **count > 0) {
            native.reach(bucket - next, &mut before);
            // More than 2^63 of anything are centuries away.
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            native.deltas.push(count - before);
            (next, before) = (bucket + 1, count);
        }
        native
    }

    /// Makes room for a bucket that stands so many behind the end.
    fn reach(&mut self, gap: i32, before: &mut i64) {
        match self.runs.last_mut() {
            Some((_, length)) if gap <= BRIDGED => {
                for _ in 0..gap {
                    self.deltas.push(-*before);
                    *before = 0;
                    *length += 1;
                }
                *length += 1;
            }
            _ => self.runs.push((gap, 1)),
        }
    }

    /// As the library wants it.
    pub(super) fn borrowed(&self) -> NativeHistogram<'_> {
        NativeHistogram {
            schema: NATIVE_SCHEMA,
            zero_threshold: f64::from(NATIVE_FIRST >> NATIVE_SCHEMA).exp2(),
            zero_count: self.zero,
            negative: NativeHistogramBuckets { spans: &[], deltas: &[] },
            positive: NativeHistogramBuckets { spans: &self.runs, deltas: &self.deltas },
            created: None,
        }
    }
}

/// So many empty buckets cost less than a new run.
const BRIDGED: i32 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{analyzer::SpanHistogram, report::NATIVE_BOUNDS_NS, time::Span};

    /// What a reader makes of it, by bucket.
    fn read(native: &Native) -> Vec<(i32, u64)> {
        let mut deltas = native.deltas.iter();
        let (mut bucket, mut count, mut counts) = (0, 0i64, Vec::new());
        for (gap, length) in &native.runs {
            bucket += gap;
            for _ in 0..*length {
                count += deltas.next().unwrap();
                counts.push((bucket, u64::try_from(count).unwrap()));
                bucket += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        counts.retain(|(_, count)| *count > 0);
        counts
    }

    fn spans(values: &[u64]) -> Native {
        let mut histogram = SpanHistogram::default();
        values.iter().for_each(|value| histogram.record(Span(*value)));
        Native::of(&histogram.by_bounds(&NATIVE_BOUNDS_NS))
    }

    #[test]
    fn a_second_is_in_the_bucket_whose_upper_bound_is_2_to_the_0() {
        for (nanoseconds, bucket) in [
            (1, -239),
            (990_000_000, 0),
            (1_010_000_000, 1),
            (2_050_000_000, 9),
            (480_000, -88),
            (u64::MAX, 273),
        ] {
            assert_eq!(read(&spans(&[nanoseconds])), [(bucket, 1)], "{nanoseconds}");
        }
        let nothing = spans(&[0, 0]);
        assert_eq!((nothing.zero, nothing.count, read(&nothing)), (2, 2, vec![]));
        assert_eq!(Native::of(&[]), Native::default());
    }

    #[test]
    fn short_gaps_are_bridged_and_long_ones_are_not() {
        let native = Native::of(&[7, 1, 0, 0, 5, 0, 0, 0, 2]);
        assert_eq!(native.runs, [(-239, 4), (3, 1)]);
        assert_eq!(native.deltas, [1, -1, 0, 5, -3]);
        assert_eq!((native.zero, native.count), (7, 15));
        assert!(native.borrowed().zero_threshold < 1e-9);
    }

    proptest! {
        #[test]
        fn every_duration_is_within_its_bounds_or_a_hundredth_beside(
            values in prop::collection::vec((0u32..64, any::<u64>()), 1..50),
        ) {
            for nanoseconds in values.into_iter().map(|(shift, value)| value >> shift) {
                let native = spans(&[nanoseconds]);
                prop_assert_eq!(native.count, 1);
                let Some((bucket, _)) = read(&native).first().copied() else {
                    prop_assert_eq!(nanoseconds, 0);
                    continue;
                };
                let bound = |bucket: i32| (f64::from(bucket) / 8.0).exp2() * 1e9;
                let nanoseconds = crate::sink::metrics::sample::number(nanoseconds);
                prop_assert!(nanoseconds <= bound(bucket) * 1.01, "{nanoseconds} {bucket}");
                prop_assert!(nanoseconds * 1.01 > bound(bucket - 1), "{nanoseconds} {bucket}");
            }
        }

        #[test]
        fn nothing_is_lost_on_the_way(counts in prop::collection::vec(0u64..4, 0..60)) {
            let native = Native::of(&counts);
            let expected = (NATIVE_FIRST..).zip(counts.iter().copied()).skip(1);
            prop_assert_eq!(read(&native), expected.filter(|(_, count)| *count > 0).collect::<Vec<_>>());
            prop_assert_eq!(native.count, counts.iter().sum::<u64>());
        }
    }
}
