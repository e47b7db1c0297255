//! `tcpkit report`: the report of a capture as text or as a page.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    cli::{Config, Failure, ReportPlan, SavedReport, Stream, View},
    report::{Report, SCHEMA},
    sink::{
        page::{self, EventList},
        text::{self, TextOptions},
        write_stdout,
    },
};

/// The view of a run, as the outlets see it.
#[derive(Debug)]
pub(super) struct ReportOutlet {
    plan: ReportPlan,
    page: Option<PageFile>,
    events: EventList,
}

/// A file that a page is written to, created before the capture.
#[derive(Debug)]
struct PageFile {
    name: String,
    /// `None` is standard output.
    file: Option<File>,
}

impl ReportOutlet {
    /// Nothing, where another view was asked for.
    ///
    /// # Errors
    /// The file of the page cannot be created.
    pub(super) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let View::Report(plan) = &config.view else { return Ok(None) };
        let page = plan.html.as_ref().map(PageFile::create).transpose()?;
        Ok(Some(Self { plan: plan.clone(), page, events: EventList::default() }))
    }

    /// An empty list for the events of the capture, where a page tells them.
    pub(super) fn events(&self) -> Option<EventList> {
        self.page.as_ref().map(|_| EventList::default())
    }

    /// Takes the list when it is filled.
    pub(super) fn take_events(&mut self, events: EventList) {
        self.events = events;
    }

    /// Prints or writes what it all came to.
    ///
    /// # Errors
    /// Standard output or the file does not take it.
    pub(super) fn conclude(&mut self, report: &Report) -> anyhow::Result<()> {
        if self.plan.text {
            write_stdout(&text::render(report, TextOptions::of(&std::io::stdout())))?;
        }
        let Some(page) = self.page.take() else { return Ok(()) };
        let report = serde_json::to_value(report).context("the report cannot be written as JSON")?;
        page.write(&page::recorded(report, &self.events.to_json()))
    }
}

impl PageFile {
    fn create(stream: &Stream) -> anyhow::Result<Self> {
        let name = format!("--html {stream}");
        let file = match stream {
            Stream::Standard => None,
            Stream::File(path) => {
                Some(File::create(path).with_context(|| format!("{name}: cannot be created"))?)
            }
        };
        Ok(Self { name, file })
    }

    fn write(self, text: &str) -> anyhow::Result<()> {
        let Some(mut file) = self.file else { return Ok(write_stdout(text)?) };
        file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", self.name))
    }
}

/// `tcpkit report --html FILE REPORT.json`: the page of a report that was saved, which knows no events.
///
/// # Errors
/// The report cannot be read or is none, or the page cannot be written.
pub fn saved_report(saved: &SavedReport) -> anyhow::Result<()> {
    let report = read(&saved.report)?;
    PageFile::create(&saved.html)?.write(&page::recorded(report, &Value::Null))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let name = path.display();
    let refused = |reason: String| {
        Failure::run(name.to_string())
            .because(reason)
            .hint("give a report that --json wrote, or -r for a capture")
    };
    let bytes = fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let report: Value =
        serde_json::from_slice(&bytes).map_err(|error| refused(format!("is no report: {error}")))?;
    match report["schema"].as_str() {
        Some(SCHEMA) => Ok(report),
        other => {
            Err(refused(format!("is no report of schema {SCHEMA} but of {}", other.unwrap_or("none"))).into())
        }
    }
}
