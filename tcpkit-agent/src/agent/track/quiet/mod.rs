//! The table of a whole file by way of quiet flows, which takes all cores and a fraction of the time.
//!
//! It prints what the usual way prints, or nothing at all: where a file is of another kind than that way is made for,
//! or an option asks for more than a table at the end, the run goes the usual way.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::Notify;

use super::tables::TrackTables;
use crate::{
    agent::{
        context::Description,
        control::{Control, Ending, Requests, Subject, Wake},
        engine,
    },
    cli::{Config, Failure, Input, Stream, System, TrackArgs, View},
    pipeline::{EngineSettings, Panicked, QuietFlows, QuietPlan, QuietWatch, ReaderTally},
    report::{Report, merge::assemble},
    sink::{
        flows::{FlowRequest, flow_channel},
        http::report_channel,
        progress::Progress,
        write_stdout,
    },
};

/// Prints the table of a file; false where nothing was done.
///
/// # Errors
/// Standard output does not take it, or no thread can be had.
pub(super) fn track(config: &Config, system: &System) -> anyhow::Result<bool> {
    let View::Track(args) = &config.view else { return Ok(false) };
    let Some(path) = file(config, args) else { return Ok(false) };
    let (mut control, wakes) = Control::new()?;
    let watch = Arc::new(QuietWatch::default());
    let work = Work {
        path: path.into(),
        args: args.clone(),
        threads: system.cores.clamp(1, MOST_THREADS) as usize,
        settings: engine(config, false),
        watch: Arc::clone(&watch),
    };
    let progress = config.output.progress.then(|| Progress::new(path.metadata().ok().map(|data| data.len())));
    let work: JoinHandle<Option<Vec<String>>> =
        thread::Builder::new().name("quiet".into()).spawn(move || {
            let text = work.run();
            wakes.send(Wake::SourceEnded);
            text
        })?;
    let mut run = Run { config, watch, progress };
    let ending = control.run(&mut run, &nobody());
    let mut control = Some(control);
    if let Ending::Signal(_) = ending {
        run.watch.stop();
        control.take().into_iter().for_each(|control| control.give_up_on_second_signal(ending));
    }
    let text = work.join().map_err(|_| Panicked("reader"))?;
    run.progress.iter().for_each(Progress::finish);
    match (text, ending) {
        (Some(text), _) => {
            control.into_iter().for_each(|control| control.give_up_on_second_signal(ending));
            text.iter().try_for_each(|piece| write_stdout(piece))?;
            Ok(true)
        }
        (None, Ending::Signal(signal)) => Err(Failure::run(format!("-T {}", path.display()))
            .because(format!("stopped by {signal} before there was a table"))
            .into()),
        (None, _) => Ok(false),
    }
}

/// The file, where it is one by itself, and no more is asked for than its table.
fn file<'a>(config: &'a Config, args: &TrackArgs) -> Option<&'a Path> {
    let Input::Files(files) = &config.input else { return None };
    let is_plain = args.interval.is_none() && config.expression.is_none();
    match files.as_slice() {
        [Stream::File(path)] if is_plain => Some(path),
        _ => None,
    }
}

/// What the thread that waits for the others does.
struct Work {
    path: Box<Path>,
    args: Box<TrackArgs>,
    threads: usize,
    settings: EngineSettings,
    watch: Arc<QuietWatch>,
}

impl Work {
    fn run(self) -> Option<Vec<String>> {
        let plan = QuietPlan {
            path: &self.path,
            threads: self.threads,
            stretch: QuietPlan::STRETCH,
            settings: &self.settings,
        };
        let flows = QuietFlows::read(&plan, &self.watch)?;
        let text = TrackTables::new(&self.args).of_quiet(&flows);
        // The process is about to end: to give back hundreds of megabytes in pieces would only take time.
        std::mem::forget(flows);
        Some(text)
    }
}

/// The run, as the control plane sees it.
struct Run<'a> {
    config: &'a Config,
    watch: Arc<QuietWatch>,
    progress: Option<Progress>,
}

impl Subject for Run<'_> {
    fn report(&mut self) -> Report {
        let description = Description::new(self.config, "file");
        assemble(description.of_blocks(&ReaderTally::default(), None, false), &[])
    }

    /// There is no endpoint, so nobody asks.
    fn list(&mut self, request: FlowRequest) {
        drop(request);
    }

    fn print(&mut self) {}

    fn reload(&mut self) -> Option<Ending> {
        Some(Ending::Signal("SIGHUP"))
    }

    fn on_tick(&mut self) -> Option<Ending> {
        if let Some(progress) = &mut self.progress {
            let (position, frames) = self.watch.progress();
            progress.update(position, frames);
        }
        None
    }
}

/// Requests that nobody makes.
fn nobody() -> Requests {
    let (reports, flows) = (report_channel().1, flow_channel().1);
    Requests { reports, flows, bell: Arc::new(Notify::new()) }
}

/// More threads would wait for the file.
const MOST_THREADS: u32 = 8;

#[cfg(test)]
mod tests;
