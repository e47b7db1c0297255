//! Live tests, and those of the kernel side, that failed once, run again one at a time.
//!
//! All tests share the machine: on a busy one a server may answer too late for the patience of a test that is right, or
//! frames may wait in a queue while counters are read.
//! Alone, such a test passes, and the gate says that it needed that; one that fails again has failed. Other tests have
//! no second chance, nor have many at once: that is no accident.

use anyhow::Result;

use super::step::{Outcome, cargo_test};
use crate::{
    shell::{answer, cargo, say},
    tally::Tally,
};

/// More tests than this that fail in one run are no accident.
const FEW: usize = 3;

/// The tests that may be run again: all that failed, where they are few and all of them are live or of the kernel side.
fn candidates(tally: &Tally) -> &[String] {
    let failed = tally.failed_tests.as_slice();
    let are_live = failed.iter().all(|name| name.starts_with("live::") || name.starts_with("kernel::"));
    if tally.failed == failed.len() && failed.len() <= FEW && are_live { failed } else { &[] }
}

/// Runs them again, and corrects the tally and the outcome by what comes of it.
///
/// # Errors
/// Cargo cannot be run.
pub(super) fn run_again(
    outcome: Outcome,
    tally: &mut Tally,
    prepare: impl Fn(&mut std::process::Command),
) -> Result<Outcome> {
    let names = candidates(tally).to_vec();
    if outcome != Outcome::TestsFailed || names.is_empty() {
        return Ok(outcome);
    }
    say(format_args!("\ntests: {} live test(s) failed; run again, one at a time", names.len()));
    let mut second = Tally::default();
    let mut test = cargo();
    prepare(&mut test);
    test.args(["test", "-p", "tcpkit-tests", "--test", "scenarios"]);
    test.args(["--", "--exact", "--test-threads=1"]).args(&names);
    cargo_test(&mut test, &mut second, |line| answer(line))?;
    Ok(settle(tally, &second))
}

/// What both runs come to.
fn settle(tally: &mut Tally, second: &Tally) -> Outcome {
    let is_failed = |name: &&String| second.failed_tests.contains(name);
    let names = std::mem::take(&mut tally.failed_tests);
    let (failed, passed): (Vec<_>, Vec<_>) = names.iter().partition(is_failed);
    // A test that gave no result at all did not pass.
    if second.passed != passed.len() {
        tally.failed_tests = names;
        return Outcome::TestsFailed;
    }
    tally.failed -= passed.len();
    tally.passed += passed.len();
    tally.second_chances.extend(passed.into_iter().cloned());
    let is_well = failed.is_empty();
    tally.failed_tests = failed.into_iter().cloned().collect();
    if is_well { Outcome::Passed } else { Outcome::TestsFailed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.on_line(line);
        }
        tally
    }

    #[test]
    fn only_few_and_only_live_tests_have_a_second_chance() {
        let one = tally(&["test live::a ... FAILED", "test result: FAILED. 7 passed; 1 failed"]);
        assert_eq!(candidates(&one), ["live::a"]);
        let other = tally(&["test wire::a ... FAILED", "test result: FAILED. 7 passed; 1 failed"]);
        assert!(candidates(&other).is_empty());
        let aborted = tally(&["test live::a ... FAILED", "test result: FAILED. 7 passed; 2 failed"]);
        assert!(candidates(&aborted).is_empty());
        let many = ["a", "b", "c", "d"].map(|name| format!("test live::{name} ... FAILED"));
        let mut lines: Vec<&str> = many.iter().map(String::as_str).collect();
        lines.push("test result: FAILED. 0 passed; 4 failed");
        assert!(candidates(&tally(&lines)).is_empty());
    }

    #[test]
    fn what_passes_alone_has_passed_and_is_named() {
        let failed = ["test live::a ... FAILED", "test live::b ... FAILED"];
        let mut first = tally(&[failed[0], failed[1], "test result: FAILED. 5 passed; 2 failed"]);
        let second = tally(&["test live::a ... ok", failed[1], "test result: FAILED. 1 passed; 1 failed"]);
        assert_eq!(settle(&mut first, &second), Outcome::TestsFailed);
        assert_eq!((first.passed, first.failed), (6, 1));
        assert!(first.second_chances_text().contains("live::a"));
        let nothing = tally(&["error: could not compile"]);
        let mut first = tally(&[failed[0], "test result: FAILED. 5 passed; 1 failed"]);
        assert_eq!(settle(&mut first, &nothing), Outcome::TestsFailed);
        assert_eq!((first.passed, first.failed), (5, 1));
    }
}
