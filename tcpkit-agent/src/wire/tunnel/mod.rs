//! Packets that carry packets.
//!
//! A UDP tunnel is known by a port, and ports prove nothing: it is entered only when its header is one that the
//! tunnel's own specification allows in every bit that can be checked. What it then carries is analysed, sound or not.

use tcpkit_common::flow::FourTuple;

use super::ethernet::{self, ether_type};
use super::ip::{self, protocol};
use super::octets::{Octets, Outcome, Stop};
use super::packet::{Cause, Layer, Unanalyzed};
use super::walk::Walk;
use super::{ipv4, ipv6, mpls, ppp};

mod gre;
mod gtp;
mod overlay;
mod rare;
mod teredo;

/// Ports (<https://www.iana.org/assignments/service-names-port-numbers>).
mod port {
    pub(super) const L2TP: u16 = 1701;
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const LISP: u16 = 4341;
    pub(super) const GRE: u16 = 4754;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const AYIYA: u16 = 5072;
    pub(super) const CAPWAP: u16 = 5247;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const MPLS: u16 = 6635;
    /// What Linux used before IANA assigned 4789 (linux/drivers/net/vxlan), and flannel and Cilium still do.
    pub(super) const VXLAN_LINUX: u16 = 8472;
}

/// What an IP packet of this protocol carries, where that is a packet.
pub(super) fn over_ip<'a>(walk: &mut Walk, number: u8, octets: Octets<'a>) -> Outcome<'a> {
    match number {
        protocol::IPV4 | protocol::IPIP => {
            walk.enter_tunnel()?;
            ipv4::parse(walk, octets)
        }
        protocol::IPV6 => {
            walk.enter_tunnel()?;
            ipv6::parse(walk, octets)
        }
        protocol::GRE => gre::parse(walk, octets),
        protocol::MPLS => {
            walk.enter_tunnel()?;
            mpls::parse(walk, octets)
        }
        protocol::ETHER_IP => ether_ip(walk, octets),
        _ => Err(Unanalyzed::OtherTransport.into()),
    }
}

/// What a UDP datagram carries; `None` when it is a datagram like any other.
pub(super) fn over_udp<'a>(walk: &mut Walk, tuple: &FourTuple, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let towards = known(walk, tuple.destination_port, octets);
    if towards.is_some() { towards } else { known(walk, tuple.source_port, octets) }
}

#[inline(always)]
fn known<'a>(walk: &mut Walk, number: u16, octets: Octets<'a>) -> Option<Outcome<'a>> {
    match number {
        port::VXLAN | port::VXLAN_LINUX => overlay::vxlan(walk, octets),
        port::VXLAN_GPE => overlay::vxlan_gpe(walk, octets),
        port::GENEVE => overlay::geneve(walk, octets),
        port::GTP_U => gtp::parse(walk, octets),
        port::TEREDO => teredo::parse(walk, octets),
        port::GRE => gre::over_udp(walk, octets),
        port::MPLS => over_udp_mpls(walk, octets),
        port::L2TP => rare::l2tp(walk, octets),
        port::LISP => rare::lisp(walk, octets),
        port::AYIYA => rare::ayiya(walk, octets),
        port::CAPWAP => rare::capwap(walk, octets),
        _ => None,
    }
}

/// A network service header (RFC 8300 §2), and what it carries.
pub(super) fn service_header<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const WORDS: u8 = 0x3f;
    const IPV4: u8 = 1;
    const IPV6: u8 = 2;
    const ETHERNET: u8 = 3;
    const MPLS: u8 = 5;

    let (&[_, words, _, next], _) = octets.take::<4>(Layer::Tunnel)?;
    let header_len = u32::from(words & WORDS) * 4;
    if header_len < 8 {
        return Err(Stop::malformed(Layer::Tunnel, Cause::HeaderLength));
    }
    let rest = octets.skip(header_len, Layer::Tunnel)?;
    walk.descend()?;
    match next {
        IPV4 => ipv4::parse(walk, rest),
        IPV6 => ipv6::parse(walk, rest),
        ETHERNET => ethernet::nested(walk, rest),
        MPLS => mpls::parse(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// Ethernet in IP (RFC 3378 §3): version 3, twelve reserved bits, and a frame.
fn ether_ip<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const VERSION: u8 = 3;

    let (header, rest) = octets.take::<2>(Layer::Tunnel)?;
    if header[0] >> 4 != VERSION {
        return Err(Unanalyzed::OtherTransport.into());
    }
    walk.enter_tunnel()?;
    ethernet::nested(walk, rest)
}

/// MPLS in UDP (RFC 7510 §3) has no header of its own: an IP version must stand behind at most eight labels.
fn over_udp_mpls<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let stack = octets.bytes().chunks_exact(4).take(8);
    let labels = stack.take_while(|entry| entry.get(2).is_some_and(|octet| octet & 1 == 0)).count() + 1;
    let version = octets.bytes().get(labels * 4)? >> 4;
    if labels > 8 || !matches!(version, 4 | 6) {
        return None;
    }
    Some(walk.enter_tunnel().and_then(|()| mpls::parse(walk, octets)))
}

/// What a tunnel announces by EtherType.
fn typed<'a>(walk: &mut Walk, kind: u16, octets: Octets<'a>) -> Outcome<'a> {
    walk.enter_tunnel()?;
    match kind {
        ether_type::PPP => ppp::parse(walk, octets),
        _ => ethernet::typed(walk, kind.max(ether_type::FIRST), octets),
    }
}

/// An IP packet in a tunnel, its version told by its first nibble.
fn any_ip<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.enter_tunnel()?;
    ip::parse(walk, octets)
}
