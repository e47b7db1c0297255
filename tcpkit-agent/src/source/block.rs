//! A run of frames from a file, in one piece of memory, so that reader and workers share bytes without copying.

use super::Interface;
use crate::{
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// Bytes of a capture file and the frames that stand in them; bytes outside any frame mean nothing.
#[derive(Debug, Default)]
pub struct Block {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The frames, in capture order.
    pub frames: Vec<FrameDescriptor>,
    /// Interfaces that the source met since the block before, for [`InterfaceTable::learn`](super::InterfaceTable).
    pub interfaces: Vec<(InterfaceId, Interface)>,
    /// Frames that the file says were lost, in the order of the frames before which they were.
    pub drops: Vec<Dropped>,
}

/// Frames that the capturing program lost, by the file's own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Index into [`Block::frames`] of the frame before which they were lost; the number of frames for those after.
    pub before: usize,
    /// On which interface.
    pub interface: InterfaceId,
    /// How many.
    pub frames: u64,
}

/// One frame of a [`Block`].
#[derive(Clone, Copy, Debug)]
pub struct FrameDescriptor {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// First of its bytes in the block.
    pub offset: u32,
    /// Bytes captured.
    pub captured_len: u32,
    /// Bytes of the whole frame.
    pub frame_len: u32,
    /// Which interface saw it.
    pub interface: InterfaceId,
    /// How its first header is to be read.
    pub link_type: LinkType,
    /// As in [`Frame`].
    pub gso_size: u16,
    /// As in [`Frame`].
    pub direction: FrameDirection,
}

impl Block {
    /// Forgets the frames and keeps the memory.
    ///
    /// Not needed before a reader's `fill`, which overwrites the bytes in place: cleared memory has to be zeroed again.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.forget();
    }

    /// Forgets the frames, and leaves the bytes to be overwritten.
    pub(crate) fn forget(&mut self) {
        self.frames.clear();
        self.interfaces.clear();
        self.drops.clear();
    }

    /// The frame that a descriptor of this block stands for.
    ///
    /// # Panics
    /// If the descriptor belongs to another block.
    #[must_use]
    pub fn frame(&self, descriptor: &FrameDescriptor) -> Frame<'_> {
        let start = descriptor.offset as usize;
        Frame {
            timestamp: descriptor.timestamp,
            interface: descriptor.interface,
            link_type: descriptor.link_type,
            direction: descriptor.direction,
            hook: None,
            frame_len: descriptor.frame_len,
            gso_size: descriptor.gso_size,
            bytes: &self.bytes[start..start + descriptor.captured_len as usize],
        }
    }
}
