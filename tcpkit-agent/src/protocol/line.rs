//! Lines of which only the beginning matters, however long they are and however they are cut.
//!
//! A line that lies within one piece is borrowed from it; of one that does not, no more than asked for is kept.

use super::cursor::{Cursor, Read};

/// The beginning of a line that is being read.
#[derive(Clone, Debug, Default)]
pub struct Line {
    kept: Vec<u8>,
    /// Octets of it so far, kept or not.
    len: u64,
    /// The line was handed out; the next one begins with nothing.
    is_told: bool,
}

impl Line {
    /// Forgets a line that is not complete.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.len = 0;
        self.is_told = false;
    }

    /// Whether some of a line was read, but not its end.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        !self.is_told && self.len > 0
    }

    /// Reads a line of at most `limit` octets and gives the first `kept` of them; its end (LF, or CR LF) is not given.
    pub fn read<'c, 'a: 'c>(
        &'c mut self,
        cursor: &mut Cursor<'a>,
        kept: usize,
        limit: u64,
    ) -> Read<&'c [u8]> {
        if self.is_told {
            self.clear();
        }
        let rest = cursor.rest();
        let Some(end) = memchr::memchr(b'\n', rest) else { return self.keep(cursor, rest, kept, limit) };
        cursor.skip(&mut (end as u64 + 1));
        if self.len + end as u64 > limit {
            return Read::TooLong;
        }
        self.is_told = true;
        if self.len == 0 {
            return Read::Ready(beginning(&rest[..end], kept));
        }
        // One more than asked for: it may be the CR.
        self.push(&rest[..end], kept + 1);
        Read::Ready(beginning(&self.kept, kept))
    }

    fn keep<'c>(&mut self, cursor: &mut Cursor<'_>, rest: &[u8], kept: usize, limit: u64) -> Read<&'c [u8]> {
        self.push(rest, kept + 1);
        cursor.skip(&mut (rest.len() as u64));
        if self.len > limit {
            Read::TooLong
        } else if cursor.is_missing() {
            Read::Missing
        } else {
            Read::More
        }
    }

    fn push(&mut self, octets: &[u8], kept: usize) {
        let fits = octets.len().min(kept.saturating_sub(self.kept.len()));
        self.kept.extend_from_slice(&octets[..fits]);
        self.len += octets.len() as u64;
    }
}

/// Without the CR, if it is that short.
fn beginning(line: &[u8], kept: usize) -> &[u8] {
    let line = if line.len() <= kept + 1 { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
    &line[..line.len().min(kept)]
}

/// A number as text protocols write it: digits, and perhaps a minus; `None` for anything else, and beyond 64 bits.
#[must_use]
pub fn number(digits: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match digits {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    Some(if is_negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::piece::Piece, time::Timestamp};

    fn cursor(len: u32, bytes: &[u8]) -> Cursor<'_> {
        Cursor::new(&Piece { offset: 0, at: Timestamp(1), len, bytes })
    }

    #[test]
    fn of_a_long_line_the_beginning_is_kept_however_it_is_cut() {
        for text in [&b"abcdef\r\nx"[..], b"abcd\r\nx", b"abc\r\nx", b"abcde\nx", b"\r\nx", b"\nx"] {
            let whole = Line::default().read(&mut cursor(9, text), 4, 100) == Read::TooLong;
            assert!(!whole);
            let mut expected = Line::default();
            let mut at_once = cursor(u32::try_from(text.len()).unwrap(), text);
            let Read::Ready(expected) = expected.read(&mut at_once, 4, 100) else { panic!("{text:?}") };
            assert_eq!(at_once.rest(), b"x");
            let mut line = Line::default();
            for octet in text.chunks(1) {
                match line.read(&mut cursor(1, octet), 4, 100) {
                    Read::More => {}
                    Read::Ready(line) => {
                        assert_eq!(line, expected, "{text:?}");
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn lines_without_an_end_are_told() {
        assert_eq!(Line::default().read(&mut cursor(6, b"abcdef"), 4, 5), Read::TooLong);
        assert_eq!(Line::default().read(&mut cursor(60, b"abcdef"), 4, 50), Read::Missing);
        let mut line = Line::default();
        assert_eq!(line.read(&mut cursor(6, b"abcdef"), 4, 10), Read::More);
        assert_eq!(line.read(&mut cursor(6, b"abcdef"), 4, 10), Read::TooLong);
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"-12"), Some(-12));
        assert_eq!(number(b"9223372036854775807"), Some(i64::MAX));
        for text in [&b"9223372036854775808"[..], b"", b"-", b"+1", b"1 ", b"1a", b"10000000000000000000000"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
