//! Link layers that are met in old captures and in a few surviving networks.

use super::ethernet::{self, ether_type};
use super::ipv4;
use super::ipv6;
use super::octets::{Octets, Outcome, be16};
use super::packet::{Layer, Unanalyzed};
use super::walk::Walk;

/// Frame relay: a Q.922 address whose last octet has its low bit set; then RFC 2427's encapsulation, or Cisco's.
pub(super) fn frame_relay<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const UNNUMBERED_INFORMATION: u8 = 0x03;
    const LAST: u8 = 0x01;

    let (front, after) = octets.take::<2>(Layer::Link)?;
    let rest = if front[1] & LAST != 0 { after } else { after.take::<2>(Layer::Link)?.1 };
    if rest.first(Layer::Link)? == UNNUMBERED_INFORMATION {
        let (_, rest) = rest.take::<1>(Layer::Link)?;
        return multiprotocol(walk, rest);
    }
    let (kind, rest) = rest.take::<2>(Layer::Link)?;
    ethernet::typed(walk, u16::from_be_bytes(*kind).max(ether_type::LONGEST_802_3 + 1), rest)
}

/// A network protocol identifier (RFC 2427 §3), perhaps behind an octet of padding.
fn multiprotocol<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const PADDING: u8 = 0x00;
    const SNAP: u8 = 0x80;
    const IPV6: u8 = 0x8e;
    const IPV4: u8 = 0xcc;

    let (&[first], after) = octets.take::<1>(Layer::Link)?;
    let (identifier, rest) = if first == PADDING {
        let (&[second], rest) = after.take::<1>(Layer::Link)?;
        (second, rest)
    } else {
        (first, after)
    };
    match identifier {
        IPV4 => ipv4::parse(walk, rest),
        IPV6 => ipv6::parse(walk, rest),
        SNAP => ethernet::snap(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// ATM (RFC 2684 §5): LLC; before a bridged Ethernet frame there are two octets of padding.
pub(super) fn atm<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const BRIDGED: [u8; 6] = [0xaa, 0xaa, 0x03, 0x00, 0x80, 0xc2];
    const WITH_CHECKSUM: u8 = 0x01;
    const WITHOUT_CHECKSUM: u8 = 0x07;

    if let Ok((header, rest)) = octets.take::<10>(Layer::Link)
        && header.starts_with(&BRIDGED)
        && header[6] == 0
        && matches!(header[7], WITH_CHECKSUM | WITHOUT_CHECKSUM)
    {
        return ethernet::nested(walk, rest);
    }
    ethernet::llc(walk, octets)
}

/// Token ring: access control, frame control, both addresses, then source routing where the sender's says so.
pub(super) fn token_ring<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const ROUTED: u8 = 0x80;
    const ROUTE_LEN: u8 = 0x1f;

    let (header, rest) = octets.take::<14>(Layer::Link)?;
    if header[8] & ROUTED == 0 {
        return ethernet::llc(walk, rest);
    }
    let route_len = u32::from(rest.first(Layer::Link)? & ROUTE_LEN);
    ethernet::llc(walk, rest.skip(route_len, Layer::Link)?)
}

/// FDDI: frame control and both addresses.
pub(super) fn fddi<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, rest) = octets.take::<13>(Layer::Link)?;
    ethernet::llc(walk, rest)
}

/// IP over Fibre Channel (RFC 2625): both network addresses.
pub(super) fn ip_over_fibre_channel<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (_, rest) = octets.take::<16>(Layer::Link)?;
    ethernet::llc(walk, rest)
}

/// Apple's IP over IEEE 1394: both addresses of eight octets, and an EtherType.
pub(super) fn ip_over_ieee1394<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<18>(Layer::Link)?;
    ethernet::typed(walk, be16::<16, _>(header), rest)
}

/// ARCNET as Linux captures it: source, destination, offset, then the system code.
pub(super) fn arcnet_linux<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, _, _, code], rest) = octets.take::<5>(Layer::Link)?;
    arcnet(walk, code, rest)
}

/// ARCNET as the BSDs capture it: source, destination, then the system code.
pub(super) fn arcnet_bsd<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, code], rest) = octets.take::<3>(Layer::Link)?;
    arcnet(walk, code, rest)
}

/// An ARCNET system code; those of RFC 1201 are followed by a split flag and a sequence number.
fn arcnet<'a>(walk: &mut Walk, code: u8, octets: Octets<'a>) -> Outcome<'a> {
    const IPV4_1051: u8 = 240;
    const ARP_1051: u8 = 241;
    const IPV6: u8 = 196;
    const IPV4: u8 = 212;
    const ARP: u8 = 213;
    const RARP: u8 = 214;
    /// RFC 1201: nothing is split.
    const WHOLE: u8 = 0;

    if code == IPV4_1051 {
        return ipv4::parse(walk, octets);
    }
    if matches!(code, ARP_1051 | ARP | RARP) {
        return Err(Unanalyzed::Arp.into());
    }
    let (&[split, _, _], rest) = octets.take::<3>(Layer::Link)?;
    match (split, code) {
        (WHOLE, IPV4) => ipv4::parse(walk, rest),
        (WHOLE, IPV6) => ipv6::parse(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// SunATM: the kind of traffic in the low nibble, a virtual path and channel; LAN emulation or LLC behind it.
pub(super) fn sun_atm<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const LAN_EMULATION: u8 = 1;
    const LLC: u8 = 2;

    let (&[kind, ..], rest) = octets.take::<4>(Layer::Link)?;
    match kind & 0x0f {
        LAN_EMULATION => ethernet::nested(walk, rest.take::<2>(Layer::Link)?.1),
        LLC => ethernet::llc(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// Symantec's firewall: an EtherType in the midst of 44 octets.
pub(super) fn symantec_firewall<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, _, _, _, _, high, low], rest) = octets.take::<8>(Layer::Link)?;
    ethernet::typed(walk, u16::from_be_bytes([high, low]), rest.skip(36, Layer::Link)?)
}

/// IP over InfiniBand (RFC 4391 §6) behind a pseudo-header of 40 octets: an EtherType and two reserved octets.
pub(super) fn ip_over_infiniband<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[high, low, _, _], rest) = octets.skip(40, Layer::Link)?.take::<4>(Layer::Link)?;
    ethernet::typed(walk, u16::from_be_bytes([high, low]), rest)
}
