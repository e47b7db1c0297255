//! The report in one screen.
//!
//! ```text
//! eth0, live by eBPF, 12.345 s                                    (so far)
//! CAPTURE       where the frames came from
//! COMPLETENESS  what became of each of them
//! TOTALS        how much there was, and which bounds on memory bit
//! HANDSHAKES    how they ended, how long they took
//! REQUESTS      how they ended, how long they took, the slowest ones
//! RETRANSMISSIONS, ROUND TRIPS, STALLS   what the network and the ends did to the flows
//! BANDWIDTH     by protocol, direction and interface
//! BURSTS        the rate within milliseconds
//! TALKERS       who sent and received most
//! PACKET SIZES  as in RMON
//! ```
//! A section without content is left out.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    TextOptions,
    number::{count, fit, percent, rate, ratio, share, span, time, whole_number},
    style::{Tone, paint, safe},
};
use crate::report::{
    CaptureInfo, Count, HandshakeReport, HandshakeResult, IcmpErrorCount, LedgerEntry, Report, ResetCount,
    ServerHandshakes, SizeBucket, SpanSummary,
};

/// The report as people read it, with a final newline.
#[must_use]
pub fn render(report: &Report, options: TextOptions) -> String {
    let mut screen = Screen { text: String::new(), options };
    screen.capture(report);
    screen.completeness(report);
    screen.totals(report);
    screen.bounds(report);
    screen.handshakes(&report.handshake);
    screen.retransmissions(&report.retransmit);
    screen.requests(report.latency.requests.as_ref());
    screen.round_trips(&report.latency);
    screen.stalls(&report.stalls);
    screen.bandwidth(&report.bandwidth);
    screen.bursts(&report.bandwidth.bursts);
    screen.talkers(&report.bandwidth.talkers);
    screen.sizes(&report.bandwidth.packet_sizes);
    screen.text
}

/// Text as it grows.
pub(super) struct Screen {
    text: String,
    options: TextOptions,
}

impl Screen {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    pub(super) fn heading(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let words = paint(words, Tone::Heading, self.options).into_owned();
        self.line(&words);
    }

    /// `  label          value`, folded at 80 columns.
    pub(super) fn field(&mut self, label: &str, value: &str) {
        let mut label = label;
        for part in fold(value, COLUMNS - FIELD_COLUMN) {
            self.line(&format!("  {label:<width$}{part}", width = FIELD_COLUMN - 2));
            label = "";
        }
    }

    fn capture(&mut self, report: &Report) {
        self.heading(if report.complete { "CAPTURE" } else { "CAPTURE, SO FAR" });
        let info = &report.capture;
        self.field("source", &sources(info));
        if let (Some(first), Some(last)) = (info.first_us, info.last_us) {
            self.field("first frame", &format!("{} UTC", time(first)));
            self.field("last frame", &format!("{} UTC, {}", time(last), span(report.totals.duration_us)));
        }
        if let Some(filter) = &info.filter {
            self.field("filter", &safe(filter));
        }
        if let Some(snaplen) = info.snaplen {
            self.field("frames kept", &format!("{} bytes of each, at most", count(snaplen.into())));
        }
        for note in &info.notes {
            self.field("note", &safe(note));
        }
    }

    fn completeness(&mut self, report: &Report) {
        self.heading("COMPLETENESS");
        let (verdict, tone) = verdict(report);
        for part in fold(&verdict, COLUMNS - 2) {
            let painted = format!("  {}", paint(&part, tone, self.options));
            self.line(&painted);
        }
        if !report.ledger.closes {
            let warning = "the ledger does not close: the counts below contradict each other";
            let painted = format!("  {}", paint(warning, Tone::Bad, self.options));
            self.line(&painted);
        }
        self.line(&format!(
            "  {:<22}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "frames", "seen", "filtered", "wanted", "lost", "analysed"
        ));
        if report.ledger.entries.len() != 1 {
            self.ledger_row("all", &report.ledger.total);
        }
        for entry in &report.ledger.entries {
            self.ledger_row(&place(&safe(&entry.interface), &safe(&entry.hook)), entry);
        }
        self.causes(&report.ledger.total);
    }

    fn ledger_row(&mut self, name: &str, entry: &LedgerEntry) {
        let lost = entry.ring_full + entry.helper_failed;
        let numbers = [entry.seen, entry.filtered, entry.matched, lost, entry.analyzed];
        let row = numbers.map(|number| format!("{:>11}", fit(number, 10))).concat();
        self.line(&format!("  {:<width$}{row}", cut(name, PLACE_COLUMNS), width = PLACE_COLUMNS));
    }

