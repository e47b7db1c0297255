//! From the shards to the one thread that writes records.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::{DecidedHandshake, Finished};
use crate::{report::Event, time::Timestamp};

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
    /// Nothing that this shard delivers later is older than this.
    pub progress: Timestamp,
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

    /// Records of flows and handshakes that no sink took, because it was too slow or gone.
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
        let records = refused.finished.len() + refused.handshakes.len();
        self.dropped.fetch_add(records as u64, Relaxed);
    }
}

impl Delivery {
    /// The shard delivers nothing after this.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.progress == Timestamp(i64::MAX)
    }
}

/// Deliveries under way between shards and sink; each holds what one flush produced.
const CAPACITY: usize = 1_024;
