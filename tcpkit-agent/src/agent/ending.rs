//! When a run ends, and with what.

use std::time::{Duration, Instant};

use crate::cli::{Config, Input};

/// `--duration`: the end of a live capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    begun: Instant,
    duration: Duration,
}

impl Deadline {
    /// The deadline that was asked for, counted from now.
    #[expect(clippy::disallowed_methods, reason = "how long the agent runs is its own affair, not the capture's")]
    pub(super) fn of(config: &Config) -> Option<Self> {
        let Input::Live(live) = &config.input else { return None };
        live.duration.map(|duration| Self { begun: Instant::now(), duration })
    }

    /// Whether it has come.
    pub(super) fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.duration
    }
}

/// The first of several errors decides how the run ends; the others are told on standard error.
///
/// # Errors
/// The first error.
pub(super) fn first_error(errors: impl IntoIterator<Item = anyhow::Error>) -> anyhow::Result<()> {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    for error in errors {
        if let (_, Some(line)) = crate::cli::verdict(&error) {
            crate::sink::write_stderr(&line);
        }
    }
    Err(first)
}
