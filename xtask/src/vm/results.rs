//! What a guest's tests said of their kernel, read from the lines that they print.
//!
//! `FEATURE name = value: remark` tells what the kernel has, `CHECK name = pass|fail|left out: remark` how tcpkit fares
//! there; the remark may be missing. With one thread libtest leaves a test's name before what the test prints, so a line
//! counts also behind `test NAME ... `. A line that begins so and cannot be read is kept as unreadable: it would
//! silently be missing from the table.

use std::fmt;

use crate::tally::Tally;

/// Everything that one guest said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// In the order in which they came.
    pub features: Vec<Line<String>>,
    /// In the order in which they came.
    pub checks: Vec<Line<Verdict>>,
    /// What the test binary counted.
    pub tally: Tally,
    /// Lines that begin as these do and cannot be read.
    pub unreadable: Vec<String>,
}

/// A name, what is so, and a sentence about it; empty when there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<T> {
    /// Of the feature or the check.
    pub name: String,
    /// What is so.
    pub value: T,
    /// About it.
    pub remark: String,
}

/// How tcpkit fared, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// As promised.
    Pass,
    /// It could not be tried on this kernel.
    LeftOut,
    /// Not as promised.
    Fail,
}

impl Verdict {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "pass" => Some(Self::Pass),
            "left out" => Some(Self::LeftOut),
            "fail" => Some(Self::Fail),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::LeftOut => "left out",
            Self::Fail => "FAIL",
        })
    }
}

impl Results {
    /// Takes in one line of the guest's output.
    pub(super) fn on_line(&mut self, line: &str) {
        self.tally.on_line(line);
        let own = if line.starts_with("test ") {
            line.split_once(" ... ").map_or("", |(_, own)| own)
        } else {
            line
        };
        let read = if let Some(text) = own.strip_prefix("FEATURE ") {
            parts(text).map(|(name, value, remark)| self.feature(name, value, remark))
        } else if let Some(text) = own.strip_prefix("CHECK ") {
            let check =
                parts(text).and_then(|(name, value, remark)| Some((name, Verdict::parse(value)?, remark)));
            check.map(|(name, value, remark)| self.check(name, value, remark))
        } else {
            return;
        };
        if read.is_none() {
            self.unreadable.push(own.to_owned());
        }
    }

    /// Whether every test and every check of the guest went well, and there were any.
    pub(super) fn are_well(&self) -> bool {
        let no_check_failed = self.checks.iter().all(|check| check.value != Verdict::Fail);
        self.tally.passed > 0 && self.tally.failed == 0 && no_check_failed && self.unreadable.is_empty()
    }

    /// Takes in what some of the tests said when they were run again: of each check and feature, that holds.
    pub(super) fn replace(&mut self, again: Self) {
        for feature in again.features {
            self.feature(&feature.name, &feature.value, &feature.remark);
        }
        for check in again.checks {
            match self.checks.iter_mut().find(|old| old.name == check.name) {
                Some(old) => *old = check,
                None => self.checks.push(check),
            }
        }
    }

    /// Said again, the newest holds.
    fn feature(&mut self, name: &str, value: &str, remark: &str) {
        self.features.retain(|feature| feature.name != name);
        self.features.push(Line {
            name: name.to_owned(),
            value: value.to_owned(),
            remark: remark.to_owned(),
        });
    }

    /// Said again, the worst holds.
    fn check(&mut self, name: &str, value: Verdict, remark: &str) {
        let line = Line { name: name.to_owned(), value, remark: remark.to_owned() };
        match self.checks.iter_mut().find(|check| check.name == name) {
            Some(old) if old.value < value => *old = line,
            Some(_) => {}
            None => self.checks.push(line),
        }
    }
}

/// Name, value and remark of `name = value: remark`.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once(" = ")?;
    let (value, remark) = rest.split_once(": ").unwrap_or((rest, ""));
    let (name, value) = (name.trim(), value.trim().trim_end_matches(':'));
    (!name.is_empty() && !value.is_empty()).then_some((name, value, remark.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(lines: &[&str]) -> Results {
        let mut results = Results::default();
        lines.iter().for_each(|line| results.on_line(line));
        results
    }

    #[test]
    fn features_and_checks_are_read_wherever_libtest_leaves_them() {
        let results = results(&[
            "test vm::attach::tcx ... FEATURE TCX = no: a clsact filter stands in, and a watcher removes it",
            "CHECK attach = pass",
            "ok",
            "test result: ok. 1 passed; 0 failed; 0 ignored",
        ]);
        let feature = &results.features[0];
        assert_eq!((feature.name.as_str(), feature.value.as_str()), ("TCX", "no"));
        assert!(feature.remark.starts_with("a clsact filter"));
        assert_eq!(
            results.checks,
            [Line { name: "attach".into(), value: Verdict::Pass, remark: String::new() }]
        );
        assert!(results.are_well());
    }

    #[test]
    fn of_two_verdicts_the_worse_one_holds() {
        let results = results(&["CHECK a = pass", "CHECK a = fail: lost 3", "CHECK a = left out: no bond"]);
        assert_eq!((results.checks.len(), results.checks[0].value), (1, Verdict::Fail));
        assert_eq!(results.checks[0].remark, "lost 3");
        assert!(!results.are_well());
    }

    #[test]
    fn what_was_run_again_takes_the_place_of_what_failed() {
        let mut whole = results(&["CHECK a = fail: lost 3", "CHECK b = fail: lost 1", "FEATURE x = no"]);
        whole.replace(results(&["CHECK a = pass", "FEATURE x = yes"]));
        let verdicts: Vec<Verdict> = whole.checks.iter().map(|check| check.value).collect();
        assert_eq!((verdicts, whole.features[0].value.as_str()), (vec![Verdict::Pass, Verdict::Fail], "yes"));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_not_dropped() {
        for line in ["CHECK a = perhaps", "FEATURE tcx", "CHECK  = pass"] {
            let results = results(&[line, "test result: ok. 1 passed; 0 failed"]);
            assert_eq!(results.unreadable, [line], "{line}");
            assert!(!results.are_well());
        }
    }

    #[test]
    fn what_only_speaks_of_features_is_no_feature() {
        let results = results(&["a FEATURE x = y", "test vm::x ... ok", "the CHECK a = fail"]);
        assert_eq!(results, Results::default());
    }

    #[test]
    fn a_guest_without_tests_is_not_well() {
        assert!(!results(&["test result: ok. 0 passed; 0 failed; 0 ignored; 90 filtered out"]).are_well());
        assert!(!results(&[]).are_well());
    }
}
