//! Where flows are kept: places that are used again, found by a hash that was computed before.

use tcpkit_common::flow::{FlowHash, FourTuple};

use super::{
    half_open::{HalfOpen, Thawed},
    handshake::{Handshake, Opening},
    index::Index,
    key::{FlowKey, Side},
    prefetch::prefetch,
    recent::Recent,
    state::{Flow, Phase},
    waiting::Waiting,
};
use crate::time::Timestamp;

/// Flows by place, and places by key.
#[derive(Debug, Default)]
pub(super) struct Slab {
    index: Index,
    /// Where flows of late segments are.
    recent: Recent,
    /// What every segment touches.
    pub(super) flows: Vec<Flow>,
    /// What only the opening of a flow touches.
    pub(super) handshakes: Vec<Handshake>,
    /// What is remembered of handshakes that are not settled, by [`Flow::memory`].
    openings: Vec<Opening>,
    free_openings: Vec<u32>,
    /// Flows of which nothing but their opening was seen.
    pub(super) waiting: Waiting,
    free: Vec<u32>,
}

/// Where a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A slot of [`Slab::flows`].
    Full(u32),
    /// A slot of [`Slab::waiting`].
    HalfOpen(u32),
}

/// A place in the four octets that the index has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedPlace(pub(super) u32);

impl PackedPlace {
    const HALF_OPEN: u32 = 1 << 31;

    pub(super) const fn unpack(self) -> Place {
        if self.0 & Self::HALF_OPEN == 0 {
            Place::Full(self.0)
        } else {
            Place::HalfOpen(self.0 ^ Self::HALF_OPEN)
        }
    }
}

impl From<Place> for PackedPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Full(slot) => Self(slot),
            Place::HalfOpen(slot) => Self(slot | Self::HALF_OPEN),
        }
    }
}

impl Slab {
    /// Flows that it can hold: one bit of a place says what kind it is.
    pub(super) const MAX_FLOWS: u32 = PackedPlace::HALF_OPEN;

    /// Flows in it.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The flow of a four-tuple and who sends its segments, where one was seen lately.
    #[inline(always)]
    pub(super) fn recent(&self, tuple: &FourTuple) -> Option<(u32, Side)> {
        let (slot, side) = self.recent.get(tuple)?;
        let flow = self.flows.get(slot as usize)?;
        (flow.key.is_of(tuple, side) && flow.phase != Phase::Vacant).then_some((slot, side))
    }

    /// Remembers whose segments of this four-tuple are: most come soon after another one.
    pub(super) fn note_recent(&mut self, tuple: &FourTuple, slot: u32, side: Side) {
        // Where both ends are the same, flags tell who sent a segment, and the tuple does not.
        if !self.flow(slot).key.is_land() {
            self.recent.set(tuple, slot, side);
        }
    }

    /// The same for both sides of a flow that opens.
    pub(super) fn note_both(&mut self, slot: u32) {
        let key = self.flow(slot).key;
        for side in [Side::Low, Side::High] {
            self.note_recent(&key.tuple_from(side), slot, side);
        }
    }

    /// The place of a key.
    pub(super) fn find(&self, hash: FlowHash, key: &FlowKey) -> Option<Place> {
        self.index.find(hash, |place| *self.key(place.unpack()) == *key).map(PackedPlace::unpack)
    }

    /// Asks for the memory that tells where a flow is.
    pub(super) fn fetch_index(&self, slot: u32) {
        self.index.fetch(self.flow(slot).key.hash());
    }

    /// Asks for the memory of a flow and its handshake.
    pub(super) fn fetch(&self, slot: u32) {
        prefetch(self.flow(slot));
        prefetch(&self.handshakes[slot as usize]);
    }

    #[inline]
    pub(super) fn flow(&self, slot: u32) -> &Flow {
        &self.flows[slot as usize]
    }

    #[inline]
    pub(super) fn flow_mut(&mut self, slot: u32) -> &mut Flow {
        &mut self.flows[slot as usize]
    }

    #[inline]
    fn key(&self, place: Place) -> &FlowKey {
        match place {
            Place::Full(slot) => &self.flow(slot).key,
            Place::HalfOpen(slot) => &self.waiting.flow(slot).key,
        }
    }

    /// Watermark at the latest frame of a flow.
    pub(super) fn seen(&self, place: Place) -> Timestamp {
        match place {
            Place::Full(slot) => self.flow(slot).seen,
            Place::HalfOpen(slot) => self.waiting.flow(slot).seen(),
        }
    }

    /// What changes when a flow closes, revives or goes.
    pub(super) fn ticket(&self, place: Place) -> u32 {
        match place {
            Place::Full(slot) => self.flow(slot).ticket,
            Place::HalfOpen(slot) => self.waiting.flow(slot).ticket,
        }
    }

    fn start(&self, place: Place) -> Timestamp {
        match place {
            Place::Full(slot) => self.flow(slot).start,
            Place::HalfOpen(slot) => self.waiting.flow(slot).start(),
        }
    }

