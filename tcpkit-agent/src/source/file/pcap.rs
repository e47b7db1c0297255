//! The classic pcap format (draft-ietf-opsawg-pcap), in both byte orders, with the variants that are well defined.
//!
//! File header: magic (4), version major (2) and minor (2), two unused words (8), snap length (4), link type (4).
//! Record: seconds (4), fraction (4), captured length (4), frame length (4), then the bytes. Kuznetzov's variant has
//! eight more bytes in each record header, Ixia's four more in the file header.

use super::scan::{Found, Scan, Stop, max_captured_len, u16_at, u32_at};
use crate::{
    source::{FrameDescriptor, Interface, InterfaceTable, error::Damage},
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// The scanner.
pub(super) struct Pcap {
    magic: Magic,
    interface: InterfaceId,
    link_type: LinkType,
    snaplen: u32,
    max_captured: u32,
    lengths: Lengths,
}

/// What must be known of a file to read one of its records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    is_big: bool,
    nanoseconds_of_fraction: i64,
    snaplen: u32,
    /// Octets of a frame that a record can have captured.
    pub(crate) max_captured: u32,
    interface: InterfaceId,
    /// Of every frame.
    pub(crate) link_type: LinkType,
}

impl Shape {
    /// Octets before the first record, and of a record before those of its frame.
    pub(crate) const FILE_HEADER: usize = FILE_HEADER_LEN;
    pub(crate) const RECORD_HEADER: usize = RECORD_HEADER_LEN;

    /// Octets that the record with this header has of its frame.
    #[inline(always)]
    pub(crate) fn captured(&self, header: &[u8; RECORD_HEADER_LEN]) -> u32 {
        if self.is_big { u32_at::<true>(header, 8) } else { u32_at::<false>(header, 8) }
    }

    /// The frame of the record with this header; `bytes` is what it has of the frame.
    #[inline(always)]
    pub(crate) fn frame<'a>(&self, header: &[u8; RECORD_HEADER_LEN], bytes: &'a [u8]) -> Frame<'a> {
        let word = |at| if self.is_big { u32_at::<true>(header, at) } else { u32_at::<false>(header, at) };
        let (seconds, fraction, frame_len) = (i64::from(word(0)), i64::from(word(4)), word(12));
        // As libpcap does, what is more than the snap length is cut off.
        let bytes = &bytes[..bytes.len().min(self.snaplen as usize)];
        Frame {
            timestamp: Timestamp(seconds * 1_000_000_000 + fraction * self.nanoseconds_of_fraction),
            interface: self.interface,
            link_type: self.link_type,
            direction: FrameDirection::Unknown,
            hook: None,
            frame_len: frame_len.max(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            gso_size: 0,
            bytes,
        }
    }
}

/// What the magic number says.
#[derive(Clone, Copy)]
pub(super) struct Magic {
    big: bool,
    nanoseconds: bool,
    variant: Variant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Standard,
    /// Alexey Kuznetzov's patch of 1999: interface, protocol and packet type in each record. libpcap skips them, as
    /// writers leave them zero, and so do we.
    Kuznetzov,
    /// Ixia's captures: the size of all records stands behind the file header.
    Ixia,
}

/// The order of the two lengths of a record (libpcap/sf-pcap.c).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    /// Captured length first: version 2.4.
    CapturedFirst,
    /// Frame length first: before version 2.3, and DG/UX.
    FrameFirst,
    /// Version 2.3 was written both ways: the shorter one is the captured length.
    ShorterIsCaptured,
}

impl Magic {
    /// The variant that begins with these four bytes.
    pub(super) fn of(magic: &[u8]) -> Option<Self> {
        let magic: [u8; 4] = magic.try_into().ok()?;
        let little = u32::from_le_bytes(magic);
        Self::of_number(little, false).or_else(|| Self::of_number(little.swap_bytes(), true))
    }

