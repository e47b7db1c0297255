//! Live equals replay: one traffic, captured several times at once, and each capture replayed.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    run::tcpkit,
};
use tempfile::TempDir;

use super::{flow_counters::of_frames, mix::Bed};

const NEEDS: [Need; 6] = [
    Need::Ebpf,
    Need::Program("nginx"),
    Need::Program("redis-server"),
    Need::Program("memcached"),
    Need::Program("curl"),
    Need::Program("nft"),
];

/// Parts of a report that a replay must give again.
const SAME: [&str; 4] = ["completeness", "totals", "handshake", "bandwidth"];

struct Captured {
    name: String,
    flow_log: String,
    report: Value,
}

#[test]
fn a_replay_gives_the_flow_log_and_the_totals_of_the_live_capture() {
    if !can_run("a_replay_gives_the_flow_log_and_the_totals_of_the_live_capture", &NEEDS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let kinds = [("one.pcapng", "1"), ("two.pcapng", "2"), ("two.pcap", "2"), ("pcap.pcapng", "2")];
    let captured = capture(&folder, &kinds);
    for captured in &captured {
        every_kind_of_handshake_is_there(captured);
    }
    for captured in &captured {
        for shards in ["1", "2", "3"] {
            let (flow_log, report) = replay(&folder, &captured.name, shards);
            if captured.name.ends_with(".pcapng") {
                assert_same_lines(&captured.name, &captured.flow_log, &flow_log);
                for part in SAME {
                    let live = of_frames(&captured.report, part);
                    assert_eq!(live, of_frames(&report, part), "{} by {shards}: {part}", captured.name);
                }
            } else {
                differs_only_in_segments(&captured.flow_log, &flow_log);
            }
            assert_eq!(captured.report["ledger"]["total"]["matched"], report["ledger"]["total"]["seen"]);
        }
    }
}

/// Captures the mix by all of these at once: the name of the capture file and the number of shards.
fn capture(folder: &TempDir, kinds: &[(&str, &str)]) -> Vec<Captured> {
    let bed = Bed::new("replay", 5_000_000).unwrap();
    let live: Vec<_> = (0u16..)
        .zip(kinds)
        .map(|(number, (name, shards))| {
            let file = folder.path().join(name).display().to_string();
            let log = format!("{file}.flows");
            let backend = if name.starts_with("pcap.") { "pcap" } else { "ebpf" };
            let endpoint = SocketAddr::from(([127, 0, 0, 1], 34_000 + number));
            let words = ["-i", "veth0", "--json", "-w", &file, "--flow-log", &log, "--shards", shards];
            let words = [&words[..], &["--handshake-timeout", "2", "--backend", backend]].concat();
            let capture = Live::at(&bed.pair.server, endpoint, &words);
            (name, log, capture)
        })
        .collect();
    let still_open = bed.mix().unwrap();
    // The handshakes without an answer time out while the capture goes on: by the clock, for nothing else comes.
    std::thread::sleep(Duration::from_secs(3));
    let captured = live
        .into_iter()
        .map(|(name, log, live)| {
            let report = live.end(libc::SIGINT).success().json();
            assert_eq!(report["ledger"]["closes"], true, "{name}");
            assert_eq!(report["completeness"], 1.0, "{name}");
            Captured { name: (*name).to_owned(), flow_log: fs::read_to_string(log).unwrap(), report }
        })
        .collect();
    drop(still_open);
    assert_eq!(bed.half_open().port(), super::mix::HALF_OPEN);
    captured
}

fn every_kind_of_handshake_is_there(captured: &Captured) {
    let results = &captured.report["handshake"]["results"];
    let name = &captured.name;
    // 2 large, 5 of each of 3 servers, 1 reset, 1 open.
    assert_eq!(results["success"], 19, "{name}: {results}");
    assert_eq!((&results["reject"], &results["unreachable"]), (&2.into(), &1.into()), "{name}: {results}");
    // The one that was dropped, and the half-open one.
    assert_eq!(results["timeout"], 2, "{name}: {results}");
    let closes = |close: &str| captured.flow_log.matches(&format!("\"close\":\"{close}\"")).count();
    assert_eq!((closes("rst_client"), closes("end_of_capture")), (1, 1), "{name}: {}", captured.flow_log);
    if !name.starts_with("pcap.") {
        assert!(captured.report["ledger"]["total"]["notes"]["super_segments"].as_u64() > Some(0), "{name}");
    }
    let totals = &captured.report["totals"];
    assert!(totals["payload_bytes"].as_u64() > Some(10_000_000), "{name}: {totals}");
}

fn replay(folder: &TempDir, name: &str, shards: &str) -> (String, Value) {
    let file = folder.path().join(name);
    let log = folder.path().join("replayed.flows");
    let words = ["--json", "--shards", shards, "--flow-log"].map(Path::new);
    // A pcapng says itself by which time-outs its capture went.
    let timeout = ["--handshake-timeout", "2"].map(Path::new);
    let timeout = if name.ends_with(".pcapng") { &[][..] } else { &timeout };
    let words = [&words[..], &[&log, Path::new("-r"), &file], timeout].concat();
    let report = tcpkit(words).run().success().json();
    (fs::read_to_string(log).unwrap(), report)
}

fn assert_same_lines(name: &str, live: &str, replayed: &str) {
    for (number, (live, replayed)) in live.lines().zip(replayed.lines()).enumerate() {
        assert_eq!(live, replayed, "{name}: line {number}");
    }
    assert_eq!(live.lines().count(), replayed.lines().count(), "{name}");
    assert_eq!(live, replayed, "{name}");
}

/// A plain pcap holds neither `gso_size` nor interface nor the end of the capture: it may differ in what rests on these,
/// and in nothing else.
fn differs_only_in_segments(live: &str, replayed: &str) {
    let without = |text: &str| -> Vec<String> {
        let mut lines: Vec<_> = text.lines().map(|line| bare(&serde_json::from_str(line).unwrap())).collect();
        lines.sort();
        lines
    };
    assert_eq!(without(live), without(replayed));
}

fn bare(flow: &Value) -> String {
    let mut flow = flow.clone();
    for side in ["client", "server"] {
        let side = flow[side].as_object_mut().expect("an object");
        side.remove("segments");
        side.remove("bytes");
    }
    let flow = flow.as_object_mut().expect("an object");
    flow.remove("interface");
    // Verdicts at the end of the capture.
    if flow["handshake"] == "timeout" || flow["handshake"] == "pending" {
        flow.remove("handshake");
        flow.remove("close");
    }
    serde_json::to_string(flow).expect("JSON")
}