    /// Puts in a flow whose key is not there; its ticket becomes a new one of its slot.
    pub(super) fn insert(&mut self, hash: FlowHash, flow: &Flow, handshake: &Handshake) -> u32 {
        let slot = self.take_slot(flow, handshake);
        self.index.insert(hash, Place::Full(slot).into());
        slot
    }

    /// Puts in a half-open flow whose key is not there.
    pub(super) fn insert_half_open(&mut self, hash: FlowHash, flow: &HalfOpen) -> u32 {
        let slot = self.waiting.insert(flow);
        self.index.insert(hash, Place::HalfOpen(slot).into());
        slot
    }

    /// A half-open flow becomes a full one.
    pub(super) fn promote(&mut self, hash: FlowHash, half_open: u32, thawed: &Thawed) -> u32 {
        let slot = self.take_slot(&thawed.flow, &thawed.handshake);
        self.remember(slot, &thawed.opening);
        let is_found = self.index.replace(hash, Place::HalfOpen(half_open).into(), Place::Full(slot).into());
        debug_assert!(is_found, "a flow that is there is in the index");
        self.waiting.remove(half_open);
        slot
    }

    /// A flow that is about to be taken out is not found any more.
    pub(super) fn hide(&mut self, place: Place) {
        let is_found = self.index.remove(self.key(place).hash(), place.into());
        debug_assert!(is_found, "a flow that is there is in the index");
    }

    /// Takes a hidden flow out and leaves its slot to the next one.
    pub(super) fn take_out(&mut self, place: Place) {
        match place {
            Place::Full(slot) => self.vacate(slot),
            Place::HalfOpen(slot) => self.waiting.remove(slot),
        }
    }

    /// The places in use, in the order in which their flows began; of those that began together, of their keys.
    pub(super) fn places(&self) -> Vec<Place> {
        // With their starts beside them: only of flows that began together is the memory waited for again.
        let in_use = self.index.places().map(PackedPlace::unpack);
        let mut places: Vec<(Timestamp, Place)> = in_use.map(|place| (self.start(place), place)).collect();
        places.sort_unstable_by(|(one_start, one), (other_start, other)| {
            one_start.cmp(other_start).then_with(|| self.key(*one).cmp(self.key(*other)))
        });
        places.into_iter().map(|(_, place)| place).collect()
    }

    /// What is remembered of a handshake that is not settled.
    pub(super) fn opening(&self, slot: u32) -> Opening {
        self.flow(slot).memory.map_or_else(Opening::default, |place| self.openings[place.get() as usize - 1])
    }

    /// Remembers it, or forgets it where nothing that it says can matter any more.
    pub(super) fn remember(&mut self, slot: u32, opening: &Opening) {
        let flow = &mut self.flows[slot as usize];
        let is_needed = flow.watches_handshake() && *opening != Opening::default();
        match (flow.memory, is_needed) {
            (Some(place), true) => self.openings[place.get() as usize - 1] = *opening,
            (None, true) => {
                let place = self.free_openings.pop().unwrap_or_else(|| {
                    make_place(&mut self.openings);
                    self.openings.push(*opening);
                    u32::try_from(self.openings.len()).expect("there are no more than flows")
                });
                self.openings[place as usize - 1] = *opening;
                flow.memory = std::num::NonZeroU32::new(place);
            }
            (Some(_), false) => self.forget(slot),
            (None, false) => {}
        }
    }

    /// Forgets what was remembered of a handshake.
    pub(super) fn forget(&mut self, slot: u32) {
        let place = self.flow_mut(slot).memory.take();
        self.free_openings.extend(place.map(std::num::NonZeroU32::get));
    }

    fn take_slot(&mut self, flow: &Flow, handshake: &Handshake) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let place = &mut self.flows[slot as usize];
        let ticket = place.ticket.wrapping_add(1);
        *place = *flow;
        place.ticket = ticket;
        self.handshakes[slot as usize] = *handshake;
        slot
    }

    /// The next flow overwrites all of it.
    fn vacate(&mut self, slot: u32) {
        self.forget(slot);
        let flow = &mut self.flows[slot as usize];
        flow.ticket = flow.ticket.wrapping_add(1);
        flow.phase = Phase::Vacant;
        self.free.push(slot);
    }

    #[cold]
    fn grow(&mut self) -> u32 {
        let slot = u32::try_from(self.flows.len()).expect("the table's bound on flows is a u32");
        make_place(&mut self.flows);
        make_place(&mut self.handshakes);
        self.flows.push(Flow::default());
        self.handshakes.push(Handshake::default());
        slot
    }
}

/// Makes place for one more, by a thirty-second of what there is: doubling would leave half of the memory unused, and
/// a large block grows where it lies, by the page table (`mremap`).
pub(super) fn make_place<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 32).max(64));
    }
}
