//! The classic pcap format with nanosecond time stamps (draft-ietf-opsawg-pcap), in the host's byte order.

use crate::wire::{Frame, LinkType};

/// Appends the file header.
pub(super) fn file_header(bytes: &mut Vec<u8>, link_type: LinkType) {
    bytes.extend_from_slice(&MAGIC_NANOSECONDS.to_ne_bytes());
    bytes.extend_from_slice(&2_u16.to_ne_bytes());
    bytes.extend_from_slice(&4_u16.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&MAX_CAPTURED_LEN.to_ne_bytes());
    bytes.extend_from_slice(&u32::from(link_type.0).to_ne_bytes());
}

/// Appends a frame of which `captured` bytes are kept.
pub(super) fn frame(bytes: &mut Vec<u8>, frame: &Frame<'_>, captured: &[u8], time: SplitTime) {
    let captured_len = u32::try_from(captured.len()).expect("the caller limits what is kept");
    bytes.extend_from_slice(&time.seconds.to_ne_bytes());
    bytes.extend_from_slice(&time.nanoseconds.to_ne_bytes());
    bytes.extend_from_slice(&captured_len.to_ne_bytes());
    bytes.extend_from_slice(&frame.frame_len.to_ne_bytes());
    bytes.extend_from_slice(captured);
}

/// A time as pcap holds it.
#[derive(Clone, Copy)]
pub(super) struct SplitTime {
    seconds: u32,
    nanoseconds: u32,
}

impl SplitTime {
    /// Splits nanoseconds since the epoch; `None` before 1970 and after 2106, which pcap cannot express.
    pub(super) fn of(nanoseconds: i64) -> Option<Self> {
        let seconds = u32::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
        let nanoseconds =
            u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).expect("a remainder is below 10^9");
        Some(Self { seconds, nanoseconds })
    }

    /// The nearest time that pcap can express.
    pub(super) const fn nearest(nanoseconds: i64) -> Self {
        Self { seconds: if nanoseconds < 0 { 0 } else { u32::MAX }, nanoseconds: 0 }
    }
}

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// libpcap refuses records with more bytes (`MAXIMUM_SNAPLEN`, libpcap/pcap-int.h), so no more are kept.
pub(super) const MAX_CAPTURED_LEN: u32 = 262_144;
