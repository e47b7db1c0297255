//! What a table of flows is told, and what it tells.

use super::{
    detail::FlowDetail,
    handshake::{Handshake, ServedStep},
    reset::ResetKind,
    slab::Slab,
    state::{Ending, Flow, WireCount},
    stream::{FlowProgress, RoundTrip, StreamStep},
    traffic::FlowTraffic,
};
use crate::{
    time::{Span, Timestamp},
    wire::{InterfaceId, Segment},
};

/// What bounds a table, in number and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLimits {
    /// Flows, open and closed, at most.
    pub max_flows: u32,
    /// Closed flows that linger, at most; the oldest goes first.
    pub max_lingering: u32,
    /// Half-open flows that wait for an answer, at most; they count among the flows. When there is one more, the one
    /// that has waited longest goes.
    pub max_half_open: u32,
    /// How long a handshake may take.
    pub handshake_timeout: Span,
    /// From when on that counts.
    pub patience: Patience,
    /// How long a closed flow without late frames lingers; `None` as long as there is room.
    pub linger: Option<Span>,
    /// How long an open flow may be silent; `None` for ever.
    pub idle: Option<Span>,
}

/// From when on a handshake's time-out counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// From the first SYN: however often it is sent again.
    #[default]
    FromFirstSyn,
    /// From the latest segment, as tcpeek counts.
    FromLastSegment,
}

impl FlowLimits {
    /// Half-open flows whose room no established flow takes: a SYN flood cannot push out established ones, nor a full
    /// table shut new ones out.
    #[must_use]
    pub fn reserved_half_open(&self) -> u32 {
        (self.max_flows / 8).min(self.max_half_open)
    }

    /// These limits, as far as a table can have them: at least one flow, and no more than it can number.
    pub(super) fn sensible(self) -> Self {
        Self {
            max_flows: self.max_flows.clamp(1, Slab::MAX_FLOWS),
            max_half_open: self.max_half_open.max(1),
            ..self
        }
    }
}

/// What is known of a segment's frame, beside the segment.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// Watermark of capture time, this frame included.
    pub now: Timestamp,
    /// Interface that saw it.
    pub interface: InterfaceId,
    /// Interfaces of the same identity count as one.
    pub identity: u16,
    /// Whether that interface has a name.
    pub is_named: bool,
    /// Bytes of the frame or super-segment.
    pub frame_len: u32,
    /// Payload bytes of each segment of a super-segment, else 0.
    pub gso_size: u16,
}

/// What the table made of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Packets and bytes that the frame stood for.
    pub wire: WireCount,
    /// The flow belongs to another interface: here it is traffic only.
    pub is_duplicate: bool,
    /// Where the flow is kept, once it is more than half-open; nothing of a duplicate.
    pub slot: Option<u32>,
}

/// A flow that is no longer where it was kept; another one may be there next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it was.
    pub slot: u32,
    /// Capture time at which it was final, by rule.
    pub at: Timestamp,
}

/// What happened while segments were taken and time advanced; the caller empties it.
#[derive(Debug, Default)]
pub struct Changes {
    /// What handshakes did.
    pub steps: Vec<ServedStep>,
    /// What streams did, in order.
    pub stream_steps: Vec<StreamStep>,
    /// Round trips that were measured; whoever empties this may let some gather.
    pub round_trips: Vec<RoundTrip>,
    /// How far flows have come.
    pub progress: Vec<FlowProgress>,
    /// What flows have sent.
    pub traffic: Vec<FlowTraffic>,
    /// Handshakes that were decided, each once: with its first outcome, whatever evidence revises later; pending ones
    /// when their flow leaves the table.
    pub decided: Vec<Decided>,
    /// Handshakes that failed.
    pub failed: Vec<Failed>,
    /// Flows that ended and left the table.
    pub finished: Vec<FinishedFlow>,
    /// Where flows were that left the table, where somebody reads it.
    pub left: Vec<Left>,
    /// Somebody reads [`left`](Self::left).
    pub tells_left: bool,
    /// Nobody reads [`finished`](Self::finished): it stays empty, and nothing is summed up for it.
    pub leaves_out_finished: bool,
    /// Nobody reads [`decided`](Self::decided): it stays empty.
    pub leaves_out_decided: bool,
}

