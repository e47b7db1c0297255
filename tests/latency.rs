//! `tcpkit latency` over files: tables of requests, and what has no meaning there.

use std::path::Path;

use tcpkit_tests::run::{Outcome, tcpkit};

fn capture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).display().to_string()
}

fn latency(words: &[&str]) -> Outcome {
    let file = capture("golden__redis.pcap");
    tcpkit([&["latency", "-r", &file], words].concat()).env("TZ", "UTC").run()
}

/// The numbers of requests in a table, by what stands before them.
fn counts<'a>(text: &'a str, title: &str) -> Vec<(&'a str, u64)> {
    let lines = text.lines().skip_while(|line| !line.starts_with(title)).skip(1);
    let cells = lines.take_while(|line| !line.is_empty()).map(|line| line.split("  ").map(str::trim));
    let rows = cells.map(|cells| cells.filter(|cell| !cell.is_empty()).collect::<Vec<_>>());
    rows.map(|row| (row[0], row[1].parse().unwrap())).collect()
}

#[test]
fn a_file_gives_tables_that_agree_with_the_request_log() {
    let tables = latency(&["--sort", "name"]).success().stdout;
    let file = capture("golden__redis.pcap");
    let log = tcpkit(["-r", &file, "-m", "auto", "--request-log", "-"]).run().success().stdout;
    let mut expected = std::collections::BTreeMap::new();
    for line in log.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let name =
            format!("{} {}", record["protocol"].as_str().unwrap(), record["command"].as_str().unwrap());
        *expected.entry(name).or_insert(0_u64) += 1;
    }
    let commands = counts(&tables, "COMMAND");
    assert!(commands.len() > 5, "{tables}");
    let expected: Vec<_> = expected.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(commands, expected, "sorted by name");
    let all: u64 = commands.iter().map(|(_, count)| count).sum();
    assert_eq!(counts(&tables, "SERVER"), [("redis 10.99.0.2:6379", all)]);
    assert!(tables.contains("\nSLOWEST\n") && tables.contains(" server + "), "{tables}");
}

#[test]
fn the_slowest_command_can_be_first_and_a_report_can_take_the_place_of_tables() {
    let tables = latency(&["--sort", "max", "-m", "redis"]).success().stdout;
    let first = counts(&tables, "COMMAND")[0].0;
    let report = latency(&["--json"]).success().json();
    let commands = report["latency"]["requests"]["commands"].as_array().unwrap();
    let longest = commands.iter().max_by(|left, right| {
        let max = |command: &serde_json::Value| command["total_us"]["max"].as_f64().unwrap_or(0.0);
        max(left).total_cmp(&max(right))
    });
    let longest = longest.unwrap()["command"].as_str().unwrap();
    assert_eq!(first, format!("redis {longest}"));
}

#[test]
fn what_has_no_meaning_there_is_refused_in_one_line() {
    for (words, option) in [(["-o", "/nonexistent/x"], "-o"), (["-S", "x.lua"], "-S")] {
        let _ = latency(&words).failure(2, &[option, "latency", "leave out one of them"]);
    }
    let _ = tcpkit(["latency"]).run().failure(2, &["nothing to capture from", "-i INTERFACE or -r FILE"]);
    let _ = latency(&["--sort", "colour"]).failure(2, &["colour", "--sort"]);
}
