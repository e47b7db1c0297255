//! Bytes by second of capture time, for the busiest second: exact over any number of shards.
//!
//! A second is one of the clock (UTC), and a frame counts in that of its own time. Memory is bounded: a series holds
//! [`BLOCKS`] stretches of [`SECONDS`] seconds in which there was traffic; beyond that the oldest is forgotten, and
//! [`Series::since`] says from when on the peak is known. Stretches that are over are shared between copies.

use std::{collections::BTreeMap, sync::Arc};

use crate::time::Timestamp;

/// `N` numbers for each second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series<const N: usize> {
    blocks: BTreeMap<i64, Arc<Block<N>>>,
    /// Stretches up to this one are forgotten.
    forgotten: Option<i64>,
}

type Block<const N: usize> = [[u64; N]; SECONDS];

/// The busiest second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Bytes in it.
    pub bytes: u64,
    /// When it began.
    pub at: Timestamp,
}

impl<const N: usize> Default for Series<N> {
    fn default() -> Self {
        Self { blocks: BTreeMap::new(), forgotten: None }
    }
}

impl<const N: usize> Series<N> {
    /// Adds to a second, counted from the epoch.
    pub fn add(&mut self, second: i64, numbers: &[u64; N]) {
        let number = second.div_euclid(LENGTH);
        if self.forgotten.is_some_and(|forgotten| number <= forgotten) {
            return;
        }
        let block = self.blocks.entry(number).or_insert_with(|| Arc::new([[0; N]; SECONDS]));
        let place = usize::try_from(second.rem_euclid(LENGTH)).expect("a remainder is not negative");
        add(&mut Arc::make_mut(block)[place], numbers);
        if self.blocks.len() > BLOCKS {
            self.forgotten = self.blocks.pop_first().map(|(number, _)| number);
        }
    }

    /// Adds another shard's series.
    pub fn merge(&mut self, other: &Self) {
        self.forgotten = self.forgotten.max(other.forgotten);
        for (number, theirs) in &other.blocks {
            if let Some(own) = self.blocks.get_mut(number) {
                let own = Arc::make_mut(own).iter_mut();
                own.zip(theirs.iter()).for_each(|(own, theirs)| add(own, theirs));
            } else {
                self.blocks.insert(*number, Arc::clone(theirs));
            }
        }
        // A sum that lacks one shard's part is no sum.
        if let Some(forgotten) = self.forgotten {
            self.blocks.retain(|number, _| *number > forgotten);
        }
    }

    /// The first of the seconds in which most bytes passed, by what `bytes` makes of a second's numbers; `None` without
    /// any.
    #[must_use]
    pub fn peak(&self, bytes: impl Fn(&[u64; N]) -> u64) -> Option<Peak> {
        let mut peak: Option<(u64, i64)> = None;
        for (number, block) in &self.blocks {
            for (second, numbers) in (0..).zip(block.iter()) {
                let sum = bytes(numbers);
                if sum > peak.map_or(0, |(most, _)| most) {
                    peak = Some((sum, number * LENGTH + second));
                }
            }
        }
        peak.map(|(bytes, second)| Peak { bytes, at: begins(second) })
    }

    /// From when on the peak is known; `None` where that is the whole capture.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.forgotten.map(|forgotten| begins((forgotten + 1).saturating_mul(LENGTH)))
    }
}

/// The second of the clock that a time lies in.
#[inline]
pub(super) const fn second_of(time: Timestamp) -> i64 {
    time.0.div_euclid(SECOND)
}

/// When a second begins.
pub(super) const fn begins(second: i64) -> Timestamp {
    Timestamp(second.saturating_mul(SECOND))
}

fn add<const N: usize>(own: &mut [u64; N], other: &[u64; N]) {
    own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
}

/// Nanoseconds.
pub(super) const SECOND: i64 = 1_000_000_000;
/// Seconds that lie together.
const SECONDS: usize = 512;
const LENGTH: i64 = 512;
/// Stretches that are kept: 18 hours of traffic without a pause.
const BLOCKS: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fed(seconds: &[(i64, u64)]) -> Series<1> {
        let mut series = Series::default();
        seconds.iter().for_each(|(second, bytes)| series.add(*second, &[*bytes]));
        series
    }

    fn peak(series: &Series<1>) -> Option<(u64, i64)> {
        series.peak(|[bytes]| *bytes).map(|peak| (peak.bytes, second_of(peak.at)))
    }

    #[test]
    fn the_first_busiest_second_is_the_peak_also_before_the_epoch() {
        assert_eq!(peak(&fed(&[])), None);
        assert_eq!(peak(&fed(&[(-3, 5), (7, 2), (-3, 1), (8, 6)])), Some((6, -3)));
    }

    #[test]
    fn what_is_forgotten_is_said() {
        let hours: Vec<(i64, u64)> =
            (0..200).map(|block| (block * LENGTH, 1_000 - block.unsigned_abs())).collect();
        let series = fed(&hours);
        assert_eq!(series.since(), Some(begins(72 * LENGTH)));
        assert_eq!(peak(&series), Some((1_000 - 72, 72 * LENGTH)));
        let mut late = series.clone();
        late.add(3, &[1_000_000]);
        assert_eq!(late, series, "a frame from before is not counted as a peak of now");
        let mut sum = fed(&[(3, 7), (199 * LENGTH, 5_000)]);
        sum.merge(&series);
        assert_eq!(peak(&sum), Some((5_801, 199 * LENGTH)));
        assert_eq!(sum.since(), series.since(), "of the time before, only one shard knows its part");
    }

    proptest! {
        #[test]
        fn shards_do_not_show(
            a in prop::collection::vec((0i64..3_000, 0u64..9), 0..60),
            b in prop::collection::vec((0i64..3_000, 0u64..9), 0..60),
        ) {
            let (mut left, mut right) = (fed(&a), fed(&b));
            left.merge(&fed(&b));
            right.merge(&fed(&a));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left, fed(&[a, b].concat()));
        }
    }
}
