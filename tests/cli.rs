//! The command line from outside: help, bad usage, bad input, and where output goes.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tcpkit_tests::run::{Outcome, tcpkit};
use tempfile::TempDir;

/// `struct pcap_file_header` (pcap/pcap.h), little-endian, microseconds, Ethernet.
const PCAP_HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

fn run(words: &str) -> Outcome {
    tcpkit(words.split_whitespace()).run()
}

fn file(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn replay(path: &Path) -> Outcome {
    tcpkit([Path::new("-r"), path, Path::new("--json")]).run()
}

/// A capture of `syns` SYNs from one client to as many ports, a millisecond apart.
fn capture(syns: u16) -> Vec<u8> {
    let mut bytes = PCAP_HEADER.to_vec();
    for number in 0..syns {
        let frame = syn(number);
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        bytes.extend((1_000_000_000 + u32::from(number) / 1_000).to_le_bytes());
        bytes.extend((u32::from(number) % 1_000 * 1_000).to_le_bytes());
        bytes.extend(length);
        bytes.extend(length);
        bytes.extend(frame);
    }
    bytes
}

/// Ethernet, IPv4 (RFC 791 §3.1), TCP (RFC 9293 §3.1) with SYN and nothing else.
fn syn(number: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend((1_000 + number).to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

#[test]
fn help_and_version_are_on_standard_output() {
    let help = run("--help").success();
    assert!(help.stdout.contains("Usage: tcpkit -i INTERFACE"), "{help:?}");
    assert!(help.stderr.is_empty(), "{help:?}");
    assert_eq!(run("-h").success().stdout, help.stdout);
    assert!(run("-V").success().stdout.starts_with("tcpkit "));
    assert!(run("filter --help").success().stdout.contains("--link-type"));
}

#[test]
fn nothing_to_capture_from_is_bad_usage_that_names_the_interfaces() {
    let outcome = run("").failure(2, &["nothing to capture from", "-i INTERFACE", "-r FILE"]);
    assert!(outcome.stderr.contains("Interfaces: ") && outcome.stderr.contains("lo"), "{outcome:?}");
    assert!(outcome.stdout.is_empty());
}

#[test]
fn bad_usage_is_one_line_and_status_2() {
    run("--jsn -r x").failure(2, &["--jsn", "--json"]);
    run("-i lo -r x").failure(2, &["--interface", "--read"]);
    run("-r x --snaplen 100").failure(2, &["--snaplen"]);
    run("-r x -p 70000").failure(2, &["70000"]);
    run("-r x --json --flow-log -").failure(2, &["--flow-log -", "--json", "standard output"]);
    run("filter").failure(2, &["EXPRESSION"]);
}

#[test]
fn an_unknown_interface_names_those_there_are() {
    run("-i nosuch0 --stats-listen off").failure(1, &["nosuch0", "does not exist", "lo"]);
}

#[test]
fn a_file_that_is_none_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    run("-r /nowhere/x.pcap").failure(1, &["/nowhere/x.pcap", "No such file"]);
    replay(directory.path()).failure(1, &[&directory.path().display().to_string()]);
    replay(&file(&directory, "empty.pcap", b"")).failure(1, &["empty.pcap", "empty"]);
    replay(&file(&directory, "text.pcap", b"hello, this is no capture\n")).failure(1, &["text.pcap"]);
    replay(&file(&directory, "short.pcap", &PCAP_HEADER[..10])).failure(1, &["short.pcap"]);
}

#[test]
fn a_capture_without_frames_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let report = replay(&file(&directory, "none.pcap", &PCAP_HEADER)).success().json();
    assert_eq!(report["ledger"]["total"]["seen"], 0);
    assert!(report["completeness"].is_null());
    assert_eq!(report["ledger"]["closes"], true);
}

#[test]
fn every_record_before_the_damage_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = capture(10);
    bytes.truncate(bytes.len() - 7);
    let path = file(&directory, "cut.pcap", &bytes);
    let outcome = replay(&path).failure(1, &["cut.pcap"]);
    assert_eq!(outcome.json()["ledger"]["total"]["analyzed"], 9);
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = capture(20);
    let from_file = replay(&file(&directory, "a.pcap", &bytes)).success().json();
    let from_pipe = tcpkit(["-r", "-", "--json"]).stdin(bytes).run().success().json();
    assert_eq!(from_pipe["totals"], from_file["totals"]);
    assert_eq!(from_pipe["handshake"], from_file["handshake"]);
    assert_eq!(from_pipe["totals"]["flows"], 20);
}

