//! What IPv4 and IPv6 have in common: addresses, protocol numbers, and the way to the transport header.

use tcpkit_common::flow::{Address, FourTuple};

use super::octets::{Octets, Outcome, Stop};
use super::packet::{Cause, IpVersion, Layer, Unanalyzed};
use super::walk::Walk;
use super::{checksum, icmp, ipv4, ipv6, tcp, tunnel, udp};

/// Protocol numbers (<https://www.iana.org/assignments/protocol-numbers>).
pub(super) mod protocol {
    pub(in super::super) const HOP_BY_HOP: u8 = 0;
    pub(in super::super) const ICMP: u8 = 1;
    pub(in super::super) const IPV4: u8 = 4;
    pub(in super::super) const TCP: u8 = 6;
    pub(in super::super) const UDP: u8 = 17;
    pub(in super::super) const IPV6: u8 = 41;
    pub(in super::super) const ROUTING: u8 = 43;
    pub(in super::super) const FRAGMENT: u8 = 44;
    pub(in super::super) const GRE: u8 = 47;
    pub(in super::super) const AUTHENTICATION: u8 = 51;
    pub(in super::super) const ICMPV6: u8 = 58;
    pub(in super::super) const DESTINATION_OPTIONS: u8 = 60;
    pub(in super::super) const IPIP: u8 = 94;
    pub(in super::super) const ETHER_IP: u8 = 97;
    pub(in super::super) const MOBILITY: u8 = 135;
    pub(in super::super) const MPLS: u8 = 137;
    pub(in super::super) const HOST_IDENTITY: u8 = 139;
    pub(in super::super) const SHIM6: u8 = 140;
}

/// Congestion experienced (RFC 3168 §5).
pub(super) const CONGESTION_EXPERIENCED: u8 = 0b11;
/// Octets of an IPv6 header.
pub(super) const IPV6_HEADER: u32 = 40;
/// Octets of the shortest IP packet.
pub(super) const SHORTEST: u32 = 20;

/// Who sent an IP packet to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoints {
    /// Sender's address.
    pub(super) source: Address,
    /// Receiver's address.
    pub(super) destination: Address,
    /// Version of the header that they stand in.
    pub(super) version: IpVersion,
    /// The header's ECN field (RFC 3168 §5), two bits.
    pub(super) ecn: u8,
}

impl Endpoints {
    /// The four-tuple that these ports make of the addresses.
    #[inline(always)]
    pub(super) const fn with_ports(self, source_port: u16, destination_port: u16) -> FourTuple {
        FourTuple { source: self.source, destination: self.destination, source_port, destination_port }
    }
}

/// An IPv4 address, mapped, as one integer: byte by byte the compiler writes it where it then reads a vector, and
/// waits for each (measured: half of the time for a frame).
#[inline(always)]
pub(super) const fn mapped(address: u32) -> Address {
    Address((0xffff_0000_0000_u128 | address as u128).to_be_bytes())
}

/// An IP packet whose version its first nibble tells.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    match octets.first(Layer::Link)? >> 4 {
        4 => ipv4::parse(walk, octets),
        6 => ipv6::parse(walk, octets),
        _ => Err(Stop::malformed(Layer::Link, Cause::Version)),
    }
}

/// What an IP packet carries, `number` being its protocol.
#[inline(always)]
pub(super) fn transport<'a>(walk: &mut Walk, ip: Endpoints, number: u8, octets: Octets<'a>) -> Outcome<'a> {
    walk.on_protocol(number);
    if walk.options.verify.transport {
        checksum::transport(ip, number, octets)?;
    }
    if number == protocol::TCP {
        return tcp::parse(ip, octets);
    }
    other_transport(walk, ip, number, octets)
}

#[inline(never)]
fn other_transport<'a>(walk: &mut Walk, ip: Endpoints, number: u8, octets: Octets<'a>) -> Outcome<'a> {
    match (number, ip.version) {
        (protocol::UDP, _) => udp::parse(walk, ip, octets),
        (protocol::ICMP, IpVersion::V4) | (protocol::ICMPV6, IpVersion::V6) => icmp::parse(ip, octets),
        (protocol::AUTHENTICATION, _) => {
            walk.descend()?;
            let (number, rest) = authentication(octets, ip.version)?;
            transport(walk, ip, number, rest)
        }
        _ if walk.options.decapsulate => tunnel::over_ip(walk, number, octets),
        _ => Err(Unanalyzed::OtherTransport.into()),
    }
}

/// An authentication header (RFC 4302 §2): what comes next, and where. Its length counts words of 32 bits, less two.
pub(super) fn authentication(octets: Octets<'_>, version: IpVersion) -> Result<(u8, Octets<'_>), Stop> {
    let layer = match version {
        IpVersion::V4 => Layer::Ipv4,
        IpVersion::V6 => Layer::Ipv6,
    };
    let (&[next, words], _) = octets.take::<2>(layer)?;
    Ok((next, octets.skip((u32::from(words) + 2) * 4, layer)?))
}
