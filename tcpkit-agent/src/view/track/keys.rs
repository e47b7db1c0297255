//! What keys and mouse do to the view.

use super::{Column, TrackView, column::Columns};
use crate::report::flows::FlowOrder;

/// A key that was pressed, as far as the view knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// To the column beside.
    Tab {
        /// To the right.
        forward: bool,
    },
    /// So many lines down; negative is up.
    Move(i32),
    /// So many pages down; negative is up.
    Page(i32),
    /// To the first line.
    First,
    /// To the last one.
    Last,
    /// Yes.
    Enter,
    /// Back.
    Escape,
    /// Takes a character back.
    Backspace,
}

/// Something that the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(Key),
    /// The first button, at this column and line.
    Click(u16, u16),
    /// So many lines down; negative is up.
    Wheel(i32),
}

/// What that asks of whoever runs the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// Another listing, soon.
    Refresh,
    /// The end.
    Quit,
}

impl TrackView {
    /// Takes what the user did.
    pub fn on_input(&mut self, input: Input) -> Wish {
        match input {
            Input::Key(key) if self.filtering.editing().is_some() => self.on_edit(key),
            Input::Key(key) => self.on_key(key),
            Input::Click(column, line) => self.on_click(column, line),
            Input::Wheel(lines) => self.step(lines),
        }
    }

    fn on_edit(&mut self, key: Key) -> Wish {
        match key {
            Key::Char(character) => self.filtering.push(character),
            Key::Backspace => self.filtering.pop(),
            Key::Enter => self.filtering.keep(),
            Key::Escape => self.filtering.restore(),
            Key::Tab { .. } | Key::Move(_) | Key::Page(_) | Key::First | Key::Last => return Wish::None,
        }
        (self.first_row, self.cursor) = (0, 0);
        Wish::Refresh
    }

    fn on_key(&mut self, key: Key) -> Wish {
        match key {
            Key::Char('q') => return Wish::Quit,
            // What tcptrack's own screen has no place for.
            Key::Char('r' | 'b' | 'f' | '/') if self.look.is_classic => {}
            Key::Char('?' | 'h') => self.shows_help = !self.shows_help,
            Key::Char('p' | ' ') => return self.pause(),
            Key::Char('s' | '>') | Key::Tab { forward: true } => return self.sort_beside(true),
            Key::Char('S' | '<') | Key::Tab { forward: false } => return self.sort_beside(false),
            Key::Char('r') => return self.sort_by(self.order, !self.descending),
            Key::Char('b') => self.in_bits = !self.in_bits,
            // tcptrack's screen shows states and the speed of payload.
            Key::Char('c') if self.look.counters_only => {}
            Key::Char('c') => {
                self.look.is_classic = !self.look.is_classic;
                self.shows_details = false;
            }
            Key::Char('f') => self.follow(),
            Key::Char('/') => self.filtering.begin(),
            Key::Char('j') => return self.step(1),
            Key::Char('k') => return self.step(-1),
            Key::Enter => return self.open_details(),
            Key::Escape => return self.back(),
            Key::Move(lines) => return self.step(lines),
            Key::Page(pages) => {
                let page = i32::try_from(self.page()).unwrap_or(i32::MAX);
                return self.step(pages.saturating_mul(page));
            }
            Key::First => return self.step(i32::MIN),
            Key::Last => return self.step(i32::MAX),
            Key::Char(_) | Key::Backspace => {}
        }
        self.keep_cursor();
        Wish::None
    }

    fn pause(&mut self) -> Wish {
        self.is_paused = !self.is_paused;
        if self.is_paused { Wish::None } else { Wish::Refresh }
    }

