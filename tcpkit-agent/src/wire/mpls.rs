//! MPLS label stacks (RFC 3032), and Ethernet pseudowires (RFC 4448).
//!
//! Nothing in a label says what it carries, so the first octets behind the stack are asked, as routers do
//! (RFC 4928): 4 and 6 are IP's versions, and a pseudowire's control word begins with 0.

use super::ethernet::{self, ether_type};
use super::octets::{Octets, Outcome, be16};
use super::packet::{Layer, Unanalyzed};
use super::walk::Walk;
use super::{ipv4, ipv6};

/// RFC 3032 §2.1.
const BOTTOM_OF_STACK: u8 = 0x01;
/// Destination, source and type.
const ETHERNET_HEADER: usize = 14;
const CONTROL_WORD: usize = 4;

/// A label stack and what it carries.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let mut rest = octets;
    loop {
        let (entry, after) = rest.take::<4>(Layer::Link)?;
        rest = after;
        if entry[2] & BOTTOM_OF_STACK != 0 {
            break;
        }
        walk.descend()?;
    }
    match rest.first(Layer::Link)? >> 4 {
        4 => ipv4::parse(walk, rest),
        6 => ipv6::parse(walk, rest),
        // A pseudowire's associated channel (RFC 4385 §5): no user's traffic.
        1 => Err(Unanalyzed::NotIp.into()),
        0 => pseudowire(walk, rest),
        _ => ethernet::nested(walk, rest),
    }
}

/// An Ethernet frame behind a control word, or one whose destination begins with a zero nibble: the place where a
/// known EtherType stands decides.
fn pseudowire<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let with_control_word = octets.take::<{ CONTROL_WORD + ETHERNET_HEADER }>(Layer::Link);
    if let Ok((header, _)) = with_control_word
        && !is_known(be16::<{ CONTROL_WORD + 12 }, _>(header))
        && is_known(be16::<12, _>(header))
    {
        return ethernet::nested(walk, octets);
    }
    let (_, rest) = octets.take::<CONTROL_WORD>(Layer::Link)?;
    ethernet::nested(walk, rest)
}

const fn is_known(kind: u16) -> bool {
    matches!(
        kind,
        ether_type::IPV4
            | ether_type::IPV6
            | ether_type::ARP
            | ether_type::VLAN
            | ether_type::SERVICE_VLAN
            | ether_type::MPLS
            | ether_type::PPPOE_SESSION
    )
}
