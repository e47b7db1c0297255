//! Points in time and durations, in nanoseconds.
//!
//! Nothing in here asks for the time: a [`Timestamp`] comes from a capture, and time is an argument everywhere else.

use std::ops::Add;

/// A point in capture time: nanoseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earlier than anything a capture can hold.
    pub const MIN: Self = Self(i64::MIN);

    /// How long after `earlier` this is; zero when time stepped back.
    #[must_use]
    #[inline(always)]
    pub const fn since(self, earlier: Self) -> Span {
        const MOST: u64 = i64::MAX.unsigned_abs();
        // Of two's complements the difference is right as far as it fits, without a sign.
        let distance = self.0.wrapping_sub(earlier.0).cast_unsigned();
        let distance = if self.0 > earlier.0 { distance } else { 0 };
        Span(if distance < MOST { distance } else { MOST })
    }

    /// Whole microseconds since the epoch, rounded down: the `_us` of records.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

/// A duration in nanoseconds; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Span {
    /// This many whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// This many whole milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// Microseconds with nanosecond decimals: the `_us` of durations in records.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days; a duration is far below")]
    pub fn as_micros_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// Seconds, for rates and for people.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days; a rate needs no more digits")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}
