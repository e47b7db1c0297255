//! The page: one file that draws a report, live from the endpoint or of a capture that is over.
//!
//! It fetches nothing but our own reports, and what came from the network reaches the document as text only: the policy
//! that goes with it forbids everything else. Its sources stand beside this file and are put together here.

mod course;
mod events;
mod recorded;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use events::EventList;
pub use recorded::{LARGEST, recorded};

/// Content-Security-Policy of the page: its own script and style by their hashes (a test says what they are), and our own
/// reports.
pub const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-h+62J6TumcXZGoRXKD4P/9NV3RQRijJrQ8g96/OlLGE='; \
    style-src 'sha256-BAzDOXIPdso+9KS1sGBB8J/cy3a8dyf8Cehah6eLarA='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'";

const STYLE: &str = include_str!("style.css");

/// One scope of its own, so that no part leaves a name in the window.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("format.js"),
    include_str!("dom.js"),
    include_str!("bins.js"),
    include_str!("axis.js"),
    include_str!("chart.js"),
    include_str!("heat.js"),
    include_str!("cards.js"),
    include_str!("requests.js"),
    include_str!("traffic.js"),
    include_str!("events.js"),
    include_str!("main.js"),
    "})();\n"
);

/// The page that asks the endpoint for reports; [`POLICY`] belongs into its header.
#[must_use]
pub fn live() -> &'static str {
    static PAGE: LazyLock<String> = LazyLock::new(|| page("", ""));
    &PAGE
}

fn page(policy: &str, data: &str) -> String {
    // What came from the network goes in last: nothing is looked for behind it.
    include_str!("index.html")
        .replace("<!--policy-->\n", policy)
        .replace("<!--style-->", STYLE)
        .replace("<!--script-->", SCRIPT)
        .replace("<!--data-->\n", data)
}
