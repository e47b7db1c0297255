//! From the shards to the one thread that writes records.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::{DecidedHandshake, Finished, FinishedRequest, Output};
use crate::{
    report::{Event, flows::ShardListing},
    time::Timestamp,
};

/// What one shard hands on at a time.
#[derive(Debug)]
pub struct Delivery {
    /// Which shard.
    pub shard: u32,
    /// Finished flows, in order of `Finished::at`.
    pub finished: Vec<Finished>,
    /// Events, in order of their time.
    pub events: Vec<Event>,
    /// Decided handshakes, in the order in which they were decided.
    pub handshakes: Vec<DecidedHandshake>,
    /// Requests that are over, in order of `FinishedRequest::at`.
    pub requests: Vec<FinishedRequest>,
    /// Listings of the flows over capture time.
    pub tables: Vec<ShardListing>,
    /// Nothing that this shard delivers later is older than this.
    pub progress: Timestamp,
}

/// Somebody on a worker's own thread who hears what its shard finishes, before the sinks do.
pub trait Listener: std::fmt::Debug + Send + Sync {
    /// Hears it; the worker waits meanwhile.
    fn hear(&self, output: &Output);
}

/// A shard's end of the channel.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    sender: Sender<Delivery>,
    /// Live: a sink that cannot keep up must not make the kernel lose frames.
    may_drop: bool,
    dropped: Arc<AtomicU64>,
}

impl Outlet {
    /// An outlet and its receiver; `may_drop` for live capture.
    pub(super) fn new(may_drop: bool) -> (Self, Receiver<Delivery>) {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        (Self { sender, may_drop, dropped: Arc::default() }, receiver)
    }

    /// Records of flows, handshakes and requests, and events, that no sink took, because it was too slow or gone.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Hands a delivery on. A replay waits for a slow sink; a live capture counts what it could not hand on.
    pub(super) fn send(&self, delivery: Delivery) {
        let refused = if self.may_drop && !delivery.is_last() {
            match self.sender.try_send(delivery) {
                Ok(()) => return,
                Err(TrySendError::Full(delivery) | TrySendError::Disconnected(delivery)) => delivery,
            }
        } else {
            match self.sender.send(delivery) {
                Ok(()) => return,
                Err(error) => error.into_inner(),
            }
        };
        self.dropped.fetch_add(refused.len() as u64, Relaxed);
    }
}

impl Delivery {
    /// Records and events in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.finished.len()
            + self.events.len()
            + self.handshakes.len()
            + self.requests.len()
            + self.tables.len()
    }

    /// Whether it tells of nothing but progress.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shard delivers nothing after this.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.progress == Timestamp(i64::MAX)
    }
}

/// Deliveries under way between shards and sink; each holds what one flush produced.
const CAPACITY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::EventKind;

    fn delivery(events: usize, progress: i64) -> Delivery {
        let kind = EventKind::Interface { interface: "eth0".into(), change: "went down".into() };
        let events = vec![Event { time: Timestamp(0), kind }; events];
        Delivery {
            shard: 0,
            finished: Vec::new(),
            events,
            handshakes: Vec::new(),
            requests: Vec::new(),
            tables: Vec::new(),
            progress: Timestamp(progress),
        }
    }

    #[test]
    fn live_events_that_no_sink_takes_are_counted() {
        let (outlet, receiver) = Outlet::new(true);
        for number in 0..CAPACITY + 3 {
            outlet.send(delivery(2, i64::try_from(number).unwrap()));
        }
        assert_eq!(outlet.dropped(), 6, "three deliveries of two events each found no room");
        drop(receiver);
        outlet.send(delivery(1, i64::MAX));
        assert_eq!(outlet.dropped(), 7, "the last delivery waits for room, but not for a sink that is gone");
    }
}
