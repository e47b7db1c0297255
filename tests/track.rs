//! `tcpkit track` over files: a table of connections, whatever reads it, and what it says of wrong words.

use std::{collections::BTreeMap, os::unix::process::CommandExt as _, path::Path, process::Command};

use tcpkit_tests::run::{Outcome, binary, tcpkit};

fn capture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).display().to_string()
}

fn track(words: &[&str]) -> Outcome {
    tcpkit([&["track"], words].concat()).env("TZ", "UTC").run()
}

/// The lines of connections, by their ends, each with its other cells.
fn lines(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with("CLIENT")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("TOTAL"));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn number(cell: &str) -> u64 {
    cell.replace(',', "").parse().unwrap_or_else(|_| panic!("{cell}"))
}

const MIX: &str = "traffic-mix.pcap";

#[test]
fn a_file_gives_a_table_that_agrees_with_the_flow_log() {
    let table = track(&["-T", &capture(MIX)]).success().stdout;
    let log = tcpkit(["-r", &capture(MIX), "--flow-log", "-"]).run().success().stdout;
    let mut expected = BTreeMap::new();
    for line in log.lines() {
        let flow: serde_json::Value = serde_json::from_str(line).unwrap();
        let end = |side: &str| {
            let (ip, port) = (&flow[format!("{side}_ip")], &flow[format!("{side}_port")]);
            format!("{}:{port}", ip.as_str().unwrap())
        };
        let of = |name: &str| ["client", "server"].map(|side| flow[side][name].as_u64().unwrap());
        expected.insert((end("client"), end("server")), [of("segments"), of("bytes")].concat());
    }
    let lines = lines(&table);
    assert_eq!(lines.len(), 71);
    let found: BTreeMap<_, _> = lines
        .iter()
        .map(|cells| {
            let figures: Vec<_> = cells[4..8].iter().map(|cell| number(cell)).collect();
            ((cells[0].clone(), cells[1].clone()), figures)
        })
        .collect();
    assert_eq!(found, expected);
    let bytes: Vec<_> = lines.iter().map(|cells| number(&cells[6]) + number(&cells[7])).collect();
    assert!(bytes.is_sorted_by(|one, other| one >= other), "most bytes first: {bytes:?}");
    let total = format!("TOTAL  71 connections  1,875 packets  {}", "436,313 bytes");
    assert!(table.contains(&total), "{table}");
}

/// A file is read by all cores at once, a pipe frame by frame.
#[test]
fn a_file_and_a_pipe_give_one_table() {
    for name in [MIX, "golden__mixed.pcap", "deepflow__out-of-order.pcap", "arkime__v6-http.pcap"] {
        let bytes = std::fs::read(capture(name)).unwrap();
        for more in [&[][..], &["-d", "--sort", "rtt", "--rows", "7"]] {
            let file = track(&[&["-T", &capture(name)], more].concat()).success();
            let words = [&["track", "-T", "-"], more].concat();
            let pipe = tcpkit(words).env("TZ", "UTC").stdin(bytes.clone()).run().success();
            assert_eq!(file.stdout, pipe.stdout, "{name} {more:?}");
            assert_eq!(file.stderr, pipe.stderr, "{name} {more:?}");
        }
    }
}

#[test]
fn a_table_is_the_same_each_time_and_sorted_as_asked() {
    let first = track(&["-T", &capture(MIX), "--sort", "rtt"]).success().stdout;
    for _ in 0..3 {
        assert_eq!(track(&["-T", &capture(MIX), "--sort", "rtt"]).success().stdout, first);
    }
    let least = track(&["-T", &capture(MIX), "--sort", "-bytes", "--rows", "2"]).success().stdout;
    let cells = lines(&least);
    assert_eq!(cells.len(), 2);
    let bytes: Vec<_> = cells.iter().map(|cells| number(&cells[6]) + number(&cells[7])).collect();
    assert!(bytes[0] <= bytes[1], "{least}");
    assert!(least.contains("69 of them have no line here"), "{least}");
}

#[test]
fn tables_over_capture_time_sum_up_to_the_file() {
    let text = track(&["-T", &capture(MIX), "--interval", "1"]).success().stdout;
    let titles: Vec<_> = text.lines().filter(|line| line.starts_with("2026-")).collect();
    assert!(titles.len() >= 3, "{text}");
    let rates = titles.iter().map(|title| {
        let rates = title.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        // Connections, open ones, and both rates.
        rates.skip(2).sum::<u64>()
    });
    assert_eq!(rates.sum::<u64>(), 436_313, "one second each: {titles:?}");
}

#[test]
fn a_filter_and_its_ends_are_tcpdump_s() {
    let table = track(&["-T", &capture(MIX), "port", "11211"]).success().stdout;
    assert!(
        !lines(&table).is_empty() && lines(&table).iter().all(|cells| cells[1].ends_with(":11211")),
        "{table}"
    );
    let none = track(&["-T", &capture(MIX), "port 1"]).success().stdout;
    assert!(none.contains("TOTAL  0 connections"), "{none}");
    let _ = track(&["-T", &capture(MIX), "prot 80"]).failure(2, &["filter expression", "syntax error"]);
}

#[test]
fn ipv6_connections_have_their_speed_and_a_syn_alone_can_be_left_out() {
    let table = track(&["-T", &capture("arkime__v6-http.pcap")]).success().stdout;
    assert!(lines(&table)[0][0].starts_with('['), "{table}");
    let all = lines(&track(&["-T", &capture(MIX)]).success().stdout).len();
    assert_eq!(lines(&track(&["-d", "-T", &capture(MIX)]).success().stdout).len(), all, "every SYN is in it");
}

#[test]
fn it_answers_to_the_old_name() {
    let called = |words: &[&str]| {
        let output = Command::new(binary()).arg0("tcptrack").args(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, help, _) = called(&["-h"]);
    assert_eq!(code, Some(0));
    assert!(help.starts_with("Usage: tcptrack [-dfhvp] [-r <seconds>] -i <interface>"), "{help}");
    assert!(called(&["-v"]).1.starts_with("tcptrack v1.4.3"));
    let (code, _, errors) = called(&["-x"]);
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("tcptrack: invalid option -- 'x'\nUsage: tcptrack"), "{errors}");
    let (code, out, _) = called(&["-T", &capture(MIX)]);
    assert_eq!((code, lines(&out).len()), (Some(0), 71));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let _ = track(&["-i", "lo"]).failure(1, &["no terminal", "--interval", "-T FILE"]);
    let _ = track(&["-i", "nosuch0"]).failure(1, &["interface nosuch0", "does not exist"]);
    let _ = track(&["-T", "/nonexistent/x"]).failure(1, &["/nonexistent/x"]);
    let _ =
        track(&["-T", &capture(MIX), "--sort", "colour"]).failure(1, &["colour", "there are client, server"]);
    let _ = track(&["-T", "-", "-T", "-"]).failure(1, &["-T -", "once only"]);
}
