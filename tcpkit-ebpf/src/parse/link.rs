//! Link headers, tags and labels, down to the network layer.

use super::{ARP, Bytes, Header, NEXT_ETHERTYPE, NEXT_IP, NEXT_MPLS, NEXT_PPPOE, State};

/// IEEE 802.3 figure 3-1: two addresses and the type.
#[inline(always)]
pub(super) fn ethernet<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 14)?;
    state.protocol = u32::from(header.u16(12));
    state.go(NEXT_ETHERTYPE, 14);
    Some(())
}

/// What an EtherType announces; `state.offset` is behind it.
#[inline(always)]
pub(super) fn ethertype<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    match state.protocol {
        VLAN | PROVIDER_VLAN | OLD_QINQ => {
            let tag = bytes.header(state.offset, 4)?;
            state.protocol = u32::from(tag.u16(2));
            state.go(NEXT_ETHERTYPE, 4);
        }
        IPV4 | IPV6 => state.go(NEXT_IP, 0),
        MPLS | MPLS_MULTICAST => state.go(NEXT_MPLS, 0),
        PPPOE_SESSION => state.go(NEXT_PPPOE, 0),
        ARP_TYPE | RARP_TYPE => {
            state.known |= ARP;
            state.stop();
        }
        _ => state.stop(),
    }
    Some(())
}

/// RFC 3032 §2.1: one entry of the label stack; behind the last one, the version nibble tells what follows.
#[inline(always)]
pub(super) fn mpls<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let bottom = bytes.header(state.offset, 4)?.u32(0) & 0x100 != 0;
    state.go(if bottom { NEXT_IP } else { NEXT_MPLS }, 4);
    Some(())
}

/// RFC 2516 §4: six octets, then the PPP protocol.
#[inline(always)]
pub(super) fn pppoe<B: Bytes>(bytes: &B, state: &mut State) -> Option<()> {
    let header = bytes.header(state.offset, 8)?;
    match header.u16(6) {
        PPP_IPV4 | PPP_IPV6 => state.go(NEXT_IP, 8),
        _ => state.stop(),
    }
    Some(())
}

/// EtherTypes, linux/if_ether.h.
const IPV4: u32 = 0x0800;
const ARP_TYPE: u32 = 0x0806;
const RARP_TYPE: u32 = 0x8035;
const VLAN: u32 = 0x8100;
const IPV6: u32 = 0x86dd;
const MPLS: u32 = 0x8847;
const MPLS_MULTICAST: u32 = 0x8848;
const PPPOE_SESSION: u32 = 0x8864;
const PROVIDER_VLAN: u32 = 0x88a8;
const OLD_QINQ: u32 = 0x9100;
/// PPP protocol numbers, RFC 1332 and RFC 5072.
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
