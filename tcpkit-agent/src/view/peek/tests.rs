//! The view as a whole, against what tcpeek printed.

use std::net::IpAddr;

use jiff::tz::TimeZone;

use super::{Options, Own, Peek, Period, Received, Statistics};
use crate::{
    report::{HandshakeRecord, HandshakeResult},
    time::{Span, Timestamp},
};

/// Of the golden set: what tcpeek 0.1.0 wrote to standard error, and answered on its socket.
const GOLDEN_LIVE: &str = include_str!("../../../../tests/captures/golden__tcpeek_live.txt");
const GOLDEN_BOTH: &str = include_str!("../../../../tests/captures/golden__tcpeek_lo_both.txt");
const GOLDEN_SOCKET: &str = include_str!("../../../../tests/captures/golden__tcpeek_sock.txt");

fn peek(expressions: &[&str], own: &[&str], icmp: bool) -> Peek {
    let expressions: Vec<_> = expressions.iter().map(ToString::to_string).collect();
    let own = Own::only(own.iter().map(|address| address.parse().unwrap()).collect());
    Peek::new(&expressions, Options { own, lines: true, icmp, zone: TimeZone::UTC }).unwrap()
}

/// 2026-11-21 05:44:00 UTC.
const MINUTE: i64 = 1_795_239_840_000;

fn record(
    (start_ms, took_ms): (i64, u64),
    (client, client_port): (&str, u16),
    (server, server_port): (&str, u16),
    result: HandshakeResult,
    (syn_repeats, synack_repeats): (u32, u32),
) -> HandshakeRecord {
    HandshakeRecord {
        client_ip: client.parse::<IpAddr>().unwrap(),
        client_port,
        server_ip: server.parse::<IpAddr>().unwrap(),
        server_port,
        interface: None,
        result,
        icmp: None,
        start: Timestamp((MINUTE + start_ms) * 1_000_000 + 999_999),
        took: Span(took_ms * 1_000_000 + 999_999),
        syn_repeats,
        synack_repeats,
    }
}

/// The sessions of the golden run.
fn golden_sessions() -> Vec<HandshakeRecord> {
    use HandshakeResult::{Success, Timeout, Unreachable};
    let session = |times, client_port, server_port, result, repeats| {
        record(times, ("10.99.0.1", client_port), ("10.99.0.2", server_port), result, repeats)
    };
    vec![
        session((42_215, 0), 36_828, 6_379, Success, (0, 0)),
        session((42_215, 0), 35_108, 8_080, Success, (0, 0)),
        session((42_215, 0), 35_216, 7_002, Unreachable, (0, 0)),
        session((42_215, 0), 41_790, 7_003, Unreachable, (0, 0)),
        session((42_215, 4_435), 53_042, 7_004, Timeout, (0, 0)),
        session((49_854, 3_079), 35_120, 8_080, Success, (3, 4)),
        session((42_216, 11_436), 32_940, 7_001, Timeout, (6, 0)),
    ]
}

fn shown(peek: &mut Peek, sessions: &[HandshakeRecord]) -> String {
    let mut text = String::new();
    for session in sessions {
        peek.on_handshake(session, &mut text);
    }
    text
}

const RECEIVED: Received = Received { recv: 42, drop: 0, ifdrop: 0 };

#[test]
fn lines_and_summary_are_those_of_tcpeek_byte_for_byte() {
    let mut peek = peek(&["redis:TX@%:6379", "web80:TX@10.99.0.0/24:80:8080"], &["10.99.0.1"], true);
    let lines = shown(&mut peek, &golden_sessions());
    let from = Timestamp((MINUTE + 40_500) * 1_000_000);
    let to = from + Span::from_millis(19_122);
    let summary = peek.summary(Period { from, to }, RECEIVED);
    let (listening, golden) = GOLDEN_LIVE.split_once('\n').unwrap();
    assert!(listening.starts_with("listening on sdv0, link-type EN10MB (Ethernet), "), "{listening}");
    assert_eq!(format!("{lines}{summary}"), golden);
}

#[test]
fn answers_are_those_of_tcpeek_byte_for_byte() {
    let mut peek = peek(&["redis:TX@%:6379", "web80:TX@10.99.0.0/24:80:8080"], &["10.99.0.1"], true);
    shown(&mut peek, &golden_sessions());
    let golden: Vec<&str> = GOLDEN_SOCKET.lines().filter(|line| line.starts_with('[')).collect();
    let [get, refresh, again, get_again] = golden[..] else { panic!("{golden:?}") };
    assert_eq!(peek.totals_json(RECEIVED), get);
    assert_eq!(peek.refresh_json(), refresh);
    assert_eq!(peek.refresh_json(), again);
    assert_eq!(peek.totals_json(RECEIVED), get_again);
}

#[test]
fn on_loopback_a_session_comes_in_and_goes_out() {
    let mut peek = peek(&[], &["127.0.0.1"], false);
    let loopback = "127.0.0.1";
    // 06:01:33.834.
    let start = (17 * 60 + 33) * 1_000 + 834;
    let refused = record((start, 0), (loopback, 38_582), (loopback, 1), HandshakeResult::Reject, (0, 0));
    let lines = shown(&mut peek, &[refused]);
    let from = Timestamp((MINUTE + (17 * 60 + 32) * 1_000) * 1_000_000);
    let period = Period { from, to: from + Span::from_millis(3_003) };
    let summary = peek.summary(period, Received { recv: 4, drop: 0, ifdrop: 0 });
    let golden = GOLDEN_BOTH.split_once('\n').unwrap().1.replace("rc=0\n", "");
    assert_eq!(format!("{lines}{summary}"), golden);
}

