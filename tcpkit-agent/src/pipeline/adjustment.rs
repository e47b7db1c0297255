//! What may be changed while the workers work: a message that each of them takes between two batches.

use super::{
    requests::shared,
    settings::{EngineSettings, Wanted},
    shard::Shard,
};
use crate::analyzer::RequestSettings;

/// Settings that may change while a capture runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// What shards hand out, and from which size on.
    pub wanted: Wanted,
    /// Which requests are measured; whether any are, is settled at the start.
    pub requests: Option<RequestSettings>,
    /// Microseconds from which on git-hulk/tcpkit calls a request slow.
    pub slow_us: u64,
}

impl From<&EngineSettings> for Adjustment {
    fn from(settings: &EngineSettings) -> Self {
        Self { wanted: settings.wanted, requests: settings.requests.clone(), slow_us: settings.slow_us }
    }
}

impl Shard {
    /// Goes on with these settings. What is under way was begun under the old ones, and ends under the new ones.
    pub fn adjust(&mut self, adjustment: &Adjustment) {
        self.wanted = adjustment.wanted;
        self.changes.leaves_out_finished = !adjustment.wanted.flows;
        self.changes.leaves_out_decided = !adjustment.wanted.handshakes;
        self.measured.requests.slow_us = adjustment.slow_us;
        if let (Some(conversations), Some(settings)) = (&mut self.requests, &adjustment.requests) {
            conversations.change(shared(settings, self.shards));
        }
    }
}
