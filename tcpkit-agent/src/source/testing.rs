//! What the tests of readers and writers share: whole files in memory, and everything that a file holds.

use std::path::{Path, PathBuf};

use super::{Block, Interface, InterfaceTable, Merge, Reader, SourceCounts, SourceError};
use crate::{
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// A frame with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedFrame {
    pub(crate) timestamp: i64,
    pub(crate) interface: u16,
    pub(crate) link_type: u16,
    pub(crate) direction: FrameDirection,
    pub(crate) frame_len: u32,
    pub(crate) gso_size: u16,
    pub(crate) bytes: Vec<u8>,
}

impl OwnedFrame {
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        Self {
            timestamp: frame.timestamp.0,
            interface: frame.interface.0,
            link_type: frame.link_type.0,
            direction: frame.direction,
            frame_len: frame.frame_len,
            gso_size: frame.gso_size,
            bytes: frame.bytes.to_vec(),
        }
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame {
            timestamp: Timestamp(self.timestamp),
            interface: InterfaceId(self.interface),
            link_type: LinkType(self.link_type),
            direction: self.direction,
            hook: None,
            frame_len: self.frame_len,
            gso_size: self.gso_size,
            bytes: &self.bytes,
        }
    }
}

/// All that a source held.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) frames: Vec<OwnedFrame>,
    pub(crate) interfaces: Vec<Interface>,
    /// Index of the frame before which frames were lost, the interface, and how many.
    pub(crate) drops: Vec<(usize, u16, u64)>,
    pub(crate) counts: SourceCounts,
    pub(crate) end_of_capture: Option<Timestamp>,
    pub(crate) errors: Vec<SourceError>,
}

/// Reads files to their ends.
pub(crate) fn read(paths: &[&Path]) -> Contents {
    let mut table = InterfaceTable::default();
    let mut contents = Contents::default();
    let mut readers = Vec::new();
    for path in paths {
        match Reader::open(path, &mut table) {
            Ok(reader) => readers.push(reader),
            Err(error) => contents.errors.push(error),
        }
    }
    let mut merge = Merge::new(readers);
    let mut block = Block::default();
    loop {
        let outcome = merge.fill(&mut block);
        table.learn(&block.interfaces);
        let before = contents.frames.len();
        contents
            .drops
            .extend(block.drops.iter().map(|drop| (before + drop.before, drop.interface.0, drop.frames)));
        contents.frames.extend(block.frames.iter().map(|frame| OwnedFrame::of(&block.frame(frame))));
        match outcome {
            Ok(true) => assert!(!block.frames.is_empty(), "a block without frames is the end"),
            Ok(false) => break,
            Err(error) => contents.errors.push(error),
        }
    }
    contents.interfaces = table.all().to_vec();
    contents.counts = merge.counts();
    contents.end_of_capture = merge.end_of_capture();
    contents
}

/// Reads a file that is written for the purpose.
pub(crate) fn read_bytes(bytes: &[u8]) -> Contents {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    read(&[file.path()])
}

/// One of the captures that the project keeps.
pub(crate) fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures").join(name)
}

/// A little-endian pcap of Ethernet frames, in microseconds.
pub(crate) fn pcap(frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for &(seconds, microseconds, bytes) in frames {
        let len = u32::try_from(bytes.len()).unwrap();
        for word in [seconds, microseconds, len, len] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(bytes);
    }
    file
}
