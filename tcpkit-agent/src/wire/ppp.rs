//! PPP (RFC 1661) with and without HDLC-like framing (RFC 1662), PPPoE (RFC 2516), Cisco's HDLC.

use super::ethernet::{self, ether_type};
use super::octets::{Octets, Outcome, Stop, be16};
use super::packet::{Cause, Layer, Unanalyzed};
use super::walk::Walk;
use super::{ipv4, ipv6, mpls};

/// PPP protocol numbers (<https://www.iana.org/assignments/ppp-numbers>).
mod number {
    pub(super) const IPV4: u16 = 0x0021;
    pub(super) const BRIDGED: u16 = 0x0031;
    pub(super) const IPV6: u16 = 0x0057;
    pub(super) const MPLS: u16 = 0x0281;
    pub(super) const MPLS_MULTICAST: u16 = 0x0283;
}

/// The all-stations address and the unnumbered information control (RFC 1662 §3.1).
const HDLC: [u8; 2] = [0xff, 0x03];
/// Cisco HDLC's unicast and multicast addresses, the control octet being zero.
const CISCO: [[u8; 2]; 2] = [[0x0f, 0x00], [0x8f, 0x00]];

/// A PPP frame; address and control may be there, compressed away (RFC 1661 §6.6), or Cisco's.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (front, rest) = octets.take::<2>(Layer::Link)?;
    if *front == HDLC {
        return protocol(walk, rest);
    }
    if CISCO.contains(front) {
        return cisco_hdlc(walk, octets);
    }
    protocol(walk, octets)
}

/// A PPPoE session packet (RFC 2516 §4), from its version on.
pub(super) fn over_ethernet<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const VERSION_TYPE: u8 = 0x11;
    const SESSION: u8 = 0;

    let (header, rest) = octets.take::<6>(Layer::Link)?;
    if header[0] != VERSION_TYPE {
        return Err(Stop::malformed(Layer::Link, Cause::Version));
    }
    if header[1] != SESSION {
        return Err(Unanalyzed::NotIp.into());
    }
    protocol(walk, rest.limit(u32::from(be16::<4, _>(header))))
}

/// Cisco HDLC: address, control, and an EtherType.
pub(super) fn cisco_hdlc<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<4>(Layer::Link)?;
    walk.descend()?;
    ethernet::typed(walk, be16::<2, _>(header).max(ether_type::FIRST), rest)
}

/// The protocol field and what it announces; an odd first octet is the whole of a compressed field (RFC 1661 §6.5).
fn protocol<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let first = octets.first(Layer::Link)?;
    let (number, rest) = if first & 1 == 1 {
        let (_, rest) = octets.take::<1>(Layer::Link)?;
        (u16::from(first), rest)
    } else {
        let (field, rest) = octets.take::<2>(Layer::Link)?;
        (u16::from_be_bytes(*field), rest)
    };
    match number {
        number::IPV4 => ipv4::parse(walk, rest),
        number::IPV6 => ipv6::parse(walk, rest),
        number::MPLS | number::MPLS_MULTICAST => mpls::parse(walk, rest),
        number::BRIDGED => bridged(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// A bridged frame (RFC 3518 §4.1): flags and pad count, the MAC type, and for Ethernet the frame.
fn bridged<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const ETHERNET: u8 = 1;
    const LAN_ID: u8 = 0x80;

    let (&[flags, kind], rest) = octets.take::<2>(Layer::Link)?;
    let rest = if flags & LAN_ID == 0 { rest } else { rest.take::<4>(Layer::Link)?.1 };
    if kind == ETHERNET { ethernet::nested(walk, rest) } else { Err(Unanalyzed::NotIp.into()) }
}
