//! Requests of capture files, through the whole program.

use std::path::Path;

use serde_json::Value;
use tcpkit_tests::run::tcpkit;

fn captures() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng")
    };
    files.filter(is_capture).map(|path| path.display().to_string())
}

fn log(capture: &str, words: &[&str]) -> String {
    let run = tcpkit([&["-r", capture, "--quiet", "--request-log", "-"], words].concat()).run();
    // Some captures are damaged on purpose: what is before the damage counts.
    assert!(matches!(run.code(), 0 | 1), "{capture}: {run:?}");
    run.stdout
}

#[test]
fn any_number_of_shards_writes_the_same_request_log() {
    let mut requests = 0;
    for capture in captures() {
        let one = log(&capture, &["-m", "auto", "--shards", "1"]);
        assert_eq!(one, log(&capture, &["-m", "auto", "--shards", "3"]), "{capture}");
        requests += one.lines().count();
    }
    assert!(requests > 100, "{requests} requests");
}

#[test]
fn each_request_of_a_server_has_its_times_in_order() {
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/golden__redis.pcap");
    let text = log(&capture.display().to_string(), &["-m", "redis", "-p", "6379", "-s", "10.99.0.2"]);
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() >= 20, "{} records", records.len());
    for record in &records {
        assert_eq!(
            (&record["protocol"], &record["server_port"]),
            (&"redis".into(), &6379.into()),
            "{record}"
        );
        let times = ["request_start_us", "request_end_us", "response_start_us", "response_end_us"];
        let times: Vec<i64> = times.iter().filter_map(|name| record[name].as_i64()).collect();
        assert!(times.is_sorted(), "{record}");
        let spent = &record["where"];
        let us = |name: &str| spent[name].as_f64().unwrap_or_default();
        assert!((us("server_us") + us("network_us") - us("total_us")).abs() < 0.01, "{record}");
    }
}
