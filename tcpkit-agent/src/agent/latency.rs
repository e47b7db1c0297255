//! `tcpkit latency`: a screen while a live capture runs on a terminal, and tables at the end.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use ratatui::{
    Frame,
    crossterm::event::{Event, KeyCode},
};
use tokio::{
    runtime::{self, Runtime},
    time::Instant,
};

use super::{
    control::Wakes,
    screen::{Reaction, Scene, Screen},
};
use crate::{
    cli::{Config, LatencyPlan, SortColumn, View},
    report::Report,
    sink::{http::ReportSource, write_stdout},
    view::latency::{self, Column, Key, LatencyView, Tables, Wish, render},
};

/// The view of a run, as the outlets see it.
#[derive(Debug)]
pub(super) struct LatencyOutlet {
    plan: LatencyPlan,
    screen: Option<Screen>,
}

impl LatencyOutlet {
    /// Nothing, where another view was asked for.
    pub(super) const fn open(config: &Config) -> Option<Self> {
        match &config.view {
            View::Latency(plan) => Some(Self { plan: *plan, screen: None }),
            _ => None,
        }
    }

    /// Takes the terminal over, where there is one to watch.
    ///
    /// # Errors
    /// The terminal does not let itself be taken over.
    pub(super) fn start(&mut self, reports: &ReportSource, wakes: &Wakes) -> io::Result<()> {
        let has_screen = self.plan.is_live && !self.plan.is_silent;
        if has_screen && io::stdout().is_terminal() && io::stdin().is_terminal() {
            let scene = LatencyScene {
                view: LatencyView::new(column(self.plan.sort)),
                reports: reports.clone(),
                runtime: runtime::Builder::new_current_thread().enable_time().build()?,
                interval: self.plan.interval,
                due: None,
            };
            self.screen = Some(Screen::open(Box::new(scene), wakes.clone(), false)?);
        }
        Ok(())
    }

    /// Gives the terminal back, and prints what it all came to.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(super) fn conclude(&mut self, report: &Report) -> io::Result<()> {
        drop(self.screen.take());
        if self.plan.is_silent {
            return Ok(());
        }
        write_stdout(&render(&Tables::of(report), column(self.plan.sort)))
    }
}

/// The view on a screen, and where its figures come from.
struct LatencyScene {
    view: LatencyView,
    reports: ReportSource,
    runtime: Runtime,
    interval: Duration,
    /// When the last report was asked for.
    due: Option<Instant>,
}

impl Scene for LatencyScene {
    fn tick(&mut self) -> bool {
        if self.due.is_some_and(|due| due.elapsed() <= self.interval) {
            return false;
        }
        self.due = Some(Instant::now());
        let Ok(report) = self.runtime.block_on(self.reports.report()) else { return false };
        self.view.on_tables(Tables::of(&report));
        true
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        latency::draw(&self.view, frame);
    }

    fn on_event(&mut self, event: &Event) -> Reaction {
        match event {
            Event::Key(key) => match key_of(key.code).map(|key| self.view.on_key(key)) {
                Some(Wish::Quit) => Reaction::Quit,
                Some(Wish::None) | None => Reaction::Changed,
            },
            Event::Resize(..) => Reaction::Changed,
            _ => Reaction::None,
        }
    }
}

const fn key_of(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Tab | KeyCode::Right => Key::Tab { forward: true },
        KeyCode::BackTab | KeyCode::Left => Key::Tab { forward: false },
        KeyCode::Down => Key::Move(1),
        KeyCode::Up => Key::Move(-1),
        KeyCode::PageDown => Key::Move(PAGE),
        KeyCode::PageUp => Key::Move(-PAGE),
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}

/// Lines of a page.
const PAGE: i32 = 20;

const fn column(sort: SortColumn) -> Column {
    match sort {
        SortColumn::Name => Column::Name,
        SortColumn::Requests => Column::Requests,
        SortColumn::Rate => Column::Rate,
        SortColumn::Errors => Column::Errors,
        SortColumn::Unanswered => Column::Unanswered,
        SortColumn::P50 => Column::P50,
        SortColumn::P90 => Column::P90,
        SortColumn::P99 => Column::P99,
        SortColumn::P999 => Column::P999,
        SortColumn::Max => Column::Max,
        SortColumn::Server => Column::Server,
        SortColumn::Lost => Column::Lost,
    }
}
