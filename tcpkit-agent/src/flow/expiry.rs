//! What time and bounds do to the flows of a table: time-outs, closing, lingering, giving way.

use super::{
    changes::Changes,
    slab::Slab,
    state::{Ending, Phase},
    table::FlowTable,
    timers::Entry,
};
use crate::time::{Span, Timestamp};

/// The queues of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Handshake,
    Linger,
    Idle,
}

impl FlowTable {
    /// Lets everything expire that is due by `now`, in the order in which it fell due.
    #[inline]
    pub fn advance(&mut self, now: Timestamp, changes: &mut Changes) {
        while self.next_due <= now {
            let Some((due, timer)) = self.first_due() else {
                self.next_due = NEVER;
                return;
            };
            self.next_due = due;
            if due > now {
                return;
            }
            match timer {
                Timer::Handshake => self.on_handshake_due(due, changes),
                Timer::Linger => self.on_linger_due(due, changes),
                Timer::Idle => self.on_idle_due(due, changes),
            }
        }
    }

    fn first_due(&self) -> Option<(Timestamp, Timer)> {
        let after = |first: Option<&Entry>, wait: Option<Span>| Some(first?.stamp + wait?);
        let handshake = after(self.handshakes.first(), Some(self.limits.handshake_timeout));
        let linger = after(self.closed.first(), self.limits.linger);
        let idle = after(self.idle.first(), self.limits.idle);
        [
            handshake.map(|due| (due, Timer::Handshake)),
            linger.map(|due| (due, Timer::Linger)),
            idle.map(|due| (due, Timer::Idle)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_handshake_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.handshakes.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let handshake = &mut self.slab.handshakes[entry.slot as usize];
        let before = handshake.outcome();
        if !handshake.on_timeout(&mut changes.steps) {
            return;
        }
        self.tell_outcome(entry.slot, before, due, changes);
        let flow = self.slab.flow_mut(entry.slot);
        if flow.phase == Phase::Open {
            flow.ending = Some(Ending::Idle);
            self.linger(entry.slot, due, changes);
        }
    }

    fn on_linger_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.closed.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        if self.slab.flow(entry.slot).seen > entry.stamp {
            self.queue_closed(entry.slot, due);
        } else {
            self.finish_flow(entry.slot, due, Ending::Idle, changes);
        }
    }

    fn on_idle_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.idle.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let seen = self.slab.flow(entry.slot).seen;
        if seen > entry.stamp {
            self.queue_idle(entry.slot, seen);
        } else {
            self.finish_flow(entry.slot, due, Ending::Idle, changes);
        }
    }

    /// A closed flow joins those that linger; when they are too many, the oldest without late frames goes.
    pub(super) fn linger(&mut self, slot: u32, now: Timestamp, changes: &mut Changes) {
        let flow = self.slab.flow_mut(slot);
        flow.phase = Phase::Lingering;
        flow.ticket = flow.ticket.wrapping_add(1);
        self.lingering += 1;
        self.counts.open -= 1;
        self.queue_closed(slot, now);
        while self.lingering > self.limits.max_lingering {
            let Some(oldest) = self.closed.pop() else { return };
            if !is_live(&self.slab, &oldest) {
                continue;
            }
            if self.slab.flow(oldest.slot).seen > oldest.stamp && oldest.stamp < now {
                self.queue_closed(oldest.slot, now);
            } else {
                self.finish_flow(oldest.slot, now, Ending::Idle, changes);
            }
        }
    }

    /// A flow that had been given up opens after all.
    pub(super) fn revive(&mut self, slot: u32, now: Timestamp) {
        let flow = self.slab.flow_mut(slot);
        flow.phase = Phase::Open;
        flow.ticket = flow.ticket.wrapping_add(1);
        flow.ending = None;
        self.lingering -= 1;
        self.counts.open += 1;
        self.queue_idle(slot, now);
    }

    /// Makes room for one more: the flow that closed first, else the one that was idle longest.
    pub(super) fn make_room(&mut self, now: Timestamp, changes: &mut Changes) {
        while let Some(entry) = self.closed.pop() {
            if is_live(&self.slab, &entry) {
                return self.finish_flow(entry.slot, now, Ending::Idle, changes);
            }
        }
        while let Some(entry) = self.idle.pop() {
            if !is_live(&self.slab, &entry) {
                continue;
            }
            let seen = self.slab.flow(entry.slot).seen;
            if seen > entry.stamp {
                self.queue_idle(entry.slot, seen);
            } else {
                self.counts.evicted += 1;
                return self.finish_flow(entry.slot, now, Ending::Evicted, changes);
            }
        }
    }

    fn expect_due(&mut self, stamp: Timestamp, wait: Option<Span>) {
        if let Some(wait) = wait {
            self.next_due = self.next_due.min(stamp + wait);
        }
    }

    pub(super) fn queue_handshake(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, Some(self.limits.handshake_timeout));
        let Self { slab, handshakes, .. } = self;
        handshakes.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }

    fn queue_closed(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.linger);
        let Self { slab, closed, .. } = self;
        closed.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }

    pub(super) fn queue_idle(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.idle);
        let Self { slab, idle, .. } = self;
        idle.push(entry(slab, slot, stamp), slab.len(), |entry| is_live(slab, entry));
    }
}

/// Later than anything a capture can hold.
pub(super) const NEVER: Timestamp = Timestamp(i64::MAX);

fn entry(slab: &Slab, slot: u32, stamp: Timestamp) -> Entry {
    Entry { stamp, slot, ticket: slab.flow(slot).ticket }
}

fn is_live(slab: &Slab, entry: &Entry) -> bool {
    slab.flow(entry.slot).ticket == entry.ticket
}
