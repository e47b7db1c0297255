//! A line in whatever pieces it lies, of which only the beginning is kept.
//!
//! A line within one piece is borrowed from it, whole. Of a line over several pieces the first [`KEPT`] octets are kept:
//! what anybody reads of a line of HTTP stands there.

use crate::protocol::cursor::{Cursor, Read};

/// Octets that are kept of a line that lies in several pieces.
pub(super) const KEPT: usize = 256;

/// A line that is being read.
#[derive(Debug, Default)]
pub(super) struct Line {
    kept: Vec<u8>,
    /// Octets of it so far, kept or not.
    len: usize,
    /// It was handed out; the next octet begins another one.
    is_told: bool,
}

/// A line, its end (LF, or CR LF) taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    /// Its octets, or the first of them.
    pub(super) octets: &'a [u8],
    /// Those are all.
    pub(super) is_whole: bool,
}

impl Line {
    /// Goes on until the line's end.
    pub(super) fn read<'c, 'a: 'c>(&'c mut self, cursor: &mut Cursor<'a>) -> Read<Told<'c>> {
        if self.is_told {
            self.clear();
        }
        let rest = cursor.rest();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            self.keep(rest);
            step(cursor, rest.len());
            return if cursor.is_missing() { Read::Missing } else { Read::More };
        };
        step(cursor, end + 1);
        if self.len == 0 {
            return Read::Ready(Told { octets: without_cr(&rest[..end]), is_whole: true });
        }
        self.keep(&rest[..end]);
        self.is_told = true;
        Read::Ready(self.so_far())
    }

    /// What there is of it.
    pub(super) fn so_far(&self) -> Told<'_> {
        Told { octets: without_cr(&self.kept), is_whole: self.kept.len() == self.len }
    }

    /// Forgets it, and gives its memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = KEPT - self.kept.len();
        self.kept.extend_from_slice(&octets[..octets.len().min(room)]);
        self.len += octets.len();
    }
}

fn step(cursor: &mut Cursor<'_>, octets: usize) {
    cursor.skip(&mut (octets as u64));
}

const fn without_cr(line: &[u8]) -> &[u8] {
    match line {
        [before @ .., b'\r'] => before,
        _ => line,
    }
}
