//! Results of tests, read from what the test binaries print.

use std::{collections::BTreeSet, fmt::Write as _};

/// Begins the line of a test that could not run here.
const LEFT_OUT: &str = "LEFT OUT:";

/// Sums over all test binaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Their names.
    pub failed_tests: Vec<String>,
    /// Tests that passed only when they were run again alone.
    pub second_chances: Vec<String>,
    /// Test binaries that gave a result.
    pub results: usize,
    /// Tests that could not run, and why.
    pub left_out: BTreeSet<String>,
}

impl Tally {
    /// Takes in one line of output.
    pub(crate) fn on_line(&mut self, line: &str) {
        if let Some(result) = line.trim_start().strip_prefix("test result:") {
            self.passed += count(result, " passed");
            self.failed += count(result, " failed");
            self.results += 1;
        }
        if let Some(name) = failed_test(line) {
            self.failed_tests.push(name.to_owned());
        }
        // A captured line of a failed test is indented or prefixed; one of a running test stands alone.
        if let Some(at) = line.find(LEFT_OUT) {
            self.left_out.insert(line[at + LEFT_OUT.len()..].trim().to_owned());
        }
    }

    /// Takes in the file to which tests append what they leave out.
    pub(crate) fn note_left_out(&mut self, file: &str) {
        for line in file.lines() {
            let reason = line.strip_prefix(LEFT_OUT).unwrap_or(line).trim();
            if !reason.is_empty() {
                self.left_out.insert(reason.to_owned());
            }
        }
    }

    /// Takes in another tally.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.results += other.results;
        self.left_out.extend(other.left_out.iter().cloned());
        self.failed_tests.extend(other.failed_tests.iter().cloned());
        self.second_chances.extend(other.second_chances.iter().cloned());
    }

    /// What is to be said of the tests that passed only alone; empty where there are none.
    pub(crate) fn second_chances_text(&self) -> String {
        let mut text = String::new();
        for name in &self.second_chances {
            let _ = writeln!(text, "PASSED ONLY ALONE, the second time: {name}");
        }
        text
    }

    /// What is to be said of the tests that could not run.
    pub(crate) fn left_out_text(&self, must_be_whole: bool) -> String {
        if self.left_out.is_empty() {
            return "live tests: none left out".to_owned();
        }
        let verdict = if must_be_whole {
            "CI=true: that is a failure"
        } else {
            "this run proves less than a whole one"
        };
        let mut text = format!("live tests: {} LEFT OUT ({verdict}):", self.left_out.len());
        for reason in &self.left_out {
            let _ = write!(text, "\n  LEFT OUT: {reason}");
        }
        text
    }
}

/// The test that a line says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The number that stands before a word, as in `12 passed`.
fn count(result: &str, word: &str) -> usize {
    let before = result.find(word).map_or("", |at| &result[..at]);
    let digits = before.rfind(|c: char| !c.is_ascii_digit()).map_or(before, |at| &before[at + 1..]);
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed() {
        let mut tally = Tally::default();
        tally.on_line("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.01s");
        tally.on_line("test result: FAILED. 3 passed; 2 failed; 0 ignored");
        tally.on_line("test wire::x ... ok");
        assert_eq!((tally.passed, tally.failed, tally.results), (15, 2, 2));
    }

    #[test]
    fn a_reason_counts_once_wherever_it_is_read() {
        let mut tally = Tally::default();
        tally.on_line("LEFT OUT: attach: no CAP_BPF");
        tally.note_left_out("LEFT OUT: attach: no CAP_BPF\nLEFT OUT: bond: no module\n\n");
        assert_eq!(tally.left_out.len(), 2);
        assert!(tally.left_out_text(true).contains("that is a failure"));
    }
}
