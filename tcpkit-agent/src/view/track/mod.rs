//! `tcpkit track`: connections as they are, on a terminal, in tcptrack's own layout, or as tables.
//!
//! The view is a value: listings and keys go in, a screen comes out. It reads no clock and no terminal; time is that
//! of the capture.

mod address;
mod classic;
mod column;
mod details;
mod digits;
mod filter;
mod history;
mod keys;
mod number;
mod screen;
mod sheet;
mod sparkline;
mod table;
#[cfg(test)]
mod tests;

pub use column::Column;
pub use keys::{Input, Key, Wish};
pub(crate) use sheet::{by_all, threads};
pub use sheet::{render, sheet};
pub use table::{TableLine, TableTotals};

use ratatui::Frame;
use tcpkit_common::flow::FourTuple;

use self::{filter::Filtering, history::Histories};
use crate::{
    report::flows::{FlowFilter, FlowListing, FlowOrder, FlowQuery, FlowRow},
    time::Span,
};

/// What a view is, apart from what it is shown.
#[derive(Clone, Debug)]
pub struct Look {
    /// What is watched, for the first line.
    pub subject: String,
    /// tcptrack's own layout.
    pub is_classic: bool,
    /// Colours may be used.
    pub has_colour: bool,
    /// Only connections whose SYN was seen.
    pub only_from_syn: bool,
    /// How long a closed connection stays.
    pub closed_stay: Span,
    /// Nothing is known but what the kernel counts.
    pub counters_only: bool,
    /// By what connections are sorted first; `None` is by rate, and in the classic layout not at all.
    pub sort: Option<(FlowOrder, bool)>,
}

/// The state of the view.
#[derive(Clone, Debug)]
pub struct TrackView {
    look: Look,
    listing: FlowListing,
    /// Capture time of the listing before, in microseconds.
    before_us: i64,
    /// The connection in the details, or followed, as it was seen last.
    chosen: Option<FlowRow>,
    completeness: Option<f64>,
    /// Why there is no listing.
    trouble: Option<String>,
    histories: Histories,
    order: FlowOrder,
    descending: bool,
    filtering: Filtering,
    first_row: usize,
    /// Row of the cursor, counted from the first of all.
    cursor: usize,
    /// Connection that the cursor stays with.
    followed: Option<FourTuple>,
    shows_details: bool,
    shows_help: bool,
    is_paused: bool,
    /// Rates in bits.
    in_bits: bool,
    /// Columns and lines of the terminal.
    size: (u16, u16),
}

impl TrackView {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(look: Look) -> Self {
        let usual = if look.is_classic { (FlowOrder::Start, false) } else { (FlowOrder::Rate, true) };
        let (order, descending) = look.sort.unwrap_or(usual);
        Self {
            listing: FlowListing::default(),
            before_us: 0,
            chosen: None,
            completeness: None,
            trouble: None,
            histories: Histories::default(),
            order,
            descending,
            filtering: Filtering::new(look.only_from_syn),
            first_row: 0,
            cursor: 0,
            followed: None,
            shows_details: false,
            shows_help: false,
            is_paused: false,
            in_bits: false,
            size: (80, 24),
            look,
        }
    }

    /// What the view wants to be shown next; `None` while it is paused.
    #[must_use]
    pub fn query(&self) -> Option<FlowQuery> {
        if self.is_paused {
            return None;
        }
        // Some pages ahead, so that who scrolls need not wait.
        let reach = self.first_row + 3 * self.page().max(10);
        Some(FlowQuery {
            order: self.order,
            descending: self.descending,
            limit: reach.next_multiple_of(AT_A_TIME),
            filter: self.filtering.filter(),
            closed_within: Some(self.look.closed_stay),
            after: None,
        })
    }

    /// What to ask for beside that: the connection that is looked at, wherever it stands, and closed or not.
    #[must_use]
    pub fn chosen_query(&self) -> Option<FlowQuery> {
        let tuple = self.chosen.as_ref().filter(|_| !self.is_paused)?.tuple();
        let filter = FlowFilter::only(&tuple);
        Some(FlowQuery { filter, limit: 1, ..FlowQuery::default() })
    }

    /// Takes a listing and the share of the frames that it rests on; while it is paused they are not shown.
    pub fn on_listing(&mut self, listing: FlowListing, chosen: Option<FlowRow>, completeness: Option<f64>) {
        if self.is_paused {
            return;
        }
        self.before_us = self.listing.now_us;
        self.histories.on_listing(&listing);
        self.listing = listing;
        self.completeness = completeness;
        self.trouble = None;
        if self.chosen.is_some()
            && let Some(row) = chosen
        {
            self.histories.on_row(&row, self.listing.now_us);
            self.chosen = Some(row);
        }
        self.keep_cursor();
    }

    /// There is no listing, for this reason.
    pub fn on_trouble(&mut self, reason: String) {
        self.trouble = Some(reason);
    }

    /// The terminal has so many columns and lines.
    pub fn on_size(&mut self, columns: u16, lines: u16) {
        self.size = (columns, lines);
        self.keep_cursor();
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        if self.look.is_classic {
            classic::draw(self, frame);
        } else {
            screen::draw(self, frame);
        }
        if self.shows_help {
            screen::help(frame);
        }
    }

    fn rows(&self) -> &[FlowRow] {
        &self.listing.flows
    }

    fn row(&self) -> Option<&FlowRow> {
        self.rows().get(self.cursor)
    }

    /// Connections that a screen has room for.
    fn page(&self) -> usize {
        let around = if self.look.is_classic { classic::AROUND } else { screen::AROUND };
        usize::from(self.size.1.saturating_sub(around)).max(1)
    }

    /// Puts the cursor on what it follows, and what is shown around the cursor.
    fn keep_cursor(&mut self) {
        if let Some(tuple) = self.followed {
            let found = self.rows().iter().position(|row| row.tuple() == tuple);
            self.cursor = found.unwrap_or(self.cursor);
        }
        let last = self.rows().len().saturating_sub(1);
        self.cursor = self.cursor.min(last);
        let page = self.page();
        if self.look.is_classic {
            self.first_row = self.first_row.min(last);
            return;
        }
        self.first_row = self.first_row.min(self.cursor).max((self.cursor + 1).saturating_sub(page));
    }
}

/// Rows that are asked for are a multiple of this.
const AT_A_TIME: usize = 250;
