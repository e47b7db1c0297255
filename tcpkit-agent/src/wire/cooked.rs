//! Link headers that the capturing system made up: loopback's address family, Linux's cooked captures.

use super::ethernet::{self, ether_type};
use super::frame::FrameDirection;
use super::octets::{Octets, Outcome, be16};
use super::packet::{Layer, Unanalyzed};
use super::walk::Walk;
use super::{ip, legacy, ppp};

/// ARPHRD_FRAD (linux/if_arp.h): frame relay.
const ARPHRD_FRAD: u16 = 770;
/// ARPHRD_NETLINK (linux/if_arp.h): no packets of a network.
const ARPHRD_NETLINK: u16 = 824;
/// What stands in the protocol field before an LLC header (ETH_P_802_2, linux/if_ether.h).
const ETH_P_802_2: u16 = 0x0004;

/// BSD loopback (LINKTYPE_NULL, LINKTYPE_LOOP): an address family in four octets, of either byte order.
pub(super) fn loopback<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (family, rest) = octets.take::<4>(Layer::Link)?;
    if is_ip(u32::from_le_bytes(*family)) || is_ip(u32::from_be_bytes(*family)) {
        return ip::parse(walk, rest);
    }
    Err(Unanalyzed::NotIp.into())
}

/// OpenBSD's decrypted IPsec (LINKTYPE_ENC): family, index of parameters, flags.
pub(super) fn enc<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, rest) = octets.take::<12>(Layer::Link)?;
    ip::parse(walk, rest)
}

/// AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24, 28 and 30 on the BSDs and macOS.
const fn is_ip(family: u32) -> bool {
    matches!(family, 2 | 10 | 23 | 24 | 28 | 30)
}

/// Linux cooked capture (LINKTYPE_LINUX_SLL).
pub(super) fn sll<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<16>(Layer::Link)?;
    walk.on_direction(direction(be16::<0, _>(header)));
    by_protocol(walk, be16::<2, _>(header), be16::<14, _>(header), rest)
}

/// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2).
pub(super) fn sll2<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<20>(Layer::Link)?;
    walk.on_direction(direction(u16::from(header[10])));
    by_protocol(walk, be16::<8, _>(header), be16::<0, _>(header), rest)
}

fn by_protocol<'a>(walk: &mut Walk, hardware: u16, kind: u16, octets: Octets<'a>) -> Outcome<'a> {
    match (hardware, kind) {
        (ARPHRD_NETLINK, _) => Err(Unanalyzed::NotIp.into()),
        (ARPHRD_FRAD, _) => legacy::frame_relay(walk, octets),
        (_, ETH_P_802_2) => ethernet::llc(walk, octets),
        _ => ethernet::typed(walk, kind.max(ether_type::LONGEST_802_3 + 1), octets),
    }
}

/// A packet type (linux/if_packet.h): to us, broadcast, multicast; to another host; from us.
const fn direction(packet_type: u16) -> FrameDirection {
    match packet_type {
        0..=2 => FrameDirection::Inbound,
        4 => FrameDirection::Outbound,
        _ => FrameDirection::Unknown,
    }
}

/// PPP with a direction in front (LINKTYPE_PPP_WITH_DIR): zero is received, the rest sent.
pub(super) fn ppp_with_direction<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[sent], rest) = octets.take::<1>(Layer::Link)?;
    walk.on_direction(if sent == 0 { FrameDirection::Inbound } else { FrameDirection::Outbound });
    ppp::parse(walk, rest)
}
