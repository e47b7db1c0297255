//! The ledger closes, and its totals are the interface's own.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tcpkit_tests::{
    generator::{Generator, smallest_frame},
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    traffic::{interface_packets, transfer},
};

/// One entry of the ledger.
fn entry<'a>(report: &'a Value, hook: &str) -> &'a Value {
    let mut entries = report["ledger"]["entries"].as_array().unwrap().iter();
    entries.find(|entry| entry["hook"] == hook).unwrap_or_else(|| panic!("no {hook}: {}", report["ledger"]))
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// DESIGN.md: every frame has one fate, at each hook and altogether.
pub(crate) fn closes(report: &Value) {
    assert_eq!(report["ledger"]["closes"], true, "{}", report["ledger"]);
    let entries = report["ledger"]["entries"].as_array().unwrap();
    for entry in entries.iter().chain([&report["ledger"]["total"]]) {
        let sum = |key: &str| -> u64 { entry[key].as_object().unwrap().values().map(count).sum() };
        let [seen, filtered, matched, recorded, ring_full, failed, delivered, analyzed, in_flight] = [
            "seen",
            "filtered",
            "matched",
            "recorded",
            "ring_full",
            "helper_failed",
            "delivered",
            "analyzed",
            "in_flight",
        ]
        .map(|key| count(&entry[key]));
        assert_eq!(seen, filtered + matched, "{entry}");
        assert_eq!(matched, recorded + ring_full + failed, "{entry}");
        assert_eq!((recorded, in_flight), (delivered, 0), "{entry}");
        assert_eq!(delivered, analyzed + sum("malformed") + sum("not_analyzed"), "{entry}");
    }
}

#[test]
fn bulk_traffic_counts_as_the_interface_counts_it() {
    if !can_run("bulk_traffic_counts_as_the_interface_counts_it", &[Need::Ebpf]) {
        return;
    }
    for (hook, ingress) in [("tc", "tc_ingress"), ("xdp", "xdp_ingress")] {
        // Without IPv6, which sends for its own sake while interfaces come up.
        let pair = Pair::without_addresses("bulk").unwrap();
        for (namespace, address) in [(&pair.client, "10.77.0.1/24"), (&pair.server, "10.77.0.2/24")] {
            namespace.ip(&["addr", "add", address, "dev", "veth0"]).unwrap();
        }
        let live = Live::start(&pair.server, &["-i", "veth0", "--json", "--hook", hook]);
        let before = interface_packets(&pair.server, "veth0").unwrap();
        transfer(&pair, 30_000_000).unwrap();
        let report = live.end(libc::SIGINT).success().json();
        let after = interface_packets(&pair.server, "veth0").unwrap();
        closes(&report);
        assert_eq!(count(&entry(&report, ingress)["seen"]), after.0 - before.0, "{hook}");
        assert_eq!(count(&entry(&report, "tc_egress")["seen"]), after.1 - before.1, "{hook}");
        assert_eq!(report["completeness"], 1.0, "{hook}");
        let is_whole = count(&report["totals"]["payload_bytes"]) >= 30_000_000;
        assert!(is_whole, "{hook}: {}", report["totals"]);
        // What came in 45 segments at a time was on the wire in segments.
        assert!(count(&report["totals"]["segments"]) > 30_000_000 / 1460, "{hook}: {}", report["totals"]);
    }
}

#[test]
fn what_overload_loses_is_told_everywhere() {
    if !can_run("what_overload_loses_is_told_everywhere", &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    for (hook, ingress) in [("tc", "tc_ingress"), ("xdp", "xdp_ingress")] {
        let pair = Pair::without_addresses("lossy").unwrap();
        run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "on"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.pcapng").display().to_string();
        let events = folder.path().join("events").display().to_string();
        let words = ["-i", "veth0", "--hook", hook, "--ring-bytes", "64K", "--shards", "1", "--json"];
        let words = [&words[..], &["-w", &file, "--event-log", &events]].concat();
        let live = Live::start(&pair.server, &words);
        let before = interface_packets(&pair.server, "veth0").unwrap();
        let send = || Generator::new(2, 4096, smallest_frame())?.send(400_000);
        pair.client.enter(send).unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(1_500));
        let outcome = live.end(libc::SIGTERM).success();
        let after = interface_packets(&pair.server, "veth0").unwrap();
        let report = outcome.json();
        closes(&report);
        let ingress = entry(&report, ingress);
        let lost = count(&ingress["ring_full"]);
        assert_eq!(count(&ingress["seen"]), after.0 - before.0, "{hook}");
        assert!(lost > 0, "{hook}: not overloaded: {ingress}");
        let completeness = report["completeness"].as_f64().unwrap();
        let expected = count(&ingress["delivered"]) as f64 / count(&ingress["matched"]) as f64;
        assert!((completeness - expected).abs() < 1e-6 && completeness < 1.0, "{hook}: {completeness}");
        assert!(outcome.stderr.contains(&format!("{lost} of ")), "{hook}: {}", outcome.stderr);
        let events = std::fs::read_to_string(&events).unwrap();
        assert!(events.contains("capture_loss"), "{hook}: {events}");
        told_by_the_file(&file, lost, hook);
    }
}

/// A replay knows what the capture lost.
fn told_by_the_file(file: &str, lost: u64, hook: &str) {
    let report = tcpkit_tests::run::tcpkit(["-r", file, "--json"]).run().success().json();
    let total = &report["ledger"]["total"];
    assert_eq!(count(&total["notes"]["file_dropped"]), lost, "{hook}: {total}");
}

#[test]
fn loopback_is_not_counted_twice_and_several_interfaces_stand_side_by_side() {
    if !can_run("loopback_is_not_counted_twice", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("several").unwrap();
    let endpoint = SocketAddr::from(([127, 0, 0, 1], 34_200));
    let words = ["-i", "lo", "-i", "veth0", "--json", "not port 34200"];
    let live = Live::at(&pair.server, endpoint, &words);
    transfer(&pair, 100_000).unwrap();
    let frames = 3;
    let socket = pair.server.enter(|| std::net::UdpSocket::bind("127.0.0.1:4000")).unwrap().unwrap();
    for _ in 0..frames {
        socket.send_to(b"x", "127.0.0.1:4000").unwrap();
    }
    let report = live.end(libc::SIGINT).success().json();
    closes(&report);
    let mut entries = report["ledger"]["entries"].as_array().unwrap().iter();
    let lo: Vec<_> = entries.by_ref().filter(|entry| entry["interface"] == "lo").collect();
    assert_eq!(lo.len(), 1, "{}", report["ledger"]);
    assert_eq!(lo[0]["not_analyzed"]["udp"], frames, "{}", lo[0]);
    assert_eq!(report["totals"]["flows"], 1, "{}", report["totals"]);
    let names: Vec<_> =
        report["capture"]["interfaces"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["lo", "veth0"]);
}
