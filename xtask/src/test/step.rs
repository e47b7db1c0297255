//! One step of the gate: what came of it, and how long it took.

use std::{
    fmt,
    io::{BufRead as _, BufReader, PipeReader},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{shell::seconds, tally::Tally};

/// A step that was run.
#[derive(Debug)]
pub(super) struct Step {
    /// What it is called.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All well.
    Passed,
    /// Not well, and why.
    Failed(String),
    /// It could not be run here, and why.
    LeftOut(String),
    /// It ran tests, and some of them failed: they count, not the step.
    TestsFailed,
}

impl From<bool> for Outcome {
    fn from(well: bool) -> Self {
        if well { Self::Passed } else { Self::Failed("see above".to_owned()) }
    }
}

impl Step {
    /// Whether the step failed in a way that no failed test stands for.
    pub(super) fn failed_beside_tests(&self, tally: &Tally) -> bool {
        match self.outcome {
            Outcome::Failed(_) => true,
            Outcome::TestsFailed => tally.failed == 0,
            Outcome::Passed | Outcome::LeftOut(_) => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, why) = match &self.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::TestsFailed => ("FAILED", "see the tests above"),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::LeftOut(why) => ("left out", why.as_str()),
        };
        write!(f, "  {:16} {state:9} {:>8}  {why}", self.name, seconds(self.time))
    }
}

/// How long to wait for lines after cargo has ended: a server that a test left behind may hold the pipe forever.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs `cargo test`, hands its output to `show` as it comes, and takes the results out of it.
pub(super) fn cargo_test(command: &mut Command, tally: &mut Tally, show: impl Fn(&str)) -> Result<Outcome> {
    // One pipe for both streams keeps their lines in order.
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stderr(writer.try_clone().context("cannot share a pipe")?).stdout(writer);
    let mut child = command.spawn().context("cannot run cargo test")?;
    // The pipe ends only when nobody holds its other end: neither the child nor the command.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let lines = lines_of(reader);
    let mut ended = None;
    loop {
        match lines.recv_timeout(LAST_LINES) {
            Ok(line) => {
                show(&line);
                tally.on_line(&line);
            }
            Err(RecvTimeoutError::Timeout) if ended.is_none() => {
                ended = child.try_wait().context("cannot wait for cargo test")?;
            }
            Err(_) => break,
        }
    }
    let status = child.wait().context("cannot wait for cargo test")?;
    Ok(if status.success() {
        Outcome::Passed
    } else if tally.results == 0 {
        Outcome::Failed(format!("cargo test ended with {status} before any test ran"))
    } else {
        Outcome::TestsFailed
    })
}

/// Lines of a pipe, as they come; the channel closes with the pipe.
fn lines_of(reader: PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(script: &str) -> (Outcome, Tally) {
        let mut tally = Tally::default();
        let outcome = cargo_test(Command::new("sh").args(["-c", script]), &mut tally, |_| {}).unwrap();
        (outcome, tally)
    }

    #[test]
    fn both_streams_are_read_to_the_end() {
        let (outcome, tally) = outcome_of(
            "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; echo 'LEFT OUT: bond: no bonding module' >&2",
        );
        assert_eq!((outcome, tally.passed, tally.left_out.len()), (Outcome::Passed, 2, 1));
    }

    #[test]
    fn a_process_that_holds_the_pipe_does_not_hold_the_gate() {
        let (outcome, tally) =
            outcome_of("sleep 9 & echo \"left $!\"; echo 'test result: ok. 1 passed; 0 failed'");
        assert_eq!((outcome, tally.passed), (Outcome::Passed, 1));
    }

    #[test]
    fn a_failed_test_and_a_failed_build_are_told_apart() {
        let (outcome, tally) =
            outcome_of("echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; exit 101");
        assert_eq!((outcome, tally.failed), (Outcome::TestsFailed, 1));
        let (outcome, _) = outcome_of("echo 'error[E0001]'; exit 101");
        assert!(matches!(outcome, Outcome::Failed(_)));
    }

    #[test]
    fn a_step_that_failed_without_a_failed_test_counts_itself() {
        let step = |outcome| Step { name: "x", outcome, time: Duration::ZERO };
        let failed = Tally { failed: 1, ..Tally::default() };
        assert!(!step(Outcome::TestsFailed).failed_beside_tests(&failed));
        assert!(step(Outcome::TestsFailed).failed_beside_tests(&Tally::default()));
        assert!(step(Outcome::Failed(String::new())).failed_beside_tests(&failed));
    }
}
