//! The summary's section on requests: how many, how long, by command and by server, and the slowest ones.

use std::net::SocketAddr;

use super::{
    number::{count, fit, span},
    request::line,
    style::safe,
    summary::{Screen, cut},
};
use crate::report::{ProtocolRequests, RequestSummary, RequestsReport};

/// Rows of each list; the JSON report has more.
const ROWS: usize = 10;
const SLOWEST: usize = 5;

impl Screen {
    pub(super) fn requests(&mut self, report: Option<&RequestsReport>) {
        let Some(report) = report else { return };
        self.heading("REQUESTS");
        for (protocol, requests) in &report.protocols {
            self.field(protocol, &ended(&requests.summary));
            let unread = unread(requests);
            if !unread.is_empty() {
                self.field("", &unread);
            }
        }
        let commands = report.commands.iter().map(|row| {
            let command = if row.command.is_empty() { "-" } else { &row.command };
            (format!("{} {}", row.protocol, safe(command)), row.summary)
        });
        self.request_table("command", commands);
        let servers = report
            .servers
            .iter()
            .map(|row| (SocketAddr::new(row.server_ip, row.server_port).to_string(), row.summary));
        self.request_table("server", servers);
        for (number, request) in report.slowest.iter().take(SLOWEST).enumerate() {
            self.field(if number == 0 { "slowest" } else { "" }, &line(request));
        }
        let problems: Vec<String> = PROBLEMS
            .iter()
            .filter_map(|(name, words)| {
                let times = *report.counts.get(name)?;
                (times > 0).then(|| format!("{} {words}", count(times)))
            })
            .collect();
        if !problems.is_empty() {
            self.field("beside", &problems.join(", "));
        }
    }

    fn request_table(&mut self, of: &str, rows: impl Iterator<Item = (String, RequestSummary)>) {
        let rows: Vec<_> = rows.take(ROWS).collect();
        if rows.is_empty() {
            return;
        }
        self.line(&format!(
            "  {of:<24}{:>10}{:>8}{:>11}{:>11}{:>11}",
            "requests", "errors", "median", "99 %", "longest"
        ));
        for (name, summary) in rows {
            let times = [summary.total_us.p50, summary.total_us.p99, summary.total_us.max];
            let times = times.map(|time| format!("{:>11}", time.map_or("-".into(), span))).concat();
            let (requests, errors) = (fit(summary.requests, 10), fit(summary.errors, 7));
            self.line(&format!("  {:<24}{requests:>10}{errors:>8}{times}", cut(&name, 24)));
        }
    }
}

/// How requests ended.
fn ended(summary: &RequestSummary) -> String {
    let parts = [
        (summary.answered, "answered"),
        (summary.errors, "with an error"),
        (summary.no_reply, "wanted no answer"),
        (summary.unanswered, "unanswered"),
        (summary.aborted, "aborted"),
    ];
    let parts = parts.iter().filter(|(times, _)| *times > 0);
    let words: Vec<String> = parts.map(|(times, words)| format!("{} {words}", count(*times))).collect();
    format!("{} requests: {}", count(summary.requests), words.join(", "))
}

/// What of a protocol could not be read.
fn unread(requests: &ProtocolRequests) -> String {
    let parts = [
        (requests.malformed, "malformed"),
        (requests.desynchronised, "times out of step"),
        (requests.unmatched, "answers to nothing"),
        (requests.overrun, "given up"),
    ];
    let parts = parts.iter().filter(|(times, _)| *times > 0);
    parts.map(|(times, words)| format!("{} {words}", count(*times))).collect::<Vec<_>>().join(", ")
}

/// Counts that make the figures less than whole, and their words.
const PROBLEMS: [(&str, &str); 6] = [
    ("unrecognised", "connections not recognised"),
    ("refused", "connections beyond the bound"),
    ("evicted", "pairs of ports gave way"),
    ("given_up", "conversations given up"),
    ("capture_gaps", "holes in the capture"),
    ("holes_given_up", "of them not acknowledged"),
];
