//! `-S`: scripts for git-hulk/tcpkit's interface, ours among them, beside what its own scripts printed.

use std::path::{Path, PathBuf};

use tcpkit_tests::run::{Outcome, tcpkit};
use tempfile::TempDir;

/// What tcpkit 1.0.1's example script printed first of this capture.
const EXAMPLE: &str = include_str!("captures/golden__k10_lua_example_head.txt");
/// What 1.1.0's DNS script printed of the mixed capture, before it failed.
const DNS: &str = include_str!("captures/golden__k11_lua_dns.txt");
/// What 1.1.0's script for connections printed.
const CONNECT: &str = include_str!("captures/golden__k11_lua_connect.txt");

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)
}

/// One of the scripts that come with tcpkit.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/scripts").join(name)
}

/// Runs a script over a capture.
fn run(name: &str, script: &Path, more: &[&str]) -> Outcome {
    let words = [Path::new("-r"), &capture(name), Path::new("-S"), script];
    let more = more.iter().map(Path::new);
    tcpkit(words.into_iter().chain(more)).env("TZ", "UTC").run()
}

fn script(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("own.lua");
    std::fs::write(&path, text).unwrap();
    path
}

/// The old scripts forgot the leading zeros of microseconds.
fn with_zeros(line: &str) -> String {
    let Some((time, rest)) = line.split_once('.').filter(|(time, _)| time.len() == 19) else {
        return line.to_owned();
    };
    let Some((micros, rest)) = rest.split_once(' ') else { return line.to_owned() };
    format!("{time}.{micros:0>6} {rest}")
}

#[test]
fn the_example_prints_what_the_old_one_printed() {
    let ours = run("golden__redis.pcap", &shipped("example.lua"), &["-p", "6379"]).success();
    let golden: Vec<_> =
        EXAMPLE.lines().skip_while(|line| !line.starts_with("2026")).map(with_zeros).collect();
    assert!(golden.len() > 100, "{}", golden.len());
    let ours: Vec<_> =
        ours.stdout.lines().take(golden.len()).map(|line| line.trim_end_matches('\r').to_owned()).collect();
    let golden: Vec<_> = golden.iter().map(|line| line.trim_end_matches('\r').to_owned()).collect();
    assert_eq!(ours, golden);
}

#[test]
fn queries_have_their_names_types_and_latencies() {
    let ours = run("golden__mixed.pcap", &shipped("dns.lua"), &["udp", "port", "5353"]).success();
    let golden: Vec<_> = DNS.lines().filter(|line| line.contains(" | ")).collect();
    // Its table of types was one off from MX on.
    let golden: Vec<_> =
        golden.iter().map(|line| line.replace(" |  ", " | ").replace("MINFO", "MX")).collect();
    assert_eq!(golden.len(), 3);
    assert_eq!(ours.stdout.lines().take(3).collect::<Vec<_>>(), golden, "{ours:?}");
    assert_eq!(ours.stderr, "");
}

#[test]
fn connections_have_their_cost_and_every_syn_that_was_sent_again() {
    let ours = run("golden__handshake.pcap", &shipped("tcp-connect.lua"), &[]).success();
    let words = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("=>"));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(words(&ours.stdout), words(CONNECT));
    // The old one took a SYN/ACK that was lost for the end, and each SYN after it for a new connection.
    let ours = run("golden__synack_dup.pcap", &shipped("tcp-connect.lua"), &[]).success();
    let lines = words(&ours.stdout);
    assert_eq!(lines.len(), 1, "{ours:?}");
    assert!(lines[0].ends_with("10.99.0.1:37582 => 10.99.0.2:8080 3 3.056222"), "{lines:?}");
}

#[test]
fn packets_come_in_capture_order_to_one_state_also_when_more_shards_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let own = script(
        &folder,
        "local n, last, late = 0, 0, 0
         function process(packet)
           n = n + 1
           local at = packet.tv_sec + packet.tv_usec / 1e6
           if at < last then late = late + 1 end
           last = at
           if n == 231 then print(n, late, tcpkit.worker) end
         end",
    );
    let outcome = run("golden__redis.pcap", &own, &["--shards", "4"]).success();
    assert_eq!(outcome.stdout, "231\t0\t0\n");
}

#[test]
fn what_was_analysed_is_told_with_the_fields_of_the_flow_log() {
    let folder = tempfile::tempdir().unwrap();
    let own = script(
        &folder,
        "function on_flow(flow) print('flow', flow.server_port, flow.handshake, flow.close, flow.client.payload_bytes, flow.icmp) end
         function on_handshake(handshake) print('handshake', handshake.server_port) end",
    );
    let outcome = run("golden__handshake.pcap", &own, &["--shards", "3"]).success();
    let mut flows: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("flow\t")).collect();
    flows.sort_unstable();
    let log = tcpkit([
        Path::new("-r"),
        &capture("golden__handshake.pcap"),
        Path::new("--flow-log"),
        Path::new("-"),
    ])
    .run()
    .success();
    let log = log.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut expected: Vec<_> = log
        .map(|flow| {
            let text = |name: &str| flow[name].as_str().unwrap_or("nil").to_owned();
            let bytes = &flow["client"]["payload_bytes"];
            format!(
                "flow\t{}\t{}\t{}\t{bytes}\t{}",
                flow["server_port"],
                text("handshake"),
                text("close"),
                text("icmp")
            )
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(flows, expected);
    assert_eq!(outcome.stdout.matches("handshake\t").count(), expected.len());
}

#[test]
fn mistakes_of_a_script_are_told_counted_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = script(
        &folder,
        "n = 0
         function process(packet)
           n = n + 1
           if n == 10 then while true do end end
           if n % 2 == 0 then error('even') end
         end",
    );
    let outcome = run("golden__redis.pcap", &own, &["--json", "--script-budget", "100000"]).success();
    let report = outcome.json();
    let notes = report["ledger"].to_string();
    for count in ["\"script_packets\":231", "\"script_errors\":114", "\"script_cut_off\":1"] {
        assert!(notes.contains(count), "{count}: {notes}");
    }
    assert_eq!(report["ledger"]["closes"], true);
    assert_eq!(outcome.stderr.matches("own.lua:5: even").count(), 1, "{outcome:?}");
    assert!(outcome.stderr.contains("used up its 100000 Lua instructions"), "{outcome:?}");
}

#[test]
fn a_script_that_cannot_run_is_one_line_and_nothing_is_captured() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str, words: &[&str]| {
        let own = script(&folder, text);
        let _ = run("golden__handshake.pcap", &own, &[]).failure(1, words);
    };
    refused("function process(", &["own.lua:1:", "expected"]);
    refused("x = 1", &["own.lua", "defines no function that tcpkit calls"]);
    refused("error('no config')", &["own.lua:1: no config"]);
    let _ = run("golden__handshake.pcap", Path::new("/nonexistent.lua"), &[])
        .failure(1, &["cannot read the script /nonexistent.lua", "No such file"]);
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly_and_a_full_disk_with_a_line() {
    let script = shipped("example.lua");
    let [capture, script] = [capture("golden__redis.pcap"), script].map(|path| path.display().to_string());
    let shell = |tail: &str| {
        let line = format!("\"$@\" -r {capture} -S {script} {tail}");
        tcpkit(Vec::<&str>::new()).inside(["bash", "-c", &format!("set -o pipefail; {line}"), "bash"]).run()
    };
    let outcome = shell("| head -n 1").success();
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (1, ""));
    let _ = shell("> /dev/full").failure(1, &["standard output does not take what the script prints"]);
}
