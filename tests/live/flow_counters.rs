//! Traffic by flow and by millisecond as the kernel counts it, against what was sent and what the interfaces counted.

use std::{
    collections::BTreeMap,
    fs,
    net::UdpSocket,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tcpkit_tests::{
    generator::{Generator, smallest_frame},
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    traffic::{interface_packets, transfer},
    wait::{patience, until},
};

use super::ledger::closes;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// The kernel's account of flows, which must close.
fn exact(report: &Value) -> &Value {
    closes(report);
    let exact = &report["bandwidth"]["exact_flows"];
    assert_eq!(exact["closes"], true, "{exact}; {}", report["bandwidth"]["total"]);
    exact
}

/// A part of a report without what a file does not have: what the kernel counts by its own clock, and the links.
pub(super) fn of_frames(report: &Value, part: &str) -> Value {
    let mut part = report[part].clone();
    if let Some(fields) = part.as_object_mut() {
        fields.retain(|name, _| !["bursts", "exact_flows"].contains(&name.as_str()));
    }
    for interface in part.get_mut("interfaces").and_then(Value::as_array_mut).into_iter().flatten() {
        interface.as_object_mut().unwrap().remove("link");
    }
    part
}

/// Frames and bytes by sender's port.
fn by_port(exact: &Value) -> BTreeMap<u64, (u64, u64)> {
    let rows = exact["top"].as_array().unwrap().iter();
    rows.map(|row| (number(&row["source_port"]), (number(&row["frames"]), number(&row["bytes"])))).collect()
}

fn silent_pair(label: &str) -> Pair {
    let pair = Pair::without_addresses(label).unwrap();
    for (namespace, address) in [(&pair.client, "10.77.0.1/24"), (&pair.server, "10.77.0.2/24")] {
        namespace.ip(&["addr", "add", address, "dev", "veth0"]).unwrap();
    }
    pair
}

#[test]
fn each_flow_has_in_the_kernel_what_the_analysis_counts_of_it() {
    if !can_run("each_flow_has_in_the_kernel_what_the_analysis_counts_of_it", &[Need::Ebpf]) {
        return;
    }
    for hook in ["tc", "xdp"] {
        let pair = silent_pair("flows");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("flows").display().to_string();
        let words = ["-i", "veth0", "--json", "--hook", hook, "--flow-log", &log];
        let live = Live::start(&pair.server, &words);
        let before = interface_packets(&pair.server, "veth0").unwrap();
        for bytes in [100, 200_000, 5_000_000] {
            transfer(&pair, bytes).unwrap();
        }
        let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:7001")).unwrap().unwrap();
        for _ in 0..7 {
            socket.send_to(&[0; 500], "10.77.0.2:9").unwrap();
        }
        let report = live.end(libc::SIGINT).success().json();
        let after = interface_packets(&pair.server, "veth0").unwrap();
        let exact = exact(&report);
        assert_eq!(report["completeness"], 1.0, "{hook}");
        let frames = number(&exact["rows"]["frames"]) + number(&exact["no_flow"]["frames"]);
        assert_eq!(frames, after.0 - before.0 + after.1 - before.1, "{hook}: {exact}");
        assert_eq!(number(&exact["evictions"]), 0, "{hook}");
        let rows = by_port(exact);
        assert_eq!(rows[&7_001], (7, 7 * 542), "{hook}");
        let flows = fs::read_to_string(&log).unwrap();
        assert_eq!(flows.lines().count(), 3, "{hook}");
        for flow in flows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            for side in ["client", "server"] {
                let port = number(&flow[format!("{side}_port")]);
                let counted = (number(&flow[side]["frames"]), number(&flow[side]["bytes"]));
                assert_eq!(rows[&port], counted, "{hook}: {side} of {flow}");
            }
        }
    }
}

/// Sends at the generator's full rate; the report, and what the interface counted meanwhile.
fn overrun(hook: &str, options: &[&str]) -> (Value, u64) {
    let pair = Pair::without_addresses("overrun").unwrap();
    run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "on"]).unwrap();
    let words = ["-i", "veth0", "--hook", hook, "--ring-bytes", "64K", "--shards", "1", "--json"];
    let live = Live::start(&pair.server, &[&words[..], options].concat());
    let before = interface_packets(&pair.server, "veth0").unwrap();
    let send = || Generator::new(2, 4096, smallest_frame())?.send(400_000);
    pair.client.enter(send).unwrap().unwrap();
    let arrived = || interface_packets(&pair.server, "veth0").unwrap().0 - before.0;
    // The frames that were on their way arrive; then nothing moves any more.
    let mut last = 0;
    let is_quiet = || std::mem::replace(&mut last, arrived()) == arrived();
    assert!(until(patience(20), is_quiet));
    std::thread::sleep(Duration::from_millis(100));
    let report = live.end(libc::SIGTERM).success().json();
    (report, arrived())
}

