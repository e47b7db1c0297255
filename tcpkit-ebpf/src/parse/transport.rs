//! What an IP packet carries: ports, the quote in an ICMP error, or one more packet.

use super::{
    ADDRESSES, Bytes, Header, NEXT_GRE, NEXT_IP, NEXT_UDP_PAYLOAD, OUTER_DONE, OUTER_ICMP, OUTER_TCP,
    OUTER_UDP, PORTS, QUOTED, State, TUPLE_FIXED, ip, tunnel,
};

/// The payload of an IP packet, by `state.protocol`.
#[inline(always)]
pub(super) fn payload<B: Bytes>(bytes: &B, state: &mut State, version_6: bool, no_decap: bool) -> Option<()> {
    if state.protocol == AUTHENTICATION {
        return ip::authentication(bytes, state);
    }
    if version_6 && ip::extension(bytes, state)? {
        return Some(());
    }
    let outer = !state.has(OUTER_DONE);
    note_outer(state);
    match state.protocol {
        TCP => tcp(bytes, state),
        UDP => udp(bytes, state, no_decap),
        ICMP if !version_6 => icmp(bytes, state, is_error_v4, outer),
        ICMP6 if version_6 => icmp(bytes, state, is_error_v6, outer),
        // A quote ends at its own transport: what a quoted tunnel carried is seldom there.
        _ if state.has(QUOTED) => None,
        IPV4_IN_IP | IPV6_IN_IP => {
            descend(state, no_decap);
            state.go(NEXT_IP, 0);
            Some(())
        }
        GRE => {
            descend(state, no_decap);
            state.go(NEXT_GRE, 0);
            Some(())
        }
        _ => None,
    }
}

/// Remembers for the totals what the outermost packet carries.
#[inline(always)]
pub(super) fn note_outer(state: &mut State) {
    if state.has(OUTER_DONE) {
        return;
    }
    state.known |= OUTER_DONE
        | match state.protocol {
            TCP => OUTER_TCP,
            UDP => OUTER_UDP,
            ICMP | ICMP6 => OUTER_ICMP,
            _ => 0,
        };
}

/// From here on the walk is inside a tunnel.
#[inline(always)]
pub(super) fn descend(state: &mut State, no_decap: bool) {
    if no_decap {
        state.known |= TUPLE_FIXED;
    }
}

/// RFC 9293 §3.1; the ports alone suffice, as in the eight octets that an ICMP error quotes.
#[inline(always)]
fn tcp<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    ports(state, bytes.header(state.offset, 4)?, TCP);
    if !state.has(QUOTED) {
        let data_offset = u32::from(bytes.header(state.offset, 13)?.u8(12) >> 4) * 4;
        state.headers_len = state.offset + data_offset;
    }
    None
}

/// RFC 768.
#[inline(always)]
fn udp<B: Bytes>(bytes: &B, state: &mut State, no_decap: bool) -> Option<()> {
    let header = bytes.header(state.offset, 4)?;
    ports(state, header, UDP);
    if state.has(QUOTED) {
        return None;
    }
    state.headers_len = state.offset + 8;
    let kind = tunnel::kind_of_ports(header.u16(0), header.u16(2));
    if kind == tunnel::NO_TUNNEL {
        return None;
    }
    descend(state, no_decap);
    state.protocol = kind;
    state.go(NEXT_UDP_PAYLOAD, 8);
    Some(())
}

#[inline(always)]
fn ports<H: Header>(state: &mut State, header: H, protocol: u32) {
    if state.has(ADDRESSES) && !state.has(TUPLE_FIXED) {
        state.source_port = header.u16(0);
        state.destination_port = header.u16(2);
        state.transport = protocol;
        state.known |= PORTS;
    }
}

/// An error (RFC 792, RFC 4443 §2.1) belongs to the flow that it quotes, behind its eight octets.
#[inline(always)]
fn icmp<B: Bytes>(bytes: &B, state: &mut State, is_error: fn(u8) -> bool, outer: bool) -> Option<()> {
    let kind = bytes.header(state.offset, 1)?.u8(0);
    if state.has(QUOTED) || !is_error(kind) {
        return None;
    }
    state.known |= QUOTED;
    state.go(NEXT_IP, 8);
    if outer {
        state.quote_offset = state.offset;
    }
    Some(())
}

/// RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem.
#[inline(always)]
fn is_error_v4(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// RFC 4443 §2.1: errors are the types below 128.
#[inline(always)]
fn is_error_v6(kind: u8) -> bool {
    matches!(kind, 1..=127)
}

/// IANA protocol numbers.
const ICMP: u32 = 1;
const IPV4_IN_IP: u32 = 4;
const TCP: u32 = 6;
const UDP: u32 = 17;
const IPV6_IN_IP: u32 = 41;
const GRE: u32 = 47;
const AUTHENTICATION: u32 = 51;
const ICMP6: u32 = 58;
