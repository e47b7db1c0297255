//! GRE (RFC 2784, RFC 2890), its PPTP variant (RFC 2637), and ERSPAN (draft-foschiano-erspan-03).

use super::super::ethernet::{self, ether_type};
use super::super::octets::{Octets, Outcome, be16, be32};
use super::super::packet::{Layer, Unanalyzed};
use super::super::walk::Walk;
use super::super::{ip, ppp};
use super::typed;

/// The flags in the first two octets.
mod flag {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    /// Only in version 1 (RFC 2637 §4.1).
    pub(super) const ACKNOWLEDGMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
    /// Must be zero in version 0 (RFC 2784 §2.1: what RFC 1701 defined here is not used any more).
    pub(super) const RESERVED: u16 = 0x0ff8;
}

/// ERSPAN types I and II, told apart by the sequence number that only II has.
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// A GRE packet.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<4>(Layer::Tunnel)?;
    let (flags, kind) = (be16::<0, _>(header), be16::<2, _>(header));
    match flags & flag::VERSION {
        0 if flags & flag::ROUTING == 0 => version_0(walk, flags, kind, rest),
        1 if kind == ether_type::PPP => version_1(walk, flags, rest),
        _ => Err(Unanalyzed::OtherTransport.into()),
    }
}

/// GRE in UDP (RFC 8086 §3): entered when the header is one that RFC 2890 allows and announces a known protocol.
pub(super) fn over_udp<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let header = octets.bytes().first_chunk::<4>()?;
    let flags = be16::<0, _>(header);
    let is_known = matches!(
        be16::<2, _>(header),
        ether_type::IPV4 | ether_type::IPV6 | ether_type::TRANSPARENT_ETHERNET | ether_type::MPLS
    );
    let is_plausible = flags & (flag::RESERVED | flag::VERSION | flag::ROUTING) == 0 && is_known;
    is_plausible.then(|| parse(walk, octets))
}

fn version_0<'a>(walk: &mut Walk, flags: u16, kind: u16, octets: Octets<'a>) -> Outcome<'a> {
    let words = [flag::CHECKSUM, flag::KEY, flag::SEQUENCE].iter().filter(|&bit| flags & bit != 0).count();
    let rest = octets.skip(4 * u32::try_from(words).unwrap_or(0), Layer::Tunnel)?;
    match kind {
        ERSPAN if flags & flag::SEQUENCE == 0 => mirrored(walk, rest),
        ERSPAN => mirrored(walk, rest.take::<8>(Layer::Tunnel)?.1),
        ERSPAN_III => erspan_iii(walk, rest),
        ether_type::WCCP => redirected(walk, rest),
        _ => typed(walk, kind, rest),
    }
}

/// A web cache's packet (draft-wilson-wrec-wccp-v2 §5.2): behind four octets of redirect header, which version 1 has not.
fn redirected<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.enter_tunnel()?;
    if octets.first(Layer::Tunnel)? >> 4 == 4 {
        return ip::parse(walk, octets);
    }
    ip::parse(walk, octets.take::<4>(Layer::Tunnel)?.1)
}

/// PPTP's enhanced GRE: a key of payload length and call, then the numbers that the flags announce.
fn version_1<'a>(walk: &mut Walk, flags: u16, octets: Octets<'a>) -> Outcome<'a> {
    let (key, mut rest) = octets.take::<4>(Layer::Tunnel)?;
    for bit in [flag::SEQUENCE, flag::ACKNOWLEDGMENT] {
        if flags & bit != 0 {
            rest = rest.take::<4>(Layer::Tunnel)?.1;
        }
    }
    let payload_len = be16::<0, _>(key);
    if flags & flag::SEQUENCE == 0 || payload_len == 0 {
        // An acknowledgement only.
        return Err(Unanalyzed::OtherTransport.into());
    }
    walk.enter_tunnel()?;
    ppp::parse(walk, rest.limit(u32::from(payload_len)))
}

fn mirrored<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.enter_tunnel()?;
    ethernet::nested(walk, octets)
}

/// Type III: twelve octets, eight more where the O bit says so; the frame type is Ethernet or IP.
fn erspan_iii<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const PLATFORM_SPECIFIC: u32 = 0x0001;
    const FRAME_TYPE: u32 = 0x7c00;
    const IP: u32 = 0x0800;

    let (header, rest) = octets.take::<12>(Layer::Tunnel)?;
    let word = be32::<8, _>(header);
    let rest = if word & PLATFORM_SPECIFIC == 0 { rest } else { rest.take::<8>(Layer::Tunnel)?.1 };
    match word & FRAME_TYPE {
        0 => mirrored(walk, rest),
        IP => walk.enter_tunnel().and_then(|()| ip::parse(walk, rest)),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}
