//! Runs the guests' tests on several kernels and gathers what came of them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

use super::{
    Share,
    guest::{self, Boot, End, Outcome, Stream},
    initramfs::Archive,
    packages::{self, Fetched, Kernel},
    payload, record,
    releases::Release,
    results::Results,
};
use crate::{
    shell::{foreign, read, say, seconds},
    tally::Tally,
};

/// What was tried on one kernel.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Which.
    pub release: Release,
    /// What came of it.
    pub result: Trial,
}

/// What came of one kernel.
#[derive(Clone, Debug)]
pub(crate) enum Trial {
    /// Its guest was started.
    Ran(Box<Ran>),
    /// Its suite could not be reached, and why.
    LeftOut(String),
    /// Its guest could not be started, and why.
    Broken(String),
}

impl Report {
    /// What is wrong, if anything is; what was left out is not wrong by itself.
    pub(crate) fn complaint(&self) -> Option<String> {
        match &self.result {
            Trial::Ran(ran) => ran.complaint(),
            Trial::Broken(why) => Some(why.clone()),
            Trial::LeftOut(_) => None,
        }
    }
}

/// A guest that was started.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// Its kernel.
    pub(super) kernel: Kernel,
    /// How much was to be run in it.
    pub(super) share: Share,
    /// The day on which it ended, as a document tells it.
    pub(super) day: String,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What its tests said.
    pub(super) results: Results,
    /// Which of its tests were run again alone, and what came of that; `results` have their newest words.
    pub(super) again: Vec<String>,
}

/// How guests are run.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// Words for the kernel's command line.
    pub append: String,
    /// How long a guest may take.
    pub timeout: Option<Duration>,
    /// Guests at a time.
    pub jobs: usize,
    /// Emulated processors.
    pub processors: u32,
    /// Memory, in MiB.
    pub memory: u32,
    /// Whether newer kernels are fetched.
    pub refresh: bool,
    /// Only tests whose names contain this.
    pub filter: String,
    /// How much of each.
    pub share: Share,
}

impl Ran {
    /// Whether the guest ended by itself, and all that it tried went well.
    fn is_well(&self) -> bool {
        self.outcome.end == End::Status(0) && self.results.are_well()
    }

    /// Whether the guest's tests came to their end, well or not.
    pub(super) const fn ended(&self) -> bool {
        matches!(self.outcome.end, End::Status(_))
    }

    /// How long it ran.
    pub(super) const fn seconds(&self) -> u64 {
        self.outcome.whole.as_secs()
    }

    /// What its tests counted.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.results.tally
    }

    /// What is wrong, if anything is.
    pub(super) fn complaint(&self) -> Option<String> {
        if self.is_well() {
            return None;
        }
        Some(match &self.outcome.end {
            End::Status(_) if self.results.tally.results == 0 => "its tests gave no result".to_owned(),
            End::Status(_) if self.results.tally.passed == 0 => "no test of it passed".to_owned(),
            End::Status(_) if !self.results.unreadable.is_empty() => {
                format!("it said what nobody can read: {}", self.results.unreadable.join("; "))
            }
            End::Status(_) => "tests or checks failed".to_owned(),
            other => other.to_string(),
        })
    }
}

/// What is the same for all guests of a run.
struct Run<'a, S> {
    conditions: &'a Conditions,
    payload: &'a Archive<Vec<u8>>,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    show: S,
}

