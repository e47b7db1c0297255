//! VXLAN (RFC 7348), its generic extension (draft-ietf-nvo3-vxlan-gpe), and GENEVE (RFC 8926).

use super::super::ethernet::{self, ether_type};
use super::super::octets::{Octets, Outcome, be16};
use super::super::packet::{Layer, Unanalyzed};
use super::super::walk::Walk;
use super::super::{ipv4, ipv6, mpls};
use super::{service_header, typed};

/// RFC 7348 §5: the flag that says that there is a network identifier.
const INSTANCE: u8 = 0x08;
/// The group policy extension's flag (draft-smith-vxlan-group-policy), as Linux and Cilium send it.
const POLICED: u8 = 0x80 | INSTANCE;
/// draft-ietf-nvo3-vxlan-gpe §3.1: version, instance, next protocol, ingress replicated, OAM.
const NEXT_PROTOCOL: u8 = 0x04;
const GPE_FLAGS: u8 = 0x3f;

/// A VXLAN packet. Reserved bits are to be ignored (RFC 7348 §5), and some vendors use them or leave the network out;
/// then the inner frame must show by its type that this is one.
pub(super) fn vxlan<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let (&[flags, policy, a, b, _, _, _, last], rest) = octets.take::<8>(Layer::Tunnel).ok()?;
    let is_regular = match flags {
        INSTANCE => [policy, a, b, last] == [0; 4],
        POLICED => last == 0,
        _ => false,
    };
    let is_plausible = is_regular || holds_ethernet(rest);
    is_plausible.then(|| {
        walk.enter_tunnel()?;
        ethernet::nested(walk, rest)
    })
}

/// Whether an Ethernet frame of a kind that carries TCP seems to begin here, the version of IP included.
fn holds_ethernet(octets: Octets<'_>) -> bool {
    octets.take::<14>(Layer::Link).is_ok_and(|(header, rest)| {
        let version = rest.bytes().first().map(|octet| octet >> 4);
        match be16::<12, _>(header) {
            ether_type::IPV4 => version.is_none_or(|version| version == 4),
            ether_type::IPV6 => version.is_none_or(|version| version == 6),
            kind => kind == ether_type::VLAN,
        }
    })
}

/// A VXLAN packet that says what it carries.
pub(super) fn vxlan_gpe<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let (&[flags, a, b, next, _, _, _, last], rest) = octets.take::<8>(Layer::Tunnel).ok()?;
    let is_plausible = flags & NEXT_PROTOCOL != 0 && flags & !GPE_FLAGS == 0 && [a, b, last] == [0; 3];
    is_plausible.then(|| {
        walk.enter_tunnel()?;
        match next {
            1 => ipv4::parse(walk, rest),
            2 => ipv6::parse(walk, rest),
            3 => ethernet::nested(walk, rest),
            4 => service_header(walk, rest),
            5 => mpls::parse(walk, rest),
            _ => Err(Unanalyzed::NotIp.into()),
        }
    })
}

/// What GENEVE is known to carry: where it announces one of these, reserved bits are ignored, as RFC 8926 §3.4 asks.
const fn is_usual(kind: u16) -> bool {
    matches!(kind, ether_type::TRANSPARENT_ETHERNET | ether_type::IPV4 | ether_type::IPV6 | ether_type::MPLS)
}

/// A GENEVE packet (RFC 8926 §3.4): version 0, its options skipped.
pub(super) fn geneve<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    const VERSION: u8 = 0xc0;
    const WORDS: u8 = 0x3f;
    /// Control and critical; the other six are reserved.
    const FLAGS: u8 = 0xc0;

    let (header, rest) = octets.take::<8>(Layer::Tunnel).ok()?;
    let kind = be16::<2, _>(header);
    let options_len = u32::from(header[0] & WORDS) * 4;
    let is_plausible = header[0] & VERSION == 0
        && (header[1] & !FLAGS == 0 && header[7] == 0 && kind >= ether_type::FIRST || is_usual(kind))
        && options_len <= rest.len();
    is_plausible.then(|| rest.skip(options_len, Layer::Tunnel).and_then(|inner| typed(walk, kind, inner)))
}
