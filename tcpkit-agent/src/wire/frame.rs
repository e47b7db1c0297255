//! One captured frame, wherever it came from.

use tcpkit_common::record::Hook;

use crate::time::Timestamp;

/// A frame as a source hands it on: bytes and what the source knows about them.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Which of the capture's interfaces saw it.
    pub interface: InterfaceId,
    /// How its first header is to be read.
    pub link_type: LinkType,
    /// Which way it went past the capture point, where that is known.
    pub direction: FrameDirection,
    /// The kernel hook that saw it; `None` from a file or from libpcap.
    pub hook: Option<Hook>,
    /// Bytes of the frame (or of the super-segment) as the capture point saw it, before the snap length cut it.
    pub frame_len: u32,
    /// Payload bytes of each wire segment of a super-segment; 0 on an ordinary frame or where unknown.
    pub gso_size: u16,
    /// The captured bytes, from the link header on.
    pub bytes: &'a [u8],
}

/// Index into the capture's table of interfaces (`source::Interface`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u16);

/// Which way a frame went past the capture point; says nothing about client and server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FrameDirection {
    /// The source does not say.
    #[default]
    Unknown,
    /// Towards the host.
    Inbound,
    /// Away from the host.
    Outbound,
}

/// A LINKTYPE_ value (<https://www.tcpdump.org/linktypes.html>), as it stands in a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback, address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, possibly with HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// PPP with HDLC-like framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPPoE session, starting at the PPPoE header.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP, version from the first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// OpenBSD loopback, address family in network order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// PPI: per-packet information, then the frame of the link type that it names.
    pub const PPI: Self = Self(192);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}