/// Boots these kernels and runs the guests' tests in each; `show` gets every line. Reports come in the order of the
/// releases, however many guests run at a time.
///
/// # Errors
/// If something that all guests need is missing, or a build fails.
pub(crate) fn run(
    releases: &[Release],
    conditions: &Conditions,
    show: impl Fn(&str) + Sync,
) -> Result<Vec<Report>> {
    guest::emulator()?;
    let binaries = payload::build()?;
    let payload = payload::archive(&binaries)?;
    let command = test_command(&conditions.filter);
    let run = Run {
        conditions,
        payload: &payload,
        command,
        environment: super::environment(conditions.share),
        show,
    };
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..conditions.jobs.clamp(1, releases.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&release) = releases.get(index) else { return };
                    let report = run.trial(release);
                    reports.lock().unwrap_or_else(PoisonError::into_inner).insert(index, report);
                }
            });
        }
    });
    Ok(reports.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

impl<S: Fn(&str) + Sync> Run<'_, S> {
    /// One kernel; what goes wrong with it does not end the others.
    fn trial(&self, release: Release) -> Report {
        let result = self.result(release).unwrap_or_else(|error| Trial::Broken(format!("{error:#}")));
        let report = Report { release, result };
        tell(&report);
        report
    }

    fn result(&self, release: Release) -> Result<Trial> {
        let kernel = match packages::fetch(release, self.conditions.refresh)? {
            Fetched::Unreachable(why) => return Ok(Trial::LeftOut(why)),
            Fetched::Here(kernel) => kernel,
        };
        let boot = Boot {
            kernel: &kernel,
            payload: self.payload,
            command: &self.command,
            environment: &self.environment,
            append: &self.conditions.append,
            timeout: self.conditions.timeout,
            processors: self.conditions.processors,
            memory: self.conditions.memory,
        };
        let mut said = Vec::new();
        let (outcome, results) = tests_in(&boot, |line| {
            said.push(line.to_owned());
            (self.show)(&format!("{:>6} | {line}", release.name));
        })?;
        let (share, day) = (self.conditions.share, today()?);
        let ran = Ran { kernel, share, day, outcome, results, again: Vec::new() };
        if self.conditions.filter == super::TESTS {
            record::keep(&ran, &said)?;
        } else {
            record::keep_again(&ran, &self.conditions.filter, &said)?;
        }
        Ok(Trial::Ran(Box::new(ran)))
    }
}

fn today() -> Result<String> {
    Ok(read(foreign("date").args(["-u", "+%-d %B %Y"]))?.trim().to_owned())
}

/// One at a time: what they measure must not be each other.
fn test_command(filter: &str) -> Vec<String> {
    let words = [payload::SCENARIOS, filter, "--ignored", "--nocapture", "--test-threads=1"];
    words.map(str::to_owned).to_vec()
}

fn tests_in(boot: &Boot<'_>, mut show: impl FnMut(&str)) -> Result<(Outcome, Results)> {
    say(format_args!("vm: booting {}", boot.kernel));
    let mut results = Results::default();
    let mut buffers = [Lines::default(), Lines::default()];
    let mut on_line = |line: &str| {
        results.on_line(line);
        show(line);
    };
    let outcome = guest::run(boot, |stream, bytes| {
        let buffer = &mut buffers[usize::from(stream == Stream::Err)];
        buffer.push(bytes, &mut on_line);
    })?;
    for buffer in &mut buffers {
        buffer.flush(&mut on_line);
    }
    Ok((outcome, results))
}

fn tell(report: &Report) {
    let name = report.release.name;
    match &report.result {
        Trial::LeftOut(why) => say(format_args!("vm: LEFT OUT: kernel {name}: {why}")),
        Trial::Broken(why) => say(format_args!("vm: {name}: FAILED: {why}")),
        Trial::Ran(ran) => {
            super::tell_complaints(&ran.kernel, &ran.outcome);
            let whole = seconds(ran.outcome.whole);
            match ran.complaint() {
                None => say(format_args!("vm: {}: passed in {whole}", ran.kernel)),
                Some(why) => say(format_args!("vm: {}: FAILED after {whole}: {why}", ran.kernel)),
            }
        }
    }
}

/// Lines of a stream that comes in pieces.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.flush(on_line);
            }
        }
    }

    /// The last line may have no end.
    fn flush(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.rest.is_empty() {
            on_line(String::from_utf8_lossy(&self.rest).trim_end_matches(['\n', '\r']));
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut seen = Vec::new();
        let mut lines = Lines::default();
        let mut keep = |line: &str| seen.push(line.to_owned());
        for piece in ["on", "e\ntwo\nth", "ree\r\n", "\n", "last"] {
            lines.push(piece.as_bytes(), &mut keep);
        }
        lines.flush(&mut keep);
        lines.flush(&mut keep);
        assert_eq!(seen, ["one", "two", "three", "", "last"]);
    }
}
