//! Answered requests whose answers are not delivered, the oldest first.
//!
//! A dialogue appends to them itself, and they are finished where they stand: nobody moves what most requests are made
//! of, to be forgotten.

use crate::protocol::Exchange;

/// Room for as many is kept while none waits.
const KEPT: usize = 32;
/// So many that are done may stand before those that wait.
const MOST_DONE: usize = 256;

/// Those of one conversation.
#[derive(Debug, Default)]
pub(super) struct Settling {
    list: Vec<Exchange>,
    /// How many of them are done, from the first on.
    done: usize,
}

impl Settling {
    /// How many wait.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.list.len() - self.done
    }

    /// Whether none waits.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.list.len() == self.done
    }

    /// Where more may be appended.
    #[inline]
    pub(super) const fn end(&mut self) -> &mut Vec<Exchange> {
        &mut self.list
    }

    /// Those that were appended last.
    #[inline]
    pub(super) fn latest(&self, count: usize) -> &[Exchange] {
        self.list.get(self.list.len().saturating_sub(count)..).unwrap_or_default()
    }

    /// Takes those out again that were appended last.
    pub(super) fn take_latest(&mut self, count: usize, into: &mut Vec<Exchange>) {
        into.extend(self.list.drain(self.list.len().saturating_sub(count)..));
    }

    /// The oldest.
    #[inline]
    pub(super) fn front(&self) -> Option<&Exchange> {
        self.list.get(self.done)
    }

    /// The oldest is done.
    #[inline]
    pub(super) fn step(&mut self) {
        self.done += usize::from(self.done < self.list.len());
    }

    /// Gives the room of those that are done to others.
    #[inline]
    pub(super) fn tidy(&mut self) {
        if self.is_empty() {
            self.list.clear();
            self.done = 0;
            if self.list.capacity() > KEPT {
                self.list.shrink_to(KEPT);
            }
        } else if self.done >= MOST_DONE && self.done * 2 >= self.list.len() {
            self.list.drain(..self.done);
            self.done = 0;
        }
    }
}
