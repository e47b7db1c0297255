//! Messages that tell their length first: header and beginning are kept, the rest is stepped over.
//!
//! Octets that were not captured are missed in the header only; of the body, as much is kept as there is.

use crate::{
    protocol::{Cursor, Extent},
    time::Timestamp,
};

/// Octets of the longest header of both protocols.
const HEADER: usize = 5;

/// How messages look here.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Layout {
    /// Octets of the header: at most five.
    pub(in crate::protocol) header: usize,
    /// Octets of the body that are worth keeping.
    pub(in crate::protocol) keep: usize,
    /// Octets of the body by the header; `None` where the header cannot be one.
    pub(in crate::protocol) len: fn(&[u8]) -> Option<u32>,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Step {
    /// The piece is used up.
    More,
    /// A message is complete.
    Ready,
    /// An octet of the header was not captured.
    Missing,
    /// The header contradicts the protocol.
    Malformed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Header,
    Body,
    Done,
}

/// One direction's message in the making.
#[derive(Debug, Default)]
pub(in crate::protocol) struct Reader {
    stage: Stage,
    header: [u8; HEADER],
    has: usize,
    body: Vec<u8>,
    /// Octets of all bodies of the message.
    len: u64,
    left: u64,
    is_continued: bool,
    is_cut: bool,
    start: Timestamp,
    offset: u64,
    end: Timestamp,
    end_offset: u64,
}

impl Reader {
    /// Forgets what has begun.
    pub(in crate::protocol) fn reset(&mut self) {
        self.stage = Stage::Header;
        self.has = 0;
        self.is_continued = false;
    }

    /// The message is not over: the next header continues it.
    pub(in crate::protocol) fn go_on(&mut self) {
        self.stage = Stage::Header;
        self.has = 0;
        self.is_continued = true;
    }

    /// Whether a message has begun and is not complete.
    pub(in crate::protocol) fn is_amid(&self) -> bool {
        self.stage == Stage::Body || self.stage == Stage::Header && (self.has > 0 || self.is_continued)
    }

    /// Whether the header of a message is there and its end is not.
    pub(in crate::protocol) fn is_announced(&self) -> bool {
        self.stage == Stage::Body
    }

    /// The header of the message, the last one of a continued one.
    pub(in crate::protocol) const fn header(&self) -> &[u8; HEADER] {
        &self.header
    }

    /// Its beginning, as far as it is kept and was captured.
    pub(in crate::protocol) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Octets of its body on the wire.
    pub(in crate::protocol) const fn len(&self) -> u64 {
        self.len
    }

    /// Where it was, header and all, as far as it is read.
    pub(in crate::protocol) const fn extent(&self) -> Extent {
        Extent { start: self.start, end: self.end, offset: self.offset, len: self.end_offset - self.offset }
    }

    /// Reads until a message is complete.
    pub(in crate::protocol) fn read(&mut self, cursor: &mut Cursor<'_>, layout: &Layout) -> Step {
        if self.stage == Stage::Done {
            self.reset();
        }
        if self.stage == Stage::Header {
            let step = self.read_header(cursor, layout);
            if step != Step::Ready {
                return step;
            }
        }
        self.read_body(cursor, layout.keep)
    }

    fn read_header(&mut self, cursor: &mut Cursor<'_>, layout: &Layout) -> Step {
        if cursor.is_empty() {
            return Step::More;
        }
        if self.has == 0 && !self.is_continued {
            (self.start, self.offset) = (cursor.at(), cursor.offset());
            self.body.clear();
            (self.len, self.is_cut) = (0, false);
        }
        let rest = cursor.rest();
        let here = rest.len().min(layout.header.min(HEADER) - self.has);
        self.header[self.has..self.has + here].copy_from_slice(&rest[..here]);
        self.has += here;
        self.step(cursor, here as u64);
        if self.has < layout.header {
            return if cursor.is_missing() { Step::Missing } else { Step::More };
        }
        let Some(len) = (layout.len)(&self.header[..layout.header]) else { return Step::Malformed };
        self.left = u64::from(len);
        self.len += self.left;
        self.stage = Stage::Body;
        Step::Ready
    }

    fn read_body(&mut self, cursor: &mut Cursor<'_>, keep: usize) -> Step {
        let here = self.left.min(u64::from(cursor.left()));
        let rest = cursor.rest();
        let wanted = keep.saturating_sub(self.body.len()).min(usize::try_from(here).unwrap_or(usize::MAX));
        if wanted > 0 && !self.is_cut {
            self.body.extend_from_slice(&rest[..wanted.min(rest.len())]);
            self.is_cut = rest.len() < wanted;
        }
        self.step(cursor, here);
        self.left -= here;
        if self.left > 0 {
            return Step::More;
        }
        self.stage = Stage::Done;
        Step::Ready
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, mut octets: u64) {
        cursor.skip(&mut octets);
        (self.end, self.end_offset) = (cursor.at(), cursor.offset());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Piece;

    const LAYOUT: Layout = Layout { header: 2, keep: 3, len: |header| Some(u32::from(header[1])) };

    fn piece(offset: u64, at: i64, len: u32, bytes: &[u8]) -> Piece<'_> {
        Piece { offset, at: Timestamp(at), len, bytes }
    }

    #[test]
    fn beginnings_are_kept_and_the_rest_is_stepped_over() {
        let mut reader = Reader::default();
        let mut cursor = Cursor::new(&piece(0, 1, 4, b"a\x05bc"));
        assert_eq!(reader.read(&mut cursor, &LAYOUT), Step::More);
        assert!(reader.is_amid());
        let mut cursor = Cursor::new(&piece(4, 2, 6, b"defz\x00q"));
        assert_eq!(reader.read(&mut cursor, &LAYOUT), Step::Ready);
        assert_eq!((reader.body(), reader.len()), (&b"bcd"[..], 5));
        let whole = Extent { start: Timestamp(1), end: Timestamp(2), offset: 0, len: 7 };
        assert_eq!(reader.extent(), whole);
        assert_eq!(reader.read(&mut cursor, &LAYOUT), Step::Ready);
        assert_eq!((reader.header()[0], reader.body()), (b'z', &b""[..]));
    }

    #[test]
    fn only_a_header_that_was_not_captured_is_missed() {
        let mut reader = Reader::default();
        let mut cursor = Cursor::new(&piece(0, 1, 8, b"a\x05b"));
        assert_eq!(reader.read(&mut cursor, &LAYOUT), Step::Ready);
        assert_eq!((reader.body(), reader.len()), (&b"b"[..], 5));
        assert_eq!(reader.read(&mut cursor, &LAYOUT), Step::Missing);
        let none = Layout { len: |_| None, ..LAYOUT };
        assert_eq!(Reader::default().read(&mut Cursor::new(&piece(0, 1, 2, b"ab")), &none), Step::Malformed);
    }
}
