//! Frames behind metadata of the capturing system: PPI, NFLOG, PKTAP, PFLOG, IPNET, netANALYZER, ERF.

use super::frame::{FrameDirection, LinkType};
use super::link::{self, check_header_len};
use super::octets::{Octets, Outcome};
use super::packet::{Layer, Unanalyzed};
use super::walk::Walk;
use super::{ethernet, ip};

/// PPI: its length and the link type within, in little-endian order.
pub(super) fn ppi<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, a, b, c, d, e, f], _) = octets.take::<8>(Layer::Link)?;
    let header_len = u32::from(u16::from_le_bytes([a, b]));
    check_header_len(header_len, 8)?;
    inner(walk, u32::from_le_bytes([c, d, e, f]), octets.skip(header_len, Layer::Link)?)
}

/// Apple's PKTAP: header length, record type, link type within; little-endian on every system that has it.
pub(super) fn pktap<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, _) = octets.take::<12>(Layer::Link)?;
    let &[a, b, c, d, _, _, _, _, e, f, g, h] = header;
    let header_len = u32::from_le_bytes([a, b, c, d]);
    check_header_len(header_len, 12)?;
    inner(walk, u32::from_le_bytes([e, f, g, h]), octets.skip(header_len, Layer::Link)?)
}

fn inner<'a>(walk: &mut Walk, link_type: u32, octets: Octets<'a>) -> Outcome<'a> {
    match u16::try_from(link_type) {
        Ok(number) => link::common(walk, LinkType(number), octets),
        Err(_) => Err(Unanalyzed::UnknownLinkType.into()),
    }
}

/// The attribute that holds the packet (NFULA_PAYLOAD, linux/netfilter/nfnetlink_log.h).
const NFULA_PAYLOAD: u16 = 9;
/// The attribute that holds protocol and hook (NFULA_PACKET_HDR).
const NFULA_PACKET_HDR: u16 = 1;

/// Linux netfilter log: family, version, resource, then attributes in the capturing host's byte order.
pub(super) fn nflog<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, mut rest) = octets.take::<4>(Layer::Link)?;
    loop {
        if rest.len() == 0 {
            return Err(Unanalyzed::NotIp.into());
        }
        let (header, value) = rest.take::<4>(Layer::Link)?;
        let (len, kind) = attribute(*header);
        check_header_len(len, 4)?;
        match kind {
            NFULA_PAYLOAD => return ip::parse(walk, value.limit(len - 4)),
            NFULA_PACKET_HDR => walk.on_direction(direction(value.bytes().get(2).copied())),
            _ => {}
        }
        let padded = len.next_multiple_of(4).min(rest.len());
        rest = rest.skip(padded, Layer::Link)?;
        walk.descend()?;
    }
}

/// Length and type of an attribute. Types are below 256, which tells the byte order.
const fn attribute(header: [u8; 4]) -> (u32, u16) {
    let [a, b, c, d] = header;
    if d == 0 {
        (u16::from_le_bytes([a, b]) as u32, u16::from_le_bytes([c, d]))
    } else {
        (u16::from_be_bytes([a, b]) as u32, u16::from_be_bytes([c, d]))
    }
}

/// The netfilter hook (linux/netfilter.h): local in is 1, local out is 3.
const fn direction(hook: Option<u8>) -> FrameDirection {
    match hook {
        Some(0 | 1) => FrameDirection::Inbound,
        Some(3 | 4) => FrameDirection::Outbound,
        _ => FrameDirection::Unknown,
    }
}

/// OpenBSD's packet filter log: its own length first, padded to four octets.
pub(super) fn pflog<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let header_len = u32::from(octets.first(Layer::Link)?);
    check_header_len(header_len, 4)?;
    ip::parse(walk, octets.skip(header_len.next_multiple_of(4), Layer::Link)?)
}

/// Solaris's IPNET: a header of 24 octets before the IP packet.
pub(super) fn ipnet<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, rest) = octets.take::<24>(Layer::Link)?;
    ip::parse(walk, rest)
}

/// Hilscher's netANALYZER: four octets before an Ethernet frame.
pub(super) fn netanalyzer<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, rest) = octets.take::<4>(Layer::Link)?;
    ethernet::nested(walk, rest)
}

/// Endace's extensible record: a time stamp, what it holds, lengths, then headers that chain by their first bit.
pub(super) fn erf<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const MORE: u8 = 0x80;
    /// Ethernet, plain, coloured, and with a colour from the capturing card.
    const ETHERNET: [u8; 3] = [2, 11, 16];
    const IPV4: u8 = 22;
    const IPV6: u8 = 23;

    let (header, mut rest) = octets.take::<16>(Layer::Link)?;
    let mut has_more = header[8] & MORE != 0;
    while has_more {
        walk.descend()?;
        let (extension, after) = rest.take::<8>(Layer::Link)?;
        (has_more, rest) = (extension[0] & MORE != 0, after);
    }
    match header[8] & !MORE {
        // An offset and padding stand before the frame.
        kind if ETHERNET.contains(&kind) => ethernet::nested(walk, rest.take::<2>(Layer::Link)?.1),
        IPV4 | IPV6 => ip::parse(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}
