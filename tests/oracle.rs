//! The flow log held against what tshark says of real captures that nobody on this project made.
//!
//! `captures/oracle/*.json` are tshark's answers (streams, handshakes, counts); where we differ and why is told in
//! `DIFFERENCES.md`, and each difference that is granted stands in `GRANTED` by name.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::Path,
};

use serde_json::Value;
use tcpkit_tests::run::tcpkit;

/// Differences in which tshark's rule is not ours, by capture; the reasons stand in `DIFFERENCES.md`.
const GRANTED: &[(&str, &str)] = &[
    ("arkime__tcp_handshake_synthetic.pcap", "duplicate_acks"),
    ("arkime__tcp_handshake_synthetic.pcap", "retransmissions by tshark"),
    ("made__encapsulations.pcap", "retransmissions by byte ranges"),
    ("made__linux-handshakes.pcap", "retransmissions by tshark"),
    ("made__malformed-tcp.pcap", "duplicate_acks"),
    ("suricata-verify__eve-overlap-payload-01__tcp-overlap.pcap", "duplicate_acks"),
    ("zeek__fin_retransmission.pcap", "retransmissions by tshark"),
    ("zeek__ipv6-http-atomic-frag.pcap", "retransmissions by tshark"),
];

type Endpoints = [SocketAddr; 2];

#[test]
fn flows_of_real_captures_are_those_that_tshark_sees() {
    let mut differences = Vec::new();
    let (mut files, mut streams) = (0, 0);
    for (capture, oracle) in captures() {
        files += 1;
        streams += judge_capture(&capture, &oracle, &mut differences);
    }
    assert!(
        files > 90 && streams > 90,
        "{files} captures with {streams} streams are too few to prove anything"
    );
    differences.retain(|(capture, aspect, _)| !GRANTED.contains(&(capture.as_str(), aspect.as_str())));
    let lines: Vec<String> = differences
        .iter()
        .map(|(capture, aspect, detail)| format!("{capture}: {aspect}: {detail}"))
        .collect();
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn granted_differences_are_explained() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/DIFFERENCES.md")).unwrap();
    for (capture, aspect) in GRANTED {
        assert!(text.contains(capture), "DIFFERENCES.md does not explain {capture} ({aspect})");
    }
}

fn captures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/oracle");
    let mut all: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Compares one capture; gives the number of streams that tshark sees in it.
fn judge_capture(capture: &str, oracle: &Value, differences: &mut Vec<(String, String, String)>) -> usize {
    let path = format!("{}/captures/{capture}", env!("CARGO_MANIFEST_DIR"));
    let run = tcpkit(["-r", &path, "--quiet", "--flow-log", "-"]).run();
    assert!((0..100).contains(&run.code()), "{capture}: {}", run.stderr);
    let mut ours = flows_by_endpoints(&run.stdout);
    let streams = oracle["streams"].as_array().cloned().unwrap_or_default();
    let mut theirs: BTreeMap<Endpoints, Vec<&Value>> = BTreeMap::new();
    for stream in &streams {
        theirs.entry(stream_endpoints(stream)).or_default().push(stream);
    }
    let mut differ =
        |aspect: &str, detail: String| differences.push((capture.to_owned(), aspect.to_owned(), detail));
    for (key, streams) in &theirs {
        let flows = ours.remove(key).unwrap_or_default();
        if flows.len() == streams.len() {
            for (flow, stream) in flows.iter().zip(streams) {
                judge_flow(flow, stream, &mut differ);
            }
        } else {
            differ("flows", format!("{key:?}: tcpkit {}, tshark {}", flows.len(), streams.len()));
        }
    }
    for (key, flows) in ours {
        differ("flows", format!("{key:?}: tcpkit {}, tshark none", flows.len()));
    }
    streams.len()
}

