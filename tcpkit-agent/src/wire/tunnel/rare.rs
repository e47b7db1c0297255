//! Tunnels in UDP that few still run: L2TP (RFC 2661), LISP (RFC 9300), AYIYA (draft-massar-v6ops-ayiya-02), CAPWAP
//! (RFC 5415).

use super::super::octets::{Octets, Outcome, be16};
use super::super::packet::Layer;
use super::super::walk::Walk;
use super::super::{ethernet, ip, ppp};
use super::any_ip;

/// A PPP frame in L2TP, version 2; `None` for control messages, and for what is no L2TP.
pub(super) fn l2tp<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    /// Reserved bits, and the version (RFC 2661 §3.1).
    const FIXED: u16 = 0x34ff;
    const VERSION_2: u16 = 2;
    /// Tunnel and session.
    const IDENTIFIERS: u32 = 4;

    let (flags, rest) = octets.take::<2>(Layer::Tunnel).ok()?;
    let flags = u16::from_be_bytes(*flags);
    if flags & (CONTROL | FIXED) != VERSION_2 {
        return None;
    }
    let numbers = if flags & SEQUENCE == 0 { 0 } else { 4 };
    let length = if flags & LENGTH == 0 { 0 } else { 2 };
    let mut inner = rest.skip(length + IDENTIFIERS + numbers, Layer::Tunnel).ok()?;
    if flags & OFFSET != 0 {
        let (padding, after) = inner.take::<2>(Layer::Tunnel).ok()?;
        inner = after.skip(u32::from(u16::from_be_bytes(*padding)), Layer::Tunnel).ok()?;
    }
    Some(walk.enter_tunnel().and_then(|()| ppp::parse(walk, inner)))
}

/// A packet in LISP: behind eight octets whose flags cannot be told from anything, an IP packet must fit exactly.
pub(super) fn lisp<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let (_, inner) = octets.take::<8>(Layer::Tunnel).ok()?;
    holds_ip(inner).then(|| any_ip(walk, inner))
}

/// A packet in AYIYA: the header says how long identity and signature are.
pub(super) fn ayiya<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    /// The operation that carries a packet.
    const FORWARD: u8 = 1;

    let (&[identity, signature, operation, _, _, _, _, _], rest) = octets.take::<8>(Layer::Tunnel).ok()?;
    if operation & 0x0f != FORWARD {
        return None;
    }
    let identity_len = 1_u32 << (identity >> 4);
    let inner = rest.skip(identity_len + u32::from(signature >> 4) * 4, Layer::Tunnel).ok()?;
    holds_ip(inner).then(|| any_ip(walk, inner))
}

/// An Ethernet frame in CAPWAP's data channel, whole and not encrypted.
pub(super) fn capwap<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    /// Wireless frames, fragments, keep-alives and reserved bits (RFC 5415 §4.3).
    const OTHERS: u32 = 0x01cf;

    let (header, _) = octets.take::<4>(Layer::Tunnel).ok()?;
    let [preamble, len, _, flags] = *header;
    let bits = u32::from(len & 1) << 8 | u32::from(flags);
    let header_len = u32::from(len >> 3) * 4;
    if preamble != 0 || header_len < 8 || bits & OTHERS != 0 {
        return None;
    }
    let inner = octets.skip(header_len, Layer::Tunnel).ok()?;
    let (_, packet) = inner.take::<14>(Layer::Link).ok()?;
    holds_ip(packet).then(|| walk.enter_tunnel().and_then(|()| ethernet::nested(walk, inner)))
}

/// Whether an IP packet begins here whose length leaves nothing over but what a link may pad.
fn holds_ip(octets: Octets<'_>) -> bool {
    let Some(header) = octets.bytes().first_chunk::<6>() else { return false };
    let len = match header[0] >> 4 {
        4 => u32::from(be16::<2, _>(header)),
        6 => u32::from(be16::<4, _>(header)) + ip::IPV6_HEADER,
        _ => return false,
    };
    (ip::SHORTEST..=octets.len()).contains(&len)
}
