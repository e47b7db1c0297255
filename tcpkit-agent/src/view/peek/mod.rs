//! tcpeek: each handshake as a line, and sums by filter.
//!
//! The contract:
//! - Lines, summary and JSON are tcpeek's, byte for byte. What tcpeek could not show (IPv6, sessions that were pending
//!   when the capture ended) stands in the same forms.
//! - A session counts once in each filter that matches it, however many of the filter's rules do.
//! - `RX` and `TX` are always there. A session counts for `RX` when the server's address is one of the host's own, for
//!   `TX` when the client's is; for both when both are, as on loopback.

mod filter;
mod json;
mod line;
mod network;
mod statistics;
mod summary;
mod tally;

#[cfg(test)]
mod tests;

pub use filter::{BadExpression, Filter, Way};
pub use statistics::{Metric, Statistics};
pub use summary::{Period, Received};
pub use tally::Tally;

use std::net::IpAddr;

use jiff::tz::TimeZone;

use crate::report::HandshakeRecord;

/// Which addresses are the host's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Own {
    /// Every one: each session came in and went out. That is how a file is seen of which nobody said whose it is.
    #[default]
    All,
    /// These, in ascending order.
    Only(Vec<IpAddr>),
}

/// How sessions are shown.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host's own addresses.
    pub own: Own,
    /// Print a line for each session.
    pub lines: bool,
    /// Count ICMP errors in the summary.
    pub icmp: bool,
    /// Time stamps are of this time zone.
    pub zone: TimeZone,
}

/// Sessions by filter.
#[derive(Clone, Debug)]
pub struct Peek {
    filters: Vec<Counted>,
    exclusions: Vec<Filter>,
    options: Options,
    has_header: bool,
}

/// A filter, what it counted, and what it had counted at the last `REFRESH`.
#[derive(Clone, Debug)]
struct Counted {
    filter: Filter,
    tally: Tally,
    marked: Tally,
}

impl Peek {
    /// Nothing is counted yet.
    ///
    /// # Errors
    /// The first expression that means nothing.
    pub fn new(expressions: &[String], options: Options) -> Result<Self, BadExpression> {
        let asked = expressions.iter().map(|expression| Filter::parse(expression));
        let (exclusions, asked): (Vec<_>, Vec<_>) =
            asked.collect::<Result<Vec<_>, _>>()?.into_iter().partition(Filter::excludes);
        let always = [Filter::everything("RX", Way::Rx), Filter::everything("TX", Way::Tx)];
        let filters = always
            .into_iter()
            .chain(asked)
            .map(|filter| Counted { filter, tally: Tally::default(), marked: Tally::default() })
            .collect();
        Ok(Self { filters, exclusions, options, has_header: false })
    }

    /// The host has these addresses now.
    pub fn set_own(&mut self, own: Own) {
        self.options.own = own;
    }

    /// Counts a session and appends its line; one that is not the host's, or is excluded, leaves no trace. True when it
    /// counted.
    pub fn on_handshake(&mut self, record: &HandshakeRecord, text: &mut String) -> bool {
        let ways = self.ways(record);
        let is_matched = |filter: &Filter| {
            ways.iter().flatten().any(|(way, other)| filter.matches(*way, *other, record.server_port))
        };
        if ways.iter().all(Option::is_none) || self.exclusions.iter().any(is_matched) {
            return false;
        }
        for counted in self.filters.iter_mut().filter(|counted| is_matched(&counted.filter)) {
            counted.tally.on_handshake(record);
        }
        if self.options.lines {
            if !self.has_header {
                self.has_header = true;
                text.push_str(line::HEADER);
            }
            line::append(text, record, &self.options.zone);
        }
        true
    }

    /// The summary of tcpeek.
    #[must_use]
    pub fn summary(&self, period: Period, received: Received) -> String {
        summary::render(self.tallies(), self.options.icmp, period, received, &self.options.zone)
    }

    /// The answer to `GET`.
    #[must_use]
    pub fn totals_json(&self, received: Received) -> String {
        json::totals(self.tallies(), received)
    }

    /// The answer to `REFRESH`: what was counted since the last one, or since the capture began.
    pub fn refresh_json(&mut self) -> String {
        let text = json::refresh(
            self.filters
                .iter()
                .map(|counted| (counted.filter.name.as_str(), counted.tally.since(&counted.marked))),
        );
        for counted in &mut self.filters {
            counted.marked = counted.tally;
        }
        text
    }

    fn tallies(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.filters.iter().map(|counted| (counted.filter.name.as_str(), &counted.tally))
    }

    /// The ways that the session went, with the other end of each.
    fn ways(&self, record: &HandshakeRecord) -> [Option<(Way, IpAddr)>; 2] {
        let own = &self.options.own;
        [
            own.contains(record.server_ip).then_some((Way::Rx, record.client_ip)),
            own.contains(record.client_ip).then_some((Way::Tx, record.server_ip)),
        ]
    }
}

impl Own {
    /// These addresses.
    #[must_use]
    pub fn only(mut addresses: Vec<IpAddr>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self::Only(addresses)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Only(addresses) => addresses.binary_search(&address).is_ok(),
        }
    }
}
