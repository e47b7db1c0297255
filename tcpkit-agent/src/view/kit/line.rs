//! One line for each request that took long enough.

use std::{fmt, fmt::Write as _, net::SocketAddr};

use jiff::tz::TimeZone;

use super::{Dialect, clean};
use crate::{report::RequestRecord, time::Timestamp, view::clock::local};

/// Writes lines; a second's date is made once.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Least latency of a line, in microseconds; 0 is every request.
    threshold_us: u64,
    /// Somebody sits in front of it: nothing that steers a terminal.
    terminal: bool,
    /// What stands around a line: 1.1.0 has its lines green, and the line's end within.
    around: (&'static str, &'static str),
    clock: Clock,
}

impl Lines {
    /// Lines of requests that took at least this long, on a terminal or not, in colour or not, with times of this zone.
    #[must_use]
    pub const fn new(
        dialect: Dialect,
        threshold_us: u64,
        (terminal, colour): (bool, bool),
        zone: TimeZone,
    ) -> Self {
        let around = match (dialect, colour) {
            (Dialect::V11, true) => ("\x1b[32m", "\x1b[0m"),
            _ => ("", ""),
        };
        Self { threshold_us, terminal, around, clock: Clock::new(DATE, zone) }
    }

    /// From now on lines are of requests that took at least this long, in microseconds.
    pub const fn set_threshold(&mut self, threshold_us: u64) {
        self.threshold_us = threshold_us;
    }

    /// Appends the line of a request that was answered and took long enough.
    pub fn append(&mut self, text: &mut String, record: &RequestRecord) {
        let Some((at_us, latency_us)) = answer(record) else { return };
        if latency_us < self.threshold_us {
            return;
        }
        let (green, plain) = self.around;
        let client = SocketAddr::new(record.client_ip, record.client_port);
        let server = SocketAddr::new(record.server_ip, record.server_port);
        let (milliseconds, microseconds) = (latency_us / 1_000, latency_us % 1_000);
        let label = clean::label(&record.label, self.terminal);
        append(
            text,
            format_args!(
                "{green}{}.{:06} {client} => {server} | {milliseconds}.{microseconds:03} ms | {label}\n{plain}",
                self.clock.show(at_us),
                at_us.rem_euclid(1_000_000),
            ),
        );
    }
}

/// When a request was answered, and after how long; both in microseconds.
pub(super) fn answer(record: &RequestRecord) -> Option<(i64, u64)> {
    let at = record.response_start_us?;
    let latency = at.saturating_sub(record.request_start_us);
    Some((at, u64::try_from(latency).unwrap_or(0)))
}

/// A date and time of day in a zone, for many times that follow each other closely.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    format: &'static str,
    zone: TimeZone,
    second: Option<i64>,
    shown: String,
}

impl Clock {
    /// A clock that shows times by this format of strftime(3), which has nothing below seconds.
    pub(super) const fn new(format: &'static str, zone: TimeZone) -> Self {
        Self { format, zone, second: None, shown: String::new() }
    }

    /// The time, microseconds since the epoch.
    pub(super) fn show(&mut self, at_us: i64) -> &str {
        let second = at_us.div_euclid(1_000_000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.shown = local(Timestamp(second.saturating_mul(1_000_000_000)), self.format, &self.zone);
        }
        &self.shown
    }
}

/// Date and time of day.
pub(super) const DATE: &str = "%Y-%m-%d %H:%M:%S";

/// Appends text to text.
pub(super) fn append(text: &mut String, line: fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing to a string cannot fail");
}
