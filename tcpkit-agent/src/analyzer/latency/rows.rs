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
