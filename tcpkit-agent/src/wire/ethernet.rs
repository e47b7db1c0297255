//! Ethernet: EtherTypes (IEEE 802 numbers), VLAN tags, 802.3 with LLC and SNAP.

use super::octets::{Octets, Outcome, Stop, be16};
use super::packet::{IpVersion, Layer, Unanalyzed};
use super::segment::Segment;
use super::walk::Walk;
use super::{ipv4, ipv6, mpls, ppp, tunnel};

/// Where the fields stand (IEEE 802.3 §3.2).
mod field {
    pub(super) const ETHER_TYPE: usize = 12;
}

/// Both addresses and the type.
const HEADER: usize = 14;
/// Where the second of two tags ends: [`plain_segment`] leaves longer stacks to the others.
const MAX_PLAIN_TAGS: u32 = 14 + 2 * 4;

/// EtherTypes (<https://www.iana.org/assignments/ieee-802-numbers>).
pub(super) mod ether_type {
    pub(in super::super) const IPV4: u16 = 0x0800;
    pub(in super::super) const ARP: u16 = 0x0806;
    pub(in super::super) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub(in super::super) const RARP: u16 = 0x8035;
    pub(in super::super) const VLAN: u16 = 0x8100;
    pub(in super::super) const IPV6: u16 = 0x86dd;
    pub(in super::super) const PPP: u16 = 0x880b;
    pub(in super::super) const MPLS: u16 = 0x8847;
    pub(in super::super) const MPLS_MULTICAST: u16 = 0x8848;
    pub(in super::super) const PPPOE_SESSION: u16 = 0x8864;
    pub(in super::super) const SERVICE_VLAN: u16 = 0x88a8;
    pub(in super::super) const BACKBONE: u16 = 0x88e7;
    pub(in super::super) const MACSEC: u16 = 0x88e5;
    /// Cisco FabricPath; what follows is a frame.
    pub(in super::super) const FABRIC_PATH: u16 = 0x8903;
    /// Cisco's TrustSec security group tag.
    pub(in super::super) const CISCO_METADATA: u16 = 0x8909;
    pub(in super::super) const VN_TAG: u16 = 0x8926;
    /// High-availability seamless redundancy (IEC 62439-3).
    pub(in super::super) const HSR: u16 = 0x892f;
    /// IEEE 802.1BR.
    pub(in super::super) const E_TAG: u16 = 0x893f;
    pub(in super::super) const TRILL: u16 = 0x22f3;
    pub(in super::super) const WCCP: u16 = 0x883e;
    /// IEEE 802.1CB.
    pub(in super::super) const REDUNDANCY: u16 = 0xf1c1;
    pub(in super::super) const NSH: u16 = 0x894f;
    pub(in super::super) const OLD_QINQ: u16 = 0x9100;
    pub(in super::super) const OLD_QINQ_2: u16 = 0x9200;
    /// Values below are lengths of an 802.3 frame (IEEE 802.3 §3.2.6); those from 1501 on are neither.
    pub(in super::super) const FIRST: u16 = 0x0600;
    /// The longest 802.3 frame.
    pub(in super::super) const LONGEST_802_3: u16 = 1500;
}

/// The segment of a whole IP datagram in a frame with at most two tags, which is what nearly all frames hold: the same readers
/// as everywhere, in one straight line that the compiler turns into loads and stores. `None` says nothing but that
/// the frame is not of this kind, or not sound.
#[inline(always)]
pub(super) fn plain_segment(octets: Octets<'_>) -> Option<(IpVersion, Segment<'_>)> {
    let (header, mut rest) = octets.take::<HEADER>(Layer::Link).ok()?;
    let mut kind = be16::<{ field::ETHER_TYPE }, _>(header);
    while matches!(kind, ether_type::VLAN | ether_type::SERVICE_VLAN) && rest.offset() < MAX_PLAIN_TAGS {
        let (tag, after) = rest.take::<4>(Layer::Link).ok()?;
        (kind, rest) = (be16::<2, _>(tag), after);
    }
    match kind {
        ether_type::IPV4 => Some((IpVersion::V4, ipv4::plain_segment(rest)?)),
        ether_type::IPV6 => Some((IpVersion::V6, ipv6::plain_segment(rest)?)),
        _ => None,
    }
}

/// An Ethernet frame, from the destination address on.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<HEADER>(Layer::Link)?;
    typed(walk, be16::<{ field::ETHER_TYPE }, _>(header), rest)
}

/// What an EtherType announces, or an 802.3 frame where it is a length.
#[inline(never)]
pub(super) fn typed<'a>(walk: &mut Walk, mut kind: u16, mut octets: Octets<'a>) -> Outcome<'a> {
    loop {
        (kind, octets) = match kind {
            ether_type::IPV4 => return ipv4::parse(walk, octets),
            ether_type::IPV6 => return ipv6::parse(walk, octets),
            ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::OLD_QINQ | ether_type::OLD_QINQ_2 => {
                tag::<4>(octets)?
            }
            ether_type::VN_TAG | ether_type::HSR | ether_type::REDUNDANCY => tag::<6>(octets)?,
            ether_type::E_TAG | ether_type::CISCO_METADATA => tag::<8>(octets)?,
            ether_type::MACSEC => clear_macsec(octets)?,
            _ => return other(walk, kind, octets),
        };
        walk.descend()?;
    }
}

