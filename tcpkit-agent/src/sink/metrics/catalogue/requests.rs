//! Requests by protocol, command and server, and how long they took.

use super::{
    super::sample::{Exemplar, bucket_of},
    Context,
    Kind::{Counter, Histogram},
    Metric,
    Unit::{Bytes, None, Seconds},
};
use crate::report::{ProtocolRequests, RequestRecord};

pub(super) const METRICS: &[Metric] = &[
    Metric::new(
        "tcpkit_requests",
        None,
        Counter,
        &["protocol", "outcome"],
        "Requests by protocol and by how they ended: answered, no_reply (none was wanted), unanswered, aborted (the \
         connection was lost).",
        |context, out| {
            each(context, |protocol, requests| {
                let summary = &requests.summary;
                for (outcome, count) in [
                    ("answered", summary.answered),
                    ("no_reply", summary.no_reply),
                    ("unanswered", summary.unanswered),
                    ("aborted", summary.aborted),
                ] {
                    out.count(&[protocol, outcome], count);
                }
            });
        },
    ),
    Metric::new(
        "tcpkit_request_errors",
        None,
        Counter,
        &["protocol"],
        "Requests that were answered with an error.",
        |context, out| each(context, |protocol, requests| out.count(&[protocol], requests.summary.errors)),
    ),
    Metric::new("tcpkit_request", Bytes, Counter, &["protocol"], "Bytes of requests.", |context, out| {
        each(context, |protocol, requests| out.count(&[protocol], requests.summary.request_bytes));
    }),
    Metric::new("tcpkit_response", Bytes, Counter, &["protocol"], "Bytes of answers.", |context, out| {
        each(context, |protocol, requests| out.count(&[protocol], requests.summary.response_bytes));
    }),
    Metric::new(
        "tcpkit_request_duration",
        Seconds,
        Histogram,
        &["protocol"],
        "First octet of a request until its answer was delivered, of those that did not ask the server to wait. \
         Exemplars are the slowest requests: command, server and start name them in the request log.",
        |context, out| {
            for (protocol, durations) in &context.report.figures.protocols {
                let exemplars = exemplars(context, protocol);
                out.durations_with(&[protocol], &durations.total, exemplars);
            }
        },
    ),
    Metric::new(
        "tcpkit_request_server",
        Seconds,
        Histogram,
        &["protocol"],
        "The server's part of that: from when it had the request to the first octet of its answer.",
        |context, out| {
            for (protocol, durations) in &context.report.figures.protocols {
                out.durations(&[protocol], &durations.server);
            }
        },
    ),
    Metric::new(
        "tcpkit_request_blocking",
        Seconds,
        Histogram,
        &["protocol"],
        "How long requests took that asked the server to wait.",
        |context, out| {
            for (protocol, durations) in &context.report.figures.protocols {
                out.durations(&[protocol], &durations.blocking);
            }
        },
    ),
    Metric::new(
        "tcpkit_request_delay",
        Seconds,
        Counter,
        &["protocol", "cause"],
        "What the network cost requests: waiting for retransmission timers (rto), mending losses (fast), shut windows \
         (zero_window).",
        |context, out| {
            each(context, |protocol, requests| {
                let summary = &requests.summary;
                for (cause, micros) in [
                    ("rto", summary.rto_us),
                    ("fast", summary.fast_us),
                    ("zero_window", summary.zero_window_us),
                ] {
                    out.number(&[protocol, cause], micros / 1e6);
                }
            });
        },
    ),
    Metric::new(
        "tcpkit_command_duration",
        Seconds,
        Histogram,
        &["protocol", "command"],
        "As tcpkit_request_duration_seconds, of the most frequent commands.",
        |context, out| {
            if context.report.latency.requests.is_some() {
                for (key, durations) in &context.named.commands {
                    out.durations(&[&key[0], &key[1]], durations);
                }
            }
        },
    ),
    Metric::new(
        "tcpkit_server_requests",
        None,
        Counter,
        &["server", "protocol", "outcome"],
        "Requests of the servers with most of them; outcome is ok, error, or unanswered.",
        |context, out| {
            for row in &context.named.requests {
                let (server, protocol) = (&row.key[0], &row.key[1]);
                let [all, errors, unanswered] = [row.counts[0], row.counts[1], row.counts[2]];
                out.count(&[server, protocol, "ok"], all.saturating_sub(errors + unanswered));
                out.count(&[server, protocol, "error"], errors);
                out.count(&[server, protocol, "unanswered"], unanswered);
            }
        },
    ),
    Metric::new(
        "tcpkit_unread_messages",
        None,
        Counter,
        &["protocol", "reason"],
        "What of a protocol could not be read: malformed, desynchronised (bytes were not captured), unmatched (the \
         request was not captured), overrun (too many waited).",
        |context, out| {
            each(context, |protocol, requests| {
                for (reason, count) in [
                    ("malformed", requests.malformed),
                    ("desynchronised", requests.desynchronised),
                    ("unmatched", requests.unmatched),
                    ("overrun", requests.overrun),
                ] {
                    out.count(&[protocol, reason], count);
                }
            });
        },
    ),
];

fn each(context: &Context<'_>, mut tell: impl FnMut(&str, &ProtocolRequests)) {
    for (protocol, requests) in context.report.latency.requests.iter().flat_map(|all| &all.protocols) {
        tell(protocol, requests);
    }
}

/// The slowest request of each bucket that has one of the slowest of all.
fn exemplars(context: &Context<'_>, protocol: &str) -> Vec<(usize, Exemplar)> {
    let mut exemplars: Vec<(usize, Exemplar)> = Vec::new();
    let slowest = context.report.latency.requests.iter().flat_map(|requests| &requests.slowest);
    for request in slowest.filter(|request| request.protocol == protocol && !request.is_blocking) {
        let Some(spent) = &request.time_spent else { continue };
        let bucket = bucket_of(spent.total_us * 1e3);
        if exemplars.iter().all(|(other, _)| *other != bucket) {
            exemplars.push((bucket, exemplar(request, spent.total_us)));
        }
    }
    exemplars
}

/// Its labels have 128 characters at most (OpenMetrics 1.0.0, Exemplars): a command has no more than 24.
fn exemplar(request: &RequestRecord, total_us: f64) -> Exemplar {
    let server = std::net::SocketAddr::new(request.server_ip, request.server_port);
    let start_us = request.request_start_us;
    Exemplar {
        labels: vec![
            ("command", request.command.chars().take(24).collect()),
            ("server", server.to_string()),
            ("start_us", start_us.to_string()),
        ],
        value: total_us / 1e6,
        at: seconds(start_us) + total_us / 1e6,
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since the epoch are below 2^53")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
