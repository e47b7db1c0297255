//! IPv4 (RFC 791 §3.1).
//!
//! A total length of zero is what segmentation offload leaves in captured super-segments: the packet then extends to
//! the end of what holds it. Octets behind the total length are padding of the link. A total length beyond what holds
//! the packet counts as far as that reaches, which is how Wireshark reads it.

use super::checksum;
use super::ip::{self, Endpoints, protocol};
use super::octets::{Octets, Outcome, Stop, be16, be32};
use super::packet::{Cause, FragmentInfo, IpVersion, Layer, Packet};
use super::segment::Segment;
use super::tcp;
use super::walk::Walk;

/// Octets of a header without options.
pub(super) const MIN_HEADER: usize = 20;

/// Where the fields stand (RFC 791 §3.1).
mod field {
    pub(super) const TYPE_OF_SERVICE: usize = 1;
    pub(super) const TOTAL_LEN: usize = 2;
    pub(super) const IDENTIFICATION: usize = 4;
    pub(super) const FLAGS_OFFSET: usize = 6;
    pub(super) const PROTOCOL: usize = 9;
    pub(super) const SOURCE: usize = 12;
    pub(super) const DESTINATION: usize = 16;
}

const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// The header that every IPv4 packet begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Who sent it to whom.
    pub(super) endpoints: Endpoints,
    /// What it carries.
    pub(super) protocol: u8,
    /// Flags and fragment offset as they stand there.
    flags_offset: u16,
    identification: u16,
}

impl Header {
    /// Reads the header; what follows are its options skipped, and no padding.
    #[inline(always)]
    pub(super) fn parse(octets: Octets<'_>) -> Result<(Self, Octets<'_>), Stop> {
        let (header, _) = octets.take::<MIN_HEADER>(Layer::Ipv4)?;
        if header[0] >> 4 != 4 {
            return Err(Stop::malformed(Layer::Ipv4, Cause::Version));
        }
        let header_len = u32::from(header[0] & 0x0f) * 4;
        if (header_len as usize) < MIN_HEADER {
            return Err(Stop::malformed(Layer::Ipv4, Cause::HeaderLength));
        }
        let total_len = u32::from(be16::<{ field::TOTAL_LEN }, _>(header));
        if total_len != 0 && total_len < header_len {
            return Err(Stop::malformed(Layer::Ipv4, Cause::TotalLength));
        }
        let packet = if total_len == 0 { octets } else { octets.limit(total_len) };
        let header = Self {
            endpoints: Endpoints {
                source: ip::mapped(be32::<{ field::SOURCE }, _>(header)),
                destination: ip::mapped(be32::<{ field::DESTINATION }, _>(header)),
                version: IpVersion::V4,
                ecn: header[field::TYPE_OF_SERVICE] & ip::CONGESTION_EXPERIENCED,
            },
            protocol: header[field::PROTOCOL],
            flags_offset: be16::<{ field::FLAGS_OFFSET }, _>(header),
            identification: be16::<{ field::IDENTIFICATION }, _>(header),
        };
        Ok((header, packet.skip(header_len, Layer::Ipv4)?))
    }

    /// Whether octets of the datagram travel in other packets.
    #[inline(always)]
    pub(super) const fn is_fragment(&self) -> bool {
        self.flags_offset & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// Where the octets stand in the datagram's payload.
    pub(super) const fn fragment_offset(&self) -> u32 {
        (self.flags_offset & FRAGMENT_OFFSET) as u32 * 8
    }

    #[cold]
    fn fragment<'a>(&self, payload: Octets<'a>) -> FragmentInfo<'a> {
        FragmentInfo {
            source: self.endpoints.source,
            destination: self.endpoints.destination,
            version: IpVersion::V4,
            identification: u32::from(self.identification),
            protocol: self.protocol,
            offset: self.fragment_offset(),
            len: payload.len(),
            more: self.flags_offset & MORE_FRAGMENTS != 0,
            header_len: payload.offset(),
            payload: payload.bytes(),
        }
    }
}

/// An IPv4 packet.
#[inline(always)]
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    walk.on_ip(IpVersion::V4, octets.offset());
    let (header, payload) = Header::parse(octets)?;
    if walk.options.verify.ip {
        checksum::ipv4(octets)?;
    }
    if header.is_fragment() {
        walk.on_protocol(header.protocol);
        return Ok(Packet::Fragment(header.fragment(payload)));
    }
    ip::transport(walk, header.endpoints, header.protocol, payload)
}

/// The segment that a whole datagram carries; `None` for everything else.
#[inline(always)]
pub(super) fn plain_segment(octets: Octets<'_>) -> Option<Segment<'_>> {
    let (header, payload) = Header::parse(octets).ok()?;
    if header.is_fragment() || header.protocol != protocol::TCP {
        return None;
    }
    tcp::segment(header.endpoints, payload).ok()
}
