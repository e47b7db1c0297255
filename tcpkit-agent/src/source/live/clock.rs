//! Monotonic nanoseconds of the kernel to wall time, the same for every shard.
//!
//! Slewing moves both clocks alike, so their distance changes only when somebody sets the clock; it is measured
//! again and again, and a step is followed from then on.

use std::sync::atomic::{AtomicI64, Ordering};

use super::sys::clock_ns;
use crate::time::Timestamp;

/// The distance between the two clocks.
#[derive(Debug)]
pub struct Clock {
    offset_ns: AtomicI64,
    steps: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { offset_ns: AtomicI64::new(measure()), steps: AtomicI64::new(0) }
    }
}

impl Clock {
    /// Wall time of `bpf_ktime_get_ns`.
    #[must_use]
    pub fn timestamp(&self, monotonic_ns: u64) -> Timestamp {
        let offset = self.offset_ns.load(Ordering::Relaxed);
        Timestamp(offset.saturating_add_unsigned(monotonic_ns))
    }

    /// Follows a step of the wall clock, if there was one; cheap enough to be called once per batch.
    pub fn refresh(&self) {
        let known = self.offset_ns.load(Ordering::Relaxed);
        if (sample().1 - known).abs() <= NOISE_NS {
            return;
        }
        let measured = measure();
        if (measured - known).abs() > NOISE_NS
            && self.offset_ns.compare_exchange(known, measured, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes the distance wrong, as a step of the wall clock does.
    #[cfg(test)]
    pub(super) fn disturb(&self, step_ns: i64) {
        self.offset_ns.fetch_add(step_ns, Ordering::Relaxed);
    }

    /// Steps that were followed.
    #[must_use]
    pub fn steps(&self) -> i64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Wall time now, on the same scale as the records.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.offset_ns.load(Ordering::Relaxed).saturating_add(clock_ns(libc::CLOCK_MONOTONIC)))
    }
}

/// The distance, from the quickest of a few samples: that one was least disturbed.
fn measure() -> i64 {
    (0..9).map(|_| sample()).min().map_or(0, |(_, offset)| offset)
}

/// How long the sample took, and wall time less monotonic time in the middle of it.
fn sample() -> (i64, i64) {
    let before = clock_ns(libc::CLOCK_MONOTONIC);
    let wall = clock_ns(libc::CLOCK_REALTIME);
    let took = clock_ns(libc::CLOCK_MONOTONIC) - before;
    (took, wall - before - took / 2)
}

/// An undisturbed sample is within a microsecond; smaller steps than this are not told from noise.
const NOISE_NS: i64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_clock_is_followed_once() {
        let clock = Clock::default();
        clock.offset_ns.fetch_add(3_000_000_000, Ordering::Relaxed);
        clock.refresh();
        clock.refresh();
        assert_eq!(clock.steps(), 1);
        assert!((clock.now().0 - clock_ns(libc::CLOCK_REALTIME)).abs() < 10_000_000);
    }

    #[test]
    fn noise_is_no_step() {
        let clock = Clock::default();
        let before = clock.timestamp(5);
        for _ in 0..1_000 {
            clock.refresh();
        }
        assert_eq!((clock.timestamp(5), clock.steps()), (before, 0));
    }
}
