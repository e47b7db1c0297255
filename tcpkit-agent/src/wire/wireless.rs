//! IEEE 802.11 data frames, bare or behind what the capturing radio had to say.

use super::ethernet;
use super::link::check_header_len;
use super::octets::{Octets, Outcome};
use super::packet::{Layer, Unanalyzed};
use super::walk::Walk;

/// Frame control, first octet (IEEE 802.11 §9.2.4.1).
mod control {
    pub(super) const TYPE: u8 = 0x0c;
    pub(super) const DATA: u8 = 0x08;
    /// Subtype bits of data frames: quality of service, and "carries no data".
    pub(super) const QOS: u8 = 0x80;
    pub(super) const NO_DATA: u8 = 0x40;
}

/// Frame control, second octet.
mod flag {
    pub(super) const TO_AND_FROM_DS: u8 = 0x03;
    pub(super) const PROTECTED: u8 = 0x40;
    /// In a QoS frame: four octets of HT control follow.
    pub(super) const ORDER: u8 = 0x80;
}

/// Control, duration, three addresses, sequence control.
const HEADER: u32 = 24;
/// QoS control: the payload is a list of frames.
const AGGREGATE: u8 = 0x80;

/// An 802.11 frame; anything but unencrypted data is left alone.
pub(super) fn parse<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    padded(walk, octets, false)
}

/// `is_padded`: the radio aligned the payload to four octets.
fn padded<'a>(walk: &mut Walk, octets: Octets<'a>, is_padded: bool) -> Outcome<'a> {
    let (&[kind, flags], _) = octets.take::<2>(Layer::Link)?;
    let carries_data = kind & control::TYPE == control::DATA && kind & control::NO_DATA == 0;
    if !carries_data || flags & flag::PROTECTED != 0 {
        return Err(Unanalyzed::NotIp.into());
    }
    let mut header_len = HEADER;
    if flags & flag::TO_AND_FROM_DS == flag::TO_AND_FROM_DS {
        header_len += 6;
    }
    if kind & control::QOS != 0 {
        let quality = octets.skip(header_len, Layer::Link)?.first(Layer::Link)?;
        if quality & AGGREGATE != 0 {
            return Err(Unanalyzed::NotIp.into());
        }
        header_len += if flags & flag::ORDER != 0 { 6 } else { 2 };
    }
    if is_padded {
        header_len = header_len.next_multiple_of(4);
    }
    ethernet::llc(walk, octets.skip(header_len, Layer::Link)?)
}

/// Radiotap (<https://www.radiotap.org>): version, pad, length and bitmaps in little-endian order.
pub(super) fn radiotap<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, a, b], _) = octets.take::<4>(Layer::Link)?;
    let header_len = u32::from(u16::from_le_bytes([a, b]));
    check_header_len(header_len, 8)?;
    let is_padded = radiotap_flags(octets.bytes()).is_some_and(|flags| flags & 0x20 != 0);
    padded(walk, octets.skip(header_len, Layer::Link)?, is_padded)
}

/// The flags field, behind the bitmaps and the timer where that is present.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    const TIMER: u32 = 0x01;
    const FLAGS: u32 = 0x02;
    const MORE: u32 = 0x8000_0000;

    let bitmaps = header.get(4..)?;
    let mut words = bitmaps
        .chunks_exact(4)
        .map(|word| word.iter().rev().fold(0, |sum, &octet| sum << 8 | u32::from(octet)));
    let present = words.next()?;
    let mut end = 8;
    let mut last = present;
    while last & MORE != 0 {
        last = words.next()?;
        end += 4;
    }
    if present & FLAGS == 0 {
        return None;
    }
    let at = if present & TIMER == 0 { end } else { usize::next_multiple_of(end, 8) + 8 };
    header.get(at).copied()
}

/// AVS: a magic number, then the header's length, in network order.
pub(super) fn avs<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    let (&[_, _, _, _, a, b, c, d], _) = octets.take::<8>(Layer::Link)?;
    let header_len = u32::from_be_bytes([a, b, c, d]);
    check_header_len(header_len, 8)?;
    parse(walk, octets.skip(header_len, Layer::Link)?)
}

/// Prism: a message code and the header's length, in the capturing host's byte order; some drivers write AVS instead.
pub(super) fn prism<'a>(walk: &mut Walk, octets: Octets<'a>) -> Outcome<'a> {
    const AVS_MAGIC: [u8; 3] = [0x80, 0x21, 0x10];
    /// Longer than any Prism header: such a length was written in the other byte order.
    const TOO_LONG: u32 = 0xffff;

    let (&[x, y, z, _, a, b, c, d], _) = octets.take::<8>(Layer::Link)?;
    if [x, y, z] == AVS_MAGIC {
        return avs(walk, octets);
    }
    let little = u32::from_le_bytes([a, b, c, d]);
    let header_len = if little > TOO_LONG { little.swap_bytes() } else { little };
    check_header_len(header_len, 8)?;
    parse(walk, octets.skip(header_len, Layer::Link)?)
}
