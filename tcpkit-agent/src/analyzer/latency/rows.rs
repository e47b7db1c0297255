//! Where the sums of a request are, and requests that wait to be added to them.
//!
//! A request belongs to four sums. Those of a server and a command that are asked for again and again are summed up
//! once, and added to all four when somebody looks, or when a sum might be folded away: nobody sees the difference.

use super::{
    measured::Measurement,
    sums::{Addend, PortSum},
};
use crate::{
    flow::Endpoint,
    protocol::{Protocol, Text},
};

/// What the sums of a request are named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) protocol: Protocol,
    pub(super) server: Endpoint,
    pub(super) command: Text<24>,
}

/// Where its sums are, as long as as many keys were folded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) port: usize,
    pub(super) server: usize,
    pub(super) command: usize,
    pub(super) folded: u64,
}

/// Rows that were asked for lately, by a hash of them.
#[derive(Clone, Debug)]
pub(super) struct Rows(Vec<Option<Known>>);

/// A row that was asked for lately.
#[derive(Clone, Debug)]
struct Known {
    row: Row,
    places: Places,
    /// Requests that were added to its sums one by one.
    hits: u32,
    /// Those that were not added yet.
    waiting: PortSum,
}

/// Rows that are known.
const KNOWN: usize = 32;

/// Requests that are added one by one before others wait: adding what has waited costs as much as some of them.
const PATIENCE: u32 = 64;

impl Row {
    #[inline]
    pub(super) const fn of(request: &Measurement<'_>) -> Self {
        let command = request.exchange.request.command;
        Self { protocol: request.protocol, server: request.server(), command }
    }

    #[inline]
    fn place(&self) -> usize {
        let [.., a, b, c, d] = self.server.address.0;
        let server = u64::from(u32::from_le_bytes([a, b, c, d])) ^ u64::from(self.server.port) << 32;
        let mixed = server.wrapping_add(self.command.head()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize % KNOWN
    }
}

impl Rows {
    /// Lets a request wait, if its row was asked for often enough; else where its sums are, if that is known while as
    /// many keys were folded.
    #[inline]
    pub(super) fn take(&mut self, row: &Row, one: &Addend, folded: u64) -> Taken {
        let Some(Some(known)) = self.0.get_mut(row.place()) else { return Taken::Unknown };
        if known.row != *row {
            return Taken::Unknown;
        }
        if known.hits >= PATIENCE {
            known.waiting.add_one(one);
            return Taken::Waits;
        }
        if known.places.folded != folded {
            return Taken::Unknown;
        }
        known.hits += 1;
        Taken::At(known.places)
    }

    /// Remembers a row in the place of another one, which has to be settled before.
    pub(super) fn remember(&mut self, row: Row, places: Places) {
        self.0[row.place()] = Some(Known { row, places, hits: 1, waiting: PortSum::default() });
    }

    /// What waits in the row whose place this one takes.
    pub(super) fn displaced_by(&mut self, row: &Row) -> Option<(Row, PortSum)> {
        self.0[row.place()].as_mut().and_then(Known::settled)
    }

    /// What waits. Every row has to be patient again.
    pub(super) fn settled(&mut self) -> impl Iterator<Item = (Row, PortSum)> {
        self.0.iter_mut().flatten().filter_map(Known::settled)
    }

    /// The same for somebody who only looks.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Row, &PortSum)> {
        let waits = |known: &&Known| known.waiting.sum.requests() > 0;
        self.0.iter().flatten().filter(waits).map(|known| (known.row, &known.waiting))
    }
}

impl Known {
    fn settled(&mut self) -> Option<(Row, PortSum)> {
        self.hits = 0;
        let waits = self.waiting.sum.requests() > 0;
        waits.then(|| (self.row, std::mem::take(&mut self.waiting)))
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Taken {
    /// It waits.
    Waits,
    /// It is to be added there.
    At(Places),
    /// It is to be added, wherever that is.
    Unknown,
}

impl Default for Rows {
    fn default() -> Self {
        Self(std::iter::repeat_with(|| None).take(KNOWN).collect())
    }
}

/// Rows say nothing of what was summed up, unless something waits.
impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        let waits = |rows: &Self| rows.waiting().next().is_some();
        !waits(self) && !waits(other)
    }
}

impl Eq for Rows {}

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::{Address, FourTuple};

    use super::*;
    use crate::{
        analyzer::{RequestAnalyzer, Spent},
        protocol::{Exchange, Extent, Outcome, Request},
        time::{Span, Timestamp},
        wire::InterfaceId,
    };

    /// The request with this number: every other one is of the row that is asked for most, the rest are of a thousand.
    fn add(analyzer: &mut RequestAnalyzer, number: u16) {
        let other = if number.is_multiple_of(2) { 0 } else { number % 1_999 };
        let start = Timestamp(i64::from(number) * 1_000_000);
        let total = Span(1_000 + u64::from(number) * 7_919 % 1_000_000);
        let end = start + total;
        let command = Text::of(format!("C{other}").as_bytes());
        let extent = Extent { start, end: start, offset: 0, len: 10 };
        let response = Extent { start: end, end, offset: 0, len: u64::from(number % 100) };
        let request = Request { command, extent, ..Request::default() };
        let (status, is_error, outcome) = (Text::new(), number.is_multiple_of(17), Outcome::Answered);
        let exchange = Exchange { request, response: Some(response), status, is_error, outcome };
        let [high, low] = other.to_be_bytes();
        let tuple = FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 1, high, low]),
            source_port: number,
            destination_port: 6_379 + other % 700,
        };
        analyzer.on_request(&Measurement {
            at: end,
            tuple,
            interface: InterfaceId(0),
            protocol: Protocol::Redis,
            is_datagram: false,
            exchange: &exchange,
            spent: Some(&Spent { total, server: total, ..Spent::default() }),
        });
    }

    #[test]
    fn nobody_sees_that_requests_wait_even_where_sums_are_folded() {
        let (mut waiting, mut at_once) = (RequestAnalyzer::default(), RequestAnalyzer::default());
        let (mut gathered, mut has_waited) = (RequestAnalyzer::default(), false);
        for number in 0..2_400 {
            add(&mut waiting, number);
            add(&mut at_once, number);
            at_once.settle();
            if number % 97 == 0 {
                has_waited |= waiting != waiting.clone();
                assert_eq!(waiting.total(), at_once.total());
            }
        }
        gathered.merge(&waiting);
        waiting.settle();
        assert!(has_waited, "that is what the test is about");
        assert_eq!(waiting, at_once);
        assert!(waiting.commands().folded() > 0 && waiting.servers().folded() > 0);
        assert_eq!((gathered.total(), gathered.slowest()), (at_once.total(), at_once.slowest()));
    }
}
