//! Who talks to whom, read at a glance: TCP and UDP directly over IP, behind Ethernet or nothing.
//!
//! For whoever looks at every frame and needs no more than that; `None` for anything that takes a walk over headers
//! (tags, tunnels, extension headers, fragments). Agrees with the parser wherever it answers.

use tcpkit_common::flow::{Address, FourTuple};

use super::{Frame, LinkType};

/// IANA protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// EtherTypes, linux/if_ether.h.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// What a glance shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// IANA protocol number: 6 or 17.
    pub protocol: u8,
    /// Sender and receiver.
    pub tuple: FourTuple,
    /// Octets before the payload.
    pub headers_len: u32,
}

/// The ends of a frame.
#[must_use]
#[inline]
pub fn ends(frame: &Frame<'_>) -> Option<Ends> {
    plain_ends(frame).or_else(|| any_ends(frame))
}

/// Those of TCP over IPv4 without options behind Ethernet, which nearly every frame is, from words in fixed places.
#[inline]
fn plain_ends(frame: &Frame<'_>) -> Option<Ends> {
    let head = frame.bytes.first_chunk::<PLAIN>().filter(|_| frame.link_type == LinkType::ETHERNET)?;
    let is_plain = head[12..15] == [8, 0, 0x45] && head[20] & 0x3f == 0 && head[21] == 0 && head[23] == TCP;
    is_plain.then_some(())?;
    let tuple = FourTuple {
        source: Address::v4([head[26], head[27], head[28], head[29]]),
        destination: Address::v4([head[30], head[31], head[32], head[33]]),
        source_port: u16::from_be_bytes([head[34], head[35]]),
        destination_port: u16::from_be_bytes([head[36], head[37]]),
    };
    Some(Ends { protocol: TCP, tuple, headers_len: 34 + u32::from(head[46] >> 4) * 4 })
}

/// Octets of Ethernet, of IPv4, and of TCP up to where the length of its header stands.
const PLAIN: usize = 14 + 20 + 13;

#[inline(never)]
fn any_ends(frame: &Frame<'_>) -> Option<Ends> {
    let link = match frame.link_type {
        LinkType::ETHERNET => 14,
        LinkType::RAW => 0,
        _ => return None,
    };
    let ip = frame.bytes.get(link..)?;
    let version = match link {
        0 => u16::from(ip.first()? >> 4),
        _ => u16_at(frame.bytes, 12)?,
    };
    let (protocol, source, destination, header_len) = match version {
        IPV4 | 4 => v4(ip)?,
        IPV6 | 6 => v6(ip)?,
        _ => return None,
    };
    let transport = ip.get(header_len..)?;
    let transport_len = match protocol {
        TCP => usize::from(transport.get(12)? >> 4) * 4,
        UDP => 8,
        _ => return None,
    };
    let tuple = FourTuple {
        source,
        destination,
        source_port: u16_at(transport, 0)?,
        destination_port: u16_at(transport, 2)?,
    };
    let headers_len = u32::try_from(link + header_len + transport_len).ok()?;
    Some(Ends { protocol, tuple, headers_len })
}

/// RFC 791 §3.1, without options, and no fragment.
fn v4(ip: &[u8]) -> Option<(u8, Address, Address, usize)> {
    let is_plain = *ip.first()? == 0x45 && u16_at(ip, 6)? & 0x3fff == 0;
    let address = |at| Some(Address::v4(ip.get(at..at + 4)?.try_into().ok()?));
    is_plain.then_some(())?;
    Some((*ip.get(9)?, address(12)?, address(16)?, 20))
}

/// RFC 8200 §3.
fn v6(ip: &[u8]) -> Option<(u8, Address, Address, usize)> {
    let is_plain = ip.first()? >> 4 == 6;
    let address = |at| Some(Address(ip.get(at..at + 16)?.try_into().ok()?));
    is_plain.then_some(())?;
    Some((*ip.get(6)?, address(8)?, address(24)?, 40))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        time::Timestamp,
        wire::{FrameDirection, InterfaceId},
    };

    fn frame(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
        Frame {
            timestamp: Timestamp(0),
            interface: InterfaceId(0),
            link_type,
            direction: FrameDirection::Unknown,
            hook: None,
            frame_len: u32::try_from(bytes.len()).unwrap(),
            gso_size: 0,
            bytes,
        }
    }

    fn packet() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn plain_packets_are_read_at_a_glance_and_others_are_not() {
        let packet = packet();
        let seen = ends(&frame(LinkType::RAW, &packet)).unwrap();
        assert_eq!((seen.protocol, seen.headers_len), (6, 40));
        assert_eq!((seen.tuple.source_port, seen.tuple.destination_port), (40_000, 80));
        let ethernet = [&[0u8; 12][..], &[8, 0], &packet].concat();
        let behind = ends(&frame(LinkType::ETHERNET, &ethernet)).unwrap();
        assert_eq!((behind.tuple, behind.headers_len), (seen.tuple, 54));
        let tagged = [&[0u8; 12][..], &[0x81, 0, 0, 5, 8, 0], &packet].concat();
        assert_eq!(ends(&frame(LinkType::ETHERNET, &tagged)), None);
        let mut fragment = packet.clone();
        fragment[6] = 0x20;
        assert_eq!(ends(&frame(LinkType::RAW, &fragment)), None);
    }

    #[test]
    fn no_cut_panics() {
        let packet = packet();
        for len in 0..packet.len() {
            let seen = ends(&frame(LinkType::RAW, &packet[..len]));
            assert_eq!(seen.is_some(), len >= 33, "{len}");
            let ethernet = [&[0u8; 12][..], &[8, 0], &packet[..len]].concat();
            assert_eq!(ends(&frame(LinkType::ETHERNET, &ethernet)).is_some(), len >= 33, "{len}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_stands_in_fixed_places_is_what_the_walk_finds(
            places in proptest::collection::vec((0..54usize, proptest::prelude::any::<u8>()), 0..4),
            link_type in proptest::prop_oneof![
                proptest::prelude::Just(LinkType::ETHERNET),
                proptest::prelude::Just(LinkType::RAW),
            ],
        ) {
            let mut bytes = [&[0u8; 12][..], &[8, 0], &packet()].concat();
            places.into_iter().for_each(|(at, octet)| bytes[at] = octet);
            let frame = frame(link_type, &bytes);
            let plain = plain_ends(&frame);
            proptest::prop_assert!(plain.is_none() || plain == any_ends(&frame));
        }
    }
}
