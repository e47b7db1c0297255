//! What a frame turned out to hold.

use tcpkit_common::flow::{Address, FourTuple};

use super::frame::FrameDirection;
use super::segment::{Segment, SeqNumber};

/// A parsed frame: what it holds, and the facts that the totals need even where nobody analyses it.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<'a> {
    /// What it holds, or why it is malformed.
    pub packet: Result<Packet<'a>, ParseError>,
    /// What the headers up to there said of the outermost IP packet.
    pub outer: Outer,
}

/// The outermost IP packet of a frame, for totals by protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outer {
    /// IP version, where the frame holds IP.
    pub version: Option<IpVersion>,
    /// What the IP packet carries.
    pub transport: Transport,
    /// The packet analysed is one that a tunnel carries.
    pub tunnelled: bool,
    /// Fewer bytes were captured than the frame had.
    pub truncated: bool,
    /// Which way the frame went: what the source knew, or else what the link header says (cooked captures).
    pub direction: FrameDirection,
    /// Octets before its IP header; `None` without one, and for a TCP segment, whose four-tuple tells the addresses.
    pub ip_offset: Option<u32>,
}

/// Version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// Protocol that an IP packet carries, as the totals tell them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
    /// Anything else, or not known.
    #[default]
    Other,
}

/// The outcome of parsing one frame, or one reassembled datagram.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A TCP segment with a malformed header that still tells whose it is.
    MalformedTcp(MalformedSegment<'a>),
    /// A fragment of an IP datagram, the first one too: it waits for the others.
    Fragment(FragmentInfo<'a>),
    /// An ICMP or ICMPv6 error that quotes a TCP segment.
    IcmpError(IcmpError),
    /// A UDP datagram.
    Udp(Datagram<'a>),
    /// Sound, and of no use to the analyzers.
    Other(Unanalyzed),
}

/// A segment whose header contradicts itself or its packet behind the fields that name its flow.
///
/// It is malformed in the ledger, and yet a frame of that flow: a host that sent a hundred of them sent a hundred.
#[derive(Clone, Copy, Debug)]
pub struct MalformedSegment<'a> {
    /// What could be read. Its payload is what the data offset leaves of the packet, which may be nothing; none of its
    /// octets are given.
    pub segment: Segment<'a>,
    /// What is wrong.
    pub error: ParseError,
    /// The data offset covers the fixed header at least, so the control bits count as they stand; else they are empty.
    pub is_legible: bool,
}

/// Sound frames that the analyzers do not take, by cause: the ledger's `not_analyzed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Unanalyzed {
    /// ARP or RARP.
    Arp,
    /// Another network protocol than IP (LLDP, spanning tree, …).
    NotIp,
    /// ICMP or ICMPv6 that is no error quoting TCP.
    Icmp,
    /// UDP, where no analyzer asked for it.
    Udp,
    /// Another transport protocol (SCTP, ESP, OSPF, …).
    OtherTransport,
    /// The snap length cut it before the transport header's ports and sequence numbers.
    Truncated,
    /// A link type that nobody here can read.
    UnknownLinkType,
    /// A fragment whose datagram never became whole, or was not needed any more.
    IncompleteDatagram,
    /// A fragment that still waits for the rest of its datagram.
    WaitingForFragments,
    /// More tunnels and tags within each other than the limit allows.
    TooDeep,
    /// It came after as many frames as were asked for.
    BeyondCount,
}

/// A UDP datagram, down to its ports.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Addresses and ports.
    pub tuple: FourTuple,
    /// Octets of payload on the wire.
    pub payload_len: u32,
    /// As much of the payload as was captured.
    pub payload: &'a [u8],
}

/// One fragment of an IP datagram (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug)]
pub struct FragmentInfo<'a> {
    /// Sender's address.
    pub source: Address,
    /// Receiver's address.
    pub destination: Address,
    /// Which header it stands behind.
    pub version: IpVersion,
    /// IPv4 identification (16 bits) or IPv6 identification (32 bits).
    pub identification: u32,
    /// Protocol number of what the datagram carries.
    pub protocol: u8,
    /// Where its octets stand in the datagram's payload.
    pub offset: u32,
    /// Octets on the wire.
    pub len: u32,
    /// More fragments follow.
    pub more: bool,
    /// Octets before these, from the frame's start.
    pub header_len: u32,
    /// As many of the octets as were captured.
    pub payload: &'a [u8],
}

/// An ICMP or ICMPv6 error about a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The quoted segment's four-tuple, as its sender wrote it.
    pub quoted: FourTuple,
    /// The quoted segment's sequence number.
    pub quoted_seq: SeqNumber,
    /// True for ICMPv6.
    pub version_6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Who sent the error.
    pub reporter: Address,
}

/// Why a frame is malformed, and in which of its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParseError {
    /// The header that is wrong.
    pub layer: Layer,
    /// What is wrong with it.
    pub cause: Cause,
}

/// A header that a frame may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Layer {
    /// Link header, tags and labels included.
    Link,
    /// IPv4.
    Ipv4,
    /// IPv6 and its extension headers.
    Ipv6,
    /// A tunnel's own header.
    Tunnel,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
}

/// What contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The frame itself (not its capture) ends within the header.
    Short,
    /// A header length is below its minimum or beyond its packet.
    HeaderLength,
    /// A total length is below its own header.
    TotalLength,
    /// The version nibble is neither 4 nor 6, or not the one announced.
    Version,
    /// A checksum that was to be looked at is wrong.
    Checksum,
}
