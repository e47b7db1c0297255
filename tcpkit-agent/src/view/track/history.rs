//! What each connection carried in each of the last sixty seconds, as far as it was listed.

use std::collections::{BTreeMap, VecDeque};

use tcpkit_common::flow::FourTuple;

use crate::report::flows::{FlowListing, FlowRow};

/// Seconds that are remembered.
pub(super) const SECONDS: usize = 60;

/// The last minute of all connections that are or were listed in it, and of their sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    /// By ends and beginning: another connection may have the same ends.
    flows: BTreeMap<(FourTuple, i64), History>,
    pub(super) total: History,
}

/// Wire bytes per second in each second, the client's and the server's.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The latest last.
    rates: VecDeque<[f32; 2]>,
    /// Second of the latest, since the epoch.
    second: i64,
}

impl Histories {
    /// Takes the figures of a listing.
    #[expect(clippy::cast_possible_truncation, reason = "a picture of eight steps is drawn")]
    pub(super) fn on_listing(&mut self, listing: &FlowListing) {
        let now = listing.now_us;
        self.total.note(now, listing.bytes_per_second.map(|rate| rate as f32));
        for row in &listing.flows {
            self.on_row(row, now);
        }
        let oldest = second(now) - SECONDS as i64;
        self.flows.retain(|_, history| history.second > oldest);
    }

    /// Takes the figures of a connection.
    #[expect(clippy::cast_possible_truncation, reason = "a picture of eight steps is drawn")]
    pub(super) fn on_row(&mut self, row: &FlowRow, now_us: i64) {
        let rates = [row.client.bytes_per_second, row.server.bytes_per_second];
        let rates = rates.map(|rate| rate.unwrap_or(0.0) as f32);
        self.flows.entry(key(row)).or_default().note(now_us, rates);
    }

    /// The last minute of a connection.
    pub(super) fn of(&self, row: &FlowRow) -> Option<&History> {
        self.flows.get(&key(row))
    }
}

impl History {
    /// The rates of now. They hold for a second that a late listing left out; of a longer time nothing is known.
    fn note(&mut self, now_us: i64, rates: [f32; 2]) {
        let now = second(now_us);
        let passed = usize::try_from(now.saturating_sub(self.second)).unwrap_or(0).min(SECONDS);
        if passed == 0 && !self.rates.is_empty() {
            if let Some(latest) = self.rates.back_mut() {
                *latest = rates;
            }
            return;
        }
        if !self.rates.is_empty() {
            let between = if passed <= LATE { rates } else { [0.0; 2] };
            self.rates.extend(std::iter::repeat_n(between, passed - 1));
        }
        self.rates.push_back(rates);
        let beyond = self.rates.len().saturating_sub(SECONDS);
        self.rates.drain(..beyond);
        self.second = now;
    }

    /// Both directions together, the latest last.
    pub(super) fn sums(&self) -> Vec<f32> {
        self.rates.iter().map(|[client, server]| client + server).collect()
    }

    /// One direction, the latest last: 0 is the client's.
    pub(super) fn of(&self, direction: usize) -> Vec<f32> {
        self.rates.iter().map(|rates| rates[direction]).collect()
    }
}

/// Seconds from one listing to the next where one comes late.
const LATE: usize = 3;

fn key(row: &FlowRow) -> (FourTuple, i64) {
    (row.tuple(), row.start_us)
}

const fn second(us: i64) -> i64 {
    us.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_remembered_second_by_second() {
        let mut history = History::default();
        history.note(5_000_000, [1.0, 0.0]);
        history.note(5_900_000, [2.0, 0.0]);
        assert_eq!(history.sums(), [2.0], "the latest figures of a second hold");
        history.note(9_000_000, [3.0, 4.0]);
        assert_eq!(history.sums(), [2.0, 0.0, 0.0, 0.0, 7.0]);
        assert_eq!(history.of(1), [0.0, 0.0, 0.0, 0.0, 4.0]);
        history.note(11_000_000, [1.0, 0.0]);
        assert_eq!(history.sums()[4..], [7.0, 1.0, 1.0], "a listing was late");
        for second in 12..200 {
            history.note(second * 1_000_000, [1.0, 0.0]);
        }
        assert_eq!(history.sums().len(), SECONDS);
        history.note(900_000_000, [5.0, 0.0]);
        let sums = history.sums();
        assert_eq!(
            (sums.len(), sums.iter().sum::<f32>()),
            (SECONDS, 5.0),
            "what is older than a minute is gone"
        );
        history.note(1_000_000, [6.0, 0.0]);
        assert_eq!(history.sums().last(), Some(&6.0), "time that steps back does no harm");
    }
}
