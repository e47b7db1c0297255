//! What leaves tcpkit: text for people, JSON for programs, an endpoint for scrapers.
//!
//! The contract of everything in here:
//! - `render` is pure; whatever touches a stream says which one when it fails.
//! - Names from a capture (interfaces, notes) are shown to a terminal with their control characters escaped.
//! - That a reader closed its end is an [`io::ErrorKind::BrokenPipe`] in the error's chain, never a panic.

pub mod capture;
pub mod flows;
pub mod http;
pub mod json;
pub mod log;
pub mod merge;
pub mod metrics;
pub mod page;
pub mod progress;
pub mod socket;
pub mod text;

use std::io::{self, Write as _};

/// Writes `text` to standard output, all of it, now.
///
/// # Errors
/// What the stream says; a reader that went away is [`io::ErrorKind::BrokenPipe`].
pub fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written
        .map_err(|error| io::Error::new(error.kind(), format!("standard output: cannot be written: {error}")))
}

/// Writes `text` to standard error as it is; that nobody reads it is no reason to stop.
pub fn write_stderr_text(text: &str) {
    let _nobody_listens = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes one line to standard error; that nobody reads it is no reason to stop.
pub fn write_stderr(line: &str) {
    let mut stderr = io::stderr().lock();
    let _nobody_listens = writeln!(stderr, "{line}");
}
