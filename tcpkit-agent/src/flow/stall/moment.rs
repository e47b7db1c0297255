//! A point in time that may be unknown without taking more memory for that.

use std::num::NonZeroI64;

use crate::time::Timestamp;

/// A timestamp; the nanosecond of the epoch itself is the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(NonZeroI64);

impl Moment {
    #[inline(always)]
    pub(super) const fn timestamp(self) -> Timestamp {
        Timestamp(self.0.get())
    }
}

impl From<Timestamp> for Moment {
    #[inline(always)]
    fn from(at: Timestamp) -> Self {
        Self(NonZeroI64::new(at.0).unwrap_or(const { NonZeroI64::new(1).expect("one is not zero") }))
    }
}
