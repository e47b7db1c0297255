//! What is under way of one direction, where that is more than what was sent at one time.

use std::collections::VecDeque;

use super::super::stream::octets;
use crate::{time::Timestamp, wire::SeqNumber};

/// Octets that were sent together, up to `end`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    pub(super) end: SeqNumber,
    /// Packets that they were.
    pub(super) packets: u16,
    pub(super) sent: Timestamp,
}

/// What an acknowledgement took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) packets: u32,
    /// When the oldest and the newest of it were sent; `None` where it took nothing.
    pub(super) sent: Option<(Timestamp, Timestamp)>,
}

impl Taken {
    #[inline(always)]
    pub(super) fn add(&mut self, range: &Range) {
        self.packets = self.packets.saturating_add(u32::from(range.packets));
        let (oldest, newest) = self.sent.unwrap_or((range.sent, range.sent));
        self.sent = Some((oldest.min(range.sent), newest.max(range.sent)));
    }
}

impl Range {
    /// Takes the octets from `start` to `ack` off the front, and gives them; the packets are shared out as the engine
    /// does.
    pub(super) fn take_front(&mut self, start: SeqNumber, ack: SeqNumber) -> Self {
        let (whole, front) = (u64::from(octets(start, self.end)).max(1), u64::from(octets(start, ack)));
        let share = (u64::from(self.packets) * front + whole / 2) / whole;
        let packets = u16::try_from(share).unwrap_or(u16::MAX);
        self.packets = self.packets.saturating_sub(packets);
        Self { end: ack, packets, sent: self.sent }
    }
}

/// Queues of ranges that flows borrow.
#[derive(Debug, Default)]
pub(super) struct Flights {
    queues: Vec<VecDeque<Range>>,
    free: Vec<u32>,
    /// Ranges in all of them.
    ranges: usize,
}

/// Where a direction's queue is, counted from 1; 0 where it has none.
pub(super) type FlightSlot = u32;

impl Flights {
    /// Adds a range; false where there is no more room, and nothing has happened.
    pub(super) fn push(&mut self, slot: &mut FlightSlot, range: Range) -> bool {
        if self.ranges >= MOST_RANGES {
            return false;
        }
        if *slot == 0 {
            *slot = self.free.pop().unwrap_or_else(|| {
                self.queues.push(VecDeque::new());
                u32::try_from(self.queues.len()).expect("there are no more queues than directions of flows")
            });
        }
        let queue = &mut self.queues[*slot as usize - 1];
        if queue.len() >= MOST_OF_ONE {
            return false;
        }
        queue.push_back(range);
        self.ranges += 1;
        true
    }

    /// Takes what is acknowledged up to `ack` of what begins at `start`.
    pub(super) fn acknowledge(
        &mut self,
        slot: &mut FlightSlot,
        mut start: SeqNumber,
        ack: SeqNumber,
    ) -> Taken {
        let mut taken = Taken::default();
        let queue = &mut self.queues[*slot as usize - 1];
        while let Some(first) = queue.front_mut() {
            if !start.before(ack) {
                return taken;
            }
            if first.end.after(ack) {
                taken.add(&first.take_front(start, ack));
                return taken;
            }
            taken.add(first);
            start = first.end;
            queue.pop_front();
            self.ranges -= 1;
        }
        self.release(slot);
        taken
    }

    /// Gives a queue back.
    pub(super) fn release(&mut self, slot: &mut FlightSlot) {
        if *slot == 0 {
            return;
        }
        let queue = &mut self.queues[*slot as usize - 1];
        self.ranges -= queue.len();
        if queue.capacity() > KEPT {
            *queue = VecDeque::new();
        } else {
            queue.clear();
        }
        self.free.push(*slot);
        *slot = 0;
    }
}

/// Ranges of one direction: the engine joins those beyond 2,048.
const MOST_OF_ONE: usize = 2_000;

/// Ranges of all flows of a table; the engine has room for more. 16 MiB.
const MOST_RANGES: usize = 1 << 20;

/// Ranges that a queue that nobody uses keeps memory for.
const KEPT: usize = 64;
