//! IPv6 and its extension headers (RFC 8200).
//!
//! A payload length of zero is a jumbogram's (RFC 2675) where a jumbo payload option follows, and otherwise what
//! segmentation offload leaves in captured super-segments: the packet then extends to the end of what holds it.

use tcpkit_common::flow::Address;

use super::ip::{self, Endpoints, protocol};
use super::octets::{Octets, Outcome, Stop, array, be16, be32};
use super::packet::{Cause, FragmentInfo, IpVersion, Layer, Packet};
use super::segment::Segment;
use super::tcp;
use super::walk::Walk;

/// Where the fields stand (RFC 8200 §3).
mod field {
    pub(super) const PAYLOAD_LEN: usize = 4;
    pub(super) const NEXT_HEADER: usize = 6;
    pub(super) const SOURCE: usize = 8;
    pub(super) const DESTINATION: usize = 24;
}

const HEADER: usize = 40;
/// RFC 2675 §2.
const JUMBO_PAYLOAD: u8 = 0xc2;
/// RFC 8200 §4.2.
const PAD1: u8 = 0;
/// A fragment header's offset (13 bits) and the flag that more follow (RFC 8200 §4.5).
const FRAGMENT_OFFSET: u16 = 0xfff8;
const MORE_FRAGMENTS: u16 = 0x0001;

/// What stands behind a chain of extension headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upper<'a> {
    /// Protocol number of the first header that is no extension.
    pub(super) number: u8,
    /// From that header on.
    pub(super) octets: Octets<'a>,
    /// The fragment header, when the octets are but a part of the datagram.
    pub(super) fragment: Option<FragmentHeader>,
}

/// A fragment header (RFC 8200 §4.5) of a datagram that is in more than one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentHeader {
    identification: u32,
    /// Where the octets stand in the fragmentable part.
    pub(super) offset: u32,
    more: bool,
}

/// An IPv6 packet.
#[inline(always)]
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.on_ip(IpVersion::V6, octets.offset());
    let (endpoints, next, payload) = header(octets)?;
    if next == protocol::TCP {
        return ip::transport(walk, endpoints, next, payload);
    }
    upper(walk, endpoints, next, payload)
}

/// The segment that a packet without extension headers carries; `None` for everything else.
#[inline(always)]
pub(super) fn plain_segment(octets: Octets<'_>) -> Option<Segment<'_>> {
    let (endpoints, next, payload) = header(octets).ok()?;
    if next == protocol::TCP { tcp::segment(endpoints, payload).ok() } else { None }
}

/// The fixed header: who to whom, what comes next, and the payload without padding.
#[inline(always)]
pub(super) fn header(octets: Octets<'_>) -> Result<(Endpoints, u8, Octets<'_>), Stop> {
    let (header, after) = octets.take::<HEADER>(Layer::Ipv6)?;
    if header[0] >> 4 != 6 {
        return Err(Stop::malformed(Layer::Ipv6, Cause::Version));
    }
    let endpoints = Endpoints {
        source: Address(array::<{ field::SOURCE }, 16, _>(header)),
        destination: Address(array::<{ field::DESTINATION }, 16, _>(header)),
        version: IpVersion::V6,
        // The traffic class lies across the first two octets; its low bits are the ECN field.
        ecn: (header[1] >> 4) & ip::CONGESTION_EXPERIENCED,
    };
    let next = header[field::NEXT_HEADER];
    let payload = match be16::<{ field::PAYLOAD_LEN }, _>(header) {
        0 => jumbo_payload(next, after),
        len => after.limit(u32::from(len)),
    };
    Ok((endpoints, next, payload))
}

/// What a packet carries, `next` being its first extension header or its transport.
#[inline(never)]
pub(super) fn upper<'a>(walk: &mut Walk, ip: Endpoints, next: u8, octets: Octets<'a>) -> Outcome<'a> {
    let upper = skip_extensions(walk, next, octets)?;
    let Some(fragment) = upper.fragment else {
        return ip::transport(walk, ip, upper.number, upper.octets);
    };
    walk.on_protocol(upper.number);
    Ok(Packet::Fragment(FragmentInfo {
        source: ip.source,
        destination: ip.destination,
        version: IpVersion::V6,
        identification: fragment.identification,
        protocol: upper.number,
        offset: fragment.offset,
        len: upper.octets.len(),
        more: fragment.more,
        header_len: upper.octets.offset(),
        payload: upper.octets.bytes(),
    }))
}

/// Walks the extension headers down to the first header that is none, or to a fragment header.
pub(super) fn skip_extensions<'a>(
    walk: &mut Walk,
    mut number: u8,
    mut octets: Octets<'a>,
) -> Result<Upper<'a>, Stop> {
    loop {
        let (next, rest) = match number {
            protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::HOST_IDENTITY
            | protocol::SHIM6 => extension(octets)?,
            protocol::AUTHENTICATION => ip::authentication(octets, IpVersion::V6)?,
            protocol::FRAGMENT => {
                let (fragment, next, rest) = fragment_header(octets)?;
                if fragment.is_some() {
                    return Ok(Upper { number: next, octets: rest, fragment });
                }
                (next, rest)
            }
            _ => return Ok(Upper { number, octets, fragment: None }),
        };
        walk.descend()?;
        (number, octets) = (next, rest);
    }
}

/// An extension header of the common form (RFC 6564 §4): its length counts units of 8 octets, less one.
fn extension(octets: Octets<'_>) -> Result<(u8, Octets<'_>), Stop> {
    let (&[next, units], _) = octets.take::<2>(Layer::Ipv6)?;
    Ok((next, octets.skip((u32::from(units) + 1) * 8, Layer::Ipv6)?))
}

/// A fragment header; one that makes the datagram whole by itself (RFC 6946) is none.
fn fragment_header(octets: Octets<'_>) -> Result<(Option<FragmentHeader>, u8, Octets<'_>), Stop> {
    let (header, rest) = octets.take::<8>(Layer::Ipv6)?;
    let offset_more = be16::<2, _>(header);
    let fragment = FragmentHeader {
        identification: be32::<4, _>(header),
        offset: u32::from(offset_more & FRAGMENT_OFFSET),
        more: offset_more & MORE_FRAGMENTS != 0,
    };
    let is_atomic = fragment.offset == 0 && !fragment.more;
    Ok(((!is_atomic).then_some(fragment), header[0], rest))
}

/// The payload of a packet whose length field is zero.
#[cold]
fn jumbo_payload(next: u8, octets: Octets<'_>) -> Octets<'_> {
    if next != protocol::HOP_BY_HOP {
        return octets;
    }
    match jumbo_len(octets.bytes()) {
        Some(len) => octets.limit(len),
        None => octets,
    }
}

/// The jumbo payload option of a hop-by-hop header (RFC 2675 §2), where it was captured.
fn jumbo_len(header: &[u8]) -> Option<u32> {
    let end = (usize::from(*header.get(1)?) + 1) * 8;
    let mut options = header.get(2..end.min(header.len()))?;
    while let Some((&kind, rest)) = options.split_first() {
        if kind == PAD1 {
            options = rest;
            continue;
        }
        let (&len, rest) = rest.split_first()?;
        if kind == JUMBO_PAYLOAD && len == 4 {
            return rest.first_chunk().map(|octets| u32::from_be_bytes(*octets));
        }
        options = rest.get(usize::from(len)..)?;
    }
    None
}
