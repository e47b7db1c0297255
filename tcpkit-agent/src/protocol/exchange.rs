//! A request and what came of it.

use super::text::Text;
pub use super::words::Words;
use crate::time::{Span, Timestamp};

/// Where in its direction, and when, a message was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Capture time of its first octet: the first copy captured.
    pub start: Timestamp,
    /// The same of its last octet.
    pub end: Timestamp,
    /// Octets of its direction before it.
    pub offset: u64,
    /// Octets on the wire.
    pub len: u64,
}

impl Extent {
    /// From its first octet to its last one.
    #[must_use]
    pub fn span(&self) -> Span {
        self.end.since(self.start)
    }
}

/// A request as far as it was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What is asked for, in upper case, in the protocol's own words: `GET`, `MGET`, `SELECT`, `A`. Few of them, for they name distributions.
    pub command: Text<24>,
    /// The words of it that an operator reads.
    pub words: Words,
    /// Where and when it was sent.
    pub extent: Extent,
    /// The client asked the server to wait (`BLPOP`): its time says nothing of the server's speed.
    pub is_blocking: bool,
}

impl Request {
    /// What it is asked of: key, path, name, table; empty where there is none. At most [`MAX_KEY`] octets.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.words.key()
    }

    /// The whole of it as an operator reads it, in one line: `SET p1 1`, `GET / HTTP/1.1`. At most [`MAX_LABEL`] octets.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        self.words.label()
    }
}

/// A longer key is cut.
pub const MAX_KEY: usize = 64;
/// A longer label is cut.
pub const MAX_LABEL: usize = 127;

/// A request that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Of [`Request::command`].
    pub command: Text<24>,
    /// Of [`Request::key`].
    pub key: Text<MAX_KEY>,
    /// Of [`Request::label`].
    pub label: Text<MAX_LABEL>,
    /// Of [`Request::extent`].
    pub extent: Extent,
    /// Of [`Request::is_blocking`].
    pub is_blocking: bool,
}

impl Draft {
    /// Begins another one.
    pub fn begin(&mut self, extent: Extent) {
        self.command.clear();
        self.key.clear();
        self.label.clear();
        (self.extent, self.is_blocking) = (extent, false);
    }

    /// The request, as it was read so far.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            command: self.command,
            words: Words::new(self.key.octets(), self.label.octets()),
            extent: self.extent,
            is_blocking: self.is_blocking,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// By its response.
    Answered,
    /// The client wanted none.
    NoReply,
    /// None came until the capture ended, or the connection was closed in order; by UDP, none in time.
    Unanswered,
    /// None came, because the connection was lost.
    Aborted,
}

impl Outcome {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The word in records, metrics and columns.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoReply => "no_reply",
            Self::Unanswered => "unanswered",
            Self::Aborted => "aborted",
        }
    }
}

/// A request with its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// Where and when the answer was sent; `None` without one.
    pub response: Option<Extent>,
    /// What the answer says of itself in short: `200`, `NXDOMAIN`, `WRONGTYPE`; empty where it only answers.
    pub status: Text<24>,
    /// The answer says that the request failed.
    pub is_error: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Exchange {
    /// A request that has no response.
    #[must_use]
    pub const fn without_response(request: Request, outcome: Outcome) -> Self {
        Self { request, response: None, status: Text::new(), is_error: false, outcome }
    }
}

/// What a dialogue could not read, or that is no answer to anything, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialogueCounts {
    /// Messages that contradict their protocol.
    pub malformed: u64,
    /// Times that the thread was lost: an octet that was needed was not captured, or the protocol changed.
    pub desynchronised: u64,
    /// Messages that a server sent unasked: pushes, notifications.
    pub pushes: u64,
    /// Interim responses (HTTP 1xx).
    pub informational: u64,
    /// Responses to requests that were not captured.
    pub unmatched: u64,
    /// Requests that gave way, because more than [`MAX_PENDING`](super::MAX_PENDING) waited.
    pub overrun: u64,
    /// Requests that were sent again before they were answered (DNS): each counts once, from the first time.
    pub repeated: u64,
}

impl DialogueCounts {
    /// Adds another dialogue's.
    pub const fn merge(&mut self, other: &Self) {
        self.malformed += other.malformed;
        self.desynchronised += other.desynchronised;
        self.pushes += other.pushes;
        self.informational += other.informational;
        self.unmatched += other.unmatched;
        self.overrun += other.overrun;
        self.repeated += other.repeated;
    }
}
