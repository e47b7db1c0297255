//! A flow in the table, for whoever follows what is said in it.

use super::{
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
}