fn judge_flow(flow: &Value, stream: &Value, differ: &mut impl FnMut(&str, String)) {
    let client = endpoint(flow, "client");
    let first = socket(&stream["a"]);
    let expected = stream["hs"].as_str().unwrap();
    let mut check = |aspect: &str, same: bool, ours: &Value, theirs: &Value| {
        if !same {
            differ(aspect, format!("{first}: tcpkit {ours}, tshark {theirs}"));
        }
    };
    check("initiator", client == first || expected == "midstream", &flow["client_ip"], &stream["a"]);
    let result = flow["handshake"].as_str().unwrap();
    check("handshake", admitted(expected).contains(&result), &flow["handshake"], &stream["hs"]);
    if let (true, Some(theirs)) = (expected == "success", stream["hs_us"].as_f64()) {
        let same = flow["handshake_us"].as_f64().is_some_and(|ours| (ours - theirs).abs() <= 1.0);
        check("handshake time", same, &flow["handshake_us"], &stream["hs_us"]);
    }
    if expected != "midstream" {
        for (ours, theirs) in
            [("syn_retransmissions", &stream["syn"][0]), ("synack_retransmissions", &stream["synack"][1])]
        {
            let again = theirs.as_u64().unwrap_or(0).saturating_sub(1);
            check(ours, flow[ours].as_u64() == Some(again), &flow[ours], theirs);
        }
    }
    let sides = if client == first { ["client", "server"] } else { ["server", "client"] };
    for (index, side) in sides.into_iter().enumerate() {
        for (ours, theirs) in [("frames", "pkts"), ("payload_bytes", "payload")] {
            let (ours, theirs) = (&flow[side][ours], &stream[theirs][index]);
            check(side, ours.as_u64() == theirs.as_u64(), ours, theirs);
        }
        judge_direction(&flow[side], stream, index, &mut check);
    }
}

/// What one side sent again, and what it announced: retransmissions by tshark's rule and by byte ranges, where SYN and
/// FIN stand apart and octets that come late may be either; the others are counted as tshark counts them.
fn judge_direction(
    ours: &Value,
    stream: &Value,
    index: usize,
    check: &mut impl FnMut(&str, bool, &Value, &Value),
) {
    let count = |counts: &Value, what: &str| counts[what][index].as_u64().unwrap_or(0);
    let (analysis, own) = (&stream["an"], &stream["own"]);
    let again = &ours["retransmitted_frames"];
    let openings: u64 =
        ["syn", "synack", "fin"].iter().map(|what| count(stream, what).saturating_sub(1)).sum();
    let theirs = count(analysis, "retransmission");
    let by_tshark = theirs.saturating_sub(openings)..=theirs;
    let certain = count(own, "rexmit_full") + count(own, "rexmit_part");
    let by_ranges = certain..=certain + count(own, "fill");
    let is_in = |range: &RangeInclusive<u64>| again.as_u64().is_some_and(|again| range.contains(&again));
    check("retransmissions by tshark", is_in(&by_tshark), again, &analysis["retransmission"]);
    check("retransmissions by byte ranges", is_in(&by_ranges), again, own);
    for (what, theirs) in [
        ("duplicate_acks", "duplicate_ack"),
        ("zero_windows", "zero_window"),
        ("keep_alives", "keep_alive"),
        ("window_full", "window_full"),
    ] {
        check(what, ours[what].as_u64() == Some(count(analysis, theirs)), &ours[what], &analysis[theirs]);
    }
}

/// What tcpkit may call what the oracle calls so.
fn admitted(oracle: &str) -> &'static [&'static str] {
    match oracle {
        "success" => &["success"],
        "rst-reject" => &["reject", "aborted"],
        "timeout-none" => &["timeout", "pending", "unreachable", "aborted"],
        "midstream" => &["midstream"],
        "unknown" => &["success", "midstream", "pending", "timeout"],
        other => panic!("the oracle has a new class: {other}"),
    }
}

fn flows_by_endpoints(log: &str) -> BTreeMap<Endpoints, Vec<Value>> {
    let mut flows: BTreeMap<Endpoints, Vec<Value>> = BTreeMap::new();
    for line in log.lines() {
        let flow: Value = serde_json::from_str(line).unwrap();
        let mut key = [endpoint(&flow, "client"), endpoint(&flow, "server")];
        key.sort();
        flows.entry(key).or_default().push(flow);
    }
    for group in flows.values_mut() {
        group.sort_by_key(|flow| flow["start_us"].as_i64());
    }
    flows
}

fn endpoint(flow: &Value, side: &str) -> SocketAddr {
    let ip: IpAddr = flow[format!("{side}_ip")].as_str().unwrap().parse().unwrap();
    let port = flow[format!("{side}_port")].as_u64().unwrap();
    SocketAddr::new(ip, u16::try_from(port).unwrap())
}

fn stream_endpoints(stream: &Value) -> Endpoints {
    let mut key = ["a", "b"].map(|side| socket(&stream[side]));
    key.sort();
    key
}

/// The oracle writes `address:port`, an IPv6 address without brackets too.
fn socket(text: &Value) -> SocketAddr {
    let (host, port) = text.as_str().unwrap().rsplit_once(':').unwrap();
    SocketAddr::new(host.parse().unwrap(), port.parse().unwrap())
}
