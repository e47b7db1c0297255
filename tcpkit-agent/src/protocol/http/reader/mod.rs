//! One direction of a connection, cut into messages (RFC 9112).
//!
//! It tells what it comes upon, one thing after the other, and steps over content by its length. Where the end of a
//! message cannot be known (an octet of its head was not captured, its head contradicts itself), the message is *cut*:
//! it goes on until a piece begins with another start line, or until its owner says that it is over.

mod chunks;

use super::{
    framing::{Body, Framing},
    line::Line,
    start::{self, First},
};
use crate::protocol::{
    cursor::{Cursor, Read},
    exchange::Extent,
    piece::Party,
};

/// What a direction came upon.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// A message has begun, with this line.
    Begun(First),
    /// Its head is complete; the owner must say how it ends, by [`Reader::expect`].
    Head(Framing),
    /// It is complete.
    Whole(Extent),
    /// What came contradicts the protocol.
    Malformed,
    /// The thread is lost.
    Desynchronised,
}

/// A direction of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    party: Party,
    state: State,
    line: Line,
    framing: Framing,
    /// Where the message began, and how far it came.
    extent: Extent,
    /// Where the head, the chunk's size, or the trailer began: what of them is read is bounded.
    bounded_from: u64,
    /// Where the piece began that is being read.
    piece_from: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a message.
    Between,
    StartLine,
    Fields,
    /// The head is told.
    Headed,
    Content(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    UntilEnd,
    /// In a message whose end is not known.
    Cut,
    /// In no message that is known.
    Lost,
    /// The connection has left the protocol.
    Left,
}

impl Reader {
    /// Before its first message.
    pub(super) fn new(party: Party) -> Self {
        Self {
            party,
            state: State::Between,
            line: Line::default(),
            framing: Framing::default(),
            extent: Extent::default(),
            bounded_from: 0,
            piece_from: 0,
        }
    }

    /// A piece begins here.
    pub(super) const fn on_piece(&mut self, cursor: &Cursor<'_>) {
        self.piece_from = cursor.offset();
    }

