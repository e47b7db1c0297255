//! One flow: what every segment touches, kept small; the handshake lies apart.

use std::num::NonZeroU32;

use super::{
    key::{FlowKey, Side},
    reset::Reset,
    stream::PairSlot,
    traffic::Telling,
};
use crate::{
    time::Timestamp,
    wire::{InterfaceId, Segment, SeqNumber, TcpFlags},
};

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Both sides sent FIN.
    Fin,
    /// A RST came first.
    Reset(Reset),
    /// Nothing came for a time-out: the handshake's, or that of an idle flow.
    Idle,
    /// It gave way to the bound on flows.
    Evicted,
    /// Another SYN took its four-tuple while it was open.
    Reused,
    /// The capture ended first.
    EndOfCapture,
}

/// What one side announced in its SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Shift of its windows.
    pub window_scale: Option<u8>,
    /// SACK permitted; `None` when its SYN was not seen, or not with all of its options.
    pub sack_permitted: Option<bool>,
    /// Its SYN was seen.
    pub(super) is_seen: bool,
}

/// One direction of a flow, named by its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct SideState {
    /// Frames captured.
    pub frames: u64,
    /// Segments on the wire.
    pub segments: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Payload bytes on the wire.
    pub payload_bytes: u64,
    /// Its initial sequence number, or the best guess where its SYN was not seen.
    pub(super) isn: Option<SeqNumber>,
    /// Identity of the interfaces on which this direction counts.
    pub(super) owner: Option<u16>,
    /// Options of its SYN.
    pub announced: Announced,
    pub(super) sent_fin: bool,
}

/// Where a flow stands in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// The slot is free.
    #[default]
    Vacant,
    Open,
    /// Closed; late frames still belong to it.
    Lingering,
}

/// One TCP connection as observed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    pub(super) key: FlowKey,
    pub(super) ticket: u32,
    /// Where its handshake is remembered, counted from 1.
    pub(super) memory: Option<NonZeroU32>,
    /// Watermark at its last frame.
    pub(super) seen: Timestamp,
    pub(super) phase: Phase,
    pub(super) client: Side,
    /// A SYN was seen, and segments may still add to what became of the handshake.
    pub(super) is_opening: bool,
    /// They may not any more.
    pub(super) is_settled: bool,
    pub(super) ending: Option<Ending>,
    /// First frame.
    pub start: Timestamp,
    /// Latest frame.
    pub end: Timestamp,
    /// Interface of the first frame.
    pub interface: InterfaceId,
    pub(super) sides: [SideState; 2],
    /// Accurate ECN was asked for (RFC 9768 §3.1).
    pub(super) is_accurate_ecn: bool,
    /// Its streams, once there is more than a handshake.
    pub(super) streams: PairSlot,
    /// How far its traffic was told of.
    pub(super) telling: Telling,
}

/// Wire packets and bytes that a frame stood for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireCount {
    /// Packets on the wire.
    pub packets: u32,
    /// Bytes on the wire, every packet with its headers.
    pub bytes: u64,
    /// Bytes of each packet but the last; of the frame where it was one packet.
    pub full_len: u32,
}

impl WireCount {
    /// A frame that was one packet.
    #[must_use]
    pub const fn one(frame_len: u32) -> Self {
        Self { packets: 1, bytes: frame_len as u64, full_len: frame_len }
    }

    /// Payload of each packet but the last one of a segment that went over the wire like this; its own where that was
    /// one packet.
    #[must_use]
    #[inline(always)]
    pub const fn payload_of_one(&self, segment: &Segment<'_>) -> u32 {
        if self.packets > 1 { self.full_len.saturating_sub(segment.header_len) } else { segment.payload_len }
    }

    /// A frame whose payload went over the wire in pieces of `limit` octets, each behind the same headers; 0 is no
    /// limit.
    #[must_use]
    #[inline(always)]
    pub fn of(frame_len: u32, header_len: u32, payload_len: u32, limit: u32) -> Self {
        if limit == 0 || payload_len <= limit {
            return Self::one(frame_len);
        }
        let packets = payload_len.div_ceil(limit);
        let repeated = u64::from(packets - 1) * u64::from(header_len);
        Self { packets, bytes: u64::from(frame_len) + repeated, full_len: header_len.saturating_add(limit) }
    }
}

impl Flow {
    /// Who it is between.
    #[must_use]
    pub const fn key(&self) -> &FlowKey {
        &self.key
    }

    /// Which of its ends is the client.
    #[must_use]
    pub const fn client(&self) -> Side {
        self.client
    }

    /// What a side sent.
    #[must_use]
    pub const fn side(&self, side: Side) -> &SideState {
        &self.sides[side as usize]
    }

    /// What changes when another flow takes its slot.
    #[must_use]
    pub const fn ticket(&self) -> u32 {
        self.ticket
    }

    /// Whether a side has sent its FIN.
    #[must_use]
    pub const fn has_finished_side(&self) -> bool {
        let [low, high] = &self.sides;
        low.sent_fin || high.sent_fin
    }

