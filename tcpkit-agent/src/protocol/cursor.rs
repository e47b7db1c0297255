//! Reading messages out of pieces: lines, fields of known length, stretches that nobody reads.
//!
//! A field may begin in one piece and end in another: its octets so far are kept in a [`Carry`], which is bounded by
//! what the reader allows. A field that lies within one piece is borrowed from it, and nothing is copied.

use super::piece::Piece;
use crate::time::Timestamp;

/// Octets of a field that is not complete yet.
#[derive(Clone, Debug, Default)]
pub struct Carry {
    octets: Vec<u8>,
    /// The octets were handed out; the next field begins with none.
    is_told: bool,
}

impl Carry {
    /// Forgets a field that is not complete.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.is_told = false;
    }

    /// Whether a field has begun.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        !self.is_told && !self.octets.is_empty()
    }

    fn begin(&mut self) {
        if self.is_told {
            self.clear();
        }
    }
}

/// What reading a field came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// The field.
    Ready(T),
    /// The piece is used up before the field's end; go on with the next one.
    More,
    /// An octet of it was not captured. The cursor stands there.
    Missing,
    /// It is longer than allowed. The cursor stands where that showed.
    TooLong,
}

/// A place in a piece.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    piece: Piece<'a>,
    used: u32,
}

impl<'a> Cursor<'a> {
    /// Its beginning.
    #[must_use]
    pub const fn new(piece: &Piece<'a>) -> Self {
        Self { piece: *piece, used: 0 }
    }

    /// Offset of the next octet in its direction.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.piece.offset + self.used as u64
    }

    /// When the piece was captured.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.piece.at
    }

    /// Octets that are left, captured or not.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.piece.len - self.used
    }

    /// Whether the piece is used up.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    /// The captured octets that are left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.piece.bytes.get(self.used as usize..).unwrap_or_default()
    }

    /// The next octet was not captured.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        !self.is_empty() && self.rest().is_empty()
    }

    /// Steps over as many of `octets` as the piece has, captured or not, and takes them off; whether all were there.
    pub fn skip(&mut self, octets: &mut u64) -> bool {
        let here = u32::try_from(*octets).unwrap_or(u32::MAX).min(self.left());
        self.used += here;
        *octets -= u64::from(here);
        *octets == 0
    }

    /// Steps over what is left.
    pub const fn skip_all(&mut self) {
        self.used = self.piece.len;
    }

    /// Reads a line of at most `limit` octets, its end (LF, or CR LF) not counted and not given.
    pub fn line<'c>(&mut self, carry: &'c mut Carry, limit: usize) -> Read<&'c [u8]>
    where
        'a: 'c,
    {
        carry.begin();
        let rest = self.rest();
        let end = memchr::memchr(b'\n', &rest[..rest.len().min(limit + 2)]);
        let Some(end) = end else { return self.no_line(carry, limit) };
        self.used += u32::try_from(end + 1).unwrap_or(u32::MAX);
        if !carry.has_begun() {
            return within(without_cr(&rest[..end]), limit);
        }
        carry.octets.extend_from_slice(&rest[..end]);
        carry.is_told = true;
        within(without_cr(&carry.octets), limit)
    }

    /// Reads exactly `len` octets.
    pub fn exact<'c>(&mut self, carry: &'c mut Carry, len: usize) -> Read<&'c [u8]>
    where
        'a: 'c,
    {
        carry.begin();
        let rest = self.rest();
        let wanted = len.saturating_sub(carry.octets.len());
        if rest.len() < wanted {
            return self.keep(carry, rest);
        }
        self.used += u32::try_from(wanted).unwrap_or(u32::MAX);
        if !carry.has_begun() {
            return Read::Ready(&rest[..wanted]);
        }
        carry.octets.extend_from_slice(&rest[..wanted]);
        carry.is_told = true;
        Read::Ready(&carry.octets)
    }

    fn no_line<'c>(&mut self, carry: &'c mut Carry, limit: usize) -> Read<&'c [u8]> {
        let rest = self.rest();
        if carry.octets.len() + rest.len() > limit + 1 {
            carry.clear();
            return Read::TooLong;
        }
        self.keep(carry, rest)
    }

    /// Keeps the beginning of a field whose end is not in this piece.
    fn keep<'c>(&mut self, carry: &'c mut Carry, rest: &[u8]) -> Read<&'c [u8]> {
        self.used += u32::try_from(rest.len()).unwrap_or(u32::MAX);
        if self.is_missing() {
            carry.clear();
            return Read::Missing;
        }
        carry.octets.extend_from_slice(rest);
        Read::More
    }
}

const fn without_cr(line: &[u8]) -> &[u8] {
    match line {
        [before @ .., b'\r'] => before,
        _ => line,
    }
}

const fn within(line: &[u8], limit: usize) -> Read<&[u8]> {
    if line.len() > limit { Read::TooLong } else { Read::Ready(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: u64, len: u32, bytes: &[u8]) -> Piece<'_> {
        Piece { offset, at: Timestamp(1), len, bytes }
    }

    #[test]
    fn fields_within_a_piece_are_borrowed_from_it() {
        let mut cursor = Cursor::new(&piece(10, 9, b"ab\r\ncd\nef"));
        let mut carry = Carry::default();
        assert_eq!(cursor.line(&mut carry, 10), Read::Ready(&b"ab"[..]));
        assert_eq!(cursor.line(&mut carry, 10), Read::Ready(&b"cd"[..]));
        assert_eq!(cursor.offset(), 17);
        assert_eq!(cursor.exact(&mut carry, 1), Read::Ready(&b"e"[..]));
        assert_eq!(cursor.line(&mut carry, 10), Read::More);
        assert!(cursor.is_empty() && carry.has_begun());
    }

    #[test]
    fn fields_go_on_in_the_next_piece() {
        let mut carry = Carry::default();
        assert_eq!(Cursor::new(&piece(0, 3, b"abc")).line(&mut carry, 10), Read::More);
        let mut cursor = Cursor::new(&piece(3, 7, b"d\r\nxyz!"));
        assert_eq!(cursor.line(&mut carry, 10), Read::Ready(&b"abcd"[..]));
        assert_eq!(cursor.exact(&mut carry, 6), Read::More);
        let mut cursor = Cursor::new(&piece(10, 3, b"123"));
        assert_eq!(cursor.exact(&mut carry, 6), Read::Ready(&b"xyz!12"[..]));
        assert_eq!(cursor.rest(), b"3");
    }

    #[test]
    fn what_was_not_captured_and_what_is_too_long_is_told() {
        let mut carry = Carry::default();
        let mut cursor = Cursor::new(&piece(0, 100, b"abc"));
        assert_eq!(cursor.exact(&mut carry, 4), Read::Missing);
        assert!(cursor.is_missing() && !carry.has_begun());
        let mut many = 200;
        assert!(!cursor.skip(&mut many));
        assert_eq!((many, cursor.is_empty()), (103, true));
        assert_eq!(Cursor::new(&piece(0, 6, b"abcdef")).line(&mut carry, 4), Read::TooLong);
        assert_eq!(Cursor::new(&piece(0, 6, b"abcde\n")).line(&mut carry, 4), Read::TooLong);
        assert_eq!(Cursor::new(&piece(0, 6, b"abcd\r\n")).line(&mut carry, 4), Read::Ready(&b"abcd"[..]));
        assert_eq!(Cursor::new(&piece(0, 3, b"abc")).line(&mut carry, 4), Read::More);
        assert_eq!(Cursor::new(&piece(3, 3, b"def")).line(&mut carry, 4), Read::TooLong);
    }
}
