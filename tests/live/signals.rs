//! How a live run ends, and what it says on the way.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run, leave_out},
    live::{Live, inside},
    netns::{Pair, run},
    run::{Outcome, tcpkit},
    traffic::transfer,
    wait::until,
};

use super::flow_counters::of_frames;

#[test]
fn sigusr1_prints_a_report_now_and_the_run_goes_on() {
    if !can_run("sigusr1_prints_a_report_now_and_the_run_goes_on", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("usr1").unwrap();
    let mut live = Live::start(&pair.server, &["-i", "veth0", "--json"]);
    transfer(&pair, 1_000).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    live.running().signal(libc::SIGUSR1);
    assert!(until(Duration::from_secs(5), || live.running().stdout_so_far().ends_with("\n}\n")));
    transfer(&pair, 1_000).unwrap();
    let outcome = live.end(libc::SIGTERM).success();
    let reports: Vec<Value> =
        serde_json::Deserializer::from_str(&outcome.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    let seen: Vec<_> = reports.iter().map(|one| (&one["complete"], &one["totals"]["flows"])).collect();
    assert_eq!(seen, [(&false.into(), &1.into()), (&true.into(), &2.into())]);
}

#[test]
fn without_a_terminal_sighup_ends_nothing() {
    if !can_run("without_a_terminal_sighup_ends_nothing", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("hangup").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (number, before) in ["", "trap '' HUP; "].iter().enumerate() {
        let file = folder.path().join(format!("{number}.pcapng")).display().to_string();
        let script = format!("{before}exec \"$@\"");
        let shell = ["ip", "netns", "exec", pair.server.name(), "sh", "-c", &script, "sh"];
        let words = ["-i", "veth0", "--json", "-w", &file, "--duration", "3"];
        let mut running = tcpkit(words).inside(shell).deadline(Duration::from_secs(30)).start();
        assert!(until(Duration::from_secs(10), || transfer(&pair, 1_000).is_ok() && has_frames(&file)));
        running.signal(libc::SIGHUP);
        let outcome = running.wait().success();
        let report = outcome.json();
        assert_eq!(
            (&report["complete"], outcome.stderr.contains("SIGHUP")),
            (&true.into(), true),
            "{before}"
        );
        let told = report["capture"]["notes"].to_string().contains("SIGHUP");
        let replay = tcpkit(["-r", &file, "--json"]).run().success().json();
        assert_eq!((told, &replay["totals"]), (false, &report["totals"]), "{before}");
    }
}

/// Whether a capture file holds more than its headers.
fn has_frames(file: &str) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.len() > 1_000)
}

#[test]
fn a_duration_ends_the_run_by_itself() {
    if !can_run("a_duration_ends_the_run_by_itself", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("duration").unwrap();
    for backend in ["ebpf", "pcap"] {
        let words = ["-i", "veth0", "--backend", backend, "--duration", "0.5", "--json"];
        let report = inside(&pair.server, words).run().success().json();
        assert_eq!(report["complete"], true, "{backend}");
        assert_eq!(report["ledger"]["closes"], true, "{backend}");
    }
}

#[test]
fn a_count_is_exact_also_when_several_shards_share_it() {
    if !can_run("a_count_is_exact_also_when_several_shards_share_it", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("count").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (backend, shards) in [("ebpf", "1"), ("ebpf", "3"), ("pcap", "2")] {
        let file = folder.path().join("x.pcapng").display().to_string();
        let words = ["-i", "veth0", "--json", "-w", &file, "--count", "40", "--shards", shards];
        let words = [&words[..], &["--backend", backend, "tcp"]].concat();
        let live = Live::start(&pair.server, &words);
        for _ in 0..4 {
            transfer(&pair, 2_000_000).unwrap();
        }
        let report = live.wait().success().json();
        assert_eq!(report["totals"]["frames"], 40, "{backend} {shards}: {}", report["ledger"]);
        assert_eq!(report["ledger"]["closes"], true, "{backend} {shards}: {}", report["ledger"]);
        let replay = tcpkit(["-r", &file, "--json"]).run().success().json();
        assert_eq!(replay["totals"], report["totals"], "{backend} {shards}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_live_run_quietly() {
    if !can_run("a_reader_that_goes_away_ends_a_live_run_quietly", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("head").unwrap();
    let script = "exec \"$@\" | head -n 1";
    let words = ["-i", "veth0", "--event-log", "-", "--stats-listen", "off", "--duration", "20"];
    let shell = ["ip", "netns", "exec", pair.server.name(), "bash", "-o", "pipefail", "-c", script, "bash"];
    let running = tcpkit(words).inside(shell).deadline(Duration::from_secs(15)).start();
    // Refused connections are events: more of them than a pipe holds are not needed, two lines are.
    let refused = || {
        let connect = || std::net::TcpStream::connect("10.77.0.2:9");
        assert!(pair.client.enter(connect).unwrap().is_err());
        running.stdout_so_far().contains("reject")
    };
    assert!(until(Duration::from_secs(10), refused));
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..3 {
        refused();
        std::thread::sleep(Duration::from_millis(100));
    }
    let outcome = running.wait().success();
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn event_lines_and_the_summary_are_for_people() {
    if !can_run("event_lines_and_the_summary_are_for_people", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("people").unwrap();
    let mut live = Live::start(&pair.server, &["-i", "veth0"]);
    assert!(pair.client.enter(|| std::net::TcpStream::connect("10.77.0.2:9")).unwrap().is_err());
    let told = || live.running().stdout_so_far().contains("reject");
    assert!(until(Duration::from_secs(3), told), "an event is told when it happens");
    let outcome = live.end(libc::SIGINT).success();
    let first = outcome.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("10.77.0.1:") && first.contains("10.77.0.2:9"), "{outcome:?}");
    for section in ["CAPTURE", "COMPLETENESS", "TOTALS", "HANDSHAKES", "BANDWIDTH"] {
        assert!(outcome.stdout.lines().any(|line| line == section), "{section}: {outcome:?}");
    }
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn files_rotate_while_the_capture_goes_on() {
    if !can_run("files_rotate_while_the_capture_goes_on", &[Need::Ebpf]) {
        return;
    }
    for rotation in [["-C", "1"], ["-G", "1"]] {
        let pair = Pair::new("rotate").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.pcapng").display().to_string();
        let words = ["-i", "veth0", "--json", "-w", &file, "--snaplen", "0"];
        let words = [&words[..], &rotation].concat();
        let live = Live::start(&pair.server, &words);
        for _ in 0..3 {
            transfer(&pair, 1_000_000).unwrap();
            std::thread::sleep(Duration::from_millis(700));
        }
        let report = live.end(libc::SIGINT).success().json();
        let files = files(folder.path());
        assert!(files.len() >= 3 - usize::from(rotation[0] == "-G"), "{rotation:?}: {files:?}");
        let inputs: Vec<_> = files.iter().flat_map(|file| [Path::new("-r"), file]).collect();
        let replay = tcpkit([&inputs[..], &[Path::new("--json")]].concat()).run().success().json();
        for part in ["totals", "handshake", "bandwidth"] {
            assert_eq!(of_frames(&replay, part), of_frames(&report, part), "{rotation:?}: {part}");
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A file system with very little room; dropping it unmounts it.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs", &path]).ok()?;
        Some(Self(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _unmounted = run("umount", &[&self.0.path().display().to_string()]);
    }
}

#[test]
fn a_full_disk_ends_the_run_with_its_report_and_a_readable_file() {
    let name = "a_full_disk_ends_the_run_with_its_report_and_a_readable_file";
    if !can_run(name, &[Need::Ebpf, Need::Program("tshark")]) {
        return;
    }
    let Some(tiny) = Tiny::new() else { return leave_out(name, "a tmpfs cannot be mounted") };
    let pair = Pair::new("full").unwrap();
    for name in ["x.pcapng", "x.pcap"] {
        let path = tiny.0.path().join(name);
        let file = path.display().to_string();
        let live = Live::start(&pair.server, &["-i", "veth0", "--json", "-w", &file, "--snaplen", "0"]);
        transfer(&pair, 5_000_000).unwrap();
        let outcome = live.wait().failure(1, &[name, "No space left"]);
        let report = outcome.json();
        assert_eq!(
            (&report["complete"], &report["ledger"]["closes"]),
            (&true.into(), &true.into()),
            "{report}"
        );
        let frames = read_by_tshark(&file);
        let replay = tcpkit(["-r", &file, "--json"]).run().success();
        assert_eq!(replay.json()["ledger"]["total"]["seen"], frames, "{name}");
        assert!(frames > 5, "{name}: {frames}");
        fs::remove_file(&path).unwrap();
    }
    let log = tiny.0.path().join("log").display().to_string();
    fs::write(tiny.0.path().join("fill"), vec![0; 250 << 10]).unwrap();
    let live = Live::start(&pair.server, &["-i", "veth0", "--json", "--event-log", &log]);
    let outcome = refuse_until_it_ends(&pair, live).failure(1, &["log", "No space left"]);
    assert_eq!(outcome.json()["complete"], true);
}

/// Refused connections, each an event, until no more of them can be written.
fn refuse_until_it_ends(pair: &Pair, mut live: Live<'_>) -> Outcome {
    let ended = until(Duration::from_secs(20), || {
        for _ in 0..20 {
            let connect = || std::net::TcpStream::connect("10.77.0.2:9");
            assert!(pair.client.enter(connect).unwrap().is_err());
        }
        live.running().has_ended()
    });
    assert!(ended, "a log that cannot be written ends the run");
    live.wait()
}

/// Frames that tshark reads, without complaint.
fn read_by_tshark(file: &str) -> u64 {
    let output = run("tshark", &["-r", file, "-T", "fields", "-e", "frame.number"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("cut short") && !said.contains("damaged"), "{said}");
    output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64
}
