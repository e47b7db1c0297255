//! What a shard hands to the threads around it.

use tcpkit_common::record::Hook;

use crate::{
    report::{Event, FlowRecord},
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// What came of the latest calls; the caller takes it out and hands it in again.
#[derive(Debug, Default)]
pub struct Output {
    /// Flows that ended, in order of [`Finished::at`].
    pub finished: Vec<Finished>,
    /// What happened.
    pub events: Vec<Event>,
    /// Frames that other shards own.
    pub foreign: Vec<Foreign>,
}

impl Output {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.finished.clear();
        self.events.clear();
        self.foreign.clear();
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.finished.is_empty() && self.events.is_empty() && self.foreign.is_empty()
    }
}

/// A flow that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Capture time at which the flow was final by rule; never steps back within a shard.
    pub at: Timestamp,
    /// The flow.
    pub record: FlowRecord,
}

/// A frame whose flow another shard owns: the source could not see who that is.
///
/// It is for [`super::Shard::on_foreign`] of that shard, which counts it as delivered.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The shard that owns it.
    pub shard: u32,
    /// Watermark at which it arrived.
    pub now: Timestamp,
    pub(super) timestamp: Timestamp,
    pub(super) interface: InterfaceId,
    pub(super) link_type: LinkType,
    pub(super) direction: FrameDirection,
    pub(super) hook: Option<Hook>,
    pub(super) frame_len: u32,
    pub(super) gso_size: u16,
    pub(super) bytes: Box<[u8]>,
}

impl Foreign {
    pub(super) fn new(shard: u32, now: Timestamp, frame: &Frame<'_>) -> Self {
        Self {
            shard,
            now,
            timestamp: frame.timestamp,
            interface: frame.interface,
            link_type: frame.link_type,
            direction: frame.direction,
            hook: frame.hook,
            frame_len: frame.frame_len,
            gso_size: frame.gso_size,
            bytes: frame.bytes.into(),
        }
    }

    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            timestamp: self.timestamp,
            interface: self.interface,
            link_type: self.link_type,
            direction: self.direction,
            hook: self.hook,
            frame_len: self.frame_len,
            gso_size: self.gso_size,
            bytes: &self.bytes,
        }
    }
}
