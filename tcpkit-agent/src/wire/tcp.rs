//! TCP's header (RFC 9293 §3.1).
//!
//! A segment is analysed when its first 16 octets were captured: ports, both sequence numbers, control bits, window.
//! When those are there and the header is malformed all the same, its flow is known, and told.

use super::ip::{CONGESTION_EXPERIENCED, Endpoints};
use super::octets::{Octets, Outcome, Stop, be16, be32};
use super::packet::{Cause, Layer, MalformedSegment, Packet};
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
    match segment(ip, octets) {
        Ok(segment) => Ok(Packet::Tcp(segment)),
        Err(stop) => malformed(ip, octets, stop),
    }
}

/// What a malformed header tells all the same, as Wireshark reads it: an offset beyond the packet leaves no payload,
/// and one below the fixed header makes its control bits worthless.
#[cold]
fn malformed<'a>(ip: Endpoints, octets: Octets<'a>, stop: Stop) -> Outcome<'a> {
    let (Stop::Malformed(error), Ok((header, _))) = (stop, octets.take::<NEEDED>(Layer::Tcp)) else {
        return Err(stop);
    };
    let offset_flags = be16::<{ field::OFFSET_FLAGS }, _>(header);
    let header_len = u32::from(offset_flags >> 12) * 4;
    let is_legible = header_len >= MIN_HEADER;
    let payload_len = octets.len().saturating_sub(header_len);
    let segment = Segment {
        flags: TcpFlags(if is_legible { offset_flags & FLAGS } else { 0 }),
        payload_len,
        header_len: octets.offset().saturating_add(octets.len() - payload_len),
        payload: &[],
        options: TcpOptions(&[]),
        ..fields(ip, header)
    };
    Ok(Packet::MalformedTcp(MalformedSegment { segment, error, is_legible }))
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
        payload_len: payload.len(),
        header_len: payload.offset(),
        payload: payload.bytes(),
        options: TcpOptions(octets.captured(MIN_HEADER as usize, header_len as usize)),
        ..fields(ip, header)
    })
}

/// The same for a header that begins `at` octets behind the start of `packet`, and of which all was captured; `None`
/// where that is not so, or the header not sound.
#[inline(always)]
pub(super) fn captured_segment<'a>(
    ip: Endpoints,
    header: &[u8; NEEDED],
    packet: Octets<'a>,
    at: u32,
) -> Option<Segment<'a>> {
    let header_len = u32::from(be16::<{ field::OFFSET_FLAGS }, _>(header) >> 12) * 4;
    if header_len < MIN_HEADER {
        return None;
    }
    let end = at + header_len;
    let (headers, payload) = packet.bytes().split_at_checked(end as usize)?;
    Some(Segment {
        payload_len: packet.len().checked_sub(end)?,
        header_len: end,
        payload,
        options: TcpOptions(headers.get((at + MIN_HEADER) as usize..)?),
        ..fields(ip, header)
    })
}

/// What stands at fixed places, and nothing behind it.
#[inline(always)]
fn fields<'a>(ip: Endpoints, header: &[u8; NEEDED]) -> Segment<'a> {
    Segment {
        tuple: ip.with_ports(
            be16::<{ field::SOURCE_PORT }, _>(header),
            be16::<{ field::DESTINATION_PORT }, _>(header),
        ),
        seq: SeqNumber(be32::<{ field::SEQ }, _>(header)),
        ack: SeqNumber(be32::<{ field::ACK }, _>(header)),
        flags: TcpFlags(be16::<{ field::OFFSET_FLAGS }, _>(header) & FLAGS),
        window: be16::<{ field::WINDOW }, _>(header),
        is_ce: ip.ecn == CONGESTION_EXPERIENCED,
        payload_len: 0,
        header_len: 0,
        payload: &[],
        options: TcpOptions(&[]),
    }
}
