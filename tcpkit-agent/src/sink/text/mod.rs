//! Text for people: one line for each event, one screen for a report.
//!
//! Everything in here is pure, fits 80 columns where names are not longer than usual, and escapes control characters
//! of names that come from a capture.

mod bandwidth;
mod bounds;
mod bursts;
mod event;
mod number;
mod request;
mod requests;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod sample_requests;
mod stream;
mod style;
mod summary;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;

pub use event::event;
pub use summary::render;

/// How text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// Mark what matters by colour (SGR sequences, ECMA-48 §8.3.117).
    pub colour: bool,
}

impl TextOptions {
    /// Colour only on a terminal, and not where the user asked for none (<https://no-color.org>).
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { colour: stream.is_terminal() && !refused && !dumb }
    }
}