    /// How it ended, where it did.
    #[must_use]
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Packets that a segment stands for on the wire.
    ///
    /// By `gso_size` where the capture knows it. Where it does not, no stack sends more than the effective MSS in one
    /// packet (RFC 9293 §3.7.1: the announced size less the options), so a larger payload was several packets.
    #[inline(always)]
    pub(super) fn wire_count(&self, segment: &Segment<'_>, frame_len: u32, gso_size: u16) -> WireCount {
        if segment.payload_len == 0 {
            return WireCount::one(frame_len);
        }
        let limit = if gso_size == 0 { self.effective_mss(segment) } else { u32::from(gso_size) };
        WireCount::of(frame_len, segment.header_len, segment.payload_len, limit)
    }

    /// The least size that a side announced; `None` where none did.
    #[inline(always)]
    pub(super) fn least_mss(&self) -> Option<u16> {
        let [low, high] = &self.sides;
        match (low.announced.mss, high.announced.mss) {
            (Some(low), Some(high)) => Some(low.min(high)),
            (low, high) => low.or(high),
        }
    }

    /// 0 where no side announced a size, or the segment is not above it.
    #[inline(always)]
    fn effective_mss(&self, segment: &Segment<'_>) -> u32 {
        let mss = self.least_mss().map(u32::from);
        let Some(mss) = mss.filter(|mss| segment.payload_len > *mss) else { return 0 };
        let options = u32::try_from(segment.options.0.len()).unwrap_or(0);
        mss.saturating_sub(options)
    }

    /// Counts a segment that this side sent.
    #[inline(always)]
    pub(super) fn count(&mut self, side: Side, segment: &Segment<'_>, wire: WireCount) {
        let state = &mut self.sides[side as usize];
        state.frames += 1;
        state.segments += u64::from(wire.packets);
        state.bytes += wire.bytes;
        state.payload_bytes += u64::from(segment.payload_len);
    }

    /// Whether this SYN opens another connection on the same four-tuple.
    #[inline]
    pub(super) fn is_reopened_by(&self, side: Side, segment: &Segment<'_>) -> bool {
        segment.flags.contains(TcpFlags::SYN)
            && !segment.flags.contains(TcpFlags::ACK)
            && self.side(side).isn.is_some_and(|isn| isn != segment.seq)
    }

    /// Remembers where each side's sequence numbers begin.
    ///
    /// Without its SYN, a side's first segment, or the first acknowledgement of the other side, stands just behind it;
    /// so a SYN that was captured a little late is recognised. A SYN/ACK knows better than a guess, and opens no flow:
    /// what it says replaces what was thought before, as in tshark.
    pub(super) fn note_isn(&mut self, side: Side, segment: &Segment<'_>) {
        let is_synack = segment.flags.contains(TcpFlags::SYN.with(TcpFlags::ACK));
        let has_syn = segment.flags.contains(TcpFlags::SYN);
        let isn = if has_syn { segment.seq } else { SeqNumber(segment.seq.0.wrapping_sub(1)) };
        let own = &mut self.sides[side as usize].isn;
        if is_synack {
            *own = Some(isn);
        }
        own.get_or_insert(isn);
        if segment.flags.contains(TcpFlags::ACK) {
            let isn = SeqNumber(segment.ack.0.wrapping_sub(1));
            self.sides[side.other() as usize].isn.get_or_insert(isn);
        }
    }

    /// Whether both sides' initial sequence numbers are known or guessed.
    pub(super) const fn knows_isns(&self) -> bool {
        let [low, high] = &self.sides;
        low.isn.is_some() && high.isn.is_some()
    }

    /// What FIN and RST end, a RST by what it is; true when this segment closes the flow.
    ///
    /// A flow that had only been given up is ended anew, but it is closed already.
    pub(super) fn is_closed_by(&mut self, side: Side, segment: &Segment<'_>, reset: Option<Reset>) -> bool {
        self.sides[side as usize].sent_fin |= segment.flags.contains(TcpFlags::FIN);
        let was_open = self.ending.is_none();
        if !was_open && self.ending != Some(Ending::Idle) {
            return false;
        }
        if let Some(reset) = reset {
            self.ending = Some(Ending::Reset(reset));
        } else if self.sides.iter().all(|state| state.sent_fin) {
            self.ending = Some(Ending::Fin);
        }
        was_open && self.ending.is_some()
    }

    /// Whether a plain segment tells nothing but what its streams are told.
    #[inline]
    pub(super) const fn is_steady(&self) -> bool {
        self.streams.is_some() && !self.watches_handshake() && self.memory.is_none() && self.knows_isns()
    }

    /// Whether a segment without SYN may still tell something of the handshake.
    pub(super) const fn watches_handshake(&self) -> bool {
        let [low, high] = &self.sides;
        !self.is_settled && (self.is_opening || low.frames + high.frames <= WATCHED_FRAMES)
    }
}

/// Frames of a flow without SYN among which the final ACK of a handshake that was captured late may be.
const WATCHED_FRAMES: u64 = 16;
