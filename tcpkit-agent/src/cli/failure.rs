//! How a run ends: the exit status, and one line that says what, where, and what to do.

use std::{fmt, io};

/// Exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Success,
    /// Something failed while running.
    Failed,
    /// The command line was wrong.
    Usage,
    /// What an older tool ends with.
    Legacy(u8),
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Legacy(status) => status,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What went wrong: `what: why: what to do`, on one line, perhaps with lines of detail below it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    exit: Exit,
    parts: Vec<String>,
    detail: Option<String>,
    /// It is told without our name in front: an older tool says it in these words.
    is_legacy: bool,
}

impl Failure {
    /// A wrong command line; `what` names the option or the word.
    pub fn usage(what: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, parts: vec![what.into()], detail: None, is_legacy: false }
    }

    /// Something that failed while running; `what` names the file, interface or address.
    pub fn run(what: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, parts: vec![what.into()], detail: None, is_legacy: false }
    }

    /// What an older tool says, in its own words and with its own name; its status is 1 unless told otherwise.
    pub fn legacy(line: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, parts: vec![line.into()], detail: None, is_legacy: true }
    }

    /// The same, with that status.
    #[must_use]
    pub const fn with_legacy_status(mut self, status: u8) -> Self {
        self.exit = Exit::Legacy(status);
        self
    }

    /// The same, for a tool whose status for bad usage is 2.
    #[must_use]
    pub const fn with_usage_status(mut self) -> Self {
        self.exit = Exit::Usage;
        self
    }

    /// A filter expression that cannot be used: the first line of `error` is what and why, the others show the place.
    pub fn filter(error: impl fmt::Display) -> Self {
        let text = error.to_string();
        match text.split_once('\n') {
            Some((line, place)) => Self::usage(line).detail(place),
            None => Self::usage(text),
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.parts.push(reason.to_string());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl fmt::Display) -> Self {
        self.because(hint)
    }

    /// Adds lines that stand below, such as an expression with a caret under it.
    #[must_use]
    pub fn detail(mut self, lines: impl Into<String>) -> Self {
        self.detail = Some(lines.into());
        self
    }

    /// How the process ends because of it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.parts.iter().map(|part| one_line(part)).collect::<Vec<_>>().join(": ");
        formatter.write_str(&line)?;
        match &self.detail {
            Some(detail) => write!(formatter, "\n{}", detail.trim_end()),
            None => Ok(()),
        }
    }
}

/// How a run that returned `error` ends, and what standard error is told; nothing when the reader of our output went
/// away, because that is how `tcpkit … | head` ends.
#[must_use]
pub fn verdict(error: &anyhow::Error) -> (Exit, Option<String>) {
    if is_broken_pipe(error) {
        return (Exit::Success, None);
    }
    let Some(failure) = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()) else {
        return (Exit::Failed, Some(format!("tcpkit: {}", shown(&format!("{error:#}")))));
    };
    let line = if failure.is_legacy { failure.to_string() } else { format!("tcpkit: {failure}") };
    (failure.exit, Some(line))
}

/// Whether the reader of an output of ours closed it.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// A message on one line, unless its further lines point at a place in an expression.
fn shown(message: &str) -> String {
    match message.split_once('\n') {
        Some((line, place)) if place.lines().any(|line| line.trim() == "^") => {
            format!("{}\n{}", one_line(line), place.trim_end())
        }
        _ => one_line(message),
    }
}

/// The same words on one line; messages of libraries may have several, and a file's name may hold what a terminal obeys.
fn one_line(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if !line.contains(char::is_control) {
        return line;
    }
    let mut shown = String::with_capacity(line.len() + 8);
    for symbol in line.chars() {
        if symbol.is_control() { shown.extend(symbol.escape_default()) } else { shown.push(symbol) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_failure_is_what_why_and_what_to_do_on_one_line() {
        let failure = Failure::run("interface eth7").because("does not\n exist").hint("there are: eth0, lo");
        assert_eq!(failure.to_string(), "interface eth7: does not exist: there are: eth0, lo");
        assert_eq!(failure.exit().code(), 1);
        assert_eq!(Failure::usage("x").exit().code(), 2);
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let failure = Failure::run("a\u{1b}[31mb").because("no such file");
        assert_eq!(failure.to_string(), "a\\u{1b}[31mb: no such file");
        let said = verdict(&anyhow::anyhow!("\u{9b}2J: no such file")).1.unwrap();
        assert_eq!(said, "tcpkit: \\u{9b}2J: no such file");
    }

    #[test]
    fn detail_keeps_its_lines() {
        let failure = Failure::usage("filter expression").detail("tcp prot 80\n    ^\n");
        assert_eq!(failure.to_string(), "filter expression\ntcp prot 80\n    ^");
    }

    #[test]
    fn a_bad_expression_keeps_its_caret() {
        let failure = Failure::filter("filter expression: syntax error\n  tcp prot 80\n      ^");
        assert_eq!(failure.to_string(), "filter expression: syntax error\n  tcp prot 80\n      ^");
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(Failure::filter("too long").to_string(), "too long");
    }

    #[test]
    fn a_failure_deep_in_the_chain_decides_the_exit() {
        let error = Err::<(), _>(Failure::usage("bad")).context("while starting").unwrap_err();
        assert_eq!(verdict(&error), (Exit::Usage, Some("tcpkit: bad".into())));
        let error = anyhow::anyhow!("disk\nfull").context("a.pcap");
        assert_eq!(verdict(&error), (Exit::Failed, Some("tcpkit: a.pcap: disk full".into())));
    }

    #[test]
    fn a_caret_of_any_error_stays_under_its_place() {
        let error = anyhow::anyhow!("filter expression: syntax error\n  tcp prot 80\n      ^");
        let said = verdict(&error).1.unwrap();
        assert_eq!(said, "tcpkit: filter expression: syntax error\n  tcp prot 80\n      ^");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("flow log");
        assert_eq!(verdict(&error), (Exit::Success, None));
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("flow log");
        assert_eq!(verdict(&error).0, Exit::Failed);
    }
}