impl Changes {
    /// Whether nothing happened, round trips aside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // One branch for each segment instead of eight.
        let changes = self.steps.len()
            | self.stream_steps.len()
            | self.progress.len()
            | self.traffic.len()
            | self.decided.len()
            | self.failed.len()
            | self.finished.len()
            | self.left.len();
        changes == 0
    }

    /// The same behind a calm segment, which has nothing to tell but stalls and progress.
    #[must_use]
    #[inline(always)]
    pub(crate) fn is_empty_behind_calm(&self) -> bool {
        self.stream_steps.len() | self.progress.len() == 0
    }

    /// Forgets it all and keeps the memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.stream_steps.clear();
        self.round_trips.clear();
        self.progress.clear();
        self.traffic.clear();
        self.decided.clear();
        self.failed.clear();
        self.finished.clear();
        self.left.clear();
    }
}

/// A handshake that failed, and the flow as it stood then.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Capture time of the failure.
    pub at: Timestamp,
    /// The flow.
    pub flow: Flow,
    /// Its handshake.
    pub handshake: Handshake,
    /// Its streams.
    pub detail: FlowDetail,
}

/// A handshake that was decided, and the flow as it stood then.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// Capture time of the decision: of the segment or ICMP error that decided it, of the time-out, or, for a pending
    /// one, of the flow's leaving.
    pub at: Timestamp,
    /// From the client's first SYN to what decided it; for a pending one to the flow's last segment.
    pub took: Span,
    /// The flow.
    pub flow: Flow,
    /// Its handshake.
    pub handshake: Handshake,
}

/// A flow that left the table.
#[derive(Clone, Copy, Debug)]
pub struct FinishedFlow {
    /// Capture time at which it was final, by rule.
    pub at: Timestamp,
    /// The flow.
    pub flow: Flow,
    /// Its handshake.
    pub handshake: Handshake,
    /// Its streams.
    pub detail: FlowDetail,
}

/// How many flows there were; sums over tables are sums over captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Flows that began.
    pub opened: u64,
    /// Flows open now, or when the capture ended.
    pub open: u64,
    /// Flows that gave way to a bound.
    pub evicted: u64,
    /// Those of them that waited half-open.
    pub evicted_half_open: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Payload bytes on the wire.
    pub payload_bytes: u64,
    /// Of the segments, those that servers sent.
    pub server_segments: u64,
    /// Of the payload, that of servers.
    pub server_payload_bytes: u64,
    /// Times that round trips of a flow were kept coarser than usual, because memory for them had run out.
    pub coarsened_rtts: u64,
    /// Times that segments under way were kept together, because memory for each had run out.
    pub joined_ranges: u64,
    /// Flows that have left and that a RST had ended, by [`ResetKind::index`]: the client's and the server's.
    pub resets: [[u64; 2]; ResetKind::COUNT],
}

impl FlowCounts {
    /// A segment of a flow, of its server or its client as far as that is known now: who is who may turn out later; for
    /// the sums of a capture that is soon enough.
    #[inline(always)]
    pub(super) fn count(&mut self, is_server: bool, segment: &Segment<'_>, wire: WireCount) {
        let (segments, payload) = (u64::from(wire.packets), u64::from(segment.payload_len));
        let share = u64::from(is_server).wrapping_neg();
        self.segments += segments;
        self.payload_bytes += payload;
        self.server_segments += segments & share;
        self.server_payload_bytes += payload & share;
    }

    /// A flow leaves its table.
    pub(super) fn count_ending(&mut self, flow: &Flow) {
        if let Some(Ending::Reset(reset)) = flow.ending() {
            self.resets[reset.kind.index()][usize::from(reset.by != flow.client())] += 1;
        }
    }

    /// Adds another table's counts.
    pub const fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.open += other.open;
        self.evicted += other.evicted;
        self.evicted_half_open += other.evicted_half_open;
        self.segments += other.segments;
        self.payload_bytes += other.payload_bytes;
        self.server_segments += other.server_segments;
        self.server_payload_bytes += other.server_payload_bytes;
        self.coarsened_rtts += other.coarsened_rtts;
        self.joined_ranges += other.joined_ranges;
        let mut kind = 0;
        while kind < ResetKind::COUNT {
            self.resets[kind][0] += other.resets[kind][0];
            self.resets[kind][1] += other.resets[kind][1];
            kind += 1;
        }
    }
}
