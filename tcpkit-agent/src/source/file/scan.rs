//! What a format's scanner sees and fills: bytes in, frame descriptors out.
//!
//! A scanner takes whole records from the front of the bytes that it is given and says how far it came. It never
//! reads, waits or fails for want of bytes: the reader brings more and calls it again.

use crate::{
    source::{Dropped, FrameDescriptor, Interface, SourceCounts, error::Damage, interface::InterfaceNumbers},
    time::Timestamp,
    wire::InterfaceId,
};

/// Where a scanner puts what it finds.
pub(crate) struct Found<'a> {
    pub(crate) frames: &'a mut Vec<FrameDescriptor>,
    pub(crate) interfaces: &'a mut Vec<(InterfaceId, Interface)>,
    pub(crate) drops: &'a mut Vec<Dropped>,
    pub(crate) counts: &'a mut SourceCounts,
    pub(crate) numbers: &'a InterfaceNumbers,
    /// The file's name, for new interfaces.
    pub(crate) source_name: &'a str,
    /// The latest end of capture that the file gave.
    pub(crate) end_of_capture: &'a mut Option<Timestamp>,
}

impl Found<'_> {
    /// Takes one frame. Its length is never below what was captured of it.
    #[inline]
    pub(crate) fn frame(&mut self, mut descriptor: FrameDescriptor) {
        if descriptor.frame_len < descriptor.captured_len {
            descriptor.frame_len = descriptor.captured_len;
            self.counts.length_contradictions += 1;
        }
        self.counts.frames += 1;
        self.counts.captured_bytes += u64::from(descriptor.captured_len);
        self.counts.frame_bytes += u64::from(descriptor.frame_len);
        self.frames.push(descriptor);
    }

    /// Takes frames that were lost before the next one; a file may claim any number, so the sum has an end.
    pub(super) fn dropped(&mut self, interface: InterfaceId, frames: u64) {
        if frames > 0 {
            self.counts.file_dropped = self.counts.file_dropped.saturating_add(frames);
            self.drops.push(Dropped { before: self.frames.len(), interface, frames });
        }
    }
}

/// How far a scanner came.
pub(super) struct Scan {
    /// Bytes of whole records.
    pub(super) consumed: usize,
    /// Records among them, those without a frame too.
    pub(super) records: u64,
    /// Why it stopped.
    pub(super) stop: Stop,
}

/// Why a scanner stopped.
pub(super) enum Stop {
    /// The next record has at least this many bytes, and they are not all here. Never more than the format's limit.
    Need(usize),
    /// The next record cannot be right.
    Damage(Damage),
}

/// Four bytes at `at` as an integer; the caller has checked that they are there.
#[inline]
pub(super) fn u32_at<const BIG: bool>(bytes: &[u8], at: usize) -> u32 {
    let four: [u8; 4] = bytes[at..at + 4].try_into().expect("a range of four has four bytes");
    if BIG { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

/// Two bytes at `at` as an integer; the caller has checked that they are there.
#[inline]
pub(super) fn u16_at<const BIG: bool>(bytes: &[u8], at: usize) -> u16 {
    let two: [u8; 2] = bytes[at..at + 2].try_into().expect("a range of two has two bytes");
    if BIG { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
}

/// Most bytes of one frame that libpcap accepts for a link type (`max_snaplen_for_dlt`, libpcap/pcap-common.c).
pub(super) const fn max_captured_len(link_type: u16) -> u32 {
    match link_type {
        DBUS | USB_LINUX | USB_LINUX_MMAPPED | USBPCAP => 128 * 1024 * 1024,
        EBHSCR => 8 * 1024 * 1024,
        _ => 262_144,
    }
}

const USB_LINUX: u16 = 189;
const USB_LINUX_MMAPPED: u16 = 220;
const DBUS: u16 = 231;
const USBPCAP: u16 = 249;
const EBHSCR: u16 = 279;