    fn of_number(number: u32, big: bool) -> Option<Self> {
        let (nanoseconds, variant) = match number {
            MAGIC_MICROSECONDS => (false, Variant::Standard),
            MAGIC_NANOSECONDS => (true, Variant::Standard),
            MAGIC_KUZNETZOV => (false, Variant::Kuznetzov),
            MAGIC_IXIA_HARDWARE | MAGIC_IXIA_SOFTWARE => (false, Variant::Ixia),
            _ => return None,
        };
        Some(Self { big, nanoseconds, variant })
    }

    /// Bytes before the first record.
    pub(super) fn file_header_len(self) -> usize {
        if self.variant == Variant::Ixia { FILE_HEADER_LEN + 4 } else { FILE_HEADER_LEN }
    }

    /// Bytes of a record before those of the frame.
    fn record_header_len(self) -> usize {
        if self.variant == Variant::Kuznetzov { RECORD_HEADER_LEN + 8 } else { RECORD_HEADER_LEN }
    }
}

impl Pcap {
    /// Reads the file header and adds the file's one interface to the table.
    pub(super) fn open(
        magic: Magic,
        header: &[u8],
        source_name: &str,
        interfaces: &mut InterfaceTable,
    ) -> Result<Self, Damage> {
        let fields =
            if magic.big { FileHeader::read::<true>(header) } else { FileHeader::read::<false>(header) };
        let lengths = fields.lengths()?;
        let link_type = link_type_of(fields.network)?;
        let usual_max = max_captured_len(link_type.0);
        let snaplen = match fields.snaplen {
            0 | 0x8000_0000.. => usual_max,
            snaplen => snaplen,
        };
        let max_captured = usual_max.max(snaplen.min(MAX_DECLARED_SNAPLEN));
        let interface = interfaces.add(Interface {
            name: None,
            source: source_name.to_owned(),
            link_type,
            snaplen: Some(snaplen),
            index: None,
        });
        let interface = interface.ok_or_else(|| Damage::unsupported("more than 65536 interfaces"))?;
        Ok(Self { magic, interface, link_type, snaplen, max_captured, lengths })
    }

    /// How its records are read by themselves; `None` of the rarer variants.
    pub(super) fn shape(&self) -> Option<Shape> {
        let is_usual = self.magic.variant == Variant::Standard && self.lengths == Lengths::CapturedFirst;
        is_usual.then_some(Shape {
            is_big: self.magic.big,
            nanoseconds_of_fraction: if self.magic.nanoseconds { 1 } else { 1_000 },
            snaplen: self.snaplen,
            max_captured: self.max_captured,
            interface: self.interface,
            link_type: self.link_type,
        })
    }

    /// Takes whole records from the front of the bytes.
    pub(super) fn scan(&self, bytes: &[u8], found: &mut Found<'_>) -> Scan {
        if self.magic.big { self.scan_in::<true>(bytes, found) } else { self.scan_in::<false>(bytes, found) }
    }

    fn scan_in<const BIG: bool>(&self, bytes: &[u8], found: &mut Found<'_>) -> Scan {
        let header_len = self.magic.record_header_len();
        let mut at = 0;
        let mut records = 0;
        let stop = loop {
            let Some(header) = bytes.get(at..at + header_len) else {
                break Stop::Need(header_len);
            };
            let (captured, frame_len) = self.lengths(u32_at::<BIG>(header, 8), u32_at::<BIG>(header, 12));
            if captured > self.max_captured {
                break Stop::Damage(Damage::corrupt(format_args!(
                    "a record claims {captured} captured bytes, more than the {} that are possible,",
                    self.max_captured
                )));
            }
            let end = at + header_len + captured as usize;
            if end > bytes.len() {
                break Stop::Need(end - at);
            }
            let timestamp = self.timestamp(u32_at::<BIG>(header, 0), u32_at::<BIG>(header, 4));
            found.counts.clipped += u64::from(captured > self.snaplen);
            found.frame(self.descriptor(timestamp, at + header_len, captured, frame_len));
            at = end;
            records += 1;
        };
        Scan { consumed: at, records, stop }
    }

