//! One TCP segment (RFC 9293 §3.1), down to its options.

use tcpkit_common::flow::FourTuple;

/// A TCP segment: its header decoded, its payload borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Addresses and ports.
    pub tuple: FourTuple,
    /// Sequence number of the first octet, or of the SYN.
    pub seq: SeqNumber,
    /// Next sequence number that the sender expects; meaningful with ACK.
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: TcpFlags,
    /// A router marked the packet: CE in the IP header that carries it (RFC 3168 §5). A reassembled datagram does not
    /// tell.
    pub is_ce: bool,
    /// Window as it stands in the header, not scaled.
    pub window: u16,
    /// Octets of payload on the wire, by the IP header's length (by the frame's, where offload left that zero).
    pub payload_len: u32,
    /// Octets before the payload, from the frame's start: what each wire packet of a super-segment repeats.
    pub header_len: u32,
    /// As much of the payload as was captured.
    pub payload: &'a [u8],
    /// What of the options was captured.
    pub options: TcpOptions<'a>,
}

impl Segment<'_> {
    /// Octets in sequence space: payload, SYN and FIN.
    #[must_use]
    pub const fn segment_len(&self) -> u32 {
        self.payload_len
            + self.flags.contains(TcpFlags::SYN) as u32
            + self.flags.contains(TcpFlags::FIN) as u32
    }

    /// Wire packets that this stands for: ceil(payload / `gso_size`), at least one.
    #[must_use]
    pub const fn wire_packets(&self, gso_size: u16) -> u32 {
        if gso_size == 0 || self.payload_len == 0 { 1 } else { self.payload_len.div_ceil(gso_size as u32) }
    }
}

/// A sequence number: arithmetic modulo 2^32 (RFC 9293 §3.4), which never panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Whether this comes before `other` in sequence space.
    #[must_use]
    #[inline(always)]
    pub const fn before(self, other: Self) -> bool {
        self.distance(other) > 0
    }

    /// Whether this comes after `other` in sequence space.
    #[must_use]
    #[inline(always)]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Octets from here to `other`; negative when `other` lies behind.
    #[must_use]
    #[inline(always)]
    pub const fn distance(self, other: Self) -> i32 {
        other.0.wrapping_sub(self.0).cast_signed()
    }

    /// This many octets further.
    #[must_use]
    #[inline(always)]
    pub const fn advanced(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

/// The control bits (RFC 9293 §3.1), AE included (RFC 9768).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgement field counts.
    pub const ACK: Self = Self(0x010);
    /// Urgent pointer counts.
    pub const URG: Self = Self(0x020);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN (RFC 9768).
    pub const AE: Self = Self(0x100);

    /// Whether all bits of `other` are set.
    #[must_use]
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    #[inline(always)]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets of bits.
    #[must_use]
    #[inline(always)]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The option octets of one segment, as far as they were captured; decoded on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions<'a>(pub &'a [u8]);
