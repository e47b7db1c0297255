//! The summary at the end: every filter's sessions, and what the capture itself received and lost.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::tally::Tally;
use crate::{report::Report, time::Timestamp, view::clock::local};

/// From when to when a summary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Begin of the capture.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// What the capture itself counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames with TCP or ICMP in them, lost ones included.
    pub recv: u64,
    /// Frames lost because a buffer was full.
    pub drop: u64,
    /// Frames that the interface or its driver lost.
    pub ifdrop: u64,
}

impl Received {
    /// From a report. What was lost had no time to show its protocol: it counts as received.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let frames = |protocol| report.bandwidth.protocols.get(protocol).map_or(0, |part| part.count.frames);
        let total = &report.ledger.total;
        let drop = total.ring_full + total.helper_failed;
        let ifdrop = total.notes.get("interface_dropped").copied().unwrap_or(0);
        Self { recv: frames("tcp") + frames("icmp") + drop, drop, ifdrop }
    }
}

/// The whole text, an empty line above it.
pub(super) fn render<'a>(
    tallies: impl Iterator<Item = (&'a str, &'a Tally)>,
    with_icmp: bool,
    period: Period,
    received: Received,
    zone: &TimeZone,
) -> String {
    let mut text = String::new();
    head(&mut text, period, zone);
    for (name, tally) in tallies {
        section(&mut text, name, tally, with_icmp);
    }
    let Received { recv, drop, ifdrop } = received;
    line(&mut text, format_args!(" pcap stats"));
    line(&mut text, format_args!("   recv   : {recv}"));
    line(&mut text, format_args!("   drop   : {drop}"));
    line(&mut text, format_args!("   ifdrop : {ifdrop}"));
    line(&mut text, format_args!("===================================="));
    text
}

fn head(text: &mut String, Period { from, to }: Period, zone: &TimeZone) {
    const FORMAT: &str = "%Y-%m-%d %H:%M:%S";
    let milliseconds = to.since(from).0 / 1_000_000;
    let (seconds, milliseconds) = (milliseconds / 1_000, milliseconds % 1_000);
    line(text, format_args!("\n========== TCPEEK SUMMARY =========="));
    line(text, format_args!("     from : {}", local(from, FORMAT, zone)));
    line(text, format_args!("       to : {}", local(to, FORMAT, zone)));
    line(text, format_args!("     time : {seconds:9}.{milliseconds:03} (sec)"));
    rule(text);
}

fn section(text: &mut String, name: &str, tally: &Tally, with_icmp: bool) {
    line(text, format_args!(" {}", name.escape_debug_controls()));
    line(text, format_args!("   Success: {} session", tally.success));
    line(text, format_args!("     SYN Segment Duplicate : {:6}", tally.dupsyn));
    line(text, format_args!("     S/A Segment Duplicate : {:6}", tally.dupsynack));
    line(text, format_args!("   Failure: {} session", tally.failure()));
    line(text, format_args!("     Connection Timed Out  : {:6}", tally.timeout));
    line(text, format_args!("     Connection Rejected   : {:6}", tally.reject));
    if with_icmp {
        line(text, format_args!("     ICMP Unreachable      : {:6}", tally.unreach));
    }
    if tally.pending > 0 {
        line(text, format_args!("   Pending: {} session", tally.pending));
    }
    rule(text);
}

fn rule(text: &mut String) {
    line(text, format_args!("------------------------------------"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

/// A name from the command line commands no terminal.
trait Shown {
    fn escape_debug_controls(&self) -> String;
}

impl Shown for str {
    fn escape_debug_controls(&self) -> String {
        let mut shown = String::with_capacity(self.len());
        for symbol in self.chars() {
            if symbol.is_control() { shown.extend(symbol.escape_default()) } else { shown.push(symbol) }
        }
        shown
    }
}
