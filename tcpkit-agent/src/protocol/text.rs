//! Short texts out of payload, kept in place.

use std::{borrow::Cow, fmt};

/// At most `N` octets as they were on the wire: no encoding is known of them. `N` is at most 255.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const N: usize> {
    len: u8,
    octets: [u8; N],
}

impl<const N: usize> Text<N> {
    const FITS: () = assert!(N <= u8::MAX as usize, "the length is kept in one octet");

    /// No octets.
    #[must_use]
    pub const fn new() -> Self {
        let () = Self::FITS;
        Self { len: 0, octets: [0; N] }
    }

    /// As many of the first octets as fit.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let mut text = Self::new();
        text.push(octets);
        text
    }

    /// The same in upper case, as far as it is ASCII: how commands are named.
    #[must_use]
    pub fn upper(octets: &[u8]) -> Self {
        let mut text = Self::new();
        match text.octets.first_chunk_mut::<8>() {
            Some(head) if octets.len() <= 8 => {
                *head = head_of(octets).to_le_bytes();
                head.make_ascii_uppercase();
                text.len = u8::try_from(octets.len()).unwrap_or(u8::MAX);
                return text;
            }
            _ => text.push(octets),
        }
        text.octets.make_ascii_uppercase();
        text
    }

    /// Forgets the octets. What is not used is zero, so that comparing needs no length.
    pub fn clear(&mut self) {
        self.octets[..usize::from(self.len)].fill(0);
        self.len = 0;
    }

    /// Appends as many octets as fit.
    pub fn push(&mut self, octets: &[u8]) {
        let start = usize::from(self.len);
        let fits = octets.len().min(N - start);
        self.octets[start..start + fits].copy_from_slice(&octets[..fits]);
        self.len = u8::try_from(start + fits).unwrap_or(u8::MAX);
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The first eight octets as a number.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.octets.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether nothing more fits: it may have been cut.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.len as usize == N
    }

    /// As characters; what is no UTF-8 is replaced. Control characters remain: whoever shows it escapes them.
    #[must_use]
    pub fn to_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.octets())
    }
}

/// The first eight octets as a number, the first one lowest; what is not there is 0. No call, however short they are.
#[must_use]
pub(super) fn head_of(octets: &[u8]) -> u64 {
    let word = |octets: Option<&[u8; 4]>| octets.map_or(0, |octets| u64::from(u32::from_le_bytes(*octets)));
    if let Some(head) = octets.first_chunk() {
        return u64::from_le_bytes(*head);
    }
    match octets {
        [] => 0,
        [first, ..] if octets.len() < 4 => {
            let octet = |place: usize| u64::from(octets[place]) << (8 * place);
            u64::from(*first) | octet(octets.len() / 2) | octet(octets.len() - 1)
        }
        _ => word(octets.first_chunk()) | word(octets.last_chunk()) << (8 * (octets.len() - 4)),
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.octets().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut text: Text<4> = Text::of(b"ab");
        text.push(b"cde");
        assert_eq!(text.octets(), b"abcd");
        assert!(text.is_full() && !text.is_empty());
        assert_eq!(Text::<8>::upper(b"get\xff").octets(), b"GET\xff");
        assert_eq!(Text::<8>::of(b"a\xff").to_str(), "a\u{fffd}");
    }

    #[test]
    fn a_head_is_the_first_octets_and_zeroes() {
        let octets = b"abcdefghijkl";
        for len in 0..=octets.len() {
            let mut padded = [0; 8];
            padded[..len.min(8)].copy_from_slice(&octets[..len.min(8)]);
            assert_eq!(head_of(&octets[..len]), u64::from_le_bytes(padded), "{len}");
            let upper = octets[..len].to_ascii_uppercase();
            assert_eq!(Text::<24>::upper(&octets[..len]), Text::of(&upper), "{len}");
            assert_eq!(Text::<5>::upper(&octets[..len]), Text::of(&upper), "{len}");
        }
    }
}
