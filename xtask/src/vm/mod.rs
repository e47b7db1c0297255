//! `cargo xtask vm`: Debian's kernels under emulation, with our tests or a developer's command in them.
//!
//! Nothing of it is installed on the host, and no guest reaches the network.

mod cache;
mod document;
mod guest;
mod initramfs;
mod matrix;
mod modules;
mod packages;
mod payload;
mod record;
mod releases;
mod results;
mod table;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::Args;

use crate::shell::{answer, in_ci, say, seconds, workspace};
use guest::{Boot, End, Outcome, Stream};
use matrix::Conditions;
use packages::{Fetched, Kernel};
use releases::Release;
use table::Table;

pub(crate) use matrix::{Report, Trial};
pub(crate) use releases::RELEASES;

/// What `vm` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Boot this kernel: 5.10, 6.1, 6.12 or newest; may be repeated.
    #[arg(long, value_name = "NAME")]
    kernel: Vec<String>,
    /// Run the guests' tests, although there is only one kernel.
    #[arg(long, conflicts_with = "command")]
    tests: bool,
    /// Only those of the guests' tests whose names contain this.
    #[arg(long, value_name = "NAME", default_value = TESTS, conflicts_with = "command")]
    filter: String,
    /// Write docs/kernels.md from the newest run of the tests on each kernel; without --all, --kernel and --gate,
    /// nothing is run before.
    #[arg(long, conflicts_with_all = ["command", "filter"])]
    update_docs: bool,
    /// Only the share of the guests' tests that `cargo xtask test` runs.
    #[arg(long, conflicts_with = "command")]
    gate: bool,
    /// Boot all of them.
    #[arg(long, conflicts_with = "kernel")]
    all: bool,
    /// End a guest after so long; 0 never does.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Guests at a time; what they measure is better with one.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Emulated processors.
    #[arg(long, value_name = "N", default_value_t = PROCESSORS)]
    processors: u32,
    /// Memory of a guest.
    #[arg(long, value_name = "MiB", default_value_t = MEMORY)]
    memory: u32,
    /// Words for the kernel's command line.
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
    /// Fetch newer kernels if Debian has them.
    #[arg(long)]
    refresh: bool,
    /// The command and its arguments, after `--`; without one, `--kernel` alone gives a shell.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How much of the guests' tests is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// What every run of `cargo xtask test` has time for; tests say what they leave out.
    Gate,
    /// Everything.
    All,
}

impl Share {
    /// How tests learn of it: `TCPKIT_GUEST`.
    const fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::All => "all",
        }
    }
}

/// What the guests' tests have in their names.
const TESTS: &str = "vm::";

/// Emulated processors unless told otherwise: as many as a small build machine has.
const PROCESSORS: u32 = 2;

/// Memory unless told otherwise, in MiB; half of it can hold the guest's files.
const MEMORY: u32 = 1024;

/// How long a guest may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(600);

/// All tests of a guest take a quarter of an hour on an idle machine, and twice that on a busy one.
const TIMEOUT_OF_ALL_TESTS: Duration = Duration::from_secs(2_700);

/// As `timeout` of coreutils ends, when the time was over.
const TIMED_OUT: u8 = 124;

/// When a kernel could not be fetched, or its guest did not come to an end of its own.
const NO_RESULT: u8 = 125;

/// `cargo xtask vm`.
///
/// # Errors
/// If something needed is missing, or a build fails.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    if options.update_docs && !options.all && !options.gate && options.kernel.is_empty() {
        document::update(&record::newest()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let releases = chosen(options)?;
    if !options.command.is_empty() || options.is_shell() {
        return command_in_guests(options, &releases);
    }
    tests_in_guests(options, &releases)
}

