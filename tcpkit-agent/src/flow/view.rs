//! A flow in the table, for whoever follows what is said in it.

use super::{
    half_open::Thawed,
    handshake::Handshake,
    key::Side,
    state::{Flow, Phase},
    table::FlowTable,
};
use crate::{time::Span, wire::SeqNumber};

/// A flow as it stands.
#[derive(Clone, Copy, Debug)]
pub struct FlowView<'a> {
    table: &'a FlowTable,
    flow: &'a Flow,
    handshake: &'a Handshake,
}

impl FlowTable {
    /// The flow that is kept in a slot ([`Taken::slot`](super::Taken::slot)); `None` when it has left.
    #[must_use]
    pub fn view(&self, slot: u32) -> Option<FlowView<'_>> {
        let flow = self.slab.flows.get(slot as usize).filter(|flow| flow.phase != Phase::Vacant)?;
        Some(FlowView { table: self, flow, handshake: self.slab.handshakes.get(slot as usize)? })
    }

    /// Slots that were ever used: those of [`view`](Self::view) are below.
    #[must_use]
    pub fn slots(&self) -> u32 {
        u32::try_from(self.slab.flows.len()).unwrap_or(u32::MAX)
    }

    /// Slots of half-open flows that were ever used.
    #[must_use]
    pub fn half_open_slots(&self) -> u32 {
        self.slab.waiting.slots()
    }

    /// A flow of which nothing but its opening was seen, and its handshake; `None` where the slot is free.
    ///
    /// It becomes a full one in another slot with the segment that opens it.
    #[must_use]
    pub fn half_open(&self, slot: u32) -> Option<(Flow, Handshake)> {
        let Thawed { flow, handshake, .. } = self.slab.waiting.get(slot)?.thaw();
        Some((flow, handshake))
    }
}

impl FlowView<'_> {
    /// Who it is between, and how much was said.
    #[must_use]
    pub const fn flow(&self) -> &Flow {
        self.flow
    }

    /// What is known of its handshake.
    #[must_use]
    pub const fn handshake(&self) -> &Handshake {
        self.handshake
    }

    /// Where a side's data begins, where its SYN was seen.
    #[must_use]
    pub fn first_octet(&self, side: Side) -> Option<SeqNumber> {
        self.flow.first_octet(side)
    }

    /// The least round trip of a side's data so far: from the capture point to the other side and back.
    #[must_use]
    pub fn least_round_trip(&self, sender: Side) -> Option<Span> {
        self.table.measurements.least(self.flow.streams, sender)
    }

    /// The smoothed round trip of a side's data (RFC 6298 §2).
    #[must_use]
    pub fn smoothed_round_trip(&self, sender: Side) -> Option<Span> {
        self.table.measurements.smoothed(self.flow.streams, sender)
    }

    /// Segments with payload that a side sent again.
    #[must_use]
    pub fn retransmitted_segments(&self, sender: Side) -> u64 {
        self.table.streams.retransmitted_segments(self.flow.streams, sender)
    }

    /// Stalls of every kind so far, and the time that they took.
    #[must_use]
    pub fn stalls(&self) -> (u32, Span) {
        self.table.measurements.stalls(self.flow.streams)
    }
}