/// A tag of `N` octets, the EtherType of what follows being its last two (IEEE 802.1Q §9.5).
fn tag<const N: usize>(octets: Octets<'_>) -> Result<(u16, Octets<'_>), Stop> {
    let (tag, rest) = octets.take::<N>(Layer::Link)?;
    let &[.., high, low] = tag.as_slice() else { return Err(Unanalyzed::NotIp.into()) };
    Ok((u16::from_be_bytes([high, low]), rest))
}

/// A MACsec tag (IEEE 802.1AE §9.3) over octets that are signed and not encrypted: what follows stands there in clear.
fn clear_macsec(octets: Octets<'_>) -> Result<(u16, Octets<'_>), Stop> {
    /// Version, encrypted, changed.
    const UNREADABLE: u8 = 0x80 | 0x08 | 0x04;
    const HAS_CHANNEL: u8 = 0x20;

    let (tag, rest) = octets.take::<6>(Layer::Link)?;
    if tag[0] & UNREADABLE != 0 {
        return Err(Unanalyzed::NotIp.into());
    }
    let rest = if tag[0] & HAS_CHANNEL == 0 { rest } else { rest.take::<8>(Layer::Link)?.1 };
    let (kind, rest) = rest.take::<2>(Layer::Link)?;
    Ok((u16::from_be_bytes(*kind), rest))
}

/// A TRILL header (RFC 6325 §3), its options skipped, and the frame behind it.
fn trill<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<6>(Layer::Link)?;
    let option_words = u32::from(be16::<0, _>(header) >> 6 & 0x1f);
    nested(walk, rest.skip(option_words * 4, Layer::Link)?)
}

fn other<'a>(walk: &mut Walk, kind: u16, octets: Octets<'a>) -> Outcome<'a> {
    match kind {
        ether_type::ARP | ether_type::RARP => Err(Unanalyzed::Arp.into()),
        ether_type::MPLS | ether_type::MPLS_MULTICAST => mpls::parse(walk, octets),
        ether_type::PPPOE_SESSION => ppp::over_ethernet(walk, octets),
        ether_type::PPP => ppp::parse(walk, octets),
        ether_type::TRANSPARENT_ETHERNET => nested(walk, octets),
        ether_type::BACKBONE => {
            // A service tag (IEEE 802.1Q §9.7); the customer's frame follows, its addresses first.
            let (_, rest) = octets.take::<4>(Layer::Link)?;
            nested(walk, rest)
        }
        ether_type::FABRIC_PATH => nested(walk, octets.take::<2>(Layer::Link)?.1),
        ether_type::TRILL => trill(walk, octets),
        ether_type::NSH => tunnel::service_header(walk, octets),
        0..=ether_type::LONGEST_802_3 => llc(walk, octets.limit(u32::from(kind))),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// An Ethernet frame within another header.
pub(super) fn nested<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.descend()?;
    let (header, rest) = octets.take::<HEADER>(Layer::Link)?;
    typed(walk, be16::<{ field::ETHER_TYPE }, _>(header), rest)
}

/// An LLC header (IEEE 802.2), SNAP included: of its users, only IP and what SNAP announces are read.
pub(super) fn llc<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    /// Subnetwork access protocol, unnumbered information.
    const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
    /// DARPA internet protocol (RFC 1042's forerunner; still in use by some).
    const IP: [u8; 3] = [0x06, 0x06, 0x03];

    let (header, rest) = octets.take::<3>(Layer::Link)?;
    match *header {
        SNAP => snap(walk, rest),
        IP => ipv4::parse(walk, rest),
        _ => Err(Unanalyzed::NotIp.into()),
    }
}

/// A SNAP header: an organisation, and a protocol of its numbering.
pub(super) fn snap<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    /// EtherTypes (RFC 1042), and EtherTypes bridged to 802.3 (IEEE 802.1H).
    const ETHER_TYPES: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];
    /// Bridged LANs (RFC 2684 §5.2): Ethernet with and without its checksum.
    const BRIDGED: [u8; 3] = [0x00, 0x80, 0xc2];

    let (&[a, b, c, high, low], rest) = octets.take::<5>(Layer::Link)?;
    let kind = u16::from_be_bytes([high, low]);
    walk.descend()?;
    if ETHER_TYPES.contains(&[a, b, c]) && kind >= ether_type::FIRST {
        return typed(walk, kind, rest);
    }
    if [a, b, c] == BRIDGED && matches!(kind, 0x0001 | 0x0007) {
        return nested(walk, rest);
    }
    Err(Unanalyzed::NotIp.into())
}
