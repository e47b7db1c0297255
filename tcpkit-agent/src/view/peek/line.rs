//! One line for each session, and the header above the first.
//!
//! Every column is as wide as tcpeek's; what does not fit (an IPv6 address, which stands in brackets) widens its own.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
};

use jiff::tz::TimeZone;

use crate::{
    report::{HandshakeRecord, HandshakeResult},
    view::clock::local,
};

/// What stands above the first session.
pub(super) const HEADER: &str = concat!(
    " TIME(s) |       TIMESTAMP       |      SRC IP:PORT            DST IP:PORT     |",
    "      RESULTS      | DUP SYN  DUP S/A \n",
    "-----------------------------------------------------------",
    "-----------------------------------------------------------\n",
);

/// Appends the line of a session, its time stamp in this time zone.
pub(super) fn append(text: &mut String, record: &HandshakeRecord, zone: &TimeZone) {
    let milliseconds = record.took.0 / 1_000_000;
    let start = local(record.start, "%y-%m-%d %H:%M:%S", zone);
    let start_milliseconds = record.start.as_micros().rem_euclid(1_000_000) / 1_000;
    writeln!(
        text,
        "{:4}.{:03} | {start}.{start_milliseconds:03} | {:>15}:{:<5} {:>15}:{:<5} | {} | {:7}  {:7} ",
        milliseconds / 1_000,
        milliseconds % 1_000,
        Host(record.client_ip).to_string(),
        record.client_port,
        Host(record.server_ip).to_string(),
        record.server_port,
        result(record.result),
        record.syn_repeats,
        record.synack_repeats,
    )
    .expect("writing to a string cannot fail");
}

/// Seventeen columns each.
const fn result(result: HandshakeResult) -> &'static str {
    match result {
        HandshakeResult::Success => "     success     ",
        HandshakeResult::Timeout => "failure (timeout)",
        HandshakeResult::Reject | HandshakeResult::Aborted => "failure (reject) ",
        HandshakeResult::Unreachable => "failure (unreach)",
        HandshakeResult::Pending | HandshakeResult::Midstream => "     pending     ",
    }
}

struct Host(IpAddr);

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(formatter, "{address}"),
            IpAddr::V6(address) => write!(formatter, "[{address}]"),
        }
    }
}
