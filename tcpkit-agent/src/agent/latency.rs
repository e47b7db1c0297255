//! `tcpkit latency`: a screen while a live capture runs on a terminal, and tables at the end.

use std::io::{self, IsTerminal as _};

use super::{control::Wakes, screen::Screen};
use crate::{
    cli::{Config, LatencyPlan, SortColumn, View},
    report::Report,
    sink::{http::ReportSource, write_stdout},
    view::latency::{Column, LatencyView, Tables, render},
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
            let view = LatencyView::new(column(self.plan.sort));
            self.screen = Some(Screen::open(view, reports.clone(), wakes.clone(), self.plan.interval)?);
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
