//! ICMP (RFC 792) and ICMPv6 (RFC 4443): the errors that quote a TCP segment.
//!
//! A quote is a piece of the packet that caused the error: its lengths describe that packet, not the quote, so only
//! what is needed is read: addresses, ports and sequence number, which every quote holds (RFC 792: 64 bits of data).

use super::ip::{Endpoints, protocol};
use super::octets::{Octets, Outcome, Stop, be16, be32};
use super::packet::{IcmpError, IpVersion, Layer, Outer, Packet, Unanalyzed};
use super::segment::SeqNumber;
use super::walk::Walk;
use super::{ParseOptions, ipv4, ipv6};

/// Type, code, checksum and a word that depends on the type.
const HEADER: usize = 8;

/// An ICMP or ICMPv6 message.
pub(super) fn parse(ip: Endpoints, octets: Octets<'_>) -> Outcome<'_> {
    let (&[kind, code, _, _], _) = octets.take::<4>(Layer::Icmp)?;
    if !is_error(ip.version, kind) {
        return Err(Unanalyzed::Icmp.into());
    }
    let (_, quote) = octets.take::<HEADER>(Layer::Icmp)?;
    // A quote that says nothing sound is a peculiarity of the error, which is itself in order.
    let (quoted, quoted_seq) = quoted_segment(ip.version, quote).map_err(|stop| match stop {
        Stop::Malformed(_) => Unanalyzed::Icmp.into(),
        Stop::Unanalyzed(_) => stop,
    })?;
    Ok(Packet::IcmpError(IcmpError {
        quoted,
        quoted_seq,
        version_6: ip.version == IpVersion::V6,
        kind,
        code,
        reporter: ip.source,
    }))
}

/// Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792); unreachable, too big, time
/// exceeded, parameter problem (RFC 4443).
const fn is_error(version: IpVersion, kind: u8) -> bool {
    match version {
        IpVersion::V4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        IpVersion::V6 => matches!(kind, 1..=4),
    }
}

fn quoted_segment(
    version: IpVersion,
    quote: Octets<'_>,
) -> Result<(tcpkit_common::flow::FourTuple, SeqNumber), Stop> {
    let (ip, segment) = match version {
        IpVersion::V4 => quoted_v4(quote)?,
        IpVersion::V6 => quoted_v6(quote)?,
    };
    let (header, _) = segment.take::<8>(Layer::Icmp)?;
    let tuple = ip.with_ports(be16::<0, _>(header), be16::<2, _>(header));
    Ok((tuple, SeqNumber(be32::<4, _>(header))))
}

fn quoted_v4(quote: Octets<'_>) -> Result<(Endpoints, Octets<'_>), Stop> {
    let (header, payload) = ipv4::Header::parse(quote)?;
    if header.protocol != protocol::TCP || header.fragment_offset() != 0 {
        return Err(Unanalyzed::Icmp.into());
    }
    Ok((header.endpoints, payload))
}

fn quoted_v6(quote: Octets<'_>) -> Result<(Endpoints, Octets<'_>), Stop> {
    let (endpoints, next, payload) = ipv6::header(quote)?;
    let mut walk = Walk::new(ParseOptions::default(), Outer::default());
    let upper = ipv6::skip_extensions(&mut walk, next, payload)?;
    let is_later_fragment = upper.fragment.is_some_and(|fragment| fragment.offset != 0);
    if upper.number != protocol::TCP || is_later_fragment {
        return Err(Unanalyzed::Icmp.into());
    }
    Ok((endpoints, upper.octets))
}
