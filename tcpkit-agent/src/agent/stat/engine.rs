//! What only tcpkit's engine knows of an interval: connections, goodput, what was sent again.

use crate::{
    pipeline::{EngineSettings, Output, Shard, Wanted},
    source::Head,
    time::{Span, Timestamp},
    view::stat::Extra,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// One shard of the engine, and what it knew when it was asked last.
pub(super) struct Engine {
    shard: Shard,
    output: Output,
    link_type: LinkType,
    watermark: Timestamp,
    /// Flows, payload without what was sent again, segments sent again.
    before: [u64; 3],
    completeness: f64,
}

impl Engine {
    /// For frames of a link type, by libpcap's number.
    pub(super) fn new(dlt: i32) -> Self {
        let mut settings = EngineSettings::replay(1);
        let never = Span(u64::MAX);
        settings.wanted =
            Wanted { flows: false, events: false, loss_delay: never, stall: never, ..settings.wanted };
        Self {
            shard: Shard::new(&settings, 0),
            output: Output::default(),
            link_type: link_type(dlt),
            watermark: Timestamp::MIN,
            before: [0; 3],
            completeness: 1.0,
        }
    }

    /// Takes a packet of a file.
    pub(super) fn on_head(&mut self, head: &Head<'_>) {
        let micros = head.seconds.saturating_mul(1_000_000).saturating_add(head.micros);
        let timestamp = Timestamp(micros.saturating_mul(1_000));
        self.on_frame(&Frame {
            timestamp,
            interface: InterfaceId(0),
            link_type: self.link_type,
            direction: FrameDirection::Unknown,
            hook: None,
            // A frame is never shorter than what was captured of it.
            frame_len: head.frame_len.max(u32::try_from(head.bytes.len()).unwrap_or(u32::MAX)),
            gso_size: 0,
            bytes: head.bytes,
        });
    }

    /// Takes a frame.
    pub(super) fn on_frame(&mut self, frame: &Frame<'_>) {
        self.watermark = self.watermark.max(frame.timestamp);
        self.shard.on_frame(frame, self.watermark, &mut self.output);
        self.output.clear();
    }

    /// The share of the packets that it was given.
    pub(super) const fn set_completeness(&mut self, share: f64) {
        self.completeness = share;
    }

    /// What came since the last call.
    pub(super) fn take(&mut self) -> Extra {
        let snapshot = self.shard.snapshot();
        let sent_again = &snapshot.retransmissions;
        let unique = snapshot.flows.payload_bytes.saturating_sub(sent_again.bytes());
        let now = [snapshot.flows.opened, unique, sent_again.total().segments()];
        let before = std::mem::replace(&mut self.before, now);
        // A verdict may be revised in a later interval; an interval of less than nothing is one of nothing.
        let [flows, unique_bytes, retransmissions] =
            std::array::from_fn(|index| now[index].saturating_sub(before[index]));
        Extra { flows, unique_bytes, retransmissions, completeness: self.completeness }
    }
}

/// The value in files of libpcap's number; they differ for raw IP (pcap/dlt.h).
fn link_type(dlt: i32) -> LinkType {
    match (dlt, u16::try_from(dlt)) {
        (12, _) => LinkType::RAW,
        (_, Ok(number)) => LinkType(number),
        (_, Err(_)) => LinkType(u16::MAX),
    }
}
