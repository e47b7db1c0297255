//! git-hulk/tcpkit: a line for each request, a line for each packet, sums by port and by server.
//!
//! The contract:
//! - Lines, statistics and JSON are tcpkit 1.0.1's and 1.1.0's, byte for byte, where those are right; what differs and
//!   why stands in docs/moving-from-tcpkit.md.
//! - Requests come as [`RequestRecord`](crate::report::RequestRecord)s, sums of them as
//!   [`Services`](crate::report::Services). Only answered ones are shown and counted, as there.
//! - A latency is the whole microseconds from the request's first octet to the response's first one, never negative.
//! - A label or a payload can neither steer a terminal nor make a line of its own in a file.

mod buckets;
mod clean;
mod ending;
mod json;
mod line;
mod raw;
mod tally;

#[cfg(test)]
mod tests;

pub use ending::{Interfaces, latency_statistics};
pub use json::Shape;
pub use line::Lines;
pub use raw::{RawLines, RawPacket, Tcp};
pub use tally::by_port;

/// Whose command line it is, and so whose words are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// tcpkit 1.0.1 and its document: `-m redis -p 6379 -s 10.0.0.1`.
    #[default]
    V10,
    /// tcpkit 1.1.0: `-p redis tcp port 6379`.
    V11,
}