/// The guests' tests, and the table of what they said.
fn tests_in_guests(options: &Options, releases: &[Release]) -> Result<ExitCode> {
    let conditions = Conditions {
        append: options.append.clone(),
        timeout: limit(options),
        processors: options.processors,
        memory: options.memory,
        refresh: options.refresh,
        filter: options.filter.clone(),
        share: if options.gate { Share::Gate } else { Share::All },
        jobs: options.jobs,
    };
    let reports = matrix::run(releases, &conditions, |line| answer(line))?;
    answer(format_args!("\n{}", tables(&reports)));
    if options.update_docs {
        document::update(&record::newest()?)?;
    }
    let left_out = reports.iter().any(|report| matches!(report.result, Trial::LeftOut(_)));
    let well = reports.iter().all(|report| report.complaint().is_none()) && !(left_out && in_ci());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The gate's share of the guests' tests, on the kernels that every run of it boots, all at a time: a guest keeps little more than one
/// processor busy. `show` gets each line that they say.
///
/// # Errors
/// If something needed is missing, or a build fails.
pub(crate) fn gate(limit: Duration, show: impl Fn(&str) + Sync) -> Result<Vec<Report>> {
    let releases = releases::of_the_gate();
    let conditions = Conditions {
        append: String::new(),
        timeout: Some(limit),
        processors: PROCESSORS,
        memory: MEMORY,
        refresh: false,
        filter: TESTS.to_owned(),
        share: Share::Gate,
        jobs: releases.len(),
    };
    matrix::run(&releases, &conditions, show)
}

/// What guests said, for a terminal.
pub(crate) fn tables(reports: &[Report]) -> String {
    let tables = [
        Table::features(reports).text("feature"),
        Table::checks(reports).text("check"),
        Table::runs(reports).text("run"),
    ];
    tables.iter().filter(|table| !table.is_empty()).cloned().collect::<Vec<_>>().join("\n")
}

impl Options {
    /// Whether somebody wants to type commands.
    fn is_shell(&self) -> bool {
        self.command.is_empty() && self.kernel.len() == 1 && !self.tests && !self.gate
    }
}

fn chosen(options: &Options) -> Result<Vec<Release>> {
    if options.all {
        return Ok(RELEASES.to_vec());
    }
    if options.kernel.is_empty() {
        return Ok(releases::of_the_gate());
    }
    options.kernel.iter().map(|name| releases::named(name)).collect()
}

/// A developer's command, or a shell; the status is the command's own, of several guests the first that is not 0.
fn command_in_guests(options: &Options, releases: &[Release]) -> Result<ExitCode> {
    guest::emulator()?;
    let binaries = payload::build()?;
    let payload = payload::archive(&binaries)?;
    let mut status = 0;
    for release in releases {
        let kernel = match packages::fetch(*release, options.refresh)? {
            Fetched::Here(kernel) => kernel,
            Fetched::Unreachable(why) => {
                say(format_args!("vm: no guest with kernel {}: {why}", release.name));
                status = if status == 0 { NO_RESULT } else { status };
                continue;
            }
        };
        let environment = environment(Share::All);
        let boot = Boot {
            kernel: &kernel,
            payload: &payload,
            command: &options.command,
            environment: &environment,
            append: &options.append,
            timeout: limit(options),
            processors: options.processors,
            memory: options.memory,
        };
        let outcome = guest::run(&boot, pass_on)?;
        tell(&kernel, &outcome);
        status = if status == 0 { status_of(&outcome.end) } else { status };
    }
    Ok(ExitCode::from(status))
}

/// A shell at the terminal may take its time.
fn limit(options: &Options) -> Option<Duration> {
    match options.timeout {
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None if options.tests || options.all => Some(TIMEOUT_OF_ALL_TESTS),
        None => (!options.is_shell()).then_some(TIMEOUT),
    }
}

/// What the command gets to know: where the binary under test is, that this is a guest, and what steers tests.
fn environment(share: Share) -> Vec<(String, String)> {
    let of_host = env::vars().filter(|(name, _)| {
        matches!(name.as_str(), "CI" | "NO_COLOR" | "TERM" | "UPDATE_EXPECT")
            || name.starts_with("RUST_")
            || (name.starts_with("TCPKIT_") && name != "TCPKIT_BIN" && name != "TCPKIT_LEFT_OUT")
            || name.starts_with("PROPTEST_")
    });
    let tests = workspace().join("tests").display().to_string();
    let own = [("TCPKIT_BIN", "/usr/bin/tcpkit"), ("TCPKIT_GUEST", share.word()), ("PWD", &tests)];
    of_host.chain(own.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// The guest's streams are ours.
fn pass_on(stream: Stream, bytes: &[u8]) {
    // A closed stream is no reason to stop: the status still counts.
    let _ = match stream {
        Stream::Out => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Stream::Err => io::stderr().lock().write_all(bytes),
    };
}

/// What is to be said of a guest beside what its command said.
fn tell(kernel: &Kernel, outcome: &Outcome) {
    tell_complaints(kernel, outcome);
    if let (End::Status(status), Some(boot)) = (&outcome.end, outcome.boot) {
        let (boot, whole) = (seconds(boot), seconds(outcome.whole));
        say(format_args!("vm: {kernel}: status {status} (booted in {boot}, {whole} in all)"));
    } else {
        say(format_args!("vm: {kernel}: {}", outcome.end));
    }
}

/// What the kernel complained of, and its last words if the guest did not end by itself.
fn tell_complaints(kernel: &Kernel, outcome: &Outcome) {
    for complaint in &outcome.complaints {
        say(format_args!("vm: the kernel of {kernel} complains: {complaint}"));
    }
    if !matches!(outcome.end, End::Status(_)) {
        say(format_args!("vm: last lines of the console of {kernel}:\n{}", outcome.console));
    }
}

const fn status_of(end: &End) -> u8 {
    match end {
        End::Status(status) => *status,
        End::TimedOut(_) => TIMED_OUT,
        End::Panicked(_) | End::Died(_) | End::Earlier(_) => NO_RESULT,
    }
}
