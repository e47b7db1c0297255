//! A request in one line: how long it took, what it was, and where its time went.

use std::net::SocketAddr;

use super::style::safe;
use crate::report::{RequestRecord, millis};

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
            let mut story = format!("{} ms  {asked}  = {}", millis(spent.total_us), spent.sentence());
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
