//! What the workers measured, gathered while the capture runs: each hands over what came since the last time, and it is
//! added up here, so that no worker ever copies its sums.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::analyst::Handover;
use crate::{flow::FlowCounts, protocol::DialogueCounts, report::ShardSnapshot};

/// The sums of all workers so far.
#[derive(Debug)]
pub(super) struct Gathering {
    sum: ShardSnapshot,
    /// How things stand with each worker: not to be added up over time.
    standing: Vec<Standing>,
    /// Where workers hand over.
    sender: Sender<Handover>,
    receiver: Receiver<Handover>,
}

/// What is true of one worker now.
#[derive(Debug, Default)]
struct Standing {
    flows: FlowCounts,
    dialogues: [DialogueCounts; crate::protocol::Protocol::COUNT],
    ring_fill: Option<f64>,
    /// It was asked, and has not answered yet.
    is_asked: bool,
}

impl Gathering {
    /// Nothing yet, of so many workers.
    pub(super) fn new(workers: u32) -> Self {
        let (sender, receiver) = bounded(workers as usize);
        let standing = (0..workers).map(|_| Standing::default()).collect();
        Self { sum: ShardSnapshot::default(), standing, sender, receiver }
    }

    /// Asks the workers that go on, and takes what they hand over. One that is too busy to answer in time will be heard
    /// the next time: nothing is lost.
    pub(super) fn gather(&mut self, goes_on: impl Fn(usize) -> bool, ask: impl Fn(usize, Sender<Handover>)) {
        for (worker, standing) in self.standing.iter_mut().enumerate() {
            if !standing.is_asked && goes_on(worker) {
                standing.is_asked = true;
                ask(worker, self.sender.clone());
            }
        }
        let mut patience = PATIENCE;
        while self.standing.iter().any(|standing| standing.is_asked) && patience > Duration::ZERO {
            if let Ok(handover) = self.receiver.recv_timeout(LOOK_EVERY) {
                self.take(handover);
                continue;
            }
            patience = patience.saturating_sub(LOOK_EVERY);
            // One that has ended since hands everything over at its end.
            for (worker, standing) in self.standing.iter_mut().enumerate() {
                standing.is_asked = standing.is_asked && goes_on(worker);
            }
        }
        self.sum.flows = FlowCounts::default();
        self.sum.requests.take_open();
        for standing in &self.standing {
            self.sum.flows.merge(&standing.flows);
            self.sum.requests.add_open(&standing.dialogues);
        }
    }

    /// Adds measurements that are nobody's standing.
    pub(super) fn add(&mut self, measured: &ShardSnapshot) {
        self.sum.merge(measured);
    }

    /// The sums.
    pub(super) const fn sum(&self) -> &ShardSnapshot {
        &self.sum
    }

    /// How full the rings were, where there are some.
    pub(super) fn ring_fills(&self) -> Vec<f64> {
        self.standing.iter().filter_map(|standing| standing.ring_fill).collect()
    }

    /// The sums without what workers that have ended tell at their end: how things stood.
    pub(super) fn finish(mut self) -> ShardSnapshot {
        while let Ok(handover) = self.receiver.try_recv() {
            self.take(handover);
        }
        self.sum.flows = FlowCounts::default();
        self.sum.requests.take_open();
        self.sum
    }

    fn take(&mut self, handover: Handover) {
        let Handover { shard, mut measured, ring_fill } = handover;
        let Some(standing) = self.standing.get_mut(shard as usize) else { return };
        *standing = Standing {
            flows: std::mem::take(&mut measured.flows),
            dialogues: measured.requests.take_open(),
            ring_fill,
            is_asked: false,
        };
        self.sum.merge(&measured);
    }
}

/// How often workers that were asked are looked at: one may end meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long workers may take: each looks at its requests after every few hundred frames.
const PATIENCE: Duration = Duration::from_secs(2);