    fn causes(&mut self, total: &LedgerEntry) {
        let groups =
            [("malformed", &total.malformed), ("not analysed", &total.not_analyzed), ("noted", &total.notes)];
        for (label, causes) in groups {
            if !causes.is_empty() {
                let list: Vec<String> = causes
                    .iter()
                    .map(|(cause, frames)| format!("{} {}", safe(cause), count(*frames)))
                    .collect();
                self.field(label, &list.join(", "));
            }
        }
        if total.in_flight > 0 {
            self.field("on the way", &format!("{} frames", count(total.in_flight)));
        }
    }

    fn totals(&mut self, report: &Report) {
        let Report { totals, bandwidth, .. } = report;
        self.heading("TOTALS");
        let Count { frames, packets, bytes } = totals.all;
        self.field(
            "wanted",
            &format!(
                "{} frames, {} packets, {} bytes on the wire",
                count(frames),
                count(packets),
                count(bytes)
            ),
        );
        self.field(
            "TCP",
            &format!("{} segments, {} bytes of payload", count(totals.segments), count(totals.payload_bytes)),
        );
        let when = if report.complete { "at the end" } else { "now" };
        let mut flows = format!("{}, {} open {when}", count(totals.flows), count(totals.open_flows));
        if totals.evicted_flows > 0 {
            flows.push_str(&format!(", {} gave way to --max-flows", count(totals.evicted_flows)));
        }
        self.field("flows", &flows);
        if !totals.resets.is_empty() {
            self.field("resets", &resets(&totals.resets));
        }
        if let (Some(bits), Some(packets)) = (bandwidth.bits_per_second, bandwidth.packets_per_second) {
            self.field(
                "mean rate",
                &format!("{}, {} packets/s", rate(bits, "bit/s"), count(whole_number(packets))),
            );
        }
    }

    fn handshakes(&mut self, handshake: &HandshakeReport) {
        let whole: u64 = handshake.results.values().sum();
        if whole == 0 {
            return;
        }
        self.heading("HANDSHAKES");
        for result in HandshakeResult::ALL {
            if let Some(&flows) = handshake.results.get(result.name()).filter(|flows| **flows > 0) {
                self.line(&format!("  {:<14}{:>14}{:>10}", result.name(), count(flows), share(flows, whole)));
            }
        }
        if handshake.syn_retransmissions + handshake.synack_retransmissions > 0 {
            let again = format!(
                "SYN {}, SYN/ACK {}",
                count(handshake.syn_retransmissions),
                count(handshake.synack_retransmissions)
            );
            self.field("sent again", &again);
        }
        self.refusals(handshake);
        self.times(handshake);
    }

    /// What tells why handshakes fail, where anything does.
    fn refusals(&mut self, handshake: &HandshakeReport) {
        if handshake.accept_queue_overflows > 0 {
            let text = format!(
                "{} ACKs dropped, as if the accept queue was full",
                count(handshake.accept_queue_overflows)
            );
            self.field("servers", &text);
        }
        for icmp in &handshake.icmp {
            let IcmpErrorCount { protocol, kind, code, name, errors, unreachable } = icmp;
            let text = format!("{name} ({kind}/{code}) {}, {} to a SYN", count(*errors), count(*unreachable));
            self.field(protocol, &text);
        }
        let failing = handshake.servers.iter().filter(|server| server.counts.failures > 0);
        for ServerHandshakes { server_ip, server_port, counts } in failing.take(FAILING_SERVERS) {
            let server = SocketAddr::new(*server_ip, *server_port).to_string();
            let text = format!("{server}: {} of {}", count(counts.failures), count(counts.attempts));
            self.field("failed", &text);
        }
    }

    fn times(&mut self, handshake: &HandshakeReport) {
        self.spans(
            "times",
            &[
                ("whole", handshake.handshake_us),
                ("server's half", handshake.server_rtt_us),
                ("client's half", handshake.client_rtt_us),
            ],
        );
    }

    /// A table of durations; nothing where none was measured.
    pub(super) fn spans(&mut self, heading: &str, rows: &[(&str, SpanSummary)]) {
        if rows.iter().all(|(_, summary)| summary.samples == 0) {
            return;
        }
        self.line(&format!(
            "  {heading:<14}{:>9}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "samples", "min", "mean", "median", "99 %", "max"
        ));
        for (name, SpanSummary { samples, min, avg, p50, p99, max, .. }) in rows {
            let times =
                [min, avg, p50, p99, max].map(|time| format!("{:>11}", time.map_or("-".into(), span)));
            self.line(&format!("  {name:<14}{:>9}{}", fit(*samples, 9), times.concat()));
        }
    }

