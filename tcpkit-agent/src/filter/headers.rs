//! As much of a frame's headers as the filter's own rules need: which fragment of what it is, and which packet an
//! ICMP error quotes.
//!
//! Looks at the outermost IP packet only, as expressions do. `None` wherever a header is missing, cut, or of a kind
//! that these rules do not know: the expression alone decides then.

use crate::wire::LinkType;

/// What identifies a datagram among its fragments (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Datagram {
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
    pub(super) identification: u32,
    pub(super) protocol: u8,
    pub(super) version: u8,
}

/// What the rules want to know of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first fragment of a datagram.
    FirstFragment(Datagram),
    /// Another fragment of it.
    LaterFragment(Datagram),
    /// An ICMP or ICMPv6 error, and where the packet begins that it quotes.
    Error { link_len: usize, quoted: usize },
}

/// Reads a frame's headers.
pub(super) fn kind(link_type: LinkType, frame: &[u8]) -> Option<Kind> {
    let link_len = link_len(link_type, frame)?;
    match frame.get(link_len)? >> 4 {
        4 => kind_4(frame, link_len),
        6 => kind_6(frame, link_len),
        _ => None,
    }
}

/// Bytes before the IP header.
fn link_len(link_type: LinkType, frame: &[u8]) -> Option<usize> {
    match link_type {
        LinkType::ETHERNET => after_ether_type(frame, half(frame, 12)?, 14),
        LinkType::LINUX_SLL => after_ether_type(frame, half(frame, 14)?, 16),
        LinkType::LINUX_SLL2 => after_ether_type(frame, half(frame, 0)?, 20),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => Some(0),
        LinkType::NULL | LinkType::LOOP => Some(4),
        LinkType::PPP | LinkType::PPP_HDLC if frame.starts_with(&[0xff, 0x03]) => Some(4),
        LinkType::PPP => Some(2),
        _ => None,
    }
}

/// Passes over VLAN tags (IEEE 802.1Q) and one PPPoE session header (RFC 2516 §4).
fn after_ether_type(frame: &[u8], mut ether_type: u16, mut at: usize) -> Option<usize> {
    for _ in 0..MOST_TAGS {
        match ether_type {
            0x0800 | 0x86dd => return Some(at),
            0x8100 | 0x88a8 | 0x9100 => {
                ether_type = half(frame, at + 2)?;
                at += 4;
            }
            0x8864 => return Some(at + 8),
            _ => return None,
        }
    }
    None
}

/// RFC 791 §3.1
fn kind_4(frame: &[u8], start: usize) -> Option<Kind> {
    let packet = frame.get(start..)?;
    let header_len = usize::from(packet.first()? & 0x0f) * 4;
    let flags_and_offset = half(packet, 6)?;
    let datagram = || {
        Some(Datagram {
            source: widened(packet.get(12..16)?)?,
            destination: widened(packet.get(16..20)?)?,
            identification: half(packet, 4)?.into(),
            protocol: *packet.get(9)?,
            version: 4,
        })
    };
    match (flags_and_offset & 0x1fff, flags_and_offset & 0x2000 != 0) {
        (0, true) => return datagram().map(Kind::FirstFragment),
        (0, false) => {}
        _ => return datagram().map(Kind::LaterFragment),
    }
    // RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem.
    let is_error = *packet.get(9)? == ICMP && matches!(packet.get(header_len)?, 3 | 4 | 5 | 11 | 12);
    is_error.then(|| Kind::Error { link_len: start, quoted: start + header_len + ICMP_HEADER_LEN })
}

/// RFC 8200 §4: passes over extension headers.
fn kind_6(frame: &[u8], start: usize) -> Option<Kind> {
    let packet = frame.get(start..)?;
    let (mut next, mut at) = (*packet.get(6)?, IPV6_HEADER_LEN);
    for _ in 0..MOST_EXTENSIONS {
        match next {
            0 | 43 | 60 => {
                let len = usize::from(*packet.get(at + 1)?);
                next = *packet.get(at)?;
                at += (len + 1) * 8;
            }
            44 => {
                let offset_and_more = half(packet, at + 2)?;
                let datagram = || fragment_6(packet, at);
                match (offset_and_more & 0xfff8, offset_and_more & 1 != 0) {
                    (0, true) => return datagram().map(Kind::FirstFragment),
                    (0, false) => {}
                    _ => return datagram().map(Kind::LaterFragment),
                }
                next = *packet.get(at)?;
                at += 8;
            }
            // RFC 4443 §2.1: types below 128 are errors.
            ICMP_6 if *packet.get(at)? < 128 => {
                return Some(Kind::Error { link_len: start, quoted: start + at + ICMP_HEADER_LEN });
            }
            _ => return None,
        }
    }
    None
}

/// RFC 8200 §4.5: fragments belong together by addresses and identification.
fn fragment_6(packet: &[u8], at: usize) -> Option<Datagram> {
    Some(Datagram {
        source: packet.get(8..24)?.try_into().ok()?,
        destination: packet.get(24..40)?.try_into().ok()?,
        identification: u32::from_be_bytes(packet.get(at + 4..at + 8)?.try_into().ok()?),
        protocol: *packet.get(at)?,
        version: 6,
    })
}

fn widened(address: &[u8]) -> Option<[u8; 16]> {
    let mut wide = [0; 16];
    wide.get_mut(..address.len())?.copy_from_slice(address);
    Some(wide)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

const MOST_TAGS: usize = 5;
const MOST_EXTENSIONS: usize = 8;
const IPV6_HEADER_LEN: usize = 40;
const ICMP_HEADER_LEN: usize = 8;
const ICMP: u8 = 1;
const ICMP_6: u8 = 58;
