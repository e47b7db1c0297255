//! GTP-U, version 1 (3GPP TS 29.281): user packets of mobile networks.

use super::super::ip;
use super::super::octets::{Octets, Outcome, Stop, be16};
use super::super::packet::Layer;
use super::super::walk::Walk;
use super::any_ip;

/// The first octet (TS 29.281 §5.1): version 1, protocol type GTP, and a spare bit that is zero.
const FIXED: u8 = 0xf8;
const VERSION_1: u8 = 0x30;
/// Extension header, sequence number or N-PDU number: with any of them, all four optional octets are there.
const OPTIONAL: u8 = 0x07;
const EXTENSION: u8 = 0x04;
/// A packet of the user (TS 29.281 §6.1).
const T_PDU: u8 = 255;

/// A user's packet; `None` for signalling, and for what is no GTP-U. Ethernet sessions are left alone. A length that is
/// not the datagram's is excused where an IP packet fits in: links pad, and some senders miscount.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let (header, rest) = octets.take::<8>(Layer::Tunnel).ok()?;
    let len = u32::from(be16::<2, _>(header));
    if header[0] & FIXED != VERSION_1 || header[1] != T_PDU {
        return None;
    }
    let inner = match skip_optional(header[0] & OPTIONAL, rest.limit(len)) {
        Ok(inner) => inner,
        Err(stop) => return (len == rest.len()).then_some(Err(stop)),
    };
    let version = inner.bytes().first().map_or(4, |octet| octet >> 4);
    let fits = len <= rest.len() || ip_len(inner.bytes()).is_some_and(|ip_len| ip_len <= inner.len());
    (matches!(version, 4 | 6) && fits).then(|| any_ip(walk, inner))
}

/// What an IP header says of its packet's length; `None` where none stands there, or too little was captured.
fn ip_len(octets: &[u8]) -> Option<u32> {
    let header = octets.first_chunk::<6>()?;
    match header[0] >> 4 {
        4 => Some(u32::from(be16::<2, _>(header))),
        6 => Some(u32::from(be16::<4, _>(header)) + ip::IPV6_HEADER),
        _ => None,
    }
}

fn skip_optional(flags: u8, octets: Octets<'_>) -> Result<Octets<'_>, Stop> {
    if flags == 0 {
        return Ok(octets);
    }
    let (&[_, _, _, mut next], mut rest) = octets.take::<4>(Layer::Tunnel)?;
    // A chain of extension headers (TS 29.281 §5.2.1): words in the first octet, the next one's type in the last.
    while flags & EXTENSION != 0 && next != 0 {
        let words = u32::from(rest.first(Layer::Tunnel)?);
        if words == 0 {
            return Err(Stop::malformed(Layer::Tunnel, super::super::packet::Cause::HeaderLength));
        }
        let last = rest.skip(words * 4 - 1, Layer::Tunnel)?;
        next = last.first(Layer::Tunnel)?;
        rest = rest.skip(words * 4, Layer::Tunnel)?;
    }
    Ok(rest)
}
