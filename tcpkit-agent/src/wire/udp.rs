//! UDP (RFC 768), and the tunnels that are known by its ports.

use super::ip::Endpoints;
use super::octets::{Octets, Outcome, Stop, be16};
use super::packet::{Cause, Datagram, Layer, Packet};
use super::tunnel;
use super::walk::Walk;

/// Where the fields stand (RFC 768).
mod field {
    pub(super) const SOURCE_PORT: usize = 0;
    pub(super) const DESTINATION_PORT: usize = 2;
    pub(super) const LEN: usize = 4;
}

const HEADER: u16 = 8;

/// A UDP datagram, or the packet that it carries as a tunnel.
pub(super) fn parse<'a>(walk: &mut Walk, ip: Endpoints, octets: Octets<'a>) -> Outcome<'a> {
    let (header, rest) = octets.take::<{ HEADER as usize }>(Layer::Udp)?;
    let payload = match be16::<{ field::LEN }, _>(header) {
        // A jumbogram (RFC 2675 §4), or what segmentation offload leaves: as much as IP says.
        0 => rest,
        len if len < HEADER => return Err(Stop::malformed(Layer::Udp, Cause::TotalLength)),
        len => rest.limit(u32::from(len - HEADER)),
    };
    let tuple = ip.with_ports(
        be16::<{ field::SOURCE_PORT }, _>(header),
        be16::<{ field::DESTINATION_PORT }, _>(header),
    );
    if walk.options.decapsulate
        && let Some(outcome) = tunnel::over_udp(walk, &tuple, payload)
    {
        return outcome;
    }
    Ok(Packet::Udp(Datagram { tuple, payload_len: payload.len(), payload: payload.bytes() }))
}