#[test]
fn pending_sessions_are_a_line_of_their_own_where_there_are_any() {
    let mut peek = peek(&[], &["10.99.0.1"], false);
    let pending =
        record((0, 1_017), ("10.99.0.1", 48_222), ("10.99.0.2", 7_001), HandshakeResult::Pending, (1, 0));
    let lines = shown(&mut peek, &[pending]);
    assert!(lines.ends_with("|      pending      |       1        0 \n"), "{lines}");
    let period = Period { from: Timestamp(0), to: Timestamp(0) };
    let summary = peek.summary(period, Received::default());
    let sections: Vec<_> = summary.split("------------------------------------\n").collect();
    assert!(!sections[1].contains("Pending"), "{summary}");
    assert!(sections[2].starts_with(" TX\n   Success: 0 session\n"), "{summary}");
    assert!(
        sections[2].ends_with("     Connection Rejected   :      0\n   Pending: 1 session\n"),
        "{summary}"
    );
    assert!(peek.totals_json(Received::default()).contains("\"TX\":{\"success\":{\"total\":0"));
}

#[test]
fn a_session_counts_once_in_each_filter_however_many_rules_match() {
    let mut peek = peek(&["a:RX@%:80:%:80,10.0.0.0/8:80", "b:RX@10.9.9.9:80"], &["10.0.0.1", "::1"], false);
    let to_us = record((0, 0), ("10.9.9.9", 1), ("10.0.0.1", 80), HandshakeResult::Success, (0, 0));
    shown(&mut peek, &[to_us]);
    assert_eq!(peek.totals_json(Received::default()).matches("{\"total\":1,").count(), 3);
}

#[test]
fn others_and_the_excluded_leave_no_trace() {
    let mut peek = peek(&["a:RX@%:%", ":RX@10.0.0.0/8:22"], &["192.0.2.1"], false);
    let of = |client: &str, server: &str, port| {
        record((0, 0), (client, 1), (server, port), HandshakeResult::Success, (0, 0))
    };
    let sessions = [of("10.0.0.1", "10.0.0.2", 80), of("10.0.0.1", "192.0.2.1", 22)];
    assert_eq!(shown(&mut peek, &sessions), "");
    assert!(!peek.totals_json(Received::default()).contains('1'));
    assert_ne!(shown(&mut peek, &[of("11.0.0.1", "192.0.2.1", 22)]), "");
}

#[test]
fn an_ipv6_address_stands_in_brackets_and_widens_its_column_only() {
    let mut peek = peek(&[], &["fd77::1"], false);
    let (long, short) = ("2001:db8:1234:5678:9abc:def0:1234:5678", "fd77::1");
    let session = record((0, 1_234_567), (short, 7), (long, 65_535), HandshakeResult::Aborted, (0, 0));
    let line = shown(&mut peek, &[session]).lines().nth(2).unwrap().to_owned();
    assert_eq!(
        line,
        "1234.567 | 26-11-21 05:44:00.000 |       [fd77::1]:7     [2001:db8:1234:5678:9abc:def0:1234:5678]:65535 | failure (reject)  |       0        0 "
    );
}

#[test]
fn a_name_is_escaped_where_it_could_do_harm() {
    let peek = peek(&["a\"\u{1b}[31m:RX@%:80"], &[], false);
    let json = peek.totals_json(Received::default());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[2]["a\"\u{1b}[31m"]["success"]["total"], 0);
    let period = Period { from: Timestamp(0), to: Timestamp(0) };
    assert!(!peek.summary(period, Received::default()).contains('\u{1b}'));
}

#[test]
fn tcpeekstat_reads_what_tcpeek_answers() {
    let get = GOLDEN_SOCKET.lines().nth(1).unwrap();
    let refresh = GOLDEN_SOCKET.lines().nth(3).unwrap();
    let statistics = Statistics::parse(get).unwrap();
    assert_eq!(statistics.json(), format!("{}\n", get.replace(' ', "")));
    let text = statistics.text();
    let rule = "----------------------------";
    let section =
        format!("{rule}\n web80\n{rule}\n success\n     total               2\n     dupsyn              1\n");
    assert!(text.contains(&section), "{text}");
    assert!(
        text.starts_with("====== TCPEEK SUMMARY ======\n")
            && text.ends_with("============================\n")
    );
    let metrics: Vec<_> = Statistics::parse(refresh).unwrap().metrics().collect();
    assert_eq!(metrics.len(), 4 * 4);
    let rejected = metrics.iter().find(|metric| metric.name == "tcpeek_TX_failure_reject").unwrap();
    assert_eq!(rejected.value, 2);
    for no_answer in ["", "{}", "[1]", "[{\"a\":1}]", "[{}]"] {
        assert!(Statistics::parse(no_answer).is_err(), "{no_answer}");
    }
}
