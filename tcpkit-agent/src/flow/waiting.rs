//! Half-open flows by slot, and in the order in which they began to wait.
//!
//! Those that wait for an answer form a list, so that the one that has waited longest is found, and any of them leaves,
//! without a search and without a timer of its own. Those that were given up or refused linger outside of it.

use super::{half_open::HalfOpen, slab::make_place, state::Phase};

/// Half-open flows.
#[derive(Debug)]
pub(super) struct Waiting {
    entries: Vec<HalfOpen>,
    first: u32,
    last: u32,
    /// First of the slots that are free; the others follow by `next`.
    free: u32,
    /// Flows in the list.
    count: u32,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { entries: Vec::new(), first: NOBODY, last: NOBODY, free: NOBODY, count: 0 }
    }
}

impl Waiting {
    /// Flows that wait.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Places that were ever needed.
    #[cfg(test)]
    pub(super) const fn places(&self) -> usize {
        self.entries.len()
    }

    /// The same, as a bound on slots.
    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(NOBODY)
    }

    /// The flow in a slot; `None` where that is free.
    pub(super) fn get(&self, slot: u32) -> Option<&HalfOpen> {
        self.entries.get(slot as usize).filter(|flow| flow.phase != Phase::Vacant)
    }

    /// The one that has waited longest.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NOBODY).then_some(self.first)
    }

    pub(super) fn flow(&self, slot: u32) -> &HalfOpen {
        &self.entries[slot as usize]
    }

    pub(super) fn flow_mut(&mut self, slot: u32) -> &mut HalfOpen {
        &mut self.entries[slot as usize]
    }

    /// Puts a flow at the end of the list; its ticket becomes a new one of its slot.
    pub(super) fn insert(&mut self, flow: &HalfOpen) -> u32 {
        let slot = self.free;
        if slot == NOBODY {
            return self.grow(flow);
        }
        let entry = &mut self.entries[slot as usize];
        self.free = entry.next;
        let ticket = entry.ticket.wrapping_add(1);
        *entry = *flow;
        entry.ticket = ticket;
        self.link(slot);
        slot
    }

    #[cold]
    fn grow(&mut self, flow: &HalfOpen) -> u32 {
        let slot = u32::try_from(self.entries.len()).expect("the table's bound on flows is a u32");
        make_place(&mut self.entries);
        self.entries.push(*flow);
        self.link(slot);
        slot
    }

    /// Puts in what has become of a flow; it keeps its place in the list and its ticket.
    pub(super) fn update(&mut self, slot: u32, mut flow: HalfOpen) {
        let entry = &mut self.entries[slot as usize];
        (flow.previous, flow.next, flow.ticket) = (entry.previous, entry.next, entry.ticket);
        *entry = flow;
    }

    /// A flow waits no longer, and lingers.
    pub(super) fn linger(&mut self, slot: u32) {
        self.unlink(slot);
        let entry = &mut self.entries[slot as usize];
        entry.phase = Phase::Lingering;
        entry.ticket = entry.ticket.wrapping_add(1);
    }

    /// A flow begins to wait anew.
    pub(super) fn move_to_end(&mut self, slot: u32) {
        self.unlink(slot);
        self.link(slot);
    }

    /// Takes a flow out and leaves its slot to the next one.
    pub(super) fn remove(&mut self, slot: u32) {
        if self.flow(slot).phase == Phase::Open {
            self.unlink(slot);
        }
        let entry = &mut self.entries[slot as usize];
        entry.ticket = entry.ticket.wrapping_add(1);
        entry.phase = Phase::Vacant;
        entry.next = self.free;
        self.free = slot;
    }

    fn link(&mut self, slot: u32) {
        let last = self.last;
        let entry = &mut self.entries[slot as usize];
        (entry.previous, entry.next) = (last, NOBODY);
        match last {
            NOBODY => self.first = slot,
            last => self.entries[last as usize].next = slot,
        }
        self.last = slot;
        self.count += 1;
    }

    fn unlink(&mut self, slot: u32) {
        let &HalfOpen { previous, next, .. } = self.flow(slot);
        match previous {
            NOBODY => self.first = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NOBODY => self.last = previous,
            next => self.entries[next as usize].previous = previous,
        }
        self.count -= 1;
    }
}

/// No slot: a table has fewer flows.
const NOBODY: u32 = u32::MAX;
