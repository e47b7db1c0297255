//! Where flows are kept: slots that are used again, found by a hash that was computed before.

use hashbrown::{HashTable, hash_table::Entry};
use tcpkit_common::flow::FlowHash;

use super::{
    handshake::Handshake,
    key::FlowKey,
    state::{Flow, Phase},
};

/// Flows by slot, and slots by key.
#[derive(Debug, Default)]
pub(super) struct Slab {
    index: HashTable<Place>,
    /// What every segment touches.
    pub(super) flows: Vec<Flow>,
    /// What only the opening of a flow touches.
    pub(super) handshakes: Vec<Handshake>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    slot: u32,
}

impl Slab {
    /// Flows in it.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The slot of a key.
    #[inline]
    pub(super) fn find(&self, hash: FlowHash, key: &FlowKey) -> Option<u32> {
        let is_it = |place: &Place| place.hash == hash.0 && self.flow(place.slot).key == *key;
        self.index.find(spread(hash.0), is_it).map(|place| place.slot)
    }

    #[inline]
    pub(super) fn flow(&self, slot: u32) -> &Flow {
        &self.flows[slot as usize]
    }

    #[inline]
    pub(super) fn flow_mut(&mut self, slot: u32) -> &mut Flow {
        &mut self.flows[slot as usize]
    }

    /// Puts in a flow whose key is not there; its ticket becomes a new one of its slot.
    pub(super) fn insert(&mut self, mut flow: Flow) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let place = Place { hash: flow.hash, slot };
        self.index.insert_unique(spread(flow.hash), place, |place| spread(place.hash));
        flow.ticket = self.flow(slot).ticket.wrapping_add(1);
        self.flows[slot as usize] = flow;
        self.handshakes[slot as usize] = Handshake::default();
        slot
    }

    /// Takes a flow out and leaves its slot to the next one.
    pub(super) fn remove(&mut self, slot: u32) -> (Flow, Handshake) {
        let flow = *self.flow(slot);
        if let Entry::Occupied(entry) =
            self.index.entry(spread(flow.hash), |place| place.slot == slot, |place| spread(place.hash))
        {
            entry.remove();
        }
        self.flows[slot as usize] =
            Flow { ticket: flow.ticket.wrapping_add(1), phase: Phase::Vacant, ..Flow::default() };
        self.free.push(slot);
        (flow, self.handshakes[slot as usize])
    }

    /// The slots in use, in no order.
    pub(super) fn slots(&self) -> Vec<u32> {
        self.index.iter().map(|place| place.slot).collect()
    }

    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.flows.len()).expect("the table's bound on flows is a u32");
        self.flows.push(Flow::default());
        self.handshakes.push(Handshake::default());
        slot
    }
}

/// A flow hash on 64 bits, as the table wants them: it takes its tags from the top, where one shard's hashes are
/// nearly alike. Multiplying by an odd number (2^64 divided by the golden ratio) loses nothing.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
