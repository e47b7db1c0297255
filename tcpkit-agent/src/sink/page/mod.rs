//! The page: one file that draws a report, live from the endpoint or of a capture that is over.
//!
//! It fetches nothing but our own reports, and what came from the network reaches the document as text only: the policy
//! that goes with it forbids everything else. Its sources stand beside this file and are put together here.

mod events;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use events::EventList;
use serde_json::Value;

/// Content-Security-Policy of the page: its own script and style by their hashes (a test says what they are), and our own
/// reports.
pub const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-34GC64+T2Wr3hmBrobPt2KN26uko180pwwrBEt5t4u4='; \
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

/// The page of this report, in need of nothing and nobody; `events` are those of an [`EventList`], or `null`.
#[must_use]
pub fn recorded(mut report: Value, events: &Value) -> String {
    trim(&mut report);
    let policy = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n");
    page(&policy, &format!("{}{}", data("report-data", &report), data("events-data", events)))
}

/// Leaves out what the page does not show: the end of long lists, and distributions, which a series has by bin.
fn trim(report: &mut Value) {
    for list in LISTS {
        if let Some(Value::Array(items)) = report.pointer_mut(list) {
            items.truncate(SHOWN);
        }
    }
    if let Some(Value::Object(latency)) = report.pointer_mut("/latency") {
        latency.remove("distribution");
    }
}

fn page(policy: &str, data: &str) -> String {
    // What came from the network goes in last: nothing is looked for behind it.
    include_str!("index.html")
        .replace("<!--policy-->\n", policy)
        .replace("<!--style-->", STYLE)
        .replace("<!--script-->", SCRIPT)
        .replace("<!--data-->\n", data)
}

/// A block of data that the browser does not run. Without `<` there is no end tag in it, and no comment.
fn data(id: &str, value: &Value) -> String {
    let text = value.to_string().replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"{id}\">{text}</script>\n")
}

/// Lists of a report that are long in a long capture.
const LISTS: [&str; 13] = [
    "/handshake/servers",
    "/retransmit/servers",
    "/retransmit/ports",
    "/retransmit/flows",
    "/stalls/flows",
    "/latency/requests/ports",
    "/latency/requests/servers",
    "/latency/requests/commands",
    "/latency/requests/slowest",
    "/bandwidth/talkers/addresses",
    "/bandwidth/talkers/prefixes",
    "/bandwidth/talkers/ports",
    "/bandwidth/talkers/services",
];

/// What the page shows of each, at most.
const SHOWN: usize = 20;
