//! tcpstat's interval statistics: packets in, its text out, byte for byte.
//!
//! Its arithmetic is kept with its quirks, because scripts read its output: times are doubles, a packet on the edge of
//! an interval belongs to the earlier one, the last interval counts whole and, in the totals, twice. Nothing in here
//! reads or writes files; lines go to an [`Outlet`], so that a gap of any length needs no memory.

mod format;
mod grid;
mod number;
mod options;
mod packet;
mod sample;
mod summary;

pub use format::{Extra, Format};
pub use grid::{ENDLESS_BYTES, Outlet, Stat, Stopped};
pub use options::{Action, StatOptions};
pub use packet::{Counted, Decoder, Link, Network, Transport};
pub use sample::Sample;

pub(in crate::view) use number::{fixed, wide};

#[cfg(test)]
mod tests;
