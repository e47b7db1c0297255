//! What MySQL and PostgreSQL have in common: messages of known length, and statements.

#[cfg(test)]
pub(super) mod captured;
mod prepared;
mod reader;
mod statement;
mod verbs;
mod words;

pub(super) use prepared::Prepared;
pub(super) use reader::{Layout, Reader, Step};
pub(super) use statement::Statement;
pub(super) use words::Dialect;

use super::exchange::Extent;

/// Prepared statements that are remembered of one connection, 300 octets each.
pub(super) const MOST_PREPARED: usize = 256;

/// Makes an extent end where a later one of its direction ends.
pub(super) const fn grow(extent: &mut Extent, later: &Extent) {
    extent.end = later.end;
    extent.len = (later.offset + later.len).saturating_sub(extent.offset);
}

/// The same for one that may not have begun.
pub(super) fn begin_or_grow(extent: &mut Option<Extent>, later: &Extent) {
    match extent {
        Some(extent) => grow(extent, later),
        None => *extent = Some(*later),
    }
}

/// Octets up to a NUL or the end, and what follows.
pub(super) fn until_nul(octets: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(0, octets) {
        Some(end) => (&octets[..end], &octets[end + 1..]),
        None => (octets, &[]),
    }
}