#[test]
fn a_bad_expression_has_a_caret_under_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(1));
    for words in [vec!["tcp", "prot", "80"], vec!["port", "99999"], vec!["net", "10.0.0.300"]] {
        let words = [vec!["-r", path.to_str().unwrap()], words].concat();
        tcpkit(words).run().failure(2, &["filter expression"]);
    }
    let outcome = tcpkit(["filter", "tcp and and port 80"]).run().failure(2, &["syntax error"]);
    assert!(outcome.stderr.lines().any(|line| line.trim() == "^"), "{outcome:?}");
}

#[test]
fn the_filter_selects_and_the_ledger_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(10));
    let report = tcpkit(["-r", path.to_str().unwrap(), "--json", "-p", "1003,1004"]).run().success().json();
    let total = &report["ledger"]["total"];
    assert_eq!((&total["seen"], &total["matched"], &total["filtered"]), (&10.into(), &2.into(), &8.into()));
    let report = tcpkit(["-r", path.to_str().unwrap(), "--json", "--count", "3"]).run().success().json();
    assert_eq!(report["ledger"]["total"]["matched"], 3);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(10));
    let input = path.to_str().unwrap();
    for option in ["-w", "--flow-log", "--event-log"] {
        tcpkit(["-r", input, option, "/nowhere/out"]).run().failure(1, &["/nowhere/out", "No such file"]);
    }
    for option in ["-w", "--flow-log"] {
        tcpkit(["-r", input, option, "/dev/full"]).run().failure(1, &["/dev/full", "No space left"]);
    }
}

#[test]
fn no_output_destroys_an_input_or_another_output() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = capture(10);
    let path = file(&directory, "a.pcap", &bytes);
    let input = path.to_str().unwrap();
    for option in ["-w", "--flow-log", "--event-log"] {
        tcpkit(["-r", input, option, input]).run().failure(2, &[option, "files to be read"]);
        let script = format!("{} -r - {option} {input} < {input}", binary_name());
        let piped = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(piped.status.code(), Some(2), "{piped:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let out = directory.path().join("out").display().to_string();
    let words = ["-r", input, "-w", &out, "--flow-log", &out];
    tcpkit(words).run().failure(2, &["--flow-log", "written by -w"]);
    tcpkit(["-r", input, "-w", "/dev/null", "--flow-log", "/dev/null"]).run().success();
}

#[test]
fn a_full_standard_output_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(10));
    let script = format!("{} -r {} > /dev/full", binary_name(), path.display());
    let full = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output") && said.contains("No space left"), "{said}");
}

#[test]
fn a_flow_log_has_one_line_a_flow_and_nothing_else_is_on_its_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(10));
    let outcome = tcpkit(["-r", path.to_str().unwrap(), "--flow-log", "-"]).run().success();
    let flows: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(flows.len(), 10);
    assert!(flows.iter().all(|flow| flow["handshake"] == "pending" && flow["client_port"] == 40_000));
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(5_000));
    let script = format!("{} -r {} --flow-log - | head -n 1", binary_name(), path.display());
    let outcome =
        std::process::Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn the_summary_is_plain_text_off_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(3));
    let outcome = tcpkit([Path::new("-r"), &path]).run().success();
    assert!(outcome.stdout.contains("complete: every wanted frame was analysed"), "{outcome:?}");
    assert!(!outcome.stdout.contains('\x1b') && outcome.stderr.is_empty(), "{outcome:?}");
    let quiet = tcpkit([Path::new("-r"), &path, Path::new("--quiet")]).run().success();
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty(), "{quiet:?}");
}

#[test]
fn a_busy_port_that_was_asked_for_is_an_error() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.pcap", &capture(3));
    tcpkit(["-r", path.to_str().unwrap(), "--stats-listen", &address])
        .run()
        .failure(1, &[&address, "in use"]);
}

#[test]
fn a_slow_pipe_can_be_interrupted_and_still_gives_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut running = tcpkit([Path::new("-r"), &fifo, Path::new("--json")]).start();
    // Opened for both, a FIFO waits for no reader (fifo(7)), so that a tcpkit that ends early cannot hang the test.
    let mut writer = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
    writer.write_all(&capture(5)).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    running.signal(libc::SIGINT);
    let report = running.wait().success().json();
    assert_eq!(report["ledger"]["total"]["analyzed"], 5);
    drop(writer);
}

fn binary_name() -> String {
    tcpkit_tests::run::binary().display().to_string()
}
