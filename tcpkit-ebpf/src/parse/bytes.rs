//! How the parser reads: the same calls over kernel memory and, on the host, over a slice.
//!
//! A header is asked for once, with its length; afterwards its fields are read at constant places within it, so the
//! verifier sees one bounded offset per header and no further branches.

/// The captured beginning of a frame.
pub trait Bytes {
    /// One header of it.
    type Header: Header;

    /// The header at `offset`, if `need` bytes of it were captured.
    fn header(&self, offset: u32, need: u32) -> Option<Self::Header>;
}

/// A header whose fields may be read up to the length that was asked for.
pub trait Header: Copy {
    /// The octet at `at`.
    fn u8(self, at: usize) -> u8;
    /// The 16-bit field at `at`, from network order.
    fn u16(self, at: usize) -> u16;
    /// The 32-bit field at `at`, from network order.
    fn u32(self, at: usize) -> u32;

    /// The IPv4 address at `at`, as halves of the mapped one (RFC 4291 §2.5.5.2).
    #[inline(always)]
    fn address_v4(self, at: usize) -> [u64; 2] {
        [0, 0xffff_0000_0000 | u64::from(self.u32(at))]
    }

    /// The IPv6 address at `at`, as halves.
    #[inline(always)]
    fn address_v6(self, at: usize) -> [u64; 2] {
        let half = |at| u64::from(self.u32(at)) << 32 | u64::from(self.u32(at + 4));
        [half(at), half(at + 8)]
    }
}
