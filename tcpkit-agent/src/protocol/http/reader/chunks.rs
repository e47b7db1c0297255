//! Content in chunks (RFC 9112 §7.1): each has its size before it, and fields may follow the last one.

use super::{Heard, Reader, State};
use crate::protocol::{
    cursor::{Cursor, Read},
    http::framing,
};

impl Reader {
    /// How many octets come.
    pub(super) fn chunk_size(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let size = match self.line.read(cursor) {
            Read::Ready(line) => framing::chunk_size(line.octets),
            Read::Missing => return Some(self.cut(cursor, Heard::Desynchronised)),
            Read::More | Read::TooLong => {
                self.reach(cursor);
                return self.within_bounds(cursor);
            }
        };
        self.reach(cursor);
        self.bounded_from = cursor.offset();
        match size {
            None => return Some(self.cut(cursor, Heard::Malformed)),
            Some(0) => self.state = State::Trailer,
            Some(size) => self.state = State::ChunkData(size),
        }
        None
    }

    /// They come.
    pub(super) fn chunk_data(&mut self, cursor: &mut Cursor<'_>, mut left: u64) -> Option<Heard> {
        let is_end = cursor.skip(&mut left);
        self.state = if is_end { State::ChunkEnd } else { State::ChunkData(left) };
        self.reach(cursor);
        None
    }

    /// The end of a line after them.
    pub(super) fn chunk_end(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let is_end = match self.line.read(cursor) {
            Read::Ready(line) => line.octets.is_empty(),
            Read::Missing => return Some(self.cut(cursor, Heard::Desynchronised)),
            Read::More | Read::TooLong => {
                self.reach(cursor);
                // CR without its LF yet.
                let is_fitting = self.line.so_far().octets.is_empty();
                return (!is_fitting).then(|| self.cut(cursor, Heard::Malformed));
            }
        };
        self.reach(cursor);
        self.bounded_from = cursor.offset();
        if !is_end {
            return Some(self.cut(cursor, Heard::Malformed));
        }
        self.state = State::ChunkSize;
        None
    }

    /// Fields after the last chunk.
    pub(super) fn trailer(&mut self, cursor: &mut Cursor<'_>) -> Option<Heard> {
        let is_end = match self.line.read(cursor) {
            Read::Ready(line) => line.octets.is_empty(),
            Read::Missing => return Some(self.cut(cursor, Heard::Desynchronised)),
            Read::More | Read::TooLong => false,
        };
        self.reach(cursor);
        if is_end { Some(self.whole()) } else { self.within_bounds(cursor) }
    }
}