    /// What comes next; `None` when the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        while !cursor.is_empty() {
            let heard = self.step(cursor);
            if heard.is_some() {
                return heard;
            }
        }
        None
    }

    /// How the message ends whose head was told; told back when that is its end.
    pub(super) fn expect(&mut self, body: Body) -> Option<Heard> {
        self.state = match body {
            Body::Length(0) => return Some(self.whole()),
            Body::Length(length) => State::Content(length),
            Body::Chunks => State::ChunkSize,
            Body::UntilEnd => State::UntilEnd,
            Body::Unknown => {
                self.state = State::Cut;
                return Some(Heard::Malformed);
            }
        };
        self.bounded_from = self.extent.offset + self.extent.len;
        None
    }

    /// Ends a message whose end was not known.
    pub(super) fn end_cut(&mut self) -> Option<Extent> {
        (self.state == State::Cut).then(|| self.end(State::Lost))
    }

    /// Ends the message that has begun, if any: nothing more will come.
    pub(super) fn end_any(&mut self) -> Option<Extent> {
        let has_begun = !matches!(self.state, State::Between | State::StartLine | State::Lost | State::Left);
        has_begun.then(|| self.end(State::Between))
    }

    /// The message so far.
    pub(super) const fn extent(&self) -> Extent {
        self.extent
    }

    /// From here on nothing is HTTP.
    pub(super) fn leave(&mut self) {
        self.line.clear();
        self.state = State::Left;
    }

    fn step(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        match self.state {
            State::Between => self.between(cursor),
            State::StartLine => self.start_line(cursor),
            State::Fields => self.field(cursor),
            State::Content(left) => self.content(cursor, left),
            State::ChunkSize => self.chunk_size(cursor),
            State::ChunkData(left) => self.chunk_data(cursor, left),
            State::ChunkEnd => self.chunk_end(cursor),
            State::Trailer => self.trailer(cursor),
            State::Cut | State::Lost => self.resume(cursor),
            State::Headed | State::UntilEnd => {
                cursor.skip_all();
                self.reach(cursor);
                None
            }
            State::Left => {
                cursor.skip_all();
                None
            }
        }
    }

    /// Passes over empty lines (RFC 9112 §2.2), until a message begins.
    fn between(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        if cursor.is_missing() {
            return Some(self.lose(cursor));
        }
        if matches!(cursor.rest(), [b'\r' | b'\n', ..]) {
            cursor.skip(&mut 1);
            return None;
        }
        let (at, offset) = (cursor.at(), cursor.offset());
        self.extent = Extent { start: at, end: at, offset, len: 0 };
        self.bounded_from = offset;
        self.framing = Framing::default();
        self.line.clear();
        self.state = State::StartLine;
        None
    }

    fn start_line(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let (first, is_cut) = match self.line.read(cursor) {
            Read::Ready(line) => (start::read(self.party, line), false),
            Read::Missing => {
                let line = super::line::Told { is_whole: false, ..self.line.so_far() };
                (start::read(self.party, line), true)
            }
            Read::More | Read::TooLong => {
                let could_be = start::could_begin(self.party, self.line.so_far().octets);
                return if could_be { self.within_bounds(cursor) } else { Some(self.lose(cursor)) };
            }
        };
        let Some(first) = first else { return Some(self.lose(cursor)) };
        self.reach(cursor);
        // A line in part begins a message; that octets are missing shows with the first of its fields.
        self.state = State::Fields;
        if is_cut {
            self.line.clear();
        }
        Some(Heard::Begun(first))
    }

    fn field(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let read = self.line.read(cursor);
        let is_end = match read {
            Read::Ready(line) if line.octets.is_empty() => true,
            Read::Ready(line) => {
                self.framing.on_field(line.octets);
                false
            }
            Read::More | Read::TooLong => false,
            Read::Missing => return Some(self.cut(cursor, Heard::Desynchronised)),
        };
        self.reach(cursor);
        if !is_end {
            return self.within_bounds(cursor);
        }
        self.line.clear();
        self.state = State::Headed;
        Some(Heard::Head(self.framing))
    }

    fn content(&mut self, cursor: &mut Cursor<'_>, mut left: u64) -> Option<Heard> {
        let is_end = cursor.skip(&mut left);
        self.state = State::Content(left);
        self.reach(cursor);
        is_end.then(|| self.whole())
    }

    /// Without a thread: takes it up where a piece begins with a start line.
    fn resume(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        if cursor.offset() == self.piece_from && start::begins(self.party, cursor.rest()) {
            let cut = self.end_cut().map(Heard::Whole);
            self.state = State::Between;
            return cut;
        }
        cursor.skip_all();
        if self.state == State::Cut {
            self.reach(cursor);
        }
        None
    }

    fn within_bounds(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        if cursor.offset() - self.bounded_from <= HEAD_LIMIT {
            return None;
        }
        if self.state == State::StartLine {
            self.lose(cursor);
            return Some(Heard::Malformed);
        }
        Some(self.cut(cursor, Heard::Malformed))
    }

    /// The message came as far as this.
    const fn reach(&mut self, cursor: &Cursor<'_>) {
        self.extent.end = cursor.at();
        self.extent.len = cursor.offset() - self.extent.offset;
    }

    fn whole(&mut self) -> Heard {
        Heard::Whole(self.end(State::Between))
    }

    fn end(&mut self, after: State) -> Extent {
        self.line.clear();
        self.state = after;
        self.extent
    }

    fn cut(&mut self, cursor: &mut Cursor<'_>, why: Heard) -> Heard {
        self.line.clear();
        self.state = State::Cut;
        cursor.skip_all();
        self.reach(cursor);
        why
    }

    fn lose(&mut self, cursor: &mut Cursor<'_>) -> Heard {
        self.line.clear();
        self.state = State::Lost;
        cursor.skip_all();
        Heard::Desynchronised
    }
}

/// Octets of a head, or of a chunk's size with its extensions, or of a trailer: servers allow a tenth of it.
const HEAD_LIMIT: u64 = 262_144;