    /// Captured length and frame length of the two that stand in the record.
    #[inline]
    fn lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::FrameFirst => (second, first),
            Lengths::ShorterIsCaptured => (first.min(second), first.max(second)),
        }
    }

    #[inline]
    fn timestamp(&self, seconds: u32, fraction: u32) -> Timestamp {
        let fraction = if self.magic.nanoseconds { i64::from(fraction) } else { i64::from(fraction) * 1_000 };
        Timestamp(i64::from(seconds) * 1_000_000_000 + fraction)
    }

    /// The frame, cut to the file's snap length as libpcap does.
    #[inline]
    fn descriptor(
        &self,
        timestamp: Timestamp,
        offset: usize,
        captured: u32,
        frame_len: u32,
    ) -> FrameDescriptor {
        FrameDescriptor {
            timestamp,
            offset: u32::try_from(offset).expect("a block is shorter than 4 GiB"),
            captured_len: captured.min(self.snaplen),
            frame_len,
            interface: self.interface,
            link_type: self.link_type,
            gso_size: 0,
            direction: FrameDirection::Unknown,
        }
    }
}

/// The fields of the file header that matter.
struct FileHeader {
    major: u16,
    minor: u16,
    snaplen: u32,
    network: u32,
}

impl FileHeader {
    fn read<const BIG: bool>(header: &[u8]) -> Self {
        Self {
            major: u16_at::<BIG>(header, 4),
            minor: u16_at::<BIG>(header, 6),
            snaplen: u32_at::<BIG>(header, 16),
            network: u32_at::<BIG>(header, 20),
        }
    }

    /// The order of the lengths, by version.
    fn lengths(&self) -> Result<Lengths, Damage> {
        match (self.major, self.minor) {
            (2, 4) => Ok(Lengths::CapturedFirst),
            (2, 3) => Ok(Lengths::ShorterIsCaptured),
            (2, 0..=2) | (543, 0) => Ok(Lengths::FrameFirst),
            // Some writers swapped the version's bytes and nothing else; the numbers leave no doubt.
            (0x0200, 0x0400) => Ok(Lengths::CapturedFirst),
            (major, minor) => Err(Damage::unsupported(format_args!(
                "pcap version {major}.{minor} is unknown, 2.0 to 2.4 are supported,"
            ))),
        }
    }
}

/// The LINKTYPE_ value of a file header's last word, whose upper bits tell of a frame check sequence.
fn link_type_of(network: u32) -> Result<LinkType, Damage> {
    match u16::try_from(network & LINK_TYPE_MASK) {
        Ok(DLT_RAW) => Ok(LinkType::RAW),
        Ok(number) => Ok(LinkType(number)),
        Err(_) => Err(Damage::unsupported(format_args!(
            "link type {} is unknown (there are none above 65535)",
            network & LINK_TYPE_MASK
        ))),
    }
}

const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;

/// A file may say that its frames are longer than usual (BIG TCP), up to here.
const MAX_DECLARED_SNAPLEN: u32 = 16 * 1024 * 1024;

/// draft-ietf-opsawg-pcap §4.
const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// libpcap/sf-pcap.c.
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;
/// wireshark/wiretap/libpcap.h.
const MAGIC_IXIA_HARDWARE: u32 = 0x1c00_01ac;
const MAGIC_IXIA_SOFTWARE: u32 = 0x1c00_01ab;

/// libpcap/sf-pcap.c: `LT_LINKTYPE`.
const LINK_TYPE_MASK: u32 = 0x03ff_ffff;

/// What BSD calls raw IP in memory; some programs wrote it to files, where 101 is meant.
const DLT_RAW: u16 = 12;
