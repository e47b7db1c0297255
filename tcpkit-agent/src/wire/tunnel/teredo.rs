//! Teredo (RFC 4380): IPv6 in UDP, through NATs.

use super::super::octets::{Octets, Outcome, be16};
use super::super::packet::Layer;
use super::super::walk::Walk;
use super::super::{ip, ipv6};

/// RFC 4380 §5.1.1: authentication, and origin, each announced by two octets that no IPv6 header begins with.
const AUTHENTICATION: [u8; 2] = [0, 1];
const ORIGIN: [u8; 2] = [0, 0];
const ORIGIN_LEN: u32 = 8;

/// A Teredo packet; entered when an IPv6 header stands in it whose payload fills the rest exactly.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Option<Outcome<'a>> {
    let inner = skip_origin(skip_authentication(octets)?)?;
    let header = inner.bytes().first_chunk::<6>()?;
    let len = u32::from(be16::<4, _>(header)) + ip::IPV6_HEADER;
    // A bubble may be followed by trailers (RFC 6081 §4.3).
    let is_plausible = header[0] >> 4 == 6 && len <= inner.len();
    is_plausible.then(|| walk.enter_tunnel().and_then(|()| ipv6::parse(walk, inner)))
}

/// Type, both lengths, the two values, a nonce of eight octets and a confirmation.
fn skip_authentication(octets: Octets<'_>) -> Option<Octets<'_>> {
    let front = octets.bytes().first_chunk::<4>()?;
    let [a, b, client_len, value_len] = *front;
    if [a, b] != AUTHENTICATION {
        return Some(octets);
    }
    let len = 4 + u32::from(client_len) + u32::from(value_len) + 9;
    octets.skip(len, Layer::Tunnel).ok()
}

fn skip_origin(octets: Octets<'_>) -> Option<Octets<'_>> {
    match octets.bytes().first_chunk::<2>()? {
        &ORIGIN => octets.skip(ORIGIN_LEN, Layer::Tunnel).ok(),
        _ => Some(octets),
    }
}
