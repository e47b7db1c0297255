//! Tunnels: from their own header to the packet that they carry.
//!
//! A header that does not look like the tunnel its port promises is none: the datagram then counts as plain UDP.

use super::{Bytes, Header, NEXT_ETHERNET, NEXT_ETHERTYPE, NEXT_GTP_EXTENSION, NEXT_IP, NEXT_TEREDO, State};

pub(super) const NO_TUNNEL: u32 = 0;
const VXLAN: u32 = 1;
const GENEVE: u32 = 2;
const GTP: u32 = 3;
const TEREDO: u32 = 4;

/// Which tunnel these ports promise.
#[inline(always)]
pub(super) fn kind_of_ports(source: u16, destination: u16) -> u32 {
    match (source, destination) {
        (_, 4789 | 8472) => VXLAN,
        (_, 6081) => GENEVE,
        (_, 2152) | (2152, _) => GTP,
        (_, 3544) | (3544, _) => TEREDO,
        _ => NO_TUNNEL,
    }
}

/// The first octets behind a UDP header.
#[inline(always)]
pub(super) fn over_udp<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    match state.protocol {
        VXLAN => vxlan(bytes, state),
        GENEVE => geneve(bytes, state),
        GTP => gtp(bytes, state),
        _ => {
            state.go(NEXT_TEREDO, 0);
            Some(())
        }
    }
}

/// RFC 7348 §5: the I flag says that the identifier is valid.
#[inline(always)]
fn vxlan<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    if bytes.header(state.offset, 8)?.u8(0) & 0x08 == 0 {
        return None;
    }
    state.go(NEXT_ETHERNET, 8);
    Some(())
}

/// RFC 8926 §3.4: version 0, options in units of four octets, then an EtherType's payload.
#[inline(always)]
fn geneve<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 8)?;
    let first = header.u8(0);
    if first >> 6 != 0 {
        return None;
    }
    carried(state, header.u16(2), 8 + u32::from(first & 0x3f) * 4);
    Some(())
}

/// 3GPP TS 29.281 §5.1: version 1, GTP and not GTP', a G-PDU.
#[inline(always)]
fn gtp<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 8)?;
    let flags = header.u8(0);
    if flags & 0xf0 != 0x30 || header.u8(1) != 255 {
        return None;
    }
    if flags & 0x07 == 0 {
        state.go(NEXT_IP, 8);
        return Some(());
    }
    let optional = bytes.header(state.offset, 12)?;
    state.protocol = if flags & 0x04 != 0 { u32::from(optional.u8(11)) } else { 0 };
    state.go(NEXT_GTP_EXTENSION, 12);
    Some(())
}

/// 3GPP TS 29.281 §5.2.1: length in units of four octets, the next one's type in the last octet.
#[inline(always)]
pub(super) fn gtp_extension<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    if state.protocol == 0 {
        state.go(NEXT_IP, 0);
        return Some(());
    }
    let len = u32::from(bytes.header(state.offset, 1)?.u8(0)) * 4;
    if len == 0 {
        return None;
    }
    state.protocol = u32::from(bytes.header(state.offset + len - 1, 1)?.u8(0));
    state.go(NEXT_GTP_EXTENSION, len);
    Some(())
}

/// RFC 4380 §5.1.1: authentication and origin indications, each at most once, then IPv6.
#[inline(always)]
pub(super) fn teredo<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 4)?;
    match header.u16(0) {
        0x0000 => state.go(NEXT_TEREDO, 8),
        0x0001 => state.go(NEXT_TEREDO, 13 + u32::from(header.u8(2)) + u32::from(header.u8(3))),
        first if first >> 12 == 6 => state.go(NEXT_IP, 0),
        _ => return None,
    }
    Some(())
}

/// RFC 2784 and RFC 2890; ERSPAN (draft-foschiano-erspan) where the protocol says so.
#[inline(always)]
pub(super) fn gre<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 4)?;
    let flags = header.u16(0);
    // Source routing (RFC 1701) and version 1 (PPTP, RFC 2637) carry nothing that this walk can follow.
    if flags & 0x4007 != 0 {
        return None;
    }
    let optional = u32::from(flags >> 15) + u32::from(flags >> 13 & 1) + u32::from(flags >> 12 & 1);
    let len = 4 + optional * 4;
    match header.u16(2) {
        // Type I has no header of its own and no sequence number.
        ERSPAN if flags & 0x1000 == 0 => state.go(NEXT_ETHERNET, len),
        ERSPAN => state.go(NEXT_ETHERNET, len + 8),
        ERSPAN_3 => {
            let sub_header = u32::from(bytes.header(state.offset + len, 12)?.u8(11) & 1) * 8;
            state.go(NEXT_ETHERNET, len + 12 + sub_header);
        }
        protocol => carried(state, protocol, len),
    }
    Some(())
}

/// A payload that an EtherType names.
#[inline(always)]
fn carried(state: &mut State, protocol: u16, step: u32) {
    if protocol == TRANSPARENT_ETHERNET {
        state.go(NEXT_ETHERNET, step);
    } else {
        state.protocol = u32::from(protocol);
        state.go(NEXT_ETHERTYPE, step);
    }
}

/// EtherTypes, linux/if_ether.h.
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
