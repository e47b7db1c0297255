//! TCP's header (RFC 9293 §3.1).
//!
//! A segment is analysed when its first 16 octets were captured: ports, both sequence numbers, control bits, window.

use super::ip::Endpoints;
use super::octets::{Octets, Outcome, Stop, be16, be32};
use super::packet::{Cause, Layer, Packet};
use super::segment::{Segment, SeqNumber, TcpFlags, TcpOptions};

/// Where the fields stand (RFC 9293 §3.1).
mod field {
    pub(super) const SOURCE_PORT: usize = 0;
    pub(super) const DESTINATION_PORT: usize = 2;
    pub(super) const SEQ: usize = 4;
    pub(super) const ACK: usize = 8;
    pub(super) const OFFSET_FLAGS: usize = 12;
    pub(super) const WINDOW: usize = 14;
}

/// Octets up to the window.
const NEEDED: usize = 16;
/// Octets of a header without options.
const MIN_HEADER: u32 = 20;
/// The control bits, AE included; the three bits above it are reserved.
const FLAGS: u16 = 0x01ff;

/// A TCP segment.
pub(super) fn parse(ip: Endpoints, octets: Octets<'_>) -> Outcome<'_> {
    segment(ip, octets).map(Packet::Tcp)
}

/// The same, for those who know already that it is one.
#[inline(always)]
pub(super) fn segment(ip: Endpoints, octets: Octets<'_>) -> Result<Segment<'_>, Stop> {
    if octets.len() < MIN_HEADER {
        return Err(Stop::malformed(Layer::Tcp, Cause::Short));
    }
    let (header, _) = octets.take::<NEEDED>(Layer::Tcp)?;
    let offset_flags = be16::<{ field::OFFSET_FLAGS }, _>(header);
    let header_len = u32::from(offset_flags >> 12) * 4;
    if header_len < MIN_HEADER {
        return Err(Stop::malformed(Layer::Tcp, Cause::HeaderLength));
    }
    let payload = octets.skip(header_len, Layer::Tcp)?;
    Ok(Segment {
        tuple: ip.with_ports(
            be16::<{ field::SOURCE_PORT }, _>(header),
            be16::<{ field::DESTINATION_PORT }, _>(header),
        ),
        seq: SeqNumber(be32::<{ field::SEQ }, _>(header)),
        ack: SeqNumber(be32::<{ field::ACK }, _>(header)),
        flags: TcpFlags(offset_flags & FLAGS),
        window: be16::<{ field::WINDOW }, _>(header),
        payload_len: payload.len(),
        header_len: payload.offset(),
        payload: payload.bytes(),
        options: TcpOptions(octets.captured(MIN_HEADER as usize, header_len as usize)),
    })
}
