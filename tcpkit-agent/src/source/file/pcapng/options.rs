//! The options at the end of a pcapng block (draft-ietf-opsawg-pcapng §3.5): code (2), length (2), value, padding.

use crate::source::file::scan::u16_at;

/// Walks over an option list; ends at `opt_endofopt` or at the block's end.
pub(super) struct Options<'a, const BIG: bool> {
    bytes: &'a [u8],
}

/// One option.
pub(super) struct BlockOption<'a> {
    pub(super) code: u16,
    pub(super) value: &'a [u8],
}

/// An option claims more bytes than its block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlong {
    /// Code of that option.
    pub(super) code: u16,
    /// Bytes that it claims.
    pub(super) len: u16,
}

impl<'a, const BIG: bool> Options<'a, BIG> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a, const BIG: bool> Iterator for Options<'a, BIG> {
    type Item = Result<BlockOption<'a>, Overlong>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.len() < OPTION_HEADER_LEN {
            return None;
        }
        let (code, len) = (u16_at::<BIG>(self.bytes, 0), u16_at::<BIG>(self.bytes, 2));
        if code == END_OF_OPTIONS {
            return None;
        }
        let rest = &self.bytes[OPTION_HEADER_LEN..];
        let Some(value) = rest.get(..usize::from(len)) else {
            self.bytes = &[];
            return Some(Err(Overlong { code, len }));
        };
        self.bytes = rest.get(padded(usize::from(len))..).unwrap_or(&[]);
        Some(Ok(BlockOption { code, value }))
    }
}

/// A length with its padding to four bytes.
pub(super) const fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

const OPTION_HEADER_LEN: usize = 4;
const END_OF_OPTIONS: u16 = 0;
