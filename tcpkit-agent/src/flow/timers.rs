//! What has to happen to flows when capture time has advanced far enough: three queues, never a scan.
//!
//! Every entry carries the ticket that its flow had when it was queued; a flow takes a new ticket when it closes,
//! revives or goes, so an entry of an old ticket is stale and is passed over. Stale entries are swept out before they
//! outnumber the live ones, so the queues are bounded by the number of flows.
//! Stamps are watermarks, which never step back, so two of the queues are sorted by themselves.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::slab::PackedPlace;
use crate::time::Timestamp;

/// A flow, as it was when it was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Watermark from which the waiting counts.
    pub(super) stamp: Timestamp,
    /// Place of the flow.
    pub(super) place: PackedPlace,
    /// Ticket of the flow at that time.
    pub(super) ticket: u32,
}

/// Entries in the order in which they were queued.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
}

impl Queue {
    /// Queues a flow; `is_live` tells whether an entry still stands for something.
    pub(super) fn push(&mut self, entry: Entry, live: usize, is_live: impl Fn(&Entry) -> bool) {
        if self.entries.len() >= sweep_threshold(live) {
            self.entries.retain(is_live);
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(growth(live));
        }
        self.entries.push_back(entry);
    }

    /// The entry that has waited longest.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// The entry before which so many have waited longer.
    pub(super) fn nth(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number)
    }

    /// Takes the entry that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }
}

/// Entries in the order of their stamps.
#[derive(Debug, Default)]
pub(super) struct SortedQueue {
    entries: BinaryHeap<Reverse<Entry>>,
}

impl SortedQueue {
    /// Queues a flow; `is_live` tells whether an entry still stands for something.
    pub(super) fn push(&mut self, entry: Entry, live: usize, is_live: impl Fn(&Entry) -> bool) {
        if self.entries.len() >= sweep_threshold(live) {
            self.entries.retain(|Reverse(entry)| is_live(entry));
        }
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(growth(live));
        }
        self.entries.push(Reverse(entry));
    }

    /// The entry with the earliest stamp.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.peek().map(|Reverse(entry)| entry)
    }

    /// Takes the entry with the earliest stamp.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop().map(|Reverse(entry)| entry)
    }
}

/// Entries at which stale ones are swept out: a fifth of them and more are stale then, so a sweep costs each entry
/// that was queued since the last one a handful of looks.
const fn sweep_threshold(live: usize) -> usize {
    live.saturating_add(live / 4).saturating_add(1024)
}

/// By how much a queue grows: not by doubling, which would leave half of it unused.
const fn growth(live: usize) -> usize {
    live / 32 + 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::slab::Place;

    fn entry(stamp: i64, slot: u32) -> Entry {
        Entry { stamp: Timestamp(stamp), place: Place::Full(slot).into(), ticket: 0 }
    }

    #[test]
    fn stale_entries_never_outnumber_the_live_ones_by_much() {
        let (mut queue, mut idle) = (Queue::default(), SortedQueue::default());
        for slot in 0..100_000 {
            queue.push(entry(i64::from(slot), slot), 1, |entry| {
                entry.place >= Place::Full(slot.saturating_sub(1)).into()
            });
            idle.push(entry(i64::from(slot), slot), 1, |entry| {
                entry.place >= Place::Full(slot.saturating_sub(1)).into()
            });
        }
        assert!(queue.entries.len() <= sweep_threshold(1));
        assert!(idle.entries.len() <= sweep_threshold(1));
    }

    #[test]
    fn the_idle_queue_gives_the_earliest_stamp_first() {
        let mut idle = SortedQueue::default();
        for (stamp, slot) in [(5, 1), (3, 2), (9, 3), (3, 0)] {
            idle.push(entry(stamp, slot), 4, |_| true);
        }
        let order: Vec<Place> = std::iter::from_fn(|| idle.pop()).map(|entry| entry.place.unpack()).collect();
        assert_eq!(order, [0, 2, 1, 3].map(Place::Full));
    }
}
