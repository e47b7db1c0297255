//! A run of octets on the wire, of which a prefix was captured.
//!
//! Every parser takes its header from the front of such a run. A header beyond the capture is *truncated*; a header
//! beyond the run itself, whose length an outer header or the frame gave, is *malformed*.

use super::packet::{Cause, Layer, Packet, ParseError, Unanalyzed};

/// Octets on the wire from some header on; `bytes` is never longer than `len`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octets<'a> {
    bytes: &'a [u8],
    len: u32,
    offset: u32,
}

/// Why parsing ended before a packet was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A header contradicts itself or its packet.
    Malformed(ParseError),
    /// Sound, and nothing that is analysed.
    Unanalyzed(Unanalyzed),
}

/// What a parser says of the octets that it was given.
pub(super) type Outcome<'a> = Result<Packet<'a>, Stop>;

impl<'a> Octets<'a> {
    /// `len` octets of which `bytes` were captured, the first of them `offset` octets behind the frame's start.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], len: u32, offset: u32) -> Self {
        let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { bytes, len: if len < captured { captured } else { len }, offset }
    }

    /// The same from the frame's start, of which only the first `count` count.
    #[inline(always)]
    pub(super) fn limited(bytes: &'a [u8], len: u32, count: u32) -> Self {
        let whole = (len as usize).max(bytes.len()).min(count as usize);
        let bytes = bytes.get(..count as usize).unwrap_or(bytes);
        Self { bytes, len: u32::try_from(whole).unwrap_or(count), offset: 0 }
    }

    /// The captured prefix.
    #[inline(always)]
    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Octets on the wire.
    #[inline(always)]
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Octets between the frame's start and the first one here.
    #[inline(always)]
    pub(super) const fn offset(&self) -> u32 {
        self.offset
    }

    /// Whether the capture holds less than was on the wire.
    #[inline(always)]
    pub(super) const fn is_truncated(&self) -> bool {
        (self.bytes.len() as u64) < self.len as u64
    }

    /// The first `N` octets, a header of `layer`, and what follows them.
    #[inline(always)]
    pub(super) fn take<const N: usize>(self, layer: Layer) -> Result<(&'a [u8; N], Self), Stop> {
        let Some((header, bytes)) = self.bytes.split_first_chunk::<N>() else {
            return Err(self.missing(N, layer));
        };
        let taken = const { header_len(N) };
        // The run holds its captured bytes, so at least the header's.
        Ok((
            header,
            Self { bytes, len: self.len.wrapping_sub(taken), offset: self.offset.saturating_add(taken) },
        ))
    }

    /// What follows the first `count` octets, which are a header of `layer`; they need not be captured.
    #[inline(always)]
    pub(super) fn skip(self, count: u32, layer: Layer) -> Result<Self, Stop> {
        let Some(len) = self.len.checked_sub(count) else {
            return Err(Stop::malformed(layer, Cause::HeaderLength));
        };
        let bytes = self.bytes.get(count as usize..).unwrap_or_default();
        Ok(Self { bytes, len, offset: self.offset.saturating_add(count) })
    }

    /// At most the first `count` octets: what an outer length field leaves of them.
    #[inline(always)]
    pub(super) fn limit(self, count: u32) -> Self {
        let bytes = self.bytes.get(..count as usize).unwrap_or(self.bytes);
        Self { bytes, len: self.len.min(count), offset: self.offset }
    }

    /// The captured bytes in `from..to`, as many as there are.
    #[inline(always)]
    pub(super) fn captured(&self, from: usize, to: usize) -> &'a [u8] {
        let end = to.min(self.bytes.len());
        self.bytes.get(from..end).unwrap_or_default()
    }

    /// The first octet, where it was captured.
    #[inline(always)]
    pub(super) fn first(&self, layer: Layer) -> Result<u8, Stop> {
        self.bytes.first().copied().ok_or_else(|| self.missing(1, layer))
    }

    #[cold]
    fn missing(&self, wanted: usize, layer: Layer) -> Stop {
        if (self.len as usize) < wanted {
            Stop::malformed(layer, Cause::Short)
        } else {
            Stop::Unanalyzed(Unanalyzed::Truncated)
        }
    }
}

impl Stop {
    /// A header of `layer` is wrong in this way.
    #[inline(always)]
    pub(super) const fn malformed(layer: Layer, cause: Cause) -> Self {
        Self::Malformed(ParseError { layer, cause })
    }
}

impl From<Unanalyzed> for Stop {
    fn from(cause: Unanalyzed) -> Self {
        Self::Unanalyzed(cause)
    }
}

/// The 16 bits in network order at `AT`; a field outside of its header does not compile.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the assertion is evaluated when this is compiled")]
pub(super) const fn be16<const AT: usize, const N: usize>(header: &[u8; N]) -> u16 {
    const { assert!(AT + 2 <= N) };
    u16::from_be_bytes([header[AT], header[AT + 1]])
}

/// The 32 bits in network order at `AT`; a field outside of its header does not compile.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the assertion is evaluated when this is compiled")]
pub(super) const fn be32<const AT: usize, const N: usize>(header: &[u8; N]) -> u32 {
    const { assert!(AT + 4 <= N) };
    u32::from_be_bytes([header[AT], header[AT + 1], header[AT + 2], header[AT + 3]])
}

/// The `LEN` octets at `AT`; a field outside of its header does not compile.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "the assertion is evaluated when this is compiled")]
pub(super) const fn array<const AT: usize, const LEN: usize, const N: usize>(header: &[u8; N]) -> [u8; LEN] {
    const { assert!(AT + LEN <= N) };
    let mut octets = [0; LEN];
    let mut index = 0;
    while index < LEN {
        octets[index] = header[AT + index];
        index += 1;
    }
    octets
}

#[expect(clippy::cast_possible_truncation, reason = "no header here has 2^32 octets, and this says so")]
const fn header_len(octets: usize) -> u32 {
    assert!(octets < 1 << 16);
    octets as u32
}
