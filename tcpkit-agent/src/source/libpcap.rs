//! Whatever else libpcap can read from a file, through libpcap.

use std::path::Path;

use pcap::{Capture, Error, Offline, Packet, Precision};

use super::{
    FrameDescriptor, Interface, InterfaceTable,
    error::{SourceError, SourceErrorKind},
    file::Found,
};
use crate::{
    time::Timestamp,
    wire::{FrameDirection, InterfaceId, LinkType},
};

/// A file that libpcap reads for us, frame by frame.
pub(crate) struct LibpcapFile {
    name: String,
    capture: Capture<Offline>,
    interface: InterfaceId,
    link_type: LinkType,
    size: Option<u64>,
    position: u64,
}

impl LibpcapFile {
    /// Opens the file by its name.
    pub(crate) fn open(
        spec: &Path,
        name: &str,
        size: Option<u64>,
        interfaces: &mut InterfaceTable,
    ) -> Result<Self, SourceError> {
        let capture = Capture::from_file_with_precision(spec, Precision::Nano).map_err(|error| {
            let what = format!("it is no capture that can be read (libpcap: {})", message(&error));
            SourceError::new(name, SourceErrorKind::NotACapture, what)
        })?;
        let link_type = link_type_of(capture.get_datalink(), name)?;
        let interface =
            Interface { name: None, source: name.to_owned(), link_type, snaplen: None, index: None };
        let Some(interface) = interfaces.add(interface) else {
            let what = "the capture has more than 65536 interfaces";
            return Err(SourceError::new(name, SourceErrorKind::Unsupported, what));
        };
        Ok(Self { name: name.to_owned(), capture, interface, link_type, size, position: 0 })
    }

    /// Takes the next frames; none at the end.
    pub(crate) fn fill(&mut self, bytes: &mut Vec<u8>, found: &mut Found<'_>) -> Result<(), SourceError> {
        bytes.clear();
        while bytes.len() < BLOCK_LEN && found.frames.len() < BLOCK_FRAMES {
            match self.capture.next_packet() {
                Ok(packet) => {
                    self.position += packet.data.len() as u64;
                    found.frame(append(bytes, &packet, self.interface, self.link_type));
                }
                Err(Error::NoMorePackets) => break,
                Err(error) => {
                    let what = format!(
                        "it cannot be read after record {} (libpcap: {})",
                        found.counts.frames,
                        message(&error)
                    );
                    return Err(SourceError::new(&self.name, SourceErrorKind::Corrupt, what));
                }
            }
        }
        Ok(())
    }

    /// Bytes of frames so far: libpcap does not tell where it is in the file.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the file.
    pub(crate) const fn size(&self) -> Option<u64> {
        self.size
    }
}

/// Copies a frame of libpcap, whose handle was asked for nanoseconds, behind the others.
pub(super) fn append(
    bytes: &mut Vec<u8>,
    packet: &Packet<'_>,
    interface: InterfaceId,
    link_type: LinkType,
) -> FrameDescriptor {
    let offset = bytes.len();
    bytes.extend_from_slice(packet.data);
    let time = packet.header.ts;
    FrameDescriptor {
        timestamp: Timestamp(time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_usec)),
        offset: u32::try_from(offset).expect("a block is shorter than 4 GiB"),
        captured_len: u32::try_from(packet.data.len()).expect("libpcap counts captured bytes in 32 bits"),
        frame_len: packet.header.len,
        interface,
        link_type,
        gso_size: 0,
        direction: FrameDirection::Unknown,
    }
}

/// The LINKTYPE_ value of libpcap's DLT_ value; they differ where systems had their own numbers (libpcap/pcap/dlt.h).
pub(super) fn link_type_of(dlt: pcap::Linktype, name: &str) -> Result<LinkType, SourceError> {
    const DLT_RAW: i32 = 12;
    match (dlt.0, u16::try_from(dlt.0)) {
        (DLT_RAW, _) => Ok(LinkType::RAW),
        (_, Ok(number)) => Ok(LinkType(number)),
        (other, Err(_)) => {
            let what = format!("its link type {other} is unknown");
            Err(SourceError::new(name, SourceErrorKind::Unsupported, what))
        }
    }
}

/// libpcap's own words.
pub(super) fn message(error: &Error) -> String {
    match error {
        Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bytes and frames after which a block is full.
const BLOCK_LEN: usize = 512 * 1024;
const BLOCK_FRAMES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::LibpcapFile;
    use crate::source::{
        Block, InterfaceTable, SourceCounts,
        file::Found,
        testing::{OwnedFrame, capture, read},
    };

    /// libpcap reads no format that we do not, today: so its frames of a common one must be ours.
    #[test]
    fn libpcaps_frames_are_our_own_readers_frames() {
        for name in ["tcpdump__tcp-handshake-nano.pcap", "arkime__bigendian.pcap", "libpcap__http_PPI.pcap"] {
            let path = capture(name);
            let mut table = InterfaceTable::default();
            let mut file = LibpcapFile::open(&path, name, None, &mut table).unwrap();
            let (mut block, mut counts, mut end) = (Block::default(), SourceCounts::default(), None);
            let mut found = Found {
                frames: &mut block.frames,
                interfaces: &mut block.interfaces,
                drops: &mut block.drops,
                counts: &mut counts,
                numbers: &table.numbers(),
                source_name: name,
                end_of_capture: &mut end,
            };
            file.fill(&mut block.bytes, &mut found).unwrap();
            let frames: Vec<_> =
                block.frames.iter().map(|frame| OwnedFrame::of(&block.frame(frame))).collect();
            assert_eq!(frames, read(&[&path]).frames, "{name}");
        }
    }
}
