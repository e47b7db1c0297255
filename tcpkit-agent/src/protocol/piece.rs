//! A stretch of one direction of a stream.

use crate::time::Timestamp;

/// Who sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The side that asks.
    Client,
    /// The side that answers.
    Server,
}

impl Party {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Octets of a stream that were sent in one segment.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Octets of this direction before it.
    pub offset: u64,
    /// When its first copy was captured; for octets that never were, when that became known.
    pub at: Timestamp,
    /// Octets on the wire; at least as many as were captured.
    pub len: u32,
    /// As many of them as were captured, from the first on.
    pub bytes: &'a [u8],
}
