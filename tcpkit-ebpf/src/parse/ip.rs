//! IPv4 and IPv6 headers, fragments and IPv6 extension headers.

use super::{
    ADDRESSES, Bytes, FIRST_FRAGMENT, Header, NEXT_IPV4_PAYLOAD, NEXT_IPV6_PAYLOAD, OUTER, OUTER_DONE,
    OUTER_FRAGMENT, OUTER_V4, OUTER_V6, PORTS, State, TUPLE_FIXED, transport,
};

/// IP of the version that its first nibble names.
#[inline(always)]
pub(super) fn either<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    match bytes.header(state.offset, 1)?.u8(0) >> 4 {
        4 => v4(bytes, state),
        6 => v6(bytes, state),
        _ => None,
    }
}

/// RFC 791 §3.1.
#[inline(always)]
fn v4<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 20)?;
    let header_len = u32::from(header.u8(0) & 0xf) * 4;
    if header_len < 20 {
        return None;
    }
    enter(state, OUTER_V4, header.address_v4(12), header.address_v4(16));
    state.protocol = u32::from(header.u8(9));
    let position = header.u16(6) & 0x3fff;
    if position != 0 {
        fragment(state, u32::from(header.u16(4)), position & 0x1fff == 0);
    } else {
        state.go(NEXT_IPV4_PAYLOAD, header_len);
    }
    Some(())
}

/// RFC 8200 §3.
#[inline(always)]
fn v6<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 40)?;
    enter(state, OUTER_V6, header.address_v6(8), header.address_v6(24));
    state.protocol = u32::from(header.u8(6));
    state.go(NEXT_IPV6_PAYLOAD, 40);
    Some(())
}

/// An extension header (RFC 8200 §4); false when the protocol is none.
#[inline(always)]
pub(super) fn extension<B: Bytes>(bytes: &B, state: &mut State) -> Option<bool> {
    match state.protocol {
        HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HIP | SHIM6 => {
            let header = bytes.header(state.offset, 2)?;
            state.protocol = u32::from(header.u8(0));
            state.offset += (u32::from(header.u8(1)) + 1) * 8;
        }
        FRAGMENT => {
            let header = bytes.header(state.offset, 8)?;
            let position = header.u16(2) & 0xfff9;
            state.protocol = u32::from(header.u8(0));
            if position != 0 {
                fragment(state, header.u32(4), position & 0xfff8 == 0);
            } else {
                // RFC 6946: an atomic fragment is a whole packet.
                state.offset += 8;
            }
        }
        _ => return Some(false),
    }
    Some(true)
}

/// RFC 4302 §2, in both versions of IP.
#[inline(always)]
pub(super) fn authentication<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 2)?;
    state.protocol = u32::from(header.u8(0));
    state.offset += (u32::from(header.u8(1)) + 2) * 4;
    Some(())
}

/// Takes the addresses of a packet one level further in; ports of the level before are void.
#[inline(always)]
fn enter(state: &mut State, version: u32, source: [u64; 2], destination: [u64; 2]) {
    if !state.has(TUPLE_FIXED) {
        state.source = source;
        state.destination = destination;
        state.known = state.known & !PORTS | ADDRESSES;
        state.transport = 0;
    }
    if state.known & OUTER == 0 {
        state.known |= version;
        state.network_offset = state.offset;
    }
}

/// A fragment ends the walk: only its addresses, identification and protocol are known for all of its datagram.
#[inline(always)]
fn fragment(state: &mut State, identification: u32, first: bool) {
    if !state.has(OUTER_DONE) {
        transport::note_outer(state);
        state.known |= OUTER_FRAGMENT;
    }
    if first {
        state.known |= FIRST_FRAGMENT;
    }
    state.fragment_id = identification;
    state.fragment_protocol = state.protocol;
    if !state.has(TUPLE_FIXED) {
        state.transport = state.protocol;
    }
    state.stop();
}

/// IPv6 extension headers, IANA protocol numbers.
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const DESTINATION: u32 = 60;
const MOBILITY: u32 = 135;
const HIP: u32 = 139;
const SHIM6: u32 = 140;
