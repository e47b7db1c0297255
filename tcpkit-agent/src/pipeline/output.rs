//! What a shard hands to the threads around it.

use tcpkit_common::record::Hook;

use crate::{
    analyzer::Place,
    report::{Event, FlowRecord, HandshakeRecord, RequestRecord, flows::ShardListing},
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType, fragment::Reassembled},
};

/// What came of the latest calls; the caller takes it out and hands it in again.
#[derive(Debug, Default)]
pub struct Output {
    /// Flows that ended, in order of [`Finished::at`].
    pub finished: Vec<Finished>,
    /// What happened.
    pub events: Vec<Event>,
    /// Handshakes that were decided, in the order in which they were.
    pub handshakes: Vec<DecidedHandshake>,
    /// Requests that are over; each shard's in order of [`FinishedRequest::at`] when it is asked to deliver.
    pub requests: Vec<FinishedRequest>,
    /// Listings of the flows over capture time, as far as they were due.
    pub tables: Vec<ShardListing>,
    /// Frames that other shards own.
    pub foreign: Vec<Foreign>,
}

impl Output {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.finished.clear();
        self.events.clear();
        self.handshakes.clear();
        self.requests.clear();
        self.tables.clear();
        self.foreign.clear();
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.finished.is_empty()
            && self.events.is_empty()
            && self.handshakes.is_empty()
            && self.requests.is_empty()
            && self.tables.is_empty()
            && self.foreign.is_empty()
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

/// A handshake that was decided.
#[derive(Clone, Debug)]
pub struct DecidedHandshake {
    /// Capture time of the decision.
    pub at: Timestamp,
    /// The handshake.
    pub record: HandshakeRecord,
}

/// A request that is over.
#[derive(Clone, Debug)]
pub struct FinishedRequest {
    /// Capture time at which it was final.
    pub at: Timestamp,
    /// The request.
    pub record: RequestRecord,
}

/// A frame whose flow another shard owns: the source could not see who that is.
///
/// It is for [`super::Shard::on_foreign`] of that shard, which counts it as delivered.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The shard that owns it.
    pub shard: u32,
    pub(super) origin: Origin,
    pub(super) content: Content,
}

/// Where and when a frame was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) timestamp: Timestamp,
    /// Watermark at which it arrived first.
    pub(super) watermark: Timestamp,
    pub(super) interface: InterfaceId,
    pub(super) hook: Option<Hook>,
}

/// What is handed over.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A frame, not counted yet.
    Frame(OwnedFrame),
    /// A datagram out of fragments that are counted where they arrived.
    Datagram(Box<Reassembled>),
}

/// A frame with bytes of its own.
#[derive(Clone, Debug)]
pub(super) struct OwnedFrame {
    link_type: LinkType,
    direction: FrameDirection,
    frame_len: u32,
    gso_size: u16,
    bytes: Box<[u8]>,
}

impl Foreign {
    /// Watermark at which it arrived.
    #[must_use]
    pub const fn watermark(&self) -> Timestamp {
        self.origin.watermark
    }

    pub(super) fn frame(shard: u32, origin: &Origin, frame: &Frame<'_>) -> Self {
        let &Frame { link_type, direction, frame_len, gso_size, bytes, .. } = frame;
        let frame = OwnedFrame { link_type, direction, frame_len, gso_size, bytes: bytes.into() };
        Self { shard, origin: *origin, content: Content::Frame(frame) }
    }

    pub(super) fn datagram(shard: u32, origin: &Origin, datagram: Reassembled) -> Self {
        Self { shard, origin: *origin, content: Content::Datagram(Box::new(datagram)) }
    }
}

impl OwnedFrame {
    pub(super) fn borrow(&self, origin: &Origin) -> Frame<'_> {
        Frame {
            timestamp: origin.timestamp,
            interface: origin.interface,
            hook: origin.hook,
            link_type: self.link_type,
            direction: self.direction,
            frame_len: self.frame_len,
            gso_size: self.gso_size,
            bytes: &self.bytes,
        }
    }
}

impl Origin {
    pub(super) const fn of(frame: &Frame<'_>, watermark: Timestamp) -> Self {
        Self { timestamp: frame.timestamp, watermark, interface: frame.interface, hook: frame.hook }
    }

    pub(super) const fn place(&self) -> Place {
        (self.interface, self.hook)
    }
}
