//! `tcpkit latency`: requests as they come, by command and by server, and the slowest with where their time went.
//!
//! The view is a value: reports and keys go in, a screen comes out. It reads no clock and no terminal.

mod screen;
mod table;
mod text;

pub use screen::draw;
pub use table::{Column, Line, Rates, Slow, TIMES, Tables, sort};
pub use text::render;

/// What the view shows at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// A line for each command.
    #[default]
    Commands,
    /// A line for each server.
    Servers,
    /// The slowest requests.
    Slowest,
}

impl Tab {
    /// In order of their numbers.
    pub const ALL: [Self; 3] = [Self::Commands, Self::Servers, Self::Slowest];

    /// What stands on it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Commands => "1 commands",
            Self::Servers => "2 servers",
            Self::Slowest => "3 slowest",
        }
    }
}

/// A key that was pressed, as far as the view knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// To the next tab, or the one before.
    Tab {
        /// To the next one.
        forward: bool,
    },
    /// So many lines down; negative is up.
    Move(i32),
    /// To the first line.
    First,
    /// To the last one.
    Last,
    /// Back, out of the help.
    Escape,
}

/// What a key asks of whoever runs the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// The end.
    Quit,
}

/// The state of the view.
#[derive(Clone, Debug, Default)]
pub struct LatencyView {
    tables: Tables,
    rates: Rates,
    column: Column,
    tab: Tab,
    first_line: usize,
    is_paused: bool,
    shows_help: bool,
}

impl LatencyView {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(column: Column) -> Self {
        Self { column, ..Self::default() }
    }

    /// Takes a report's tables; while it is paused they are not shown.
    pub fn on_tables(&mut self, mut tables: Tables) {
        if self.is_paused {
            return;
        }
        self.rates.on_lines(tables.commands.iter().chain(&tables.servers), tables.at);
        sort(&mut tables.commands, self.column, &self.rates);
        sort(&mut tables.servers, self.column, &self.rates);
        self.tables = tables;
        self.keep_in_view();
    }

    /// Takes a key.
    pub fn on_key(&mut self, key: Key) -> Wish {
        match key {
            Key::Char('q') => return Wish::Quit,
            Key::Char('?' | 'h') => self.shows_help = !self.shows_help,
            Key::Escape => self.shows_help = false,
            Key::Char(' ' | 'p') => self.is_paused = !self.is_paused,
            Key::Char('>' | 's') => self.sort_by(self.column.beside(true)),
            Key::Char('<' | 'S') => self.sort_by(self.column.beside(false)),
            Key::Char(digit @ '1'..='3') => self.show(Tab::ALL[digit as usize - '1' as usize]),
            Key::Tab { forward } => self.turn(forward),
            Key::Move(lines) => self.scroll(lines),
            Key::First => self.first_line = 0,
            Key::Last => self.scroll(i32::MAX),
            Key::Char(_) => {}
        }
        Wish::None
    }

    fn sort_by(&mut self, column: Column) {
        self.column = column;
        sort(&mut self.tables.commands, column, &self.rates);
        sort(&mut self.tables.servers, column, &self.rates);
    }

    fn turn(&mut self, forward: bool) {
        let here = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        self.show(Tab::ALL[(here + if forward { 1 } else { 2 }) % 3]);
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.first_line = 0;
    }

    fn scroll(&mut self, lines: i32) {
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        self.first_line = if lines < 0 {
            self.first_line.saturating_sub(step)
        } else {
            self.first_line.saturating_add(step)
        };
        self.keep_in_view();
    }

    fn keep_in_view(&mut self) {
        self.first_line = self.first_line.min(self.count().saturating_sub(1));
    }

    fn count(&self) -> usize {
        match self.tab {
            Tab::Commands => self.tables.commands.len(),
            Tab::Servers => self.tables.servers.len(),
            Tab::Slowest => self.tables.slowest.len(),
        }
    }
}
