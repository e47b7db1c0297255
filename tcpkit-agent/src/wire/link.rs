//! The first header of a frame, by the capture's link type (<https://www.tcpdump.org/linktypes.html>).

use super::ethernet;
use super::frame::LinkType;
use super::octets::{Octets, Outcome, Stop};
use super::packet::{Cause, Layer, Unanalyzed};
use super::walk::Walk;
use super::{cooked, ip, legacy, mpls, ppp, wireless, wrapped};

/// Link types that `LinkType` has no name for, because nobody else asks for them.
mod link_type {
    pub(super) const IEEE802_5: u16 = 6;
    pub(super) const ARCNET_BSD: u16 = 7;
    pub(super) const FDDI: u16 = 10;
    /// DLT_RAW as some systems write it into files instead of the LINKTYPE_ value.
    pub(super) const RAW_BSD: u16 = 12;
    pub(super) const RAW_OPENBSD: u16 = 14;
    pub(super) const ATM_RFC1483: u16 = 100;
    pub(super) const ATM_RFC1483_BSD: u16 = 11;
    pub(super) const SYMANTEC_FIREWALL: u16 = 99;
    pub(super) const IEEE802_11: u16 = 105;
    pub(super) const FRAME_RELAY: u16 = 107;
    pub(super) const ENC: u16 = 109;
    pub(super) const PFLOG: u16 = 117;
    pub(super) const PRISM: u16 = 119;
    pub(super) const IP_OVER_FC: u16 = 122;
    pub(super) const SUN_ATM: u16 = 123;
    pub(super) const RADIOTAP: u16 = 127;
    pub(super) const ARCNET_LINUX: u16 = 129;
    pub(super) const IP_OVER_IEEE1394: u16 = 138;
    pub(super) const AVS: u16 = 163;
    pub(super) const ERF: u16 = 197;
    pub(super) const PPP_WITH_DIRECTION: u16 = 204;
    pub(super) const MPLS: u16 = 219;
    pub(super) const IPNET: u16 = 226;
    pub(super) const NETANALYZER: u16 = 240;
    pub(super) const IP_OVER_INFINIBAND: u16 = 242;
    pub(super) const PKTAP: u16 = 258;
}

/// What `link_type` announces; Ethernet is cheapest.
#[inline(always)]
pub(super) fn parse<'a>(walk: &mut Walk, link_type: LinkType, octets: Octets<'a>) -> Outcome<'a> {
    if link_type == LinkType::ETHERNET {
        return ethernet::parse(walk, octets);
    }
    common(walk, link_type, octets)
}

#[inline(never)]
pub(super) fn common<'a>(walk: &mut Walk, link_type: LinkType, octets: Octets<'a>) -> Outcome<'a> {
    walk.descend()?;
    match link_type {
        LinkType::ETHERNET => ethernet::nested(walk, octets),
        LinkType::NULL | LinkType::LOOP => cooked::loopback(walk, octets),
        LinkType::PPP | LinkType::PPP_HDLC => ppp::parse(walk, octets),
        LinkType::PPP_ETHER => ppp::over_ethernet(walk, octets),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => ip::parse(walk, octets),
        LinkType::C_HDLC => ppp::cisco_hdlc(walk, octets),
        LinkType::LINUX_SLL => cooked::sll(walk, octets),
        LinkType::LINUX_SLL2 => cooked::sll2(walk, octets),
        LinkType::PPI => wrapped::ppi(walk, octets),
        LinkType::NFLOG => wrapped::nflog(walk, octets),
        LinkType(other) => rare(walk, other, octets),
    }
}

fn rare<'a>(walk: &mut Walk, link_type: u16, octets: Octets<'a>) -> Outcome<'a> {
    match link_type {
        link_type::RAW_BSD | link_type::RAW_OPENBSD => ip::parse(walk, octets),
        link_type::MPLS => mpls::parse(walk, octets),
        link_type::ATM_RFC1483 | link_type::ATM_RFC1483_BSD => legacy::atm(walk, octets),
        link_type::ENC => cooked::enc(walk, octets),
        link_type::PPP_WITH_DIRECTION => cooked::ppp_with_direction(walk, octets),
        link_type::FRAME_RELAY => legacy::frame_relay(walk, octets),
        link_type::IEEE802_5 => legacy::token_ring(walk, octets),
        link_type::FDDI => legacy::fddi(walk, octets),
        link_type::IP_OVER_FC => legacy::ip_over_fibre_channel(walk, octets),
        link_type::IP_OVER_IEEE1394 => legacy::ip_over_ieee1394(walk, octets),
        link_type::ARCNET_LINUX => legacy::arcnet_linux(walk, octets),
        link_type::ARCNET_BSD => legacy::arcnet_bsd(walk, octets),
        link_type::IEEE802_11 => wireless::parse(walk, octets),
        link_type::RADIOTAP => wireless::radiotap(walk, octets),
        link_type::AVS => wireless::avs(walk, octets),
        link_type::PRISM => wireless::prism(walk, octets),
        link_type::SUN_ATM => legacy::sun_atm(walk, octets),
        link_type::SYMANTEC_FIREWALL => legacy::symantec_firewall(walk, octets),
        link_type::IP_OVER_INFINIBAND => legacy::ip_over_infiniband(walk, octets),
        link_type::ERF => wrapped::erf(walk, octets),
        link_type::PFLOG => wrapped::pflog(walk, octets),
        link_type::IPNET => wrapped::ipnet(walk, octets),
        link_type::NETANALYZER => wrapped::netanalyzer(walk, octets),
        link_type::PKTAP => wrapped::pktap(walk, octets),
        _ => Err(Unanalyzed::UnknownLinkType.into()),
    }
}

/// A length field of a link header, below that header's own minimum.
pub(super) fn check_header_len(len: u32, minimum: u32) -> Result<(), Stop> {
    if len < minimum { Err(Stop::malformed(Layer::Link, Cause::HeaderLength)) } else { Ok(()) }
}
