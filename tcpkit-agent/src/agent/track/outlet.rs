//! The view of a run, as the outlets see it.

use std::{env, io, time::Duration};

use super::{
    fetch::Fetcher,
    periodic::Periodic,
    scene::{Pace, TrackScene},
    sorting, table_query,
    tables::TrackTables,
};
use crate::{
    agent::{control::Wakes, screen::Screen},
    cli::{Config, TrackArgs, View, track::MOST_ROWS},
    report::Report,
    sink::{flows::FlowSource, http::ReportSource, write_stdout},
    time::Span,
    view::track::{Look, TrackView},
};

/// Steps of an idle capture's time.
const STEP: Span = Span::from_secs(1);

/// The view of a run: a screen, or tables by the clock; tables of files are the recorder's.
pub(in crate::agent) struct TrackOutlet {
    args: Box<TrackArgs>,
    screen: Option<Screen>,
    periodic: Option<Periodic>,
}

impl TrackOutlet {
    /// Nothing, where another view was asked for.
    pub(in crate::agent) fn open(config: &Config) -> Option<Self> {
        match &config.view {
            View::Track(args) => Some(Self { args: args.clone(), screen: None, periodic: None }),
            _ => None,
        }
    }

    /// What takes the flows of files.
    pub(in crate::agent) fn tables(&self) -> Option<TrackTables> {
        (!self.args.files.is_empty()).then(|| TrackTables::new(&self.args))
    }

    /// Takes the terminal over, or begins to print tables; a file needs neither.
    ///
    /// # Errors
    /// The terminal does not let itself be taken over, or a thread cannot be had.
    pub(in crate::agent) fn start(
        &mut self,
        flows: &FlowSource,
        reports: &ReportSource,
        wakes: &Wakes,
    ) -> io::Result<()> {
        if !self.args.files.is_empty() {
            return Ok(());
        }
        if let Some(interval) = self.args.interval {
            // Time goes on in steps where nothing comes; what has closed is in one table at least.
            let query = table_query(&self.args, Some(Span(interval.0.saturating_add(STEP.0))));
            let pace = (Duration::from_nanos(interval.0), self.args.rows.unwrap_or(MOST_ROWS));
            self.periodic = Some(Periodic::start(flows.clone(), query, pace, wakes.clone())?);
            return Ok(());
        }
        let pace = if self.args.is_fast { Pace::Fast } else { Pace::Usual };
        let reports = (!self.args.counters_only).then(|| reports.clone());
        let fetcher = Fetcher::start(flows.clone(), reports)?;
        let scene = TrackScene::new(TrackView::new(self.look()), fetcher, pace);
        self.screen = Some(Screen::open(Box::new(scene), wakes.clone(), true)?);
        Ok(())
    }

    /// Gives the terminal back, and says what the picture rested on where that was not everything.
    ///
    /// # Errors
    /// Standard output does not take it.
    pub(in crate::agent) fn conclude(&mut self, report: &Report) -> io::Result<()> {
        let had_screen = self.screen.take().is_some();
        drop(self.periodic.take());
        match report.completeness {
            Some(share) if had_screen && share < 1.0 && !self.args.counters_only => {
                write_stdout(&format!("completeness {:.3} %\n", (share * 1e5).floor() / 1e3))
            }
            _ => Ok(()),
        }
    }

    fn look(&self) -> Look {
        let args = &self.args;
        Look {
            subject: args.interfaces.join(", ").escape_default().to_string(),
            is_classic: args.is_classic,
            has_colour: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            only_from_syn: args.only_from_syn,
            closed_stay: args.closed_stay,
            counters_only: args.counters_only,
            sort: args.sort.as_ref().and_then(|_| sorting(args).ok()),
        }
    }
}
