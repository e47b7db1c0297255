//! The internet checksum (RFC 1071), for those who ask for it to be looked at.
//!
//! Only what was captured whole is judged. A TCP checksum that stands for the pseudo-header alone is what a host leaves
//! for its network card to finish: it says nothing about the segment, and passes.

use super::ip::{Endpoints, protocol};
use super::octets::{Octets, Stop};
use super::packet::{Cause, IpVersion, Layer};

/// Checksums that are looked at; a packet with a wrong one is malformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// That of the IPv4 header.
    pub ip: bool,
    /// Those of TCP and ICMP.
    pub transport: bool,
}

impl Verify {
    /// Whether any is looked at.
    #[must_use]
    pub const fn any(self) -> bool {
        self.ip || self.transport
    }
}

/// Where TCP's checksum stands (RFC 9293 §3.1).
const TCP_CHECKSUM: std::ops::Range<usize> = 16..18;

/// An IPv4 header, options included.
pub(super) fn ipv4(octets: Octets<'_>) -> Result<(), Stop> {
    let Some(words) = octets.bytes().first().map(|first| usize::from(first & 0x0f)) else { return Ok(()) };
    match octets.bytes().get(..words * 4) {
        Some(header) if fold(sum(header)) != 0xffff => Err(Stop::malformed(Layer::Ipv4, Cause::Checksum)),
        _ => Ok(()),
    }
}

/// A whole segment or ICMP message, as an IP packet carries it.
pub(super) fn transport(ip: Endpoints, number: u8, octets: Octets<'_>) -> Result<(), Stop> {
    let layer = match number {
        protocol::TCP => Layer::Tcp,
        protocol::ICMP | protocol::ICMPV6 => Layer::Icmp,
        _ => return Ok(()),
    };
    if octets.is_truncated() {
        return Ok(());
    }
    // ICMP of IPv4 alone has no pseudo-header (RFC 792).
    let pseudo = if number == protocol::ICMP { 0 } else { pseudo_header(ip, number, octets.len()) };
    let is_right = fold(pseudo + sum(octets.bytes())) == 0xffff;
    let is_unfinished = number == protocol::TCP
        && octets.bytes().get(TCP_CHECKSUM).is_some_and(|field| sum(field) == u64::from(fold(pseudo)));
    if is_right || is_unfinished { Ok(()) } else { Err(Stop::malformed(layer, Cause::Checksum)) }
}

/// RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for IPv6; the words that are zero in one of them do not change the sum.
fn pseudo_header(ip: Endpoints, number: u8, len: u32) -> u64 {
    let address = |address: &[u8; 16]| match ip.version {
        IpVersion::V4 => sum(address.last_chunk::<4>().map_or(&[][..], |four| &four[..])),
        IpVersion::V6 => sum(address),
    };
    address(&ip.source.0) + address(&ip.destination.0) + u64::from(number) + sum(&len.to_be_bytes())
}

/// Sum of the 16-bit words, an odd last octet filled up with zero.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + rest.first().map_or(0, |last| u64::from(*last) << 8)
}

/// The sum in ones' complement.
fn fold(mut sum: u64) -> u16 {
    loop {
        match u16::try_from(sum) {
            Ok(folded) => return folded,
            Err(_) => sum = (sum & 0xffff) + (sum >> 16),
        }
    }
}
