//! The requests, as they are answered: counted, and shown in the order of their answers.
//!
//! From files that order is exact. Live, shards are heard at slightly different times, so a request waits [`LIVE_WAIT`]
//! for an earlier one of another shard, and no longer.

use super::{
    super::{peek::LIVE_WAIT, sources::clock},
    Shared,
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
    lines: Option<(Lines, Output)>,
    tally: Shared,
    merge: OrderedMerge<RequestRecord>,
    shards: usize,
    is_live: bool,
    waiting: String,
}

impl RequestLines {
    /// For requests of that many shards.
    pub(super) fn new(lines: Option<(Lines, Output)>, tally: Shared, shards: usize, is_live: bool) -> Self {
        let merge = OrderedMerge::new(shards, WAITING);
        Self { lines, tally, merge, shards, is_live, waiting: String::new() }
    }

    /// Takes a request of a shard; they come in the order of `at`.
    pub(in crate::agent) fn take(&mut self, shard: usize, at: Timestamp, record: RequestRecord) {
        let order = FlowOrder {
            at,
            start_us: record.request_start_us,
            client: (record.client_ip, record.client_port),
            server: (record.server_ip, record.server_port),
        };
        self.merge.push(shard, order, record);
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
        let Self { lines, tally, merge, waiting, .. } = self;
        tally.with(|tally| {
            while let Some(record) = merge.pop() {
                tally.on_request(&record);
                if let Some((lines, _)) = lines {
                    lines.append(waiting, &record);
                }
            }
        });
        let Some((_, output)) = lines else { return Ok(()) };
        output.add(waiting.as_bytes())?;
        waiting.clear();
        output.settle()
    }
}

/// Requests that may wait for a slower shard.
const WAITING: usize = 1 << 16;