#[test]
fn flows_are_exact_where_most_records_are_lost() {
    if !can_run("flows_are_exact_where_most_records_are_lost", &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    for hook in ["tc", "xdp"] {
        let (report, arrived) = overrun(hook, &[]);
        let exact = exact(&report);
        assert!(report["completeness"].as_f64().unwrap() < 1.0, "{hook}: no record was lost");
        assert_eq!(number(&exact["flows"]), 4_096, "{hook}");
        assert_eq!(number(&exact["rows"]["frames"]), arrived, "{hook}");
        assert_eq!(number(&exact["rows"]["bytes"]), arrived * 60, "{hook}");
        assert_eq!(number(&exact["evictions"]), 0, "{hook}");
        // Every millisecond was seen, and all of the traffic is in them: no peak is higher than what there was.
        let bursts = report["bandwidth"]["bursts"].as_array().unwrap();
        let came = bursts.iter().find(|place| place["direction"] == "inbound").unwrap();
        assert_eq!(number(&came["missed_ms"]), 0, "{hook}: {came}");
        let [one, ten] = ["one_ms", "ten_ms"].map(|window| number(&came[window]["peak_bytes"]));
        assert!(0 < one && one <= ten && ten <= arrived * 60, "{hook}: {came}");
    }
}

#[test]
fn what_gives_way_in_a_small_table_is_told() {
    if !can_run("what_gives_way_in_a_small_table_is_told", &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    let (report, arrived) = overrun("tc", &["--flow-counters", "64"]);
    let exact = exact(&report);
    let [rows, evicted, forgotten] =
        ["rows", "evicted", "forgotten"].map(|name| number(&exact[name]["frames"]));
    assert!(number(&exact["evictions"]) > 0 && evicted > 0, "{exact}");
    assert_eq!(rows + evicted + forgotten, arrived, "{exact}");
    let pair = Pair::without_addresses("off").unwrap();
    let off = Live::start(&pair.server, &["-i", "veth0", "--json", "--flow-counters", "off"]);
    let report = off.end(libc::SIGINT).success().json();
    assert_eq!(report["bandwidth"].get("exact_flows"), None);
    assert_eq!(report["bandwidth"]["bursts"], serde_json::json!([]));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a scenario is told by the clock of the wall when it sent its burst"
)]
fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Datagrams of 1,400 octets, each burst longer than the one before, until one was sent within 5 ms; when that one
/// began and ended, and its bytes on the wire.
#[expect(clippy::disallowed_methods, reason = "the burst happens in real time")]
fn burst(socket: &UdpSocket) -> (u64, u64, u64) {
    for attempt in 0..50 {
        let datagrams = 100 + 5 * attempt;
        let (begin, clock) = (now_us(), Instant::now());
        for _ in 0..datagrams {
            socket.send_to(&[0x5a; 1_400], "10.77.0.2:9").unwrap();
        }
        let took = clock.elapsed();
        let end = now_us();
        std::thread::sleep(Duration::from_millis(50));
        if took < Duration::from_millis(5) {
            return (begin, end, datagrams * 1_442);
        }
    }
    panic!("this machine is too busy to send 500 kilobytes within 5 ms");
}

#[test]
fn a_burst_of_five_milliseconds_is_found_with_its_time_and_its_flow() {
    if !can_run("a_burst_of_five_milliseconds_is_found_with_its_time_and_its_flow", &[Need::Ebpf]) {
        return;
    }
    let pair = silent_pair("burst");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pcapng").display().to_string();
    let live = Live::start(&pair.server, &["-i", "veth0", "--hook", "tc", "--json", "-w", &file]);
    let open = |port: u16| pair.client.enter(|| UdpSocket::bind(("10.77.0.1", port))).unwrap().unwrap();
    let (quiet, loud) = (open(7_001), open(7_002));
    for _ in 0..40 {
        quiet.send_to(&[0; 100], "10.77.0.2:9").unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    let (begin, end, bytes) = burst(&loud);
    let report = live.end(libc::SIGINT).success().json();
    exact(&report);
    let replayed = tcpkit_tests::run::tcpkit(["-r", &file, "--json"]).run().success().json();
    for (report, how) in [(&report, "live"), (&replayed, "from the file")] {
        let bursts = report["bandwidth"]["bursts"].as_array().unwrap();
        let came = bursts.iter().find(|place| place["direction"] == "inbound").unwrap();
        let ten = &came["ten_ms"];
        // What came back in the same window goes the other way. Interrupts may wait for a moment.
        assert!(number(&ten["peak_bytes"]) * 2 > bytes, "{how}: {came}, {bytes} sent");
        let peak = number(&ten["peak_us"]);
        assert!((begin - 11_000..end + 50_000).contains(&peak), "{how}: {came}, {begin} to {end}");
        for window in ["one_ms", "ten_ms"] {
            let flow = &came[window]["peak_flow"];
            assert_eq!(flow["source_port"], 7_002, "{how}: {came}");
            assert_eq!((&flow["protocol"], &flow["destination_ip"]), (&"udp".into(), &"10.77.0.2".into()));
            assert!(flow["share_at_least"].as_f64().unwrap() > 0.5, "{how}: {came}");
        }
        assert!(number(&came["observed_ms"]) > 400, "{how}: {came}");
        let p99 = came["one_ms"]["p99_bits_per_second"].as_f64().unwrap();
        assert!(p99 < came["one_ms"]["peak_bits_per_second"].as_f64().unwrap(), "{how}: {came}");
    }
}
