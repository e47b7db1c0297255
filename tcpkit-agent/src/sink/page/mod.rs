//! The page: one file that draws a report, live from the endpoint or of a capture that is over.
//!
//! It fetches nothing but our own reports, and what came from the network reaches the document as text only: the policy
//! that goes with it forbids everything else. Its sources stand beside this file and are put together here.

mod events;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use events::EventList;

use crate::{report::Report, sink::json};

/// Content-Security-Policy of the page: its own script and style, and our own reports.
pub const POLICY: &str = concat!(
    "default-src 'none'; script-src 'sha256-",
    script_hash!(),
    "'; style-src 'sha256-",
    style_hash!(),
    "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
);
