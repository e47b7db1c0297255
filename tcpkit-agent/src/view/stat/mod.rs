//! tcpstat's interval statistics: packets in, its text out, byte for byte.
//!
//! Its arithmetic is kept with its quirks, because scripts read its output: times are doubles, a packet on the edge of
//! an interval belongs to the earlier one, the last interval counts whole. Nothing in here reads or writes files.

mod format;
mod grid;
mod number;
mod options;
mod sample;
mod summary;

pub use format::Format;
pub use grid::{Endless, Stat};
pub use number::double;
pub use options::{Action, StatOptions};
pub use sample::{Counted, Network, Transport};
