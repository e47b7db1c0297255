//! From a report to what is shown.

use std::net::SocketAddr;

use jiff::tz::TimeZone;

use super::table::{Line, Slow, Tables};
use crate::{
    report::{Report, RequestRecord, RequestSummary},
    time::Timestamp,
    view::{clock::local, kit::clean},
};

impl Tables {
    /// What a report says of requests.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let requests = report.latency.requests.as_ref();
        let commands = requests.map(|requests| requests.commands.as_slice()).unwrap_or_default();
        let servers = requests.map(|requests| requests.servers.as_slice()).unwrap_or_default();
        let slowest = requests.map(|requests| requests.slowest.as_slice()).unwrap_or_default();
        Self {
            commands: commands
                .iter()
                .map(|command| line(command.protocol, &command.command, &command.summary))
                .collect(),
            servers: servers
                .iter()
                .map(|server| {
                    let end = SocketAddr::new(server.server_ip, server.server_port);
                    line(server.protocol, &end.to_string(), &server.summary)
                })
                .collect(),
            slowest: slowest.iter().filter_map(slow).collect(),
            at: report.capture.last_us.map_or(0.0, seconds),
            completeness: report.completeness,
            flows: report.totals.open_flows,
        }
    }
}

fn line(protocol: &'static str, name: &str, summary: &RequestSummary) -> Line {
    let spans = &summary.total_us;
    Line {
        protocol,
        name: clean::label(name, true).into_owned(),
        requests: summary.requests,
        errors: summary.errors,
        unanswered: summary.unanswered + summary.aborted,
        times_us: [spans.p50, spans.p90, spans.p99, spans.p999, spans.max],
        server_us: summary.server_us.p50,
        lost_us: summary.rto_us + summary.fast_us + summary.zero_window_us,
    }
}

/// One that was answered.
fn slow(request: &RequestRecord) -> Option<Slow> {
    let spent = request.time_spent.as_ref()?;
    let client = SocketAddr::new(request.client_ip, request.client_port);
    let server = SocketAddr::new(request.server_ip, request.server_port);
    let start = Timestamp(request.request_start_us.saturating_mul(1_000));
    let micros = request.request_start_us.rem_euclid(1_000_000);
    Some(Slow {
        time: format!("{}.{micros:06}", local(start, "%H:%M:%S", &TimeZone::system())),
        total_us: spent.total_us,
        ends: format!("{client} => {server}"),
        label: clean::label(&request.label, true).into_owned(),
        spent: spent.sentence(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
