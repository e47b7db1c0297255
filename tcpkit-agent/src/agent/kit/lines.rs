//! The requests that took long enough, shown in the order in which they were over.
//!
//! From files that order is exact. Live, shards are heard at slightly different times, so a request waits [`LIVE_WAIT`]
//! for an earlier one of another shard, and no longer.

use super::{
    super::{peek::LIVE_WAIT, sources::clock},
    Threshold,
    output::Output,
};
use crate::{
    report::RequestRecord,
    sink::merge::{FlowOrder, OrderedMerge},
    time::Timestamp,
    view::kit::Lines,
};

/// Takes the requests of all shards.
pub(in crate::agent) struct RequestLines {
    lines: Lines,
    threshold: Threshold,
    output: Output,
    merge: OrderedMerge<String>,
    shards: usize,
    is_live: bool,
}

impl RequestLines {
    /// For requests of that many shards.
    pub(super) fn new(
        lines: Lines,
        threshold: Threshold,
        output: Output,
        shards: usize,
        is_live: bool,
    ) -> Self {
        let merge = OrderedMerge::new(shards, WAITING);
        Self { lines, threshold, output, merge, shards, is_live }
    }

    /// Takes a request of a shard; they come in the order of `at`.
    pub(in crate::agent) fn take(&mut self, shard: usize, at: Timestamp, record: &RequestRecord) {
        self.lines.set_threshold(self.threshold.micros());
        let order = FlowOrder::of_request(at, record);
        let mut line = String::new();
        self.lines.append(&mut line, record);
        if !line.is_empty() {
            self.merge.push(shard, order, line);
        }
    }

    /// A shard hands in nothing that is older than this.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub(in crate::agent) fn advance(&mut self, shard: usize, progress: Timestamp) -> anyhow::Result<()> {
        self.merge.advance(shard, progress);
        self.release()
    }

    /// Whether requests wait that [`pause`](Self::pause) may release.
    pub(in crate::agent) fn is_waiting(&self) -> bool {
        self.is_live && self.merge.waiting() > 0
    }

    /// Nothing came for [`LIVE_WAIT`].
    ///
    /// # Errors
    /// The lines cannot be written.
    pub(in crate::agent) fn pause(&mut self) -> anyhow::Result<()> {
        self.release()
    }

    /// Writes what is left, when every shard has made its last delivery.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub(in crate::agent) fn finish(&mut self) -> anyhow::Result<()> {
        self.release()
    }

    fn release(&mut self) -> anyhow::Result<()> {
        if self.is_waiting() {
            let mark = Timestamp(clock().0.saturating_sub_unsigned(LIVE_WAIT.0));
            (0..self.shards).for_each(|shard| self.merge.advance(shard, mark));
        }
        while let Some(line) = self.merge.pop() {
            self.output.add(line.as_bytes())?;
        }
        self.output.settle()
    }
}

/// Requests that may wait for a slower shard.
const WAITING: usize = 1 << 16;
