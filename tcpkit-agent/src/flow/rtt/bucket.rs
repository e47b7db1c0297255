//! Buckets of durations, by number: 32 in every power of two, and coarser ones that are made of neighbours.

use crate::time::Span;

/// Binary digits of a value that are kept below its highest.
const DIGITS: u32 = 5;
/// Values below this one have a bucket of their own.
const EXACT: u64 = 2 << DIGITS;
/// Buckets up to the largest value.
const BUCKETS: u16 = 60 << DIGITS;

/// The number of a duration's bucket; longer durations never have lower ones.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a number is below BUCKETS")]
pub(super) const fn of(span: Span) -> u16 {
    let value = span.0;
    if value < EXACT {
        return value as u16;
    }
    let shift = 63 - DIGITS - value.leading_zeros();
    ((shift << DIGITS) as u64 + (value >> shift)) as u16
}

/// The number of the coarser bucket that a bucket is part of: the lowest number in it.
#[inline]
pub(super) const fn coarsened(number: u16, coarseness: u8) -> u16 {
    number >> coarseness << coarseness
}

/// What stands for everything in a coarsened bucket.
pub(super) fn middle(number: u16, coarseness: u8) -> Span {
    let first = lowest(number);
    let last = lowest(number.saturating_add(1 << coarseness).min(BUCKETS)) - 1;
    Span(u64::try_from(u128::midpoint(first, last)).unwrap_or(u64::MAX))
}

/// Half of the width of a coarsened bucket as a part of its lowest value, for values of at least [`EXACT`].
pub(super) fn error(coarseness: u8) -> f64 {
    let coarseness = u32::from(coarseness);
    if coarseness <= DIGITS {
        return f64::from(1u32 << coarseness) / f64::from(2u32 << DIGITS);
    }
    // Whole octaves: from 1 up to 2^octaves.
    let octaves = f64::from(1u32 << (coarseness - DIGITS));
    (octaves.exp2() - 1.0) / 2.0
}

/// The least value of a bucket; behind the last one, what would follow.
fn lowest(number: u16) -> u128 {
    let number = u128::from(number);
    if number < u128::from(EXACT) {
        return number;
    }
    let shift = (number >> DIGITS) - 1;
    (number - (shift << DIGITS)) << shift
}

const _: () = assert!(of(Span(u64::MAX)) + 1 == BUCKETS);
