//! The commonest frame of all, in one look: Ethernet without tags, IPv4 without options, TCP, all headers captured.
//!
//! What it reads is what [`ethernet`](super::ethernet), [`ipv4`](super::ipv4) and [`tcp`](super::tcp) read of such a
//! frame, and `None` says nothing but that they must be asked: a test asks both.

use super::ip::{self, Endpoints, protocol};
use super::octets::{Octets, be16, be32};
use super::packet::IpVersion;
use super::segment::Segment;
use super::{ethernet::ether_type, tcp};

/// Where IPv4's header begins.
const IP: usize = 14;
/// Where TCP's begins.
const TCP: usize = IP + 20;
/// Octets of the headers without options.
const HEADERS: usize = TCP + 20;
/// Octets of Ethernet's header.
const LINK_LEN: u32 = 14;
/// Octets of both that precede TCP's.
const OUTER_LEN: u32 = LINK_LEN + 20;
/// Octets of the shortest datagram with a segment in it.
const LEAST: u32 = 40;
/// Version 4, and five words of header.
const VERSION_LENGTH: u8 = 0x45;
/// More fragments, and the fragment offset.
const FRAGMENT: u16 = 0x3fff;

/// The segment.
#[inline(always)]
pub(super) fn segment(frame: &[u8], frame_len: u32) -> Option<Segment<'_>> {
    let header = frame.first_chunk::<HEADERS>()?;
    let total_len = u32::from(be16::<{ IP + 2 }, _>(header));
    let is_usual = (be16::<{ IP - 2 }, _>(header) == ether_type::IPV4)
        & (header[IP] == VERSION_LENGTH)
        & (be16::<{ IP + 6 }, _>(header) & FRAGMENT == 0)
        & (header[IP + 9] == protocol::TCP)
        & (total_len >= LEAST);
    if !is_usual {
        return None;
    }
    let ip = Endpoints {
        source: ip::mapped(be32::<{ IP + 12 }, _>(header)),
        destination: ip::mapped(be32::<{ IP + 16 }, _>(header)),
        version: IpVersion::V4,
        ecn: header[IP + 1] & ip::CONGESTION_EXPERIENCED,
    };
    let header = header.get(TCP..)?.first_chunk()?;
    tcp::captured_segment(ip, header, Octets::limited(frame, frame_len, LINK_LEN + total_len), OUTER_LEN)
}
