//! Bytes of a frame to what they say; never panics, never allocates, for any bytes.
//!
//! The contract of every parser in here:
//! - Lengths come from headers, bytes from what was captured. A frame cut by the snap length is *truncated*, not
//!   malformed; a header that contradicts itself or the frame's own length is *malformed*.
//! - A value that parsed is valid: accessors cannot fail.
//! - Checksums are not verified unless asked: offload makes outgoing ones look bad.

#![cfg_attr(not(test), deny(clippy::indexing_slicing, reason = "bytes from the network never panic us"))]

use tcpkit_common::flow::{Address, FlowHash};

use octets::{Octets, Stop};
use walk::Walk;

mod checksum;
mod cooked;
mod ends;
mod ethernet;
pub mod fragment;
pub mod frame;
mod icmp;
mod ip;
mod ipv4;
mod ipv6;
mod legacy;
mod link;
mod mpls;
mod octets;
pub mod option;
pub mod packet;
mod plain;
mod ppp;
pub mod segment;
mod tcp;
mod tunnel;
mod udp;
mod walk;
mod wireless;
mod wrapped;

#[cfg(test)]
mod tests;

pub use checksum::Verify;
pub use ends::{Ends, ends};
pub use fragment::{
    Defragmenter, FragmentCounts, FragmentFrame, FragmentLimits, FragmentTag, FrameTally, Reassembled,
    parse_datagram,
};
pub use frame::{Frame, FrameDirection, InterfaceId, LinkType};
pub use option::{SackBlock, SynOptions, TcpOption, TcpOptionIter};
pub use packet::{
    Cause, Datagram, FragmentInfo, IcmpError, IpVersion, Layer, MalformedSegment, Outer, Packet, ParseError,
    Parsed, Plain, Transport, Unanalyzed,
};
pub use segment::{Segment, SeqNumber, TcpFlags, TcpOptions};

/// How frames are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Look into tunnels and analyse the inner packet.
    pub decapsulate: bool,
    /// Checksums to look at.
    pub verify: Verify,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { decapsulate: true, verify: Verify::default() }
    }
}

/// Reads a frame down to its segment, or to whatever it holds instead.
#[must_use]
pub fn parse<'a>(frame: &Frame<'a>, options: ParseOptions) -> Parsed<'a> {
    match plain(frame, options).or_else(|| nearly_plain(frame, options)) {
        Some(Plain { segment, outer }) => Parsed { packet: Ok(Packet::Tcp(segment)), outer },
        None => parse_unusual(frame, options),
    }
}

/// The segment of a frame of the commonest kind: Ethernet without tags, a whole IPv4 datagram, all headers captured.
///
/// What is read here is what [`parse`] reads, compiled into its caller, so that what is not used is not read; `None`
/// says nothing but that the frame is not of this kind, or not sound.
#[must_use]
#[inline(always)]
pub fn plain<'a>(frame: &Frame<'a>, options: ParseOptions) -> Option<Plain<'a>> {
    if frame.link_type != LinkType::ETHERNET || options.verify.any() {
        return None;
    }
    let segment = plain::segment(frame.bytes, frame.frame_len)?;
    Some(Plain { segment, outer: outer_of_segment(frame, IpVersion::V4) })
}

/// The same as [`plain()`] for a frame with at most two tags, and for IPv6.
#[must_use]
#[inline(never)]
pub fn nearly_plain<'a>(frame: &Frame<'a>, options: ParseOptions) -> Option<Plain<'a>> {
    if frame.link_type != LinkType::ETHERNET || options.verify.any() {
        return None;
    }
    let octets = Octets::new(frame.bytes, frame.frame_len, 0);
    let (version, segment) = ethernet::plain_segment(octets)?;
    Some(Plain { segment, outer: outer_of_segment(frame, version) })
}

#[inline(always)]
const fn outer_of_segment(frame: &Frame<'_>, version: IpVersion) -> Outer {
    Outer {
        version: Some(version),
        transport: Transport::Tcp,
        tunnelled: false,
        truncated: frame.bytes.len() < frame.frame_len as usize,
        direction: frame.direction,
        ip_offset: None,
    }
}

/// The same as [`parse`], the long way: for frames that are neither [`plain()`] nor [`nearly_plain`].
#[must_use]
#[inline(never)]
pub fn parse_unusual<'a>(frame: &Frame<'a>, options: ParseOptions) -> Parsed<'a> {
    let octets = Octets::new(frame.bytes, frame.frame_len, 0);
    let outer = Outer { truncated: octets.is_truncated(), direction: frame.direction, ..Outer::default() };
    parse_any(frame.link_type, octets, Walk::new(options, outer))
}

fn parse_any(link_type: LinkType, octets: Octets<'_>, mut walk: Walk) -> Parsed<'_> {
    finish(link::parse(&mut walk, link_type, octets), &walk)
}

fn finish<'a>(outcome: octets::Outcome<'a>, walk: &Walk) -> Parsed<'a> {
    let packet = match outcome {
        Ok(packet) => Ok(packet),
        Err(Stop::Unanalyzed(cause)) => Ok(Packet::Other(cause)),
        Err(Stop::Malformed(error)) => Err(error),
    };
    let mut outer = walk.outer;
    if matches!(packet, Ok(Packet::Tcp(_))) {
        outer.ip_offset = None;
    }
    Parsed { packet, outer }
}

/// Sender and receiver of a frame's outermost IP packet; `None` where it has none, where its header is malformed or was
/// not captured, and of a TCP segment, whose four-tuple has them.
#[must_use]
pub fn outer_addresses(frame: &Frame<'_>, outer: &Outer) -> Option<(Address, Address)> {
    let offset = outer.ip_offset?;
    let bytes = frame.bytes.get(offset as usize..)?;
    let octets = Octets::new(bytes, frame.frame_len.checked_sub(offset)?, offset);
    let endpoints = match outer.version? {
        IpVersion::V4 => ipv4::Header::parse(octets).ok()?.0.endpoints,
        IpVersion::V6 => ipv6::header(octets).ok()?.0,
    };
    Some((endpoints.source, endpoints.destination))
}

/// The hash that chooses a packet's shard: its own conversation's, the quoted one's for an ICMP error, the
/// addresses' for a fragment, and zero for what belongs to nobody.
#[must_use]
#[inline]
pub fn flow_hash(packet: &Packet<'_>) -> FlowHash {
    match packet {
        Packet::Tcp(segment) => FlowHash::of(&segment.tuple),
        Packet::MalformedTcp(malformed) => FlowHash::of(&malformed.segment.tuple),
        Packet::Udp(datagram) => FlowHash::of(&datagram.tuple),
        Packet::IcmpError(error) => FlowHash::of(&error.quoted),
        Packet::Fragment(fragment) => FlowHash::of_addresses(&fragment.source, &fragment.destination),
        Packet::Other(_) => FlowHash(0),
    }
}
