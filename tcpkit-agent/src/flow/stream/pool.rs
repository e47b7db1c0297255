//! Objects that exist only while something is under way: slots that are used again, and what they held is kept warm.

use crate::flow::slab::make_place;

/// What a pool keeps: emptied instead of dropped.
pub(super) trait Reuse: Default {
    /// Forgets everything and keeps a little memory.
    fn reset(&mut self);
}

/// A place in a pool, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) struct Slot(u32);

impl Slot {
    /// No place.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// The place as a number, for what lies beside the pool.
    #[inline]
    pub(in crate::flow) const fn index(self) -> Option<usize> {
        if self.is_some() { Some(self.0 as usize) } else { None }
    }

    /// The same for those who look whether there is such a place: of none, there is not.
    #[inline(always)]
    pub(in crate::flow) const fn place(self) -> usize {
        self.0 as usize
    }

    /// Whether there is something.
    #[inline]
    pub(in crate::flow) const fn is_some(self) -> bool {
        self.0 != Self::NONE.0
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::NONE
    }
}

/// Objects by slot; never more of them than `limit`.
#[derive(Debug)]
pub(super) struct Pool<T> {
    items: Vec<T>,
    free: Vec<u32>,
    limit: u32,
    /// Times that the limit refused one.
    pub(super) refused: u64,
}

impl<T: Reuse> Pool<T> {
    /// A pool of at most `limit` objects.
    pub(super) const fn new(limit: u32) -> Self {
        Self { items: Vec::new(), free: Vec::new(), limit, refused: 0 }
    }

    /// What is at a slot, if anything.
    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.items.get(slot.0 as usize)
    }

    /// What is at a slot, if anything.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.items.get_mut(slot.0 as usize)
    }

    /// What is at a slot; a new object where there is none, unless the limit refuses it.
    #[inline]
    pub(super) fn demand(&mut self, slot: &mut Slot) -> Option<&mut T> {
        if !slot.is_some() {
            *slot = self.allot()?;
        }
        self.items.get_mut(slot.0 as usize)
    }

    /// Takes an object back.
    #[inline]
    pub(super) fn release(&mut self, slot: &mut Slot) {
        if let Some(item) = self.items.get_mut(slot.0 as usize) {
            item.reset();
            self.free.push(slot.0);
            *slot = Slot::NONE;
        }
    }

    #[inline]
    fn allot(&mut self) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(Slot(slot));
        }
        self.grow()
    }

    fn grow(&mut self) -> Option<Slot> {
        let slot = u32::try_from(self.items.len()).ok().filter(|slot| *slot < self.limit);
        if slot.is_none() {
            self.refused += 1;
            return None;
        }
        make_place(&mut self.items);
        self.items.push(T::default());
        slot.map(Slot)
    }
}
