//! Listings of a shard's flows over capture time: one each time so much of it has passed.
//!
//! Tables stand at multiples of their interval, counted from the epoch; one in whose time no frame came is left out.
//! Rates are over the interval, so that they sum up to what passed.

use super::{Shard, flows::Lister, settings::TableSettings};
use crate::{
    report::flows::ShardListing,
    time::{Span, Timestamp},
};

/// Makes the tables of one shard.
#[derive(Debug)]
pub(super) struct TableMaker {
    settings: TableSettings,
    lister: Lister,
    /// When the next one is due; the first frame of all sets it.
    next: Option<Timestamp>,
}

impl TableMaker {
    pub(super) fn new(settings: TableSettings) -> Self {
        Self { settings, lister: Lister::default(), next: None }
    }

    /// Time has come to `now`, and the frames before it were taken: the table that was due, if one was, and when the
    /// next one is.
    pub(super) fn on_time(&mut self, shard: &Shard, now: Timestamp) -> (Option<ShardListing>, Timestamp) {
        let due = self.next.filter(|due| *due <= now);
        let table = due.map(|due| self.table(shard, due));
        let next = after(now, self.settings.every);
        if self.next.is_none() {
            self.lister.count_from(before(next, self.settings.every), self.settings.every);
        }
        self.next = Some(next);
        (table, next)
    }

    /// The table of what came since the last one, at the end of the capture.
    pub(super) fn last(&mut self, shard: &Shard) -> Option<ShardListing> {
        let due = self.next?;
        Some(self.table(shard, due))
    }

    fn table(&mut self, shard: &Shard, at: Timestamp) -> ShardListing {
        let since = before(at, self.settings.every);
        self.lister.count_from(since, self.settings.every);
        self.lister.list_at(shard, &self.settings.query, at)
    }
}

/// The first multiple of the interval that lies behind a time.
fn after(time: Timestamp, every: Span) -> Timestamp {
    let every = i64::try_from(every.0.max(1)).unwrap_or(i64::MAX);
    Timestamp(time.0.div_euclid(every).saturating_add(1).saturating_mul(every))
}

const fn before(time: Timestamp, every: Span) -> Timestamp {
    Timestamp(time.0.saturating_sub_unsigned(every.0))
}
