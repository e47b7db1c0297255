//! Payload to requests and responses: what a connection says, whatever of it was captured.
//!
//! A [`Dialogue`] hears both directions of one connection as [`Piece`]s in stream order and tells [`Exchange`]s: a
//! request with its response. It knows each octet's offset and time, steps over octets that were never captured, and
//! where one is missing that it needs, it says so (`desynchronised`) and begins again at the next plausible message.
//! Nothing in here panics for any octets; what is kept of a connection is bounded.

mod catalogue;
mod cursor;
mod dns;
mod exchange;
mod http;
mod line;
mod memcached;
mod mysql;
mod piece;
mod postgresql;
mod queue;
mod redis;
mod sql;
#[cfg(test)]
mod testing;
mod text;
mod tls;
mod turns;
mod words;

pub use catalogue::{Carrier, open, recognise, speaks};
pub use cursor::{Carry, Cursor, Read};
pub use exchange::{DialogueCounts, Draft, Exchange, Extent, MAX_KEY, MAX_LABEL, Outcome, Request, Words};
pub use line::{Line, number};
pub use piece::{Party, Piece};
pub use queue::{MAX_PENDING, Queue};
pub use text::Text;
pub use turns::{Step, Turns, Verdict};

use std::fmt::Debug;

/// A protocol whose requests are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// RESP2, RESP3 and inline commands.
    Redis,
    /// Text, meta and binary commands.
    Memcached,
    /// HTTP/1.0 and HTTP/1.1.
    Http,
    /// RFC 1035, by UDP and TCP.
    Dns,
    /// The client/server protocol of MySQL and MariaDB.
    MySql,
    /// The frontend/backend protocol, version 3.
    PostgreSql,
    /// As far as it is visible: the handshake.
    Tls,
}

impl Protocol {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// Every protocol, in order of [`Protocol::index`].
    pub const ALL: [Self; Self::COUNT] =
        [Self::Redis, Self::Memcached, Self::Http, Self::Dns, Self::MySql, Self::PostgreSql, Self::Tls];

    /// Place in an array.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word in options, records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memcached => "memcached",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::MySql => "mysql",
            Self::PostgreSql => "postgresql",
            Self::Tls => "tls",
        }
    }
}

/// One connection, or one pair of UDP ports, as its protocol sees it.
pub trait Dialogue: Debug {
    /// Hears the next piece of one direction; what it completes goes to `out`, in the order of the responses.
    ///
    /// Pieces of one direction follow each other without a gap in their offsets; what was never captured comes as a
    /// piece without bytes. A UDP datagram is one piece.
    fn on_piece(&mut self, from: Party, piece: &Piece<'_>, out: &mut Vec<Exchange>);

    /// One direction has ended (FIN, RST, or the flow left): a message that runs until the end is complete now.
    fn on_end(&mut self, from: Party, at: crate::time::Timestamp, out: &mut Vec<Exchange>);

    /// The connection is over: what still waits for an answer has none. `is_lost` where it was torn down (RST) rather
    /// than closed or cut off by the end of the capture.
    fn on_over(&mut self, is_lost: bool, out: &mut Vec<Exchange>);

    /// What could not be read so far, by cause.
    fn counts(&self) -> &DialogueCounts;

    /// Requests that wait for their answer.
    fn pending(&self) -> usize;
}