    /// The next column, in the classic layout the next of tcptrack's three.
    fn sort_beside(&mut self, forward: bool) -> Wish {
        if self.look.is_classic {
            let (order, descending) = match self.order {
                FlowOrder::Rate => (FlowOrder::Bytes, true),
                FlowOrder::Bytes => (FlowOrder::Idle, true),
                FlowOrder::Idle => (FlowOrder::Start, false),
                _ => (FlowOrder::Rate, true),
            };
            return self.sort_by(order, descending);
        }
        let columns = Columns::of(self);
        let sorted = columns.shown().filter(|column| *column != Column::Minute).collect::<Vec<_>>();
        let here = sorted.iter().position(|column| column.order() == self.order);
        let count = sorted.len();
        let there = match (here, forward) {
            (Some(here), true) => (here + 1) % count,
            (Some(here), false) => (here + count - 1) % count,
            (None, _) => 0,
        };
        sorted.get(there).map_or(Wish::None, |column| self.sort_by(column.order(), column.is_descending()))
    }

    fn sort_by(&mut self, order: FlowOrder, descending: bool) -> Wish {
        (self.order, self.descending) = (order, descending);
        // The listing at hand has what it has; the next one has the first of all.
        let of = |row: &crate::report::flows::FlowRow| (row.value(order), row.tuple());
        self.listing.flows.sort_by(|one, other| {
            let ((one, first), (other, second)) = (of(one), of(other));
            let by_value = if descending { other.cmp(&one) } else { one.cmp(&other) };
            by_value.then_with(|| first.cmp(&second))
        });
        if self.followed.is_none() {
            (self.first_row, self.cursor) = (0, 0);
        }
        self.keep_cursor();
        Wish::Refresh
    }

    fn follow(&mut self) {
        match self.followed.take() {
            Some(_) if !self.shows_details => self.chosen = None,
            Some(_) => {}
            None => {
                self.followed = self.row().map(crate::report::flows::FlowRow::tuple);
                self.chosen = self.row().cloned();
            }
        }
    }

    fn open_details(&mut self) -> Wish {
        if self.shows_details || self.look.is_classic {
            return self.back();
        }
        if self.followed.is_none() {
            self.chosen = self.row().cloned();
        }
        self.shows_details = self.chosen.is_some();
        Wish::Refresh
    }

    /// Out of what was opened last.
    fn back(&mut self) -> Wish {
        if self.shows_help {
            self.shows_help = false;
        } else if self.shows_details {
            self.shows_details = false;
            self.chosen = self.chosen.take().filter(|_| self.followed.is_some());
        } else if self.followed.is_some() {
            (self.followed, self.chosen) = (None, None);
        } else {
            self.filtering.clear();
            return Wish::Refresh;
        }
        Wish::None
    }

    /// Moves the cursor; in the classic layout there is none, and the page moves.
    fn step(&mut self, lines: i32) -> Wish {
        self.followed = None;
        let count = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let moved =
            |from: usize| if lines < 0 { from.saturating_sub(count) } else { from.saturating_add(count) };
        if self.look.is_classic {
            self.first_row = moved(self.first_row);
        } else {
            self.cursor = moved(self.cursor);
        }
        self.keep_cursor();
        let has_more = self.listing.matched > self.rows().len() as u64;
        let is_near_end = self.first_row + 2 * self.page() >= self.rows().len();
        if has_more && is_near_end { Wish::Refresh } else { Wish::None }
    }

    /// A heading sorts, a connection gets the cursor, and one that has it its details.
    fn on_click(&mut self, column: u16, line: u16) -> Wish {
        if self.shows_help || self.shows_details {
            return self.back();
        }
        if self.look.is_classic {
            return Wish::None;
        }
        if line == super::screen::HEADING {
            let columns = Columns::of(self);
            let Some(clicked) = columns.at(column) else { return Wish::None };
            let is_again = clicked.order() == self.order;
            let descending = if is_again { !self.descending } else { clicked.is_descending() };
            return self.sort_by(clicked.order(), descending);
        }
        let Some(below) = line.checked_sub(super::screen::HEADING + 1) else { return Wish::None };
        let row = self.first_row + usize::from(below);
        if usize::from(below) >= self.page() || row >= self.rows().len() {
            return Wish::None;
        }
        if row == self.cursor {
            return self.open_details();
        }
        self.followed = None;
        self.cursor = row;
        Wish::None
    }
}