    fn sizes(&mut self, buckets: &[SizeBucket]) {
        let whole: u64 = buckets.iter().map(|bucket| bucket.packets).sum();
        if whole == 0 {
            return;
        }
        self.heading("PACKET SIZES");
        let mut lower = 0;
        for bucket in buckets {
            let range =
                bucket.up_to.map_or_else(|| format!("from {lower}"), |up_to| format!("up to {up_to}"));
            lower = bucket.up_to.unwrap_or(0).saturating_add(1);
            let bar = "#".repeat(bar_columns(bucket.packets, whole));
            let (packets, part) = (fit(bucket.packets, 13), share(bucket.packets, whole));
            self.line(&format!("  {range:<14}{packets:>14}{part:>10}  {bar}"));
        }
    }
}

/// By kind, and whose they were.
fn resets(resets: &BTreeMap<&'static str, ResetCount>) -> String {
    let one = |(kind, ResetCount { client, server }): (&&str, &ResetCount)| {
        let whose = [("client", client), ("server", server)].into_iter().filter(|(_, flows)| **flows > 0);
        let whose: Vec<_> = whose.map(|(side, flows)| format!("{side} {}", count(*flows))).collect();
        format!("{kind} by {}", whose.join(" and "))
    };
    resets.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn sources(info: &CaptureInfo) -> String {
    let names: Vec<_> = info.sources.iter().map(|name| safe(name)).collect();
    let mut links: Vec<String> = Vec::new();
    for interface in &info.interfaces {
        let link = match &interface.hook {
            Some(hook) => format!("{} by {}", safe(&interface.link_type), safe(hook)),
            None => safe(&interface.link_type).into_owned(),
        };
        if !links.contains(&link) {
            links.push(link);
        }
    }
    let names = names.join(", ");
    if links.is_empty() { names } else { format!("{names} ({})", links.join(", ")) }
}

/// What the ledger means, in plain words.
fn verdict(report: &Report) -> (String, Tone) {
    let total = &report.ledger.total;
    let lost = total.ring_full + total.helper_failed;
    if total.matched == 0 {
        let seen = if total.seen == 0 { "no frame was seen" } else { "no frame was wanted" };
        return (seen.to_owned(), Tone::Warning);
    }
    let admitted: u64 =
        ["interface_dropped", "file_dropped"].iter().filter_map(|name| total.notes.get(*name)).sum();
    if lost == 0 {
        return whole(total, admitted);
    }
    let complete = report.completeness.unwrap_or_else(|| ratio(total.delivered, total.matched));
    let mut words = format!("{} of the wanted frames reached the analysis", percent(complete, 3));
    if total.ring_full > 0 {
        words.push_str(&format!(
            ", {} lost because the ring was full: raise --ring-bytes or narrow the filter",
            count(total.ring_full)
        ));
    }
    if total.helper_failed > 0 {
        words.push_str(&format!(
            ", {} lost because the kernel could not copy them",
            count(total.helper_failed)
        ));
    }
    (words, Tone::Bad)
}

/// Nothing was lost on our side; a sound UDP frame or a malformed one still is no frame that was analysed.
fn whole(total: &LedgerEntry, admitted: u64) -> (String, Tone) {
    let mut words = match total.delivered - total.analyzed.min(total.delivered) {
        0 => "complete: every wanted frame was analysed".to_owned(),
        rest => format!("complete: no wanted frame was lost; {} were not for the analyzers", count(rest)),
    };
    if admitted == 0 {
        return (words, Tone::Good);
    }
    words.push_str(&format!("; but the source admits that it had lost {} frames before", count(admitted)));
    (words, Tone::Warning)
}

/// Lines of at most `width` columns, broken between words; a longer word keeps a line of its own.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Interface and hook in the columns of the ledger; a file has no hook worth a word.
fn place(interface: &str, hook: &str) -> String {
    if hook == "file" {
        return cut(interface, PLACE_COLUMNS);
    }
    let room = PLACE_COLUMNS.saturating_sub(hook.chars().count() + 1);
    format!("{} {hook}", cut(interface, room.max(2)))
}

/// The last columns of a name that is too long: names of files and interfaces differ at their end.
pub(super) fn cut(name: &str, width: usize) -> String {
    let columns = name.chars().count();
    if columns <= width {
        return name.to_owned();
    }
    std::iter::once('~').chain(name.chars().skip(columns + 1 - width)).collect()
}

fn bar_columns(part: u64, whole: u64) -> usize {
    usize::try_from(part.saturating_mul(BAR_COLUMNS).div_ceil(whole)).unwrap_or(0)
}

/// Servers named of those whose handshakes failed; JSON names more.
const FAILING_SERVERS: usize = 5;
const COLUMNS: usize = 80;
const FIELD_COLUMN: usize = 16;
const PLACE_COLUMNS: usize = 22;
const BAR_COLUMNS: u64 = 36;
