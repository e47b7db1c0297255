//! A request in one line: how long it took, what it was, and where its time went.

use std::net::SocketAddr;

use super::style::safe;
use crate::report::{RequestRecord, TimeSpent};

/// `203.1 ms  GET /big  = 1.2 server + 201.9 network (200.4 RTO on response segment 2)`, and who asked whom.
///
/// Times are milliseconds. What was never answered says so in place of its time.
pub(super) fn line(request: &RequestRecord) -> String {
    let client = SocketAddr::new(request.client_ip, request.client_port);
    let server = SocketAddr::new(request.server_ip, request.server_port);
    format!("{}  {client} > {server}", story(request))
}

/// The same without who they were.
fn story(request: &RequestRecord) -> String {
    let asked = asked(request);
    match &request.time_spent {
        Some(spent) => {
            let mut story = format!("{} ms  {asked}  = {}", millis(spent.total_us), parts(spent));
            if request.is_error {
                story.push_str(&format!(", {}", safe(&request.status)));
            }
            story
        }
        None => format!("{}  {asked}", request.outcome.replace('_', " ")),
    }
}

/// Command and key; the whole line where the protocol has no key for it.
fn asked(request: &RequestRecord) -> String {
    if request.key.is_empty() {
        let line = if request.label.is_empty() { &request.command } else { &request.label };
        return safe(line).into_owned();
    }
    format!("{} {}", safe(&request.command), safe(&request.key))
}

fn parts(spent: &TimeSpent) -> String {
    let mut parts = format!("{} server + {} network", millis(spent.server_us), millis(spent.network_us));
    let mut details = Vec::new();
    if let Some(culprit) = &spent.culprit {
        let cause = match culprit.cause {
            "rto" => "RTO",
            "fast" => "fast retransmission",
            _ => "zero window",
        };
        let cost = millis(culprit.cost_us);
        details.push(format!("{cost} {cause} on {} segment {}", culprit.message, culprit.segment));
    }
    let lost = spent.rto_us + spent.fast_us + spent.zero_window_us;
    let slow_upload = spent.request_us > (spent.network_us - lost) / 2.0 && spent.request_us > NOTABLE_US;
    if slow_upload && spent.request_us > lost {
        details.push(format!("{} sending the request", millis(spent.request_us)));
    }
    if !details.is_empty() {
        parts.push_str(&format!(" ({})", details.join(", ")));
    }
    if let Some(handshake) = spent.handshake_us.filter(|handshake| handshake * 10.0 > spent.total_us) {
        parts.push_str(&format!(", after a handshake of {}", millis(handshake)));
    }
    parts
}

/// Milliseconds with one decimal, more below one.
fn millis(micros: f64) -> String {
    let millis = micros / 1_000.0;
    if millis == 0.0 || millis >= 1.0 { format!("{millis:.1}") } else { format!("{millis:.3}") }
}

/// A request that took less to send is no slow upload.
const NOTABLE_US: f64 = 1_000.0;
