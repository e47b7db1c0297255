//! `tcpkit report`: what was typed, and what it means.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{
    args::{AgentArgs, Mode},
    config::{Config, Stream, View, no_input, stdout_owner},
    failure::Failure,
    latency,
    system::System,
};

/// `tcpkit report`.
#[derive(Clone, Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub struct ReportCommandArgs {
    /// Write the report as a page with plots to this file, which needs nothing else; `-` is standard output; without -i
    /// and -r, of the report in the file behind it that --json has saved.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The agent's own options.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// `tcpkit report`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPlan {
    /// Where the page goes.
    pub html: Option<Stream>,
    /// The report as text on standard output.
    pub text: bool,
}

/// A page of a report that was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedReport {
    /// The report as JSON.
    pub report: PathBuf,
    /// Where the page goes.
    pub html: Stream,
}

impl ReportCommandArgs {
    /// The saved report that is meant, where nothing is to be captured or replayed.
    ///
    /// # Errors
    /// A page was not asked for: a saved report can be nothing else.
    pub fn saved(&self) -> Result<Option<SavedReport>, Failure> {
        let input = &self.agent.input;
        let [file] = self.agent.filter.expression.as_slice() else { return Ok(None) };
        if !(input.interface.is_empty() && input.read.is_empty()) {
            return Ok(None);
        }
        let Some(html) = &self.html else {
            return Err(Failure::usage(format!("report {file}"))
                .because("a saved report can only become a page")
                .hint("give --html FILE, or -r for a capture"));
        };
        Ok(Some(SavedReport { report: file.into(), html: Stream::from_path(html.clone()) }))
    }
}

impl Config {
    /// The same for `tcpkit report`: the report alone, with requests of every protocol, and how the capture went.
    ///
    /// # Errors
    /// As [`Config::new`]; an option that has no meaning there.
    pub fn report(args: &ReportCommandArgs, system: &System) -> Result<Self, Failure> {
        let mut agent = args.agent.clone();
        if agent.input.interface.is_empty() && agent.input.read.is_empty() {
            return Err(no_input(system));
        }
        latency::refuse_unfit(&agent, "report", "a report is all that is shown")?;
        agent.requests.mode.get_or_insert(Mode::Auto);
        let html = args.html.clone().map(Stream::from_path);
        let owner = stdout_owner(&agent.output)?;
        if let Some(other) = owner.filter(|_| html == Some(Stream::Standard)) {
            return Err(Failure::usage(format!("--html - and {other}"))
                .because("both write to standard output")
                .hint("give one of them a file"));
        }
        let text = html.is_none() && owner.is_none() && !agent.output.quiet;
        let mut config = Self::new(&agent, system)?;
        config.output.text = false;
        config.view = View::Report(ReportPlan { html, text });
        Ok(config)
    }
}
