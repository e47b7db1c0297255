//! What time and bounds do to the flows of a table: time-outs, closing, lingering, giving way.

use super::{
    changes::{Changes, Patience},
    follow::tell_outcome,
    half_open::{HalfOpen, Thawed},
    handshake::Steps,
    slab::{Place, Slab},
    state::{Ending, Phase},
    table::FlowTable,
    timers::Entry,
};
use crate::time::{Span, Timestamp};

/// The queues of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Waiting,
    Handshake,
    Linger,
    Idle,
    Traffic,
}

impl FlowTable {
    /// Whether anything may be due by `now`.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_due <= now
    }

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
                Timer::Waiting => self.on_waiting_due(due, changes),
                Timer::Handshake => self.on_handshake_due(due, changes),
                Timer::Linger => self.on_linger_due(due, changes),
                Timer::Idle => self.on_idle_due(due, changes),
                Timer::Traffic => self.on_traffic_due(due, changes),
            }
        }
    }

    fn first_due(&self) -> Option<(Timestamp, Timer)> {
        let after = |first: Option<Timestamp>, wait: Option<Span>| Some(first? + wait?);
        let timeout = Some(self.limits.handshake_timeout);
        let waiting = after(self.slab.waiting.first().map(|slot| self.waits_since(slot)), timeout);
        let handshake = after(self.handshakes.first().map(|entry| entry.stamp), timeout);
        let linger = after(self.closed.first().map(|entry| entry.stamp), self.limits.linger);
        let idle = after(self.idle.first().map(|entry| entry.stamp), self.limits.idle);
        [
            waiting.map(|due| (due, Timer::Waiting)),
            handshake.map(|due| (due, Timer::Handshake)),
            linger.map(|due| (due, Timer::Linger)),
            idle.map(|due| (due, Timer::Idle)),
            self.untold.due().map(|due| (due, Timer::Traffic)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn waits_since(&self, slot: u32) -> Timestamp {
        let flow = self.slab.waiting.flow(slot);
        match self.limits.patience {
            Patience::FromFirstSyn => flow.opened(),
            Patience::FromLastSegment => flow.seen(),
        }
    }

    fn on_waiting_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(slot) = self.slab.waiting.first() else { return };
        let mut thawed = self.slab.waiting.flow(slot).thaw();
        let Thawed { flow, handshake, .. } = &mut thawed;
        let before = handshake.outcome();
        handshake.on_timeout(&mut Steps::new(flow.key, flow.client, &mut changes.steps));
        tell_outcome(flow, handshake, before, due, changes);
        flow.ending = Some(Ending::Idle);
        let frozen = HalfOpen::freeze(&thawed).expect("a time-out changes nothing that must fit");
        self.slab.waiting.update(slot, frozen);
        self.linger(Place::HalfOpen(slot), due, changes);
    }

    fn on_handshake_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some((slot, stamp)) = self.pop_handshake() else { return };
        let flow = &self.slab.flows[slot as usize];
        if self.limits.patience == Patience::FromLastSegment && flow.seen > stamp {
            let seen = flow.seen;
            return self.queue_handshake(slot, seen);
        }
        let handshake = &mut self.slab.handshakes[slot as usize];
        let before = handshake.outcome();
        if !handshake.on_timeout(&mut Steps::new(flow.key, flow.client, &mut changes.steps)) {
            return;
        }
        tell_outcome(flow, handshake, before, due, changes);
        let flow = self.slab.flow_mut(slot);
        if flow.phase == Phase::Open {
            flow.ending = Some(Ending::Idle);
            self.linger(Place::Full(slot), due, changes);
        }
    }

    fn pop_handshake(&mut self) -> Option<(u32, Timestamp)> {
        let entry = self.handshakes.pop().filter(|entry| is_live(&self.slab, entry))?;
        match entry.place.unpack() {
            Place::Full(slot) => Some((slot, entry.stamp)),
            Place::HalfOpen(_) => None,
        }
    }

    fn on_linger_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.closed.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let place = entry.place.unpack();
        if self.slab.seen(place) > entry.stamp {
            self.queue_closed(place, due);
        } else {
            self.finish_flow(place, due, Ending::Idle, changes);
            self.fetch_oldest();
        }
    }

    fn on_idle_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Some(entry) = self.idle.pop().filter(|entry| is_live(&self.slab, entry)) else { return };
        let place = entry.place.unpack();
        let seen = self.slab.seen(place);
        if seen > entry.stamp {
            self.queue_idle(place, seen);
        } else {
            self.finish_flow(place, due, Ending::Idle, changes);
        }
    }

    /// All that fall due together are told of together.
    fn on_traffic_due(&mut self, due: Timestamp, changes: &mut Changes) {
        let Self { untold, slab, streams, .. } = self;
        while untold.due().is_some_and(|first| first <= due) {
            untold.tell_first(slab, streams, &mut changes.traffic);
        }
    }

    /// A flow has traffic to tell of, when it is time.
    #[cold]
    pub(super) fn tell_later(&mut self, slot: u32, now: Timestamp, changes: &mut Changes) {
        let Self { untold, slab, streams, next_due, .. } = self;
        if slab.flow(slot).telling.is_waiting() {
            return;
        }
        if untold.is_full() {
            untold.tell_first(slab, streams, &mut changes.traffic);
        }
        let due = untold.wait(slot, slab.flow_mut(slot), streams, now);
        *next_due = (*next_due).min(due);
    }

    /// A closed flow joins those that linger; when they are too many, the oldest without late frames goes.
    pub(super) fn linger(&mut self, place: Place, now: Timestamp, changes: &mut Changes) {
        match place {
            Place::Full(slot) => {
                let flow = self.slab.flow_mut(slot);
                flow.phase = Phase::Lingering;
                flow.ticket = flow.ticket.wrapping_add(1);
            }
            Place::HalfOpen(slot) => self.slab.waiting.linger(slot),
        }
        self.lingering += 1;
        self.counts.open -= 1;
        self.queue_closed(place, now);
        while self.lingering > self.limits.max_lingering {
            let Some(oldest) = self.closed.pop() else { return };
            if !is_live(&self.slab, &oldest) {
                continue;
            }
            let place = oldest.place.unpack();
            if self.slab.seen(place) > oldest.stamp && oldest.stamp < now {
                self.queue_closed(place, now);
            } else {
                self.finish_flow(place, now, Ending::Idle, changes);
                self.fetch_oldest();
            }
        }
    }

    /// Asks for the memory of the flows that leave next of those that are closed.
    fn fetch_oldest(&self) {
        let [next, later] =
            [self.closed.first(), self.closed.nth(1)].map(|entry| Some(entry?.place.unpack()));
        self.fetch_leaving(next.as_ref(), later.as_ref());
    }

    /// Asks for the memory of a flow that leaves next, and of one that does so later.
    ///
    /// Nobody has looked at them for long, and what belongs to one lies in a dozen places: asked for together, and one
    /// flow ahead of its turn, they are waited for once instead of one after the other.
    pub(super) fn fetch_leaving(&self, next: Option<&Place>, later: Option<&Place>) {
        if let Some(Place::Full(later)) = later {
            self.slab.fetch(*later);
        }
        if let Some(Place::Full(next)) = next {
            self.slab.fetch_index(*next);
            let pair = self.slab.flow(*next).streams;
            self.streams.fetch(pair);
            self.measurements.fetch(pair);
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
        self.queue_idle(Place::Full(slot), now);
    }

    /// Makes room for one more half-open flow.
    pub(super) fn make_room_for_half_open(&mut self, now: Timestamp, changes: &mut Changes) {
        if self.slab.waiting.count() >= self.limits.max_half_open {
            self.evict_waiting(now, changes);
        } else if self.is_full() {
            self.make_room(now, changes);
        }
    }

    /// Makes room for one more flow that is not half-open.
    pub(super) fn make_room_for_one(&mut self, now: Timestamp, changes: &mut Changes) {
        if self.is_full() {
            self.make_room(now, changes);
        }
        self.make_room_for_full(now, changes);
    }

    /// Makes room for one more flow that is not half-open, where the sum of all flows stays the same.
    pub(super) fn make_room_for_full(&mut self, now: Timestamp, changes: &mut Changes) {
        let room = self.limits.max_flows - self.limits.reserved_half_open();
        if self.counts.open - u64::from(self.slab.waiting.count()) >= u64::from(room) {
            self.evict_idle(now, changes);
        }
    }

    fn is_full(&self) -> bool {
        self.slab.len() >= self.limits.max_flows as usize
    }

    /// Makes room for one more: the flow that closed first, else the one that is half-open longest, else the one that
    /// was idle longest.
    fn make_room(&mut self, now: Timestamp, changes: &mut Changes) {
        while let Some(entry) = self.closed.pop() {
            if is_live(&self.slab, &entry) {
                return self.finish_flow(entry.place.unpack(), now, Ending::Idle, changes);
            }
        }
        if !self.evict_waiting(now, changes) {
            self.evict_idle(now, changes);
        }
    }

    /// The flow that is half-open longest gives way; false where there is none.
    fn evict_waiting(&mut self, now: Timestamp, changes: &mut Changes) -> bool {
        let Some(slot) = self.slab.waiting.first() else { return false };
        self.counts.evicted += 1;
        self.counts.evicted_half_open += 1;
        self.finish_flow(Place::HalfOpen(slot), now, Ending::Evicted, changes);
        true
    }

    /// The flow that was idle longest gives way.
    fn evict_idle(&mut self, now: Timestamp, changes: &mut Changes) {
        while let Some(entry) = self.idle.pop() {
            let place = entry.place.unpack();
            if !is_live(&self.slab, &entry) {
                continue;
            }
            let seen = self.slab.seen(place);
            if seen > entry.stamp {
                self.queue_idle(place, seen);
            } else {
                self.counts.evicted += 1;
                return self.finish_flow(place, now, Ending::Evicted, changes);
            }
        }
    }

    pub(super) fn expect_due(&mut self, stamp: Timestamp, wait: Option<Span>) {
        if let Some(wait) = wait {
            self.next_due = self.next_due.min(stamp + wait);
        }
    }

    pub(super) fn queue_handshake(&mut self, slot: u32, stamp: Timestamp) {
        self.expect_due(stamp, Some(self.limits.handshake_timeout));
        let Self { slab, handshakes, .. } = self;
        handshakes.push(entry(slab, Place::Full(slot), stamp), slab.len(), |entry| is_live(slab, entry));
    }

    pub(super) fn queue_closed(&mut self, place: Place, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.linger);
        let Self { slab, closed, .. } = self;
        closed.push(entry(slab, place, stamp), slab.len(), |entry| is_live(slab, entry));
    }

    pub(super) fn queue_idle(&mut self, place: Place, stamp: Timestamp) {
        self.expect_due(stamp, self.limits.idle);
        let Self { slab, idle, .. } = self;
        idle.push(entry(slab, place, stamp), slab.len(), |entry| is_live(slab, entry));
    }
}

/// Later than anything a capture can hold.
pub(super) const NEVER: Timestamp = Timestamp(i64::MAX);

fn entry(slab: &Slab, place: Place, stamp: Timestamp) -> Entry {
    Entry { stamp, place: place.into(), ticket: slab.ticket(place) }
}

fn is_live(slab: &Slab, entry: &Entry) -> bool {
    slab.ticket(entry.place.unpack()) == entry.ticket
}
