//! A time that may be unknown, in the eight octets of one that is not: flows hold many of them.

use crate::time::Timestamp;

/// A point in capture time, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::flow) struct Moment(Timestamp);

impl Moment {
    pub(in crate::flow) fn get(self) -> Option<Timestamp> {
        self.is_some().then_some(self.0)
    }

    pub(in crate::flow) fn is_some(self) -> bool {
        self.0 != Timestamp::MIN
    }

    pub(in crate::flow) fn is_none(self) -> bool {
        !self.is_some()
    }

    /// Puts a time in where there is none.
    pub(in crate::flow) fn get_or_insert(&mut self, time: Timestamp) {
        if self.is_none() {
            self.0 = time;
        }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self(Timestamp::MIN)
    }
}

impl From<Option<Timestamp>> for Moment {
    /// [`Timestamp::MIN`] is earlier than anything a capture can hold, so nothing is lost.
    fn from(time: Option<Timestamp>) -> Self {
        time.map_or_else(Self::default, Self)
    }
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}
