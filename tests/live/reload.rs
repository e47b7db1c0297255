//! SIGHUP while traffic goes on: the filter, thresholds and the script change, and no frame is lost on the way.
//!
//! Beside the capture that is told to read its file again stands one that records everything. Of the frames of a port
//! each must be in the first one's file from a change on, and none after the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{Live, get, inside},
    netns::Pair,
    run::{Outcome, tcpkit},
    terminal::Terminal,
    traffic::{interface_packets, transfer},
    wait::{patience, until},
};

use super::ledger::closes;

const PORTS: [u16; 2] = [5_001, 5_002];

/// Datagrams with their number, to both ports, until it is dropped.
struct Traffic {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _sinks: Vec<UdpSocket>,
}

impl Traffic {
    /// Twenty datagrams to each port, then this pause.
    fn start(pair: &Pair, pause: Duration) -> Self {
        let stop = Arc::<AtomicBool>::default();
        // Somebody must have the ports, or each datagram is answered by an error.
        let sink = |port| pair.server.enter(|| UdpSocket::bind(("10.77.0.2", port))).unwrap().unwrap();
        let sinks = PORTS.map(sink).into();
        let sender = |port| {
            let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0")).unwrap().unwrap();
            socket.connect(("10.77.0.2", port)).unwrap();
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut number = 0u64;
                while !stop.load(Relaxed) {
                    for _ in 0..20 {
                        // A full queue refuses some: their numbers are missing in both captures.
                        let _refused = socket.send(&number.to_be_bytes());
                        number += 1;
                    }
                    if pause > Duration::ZERO {
                        thread::sleep(pause);
                    }
                }
            })
        };
        let threads = PORTS.map(sender).into();
        Self { stop, threads, _sinks: sinks }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// A configuration file, and what the run says of it.
struct Configured {
    folder: tempfile::TempDir,
}

impl Configured {
    fn new(text: &str) -> Self {
        let new = Self { folder: tempfile::tempdir().unwrap() };
        new.write(text);
        new
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("tcpkit.toml"), text).unwrap();
    }

    /// The words of a run with this file, an event log, and a capture file.
    fn words(&self, more: &[&str]) -> Vec<String> {
        let path = |name| self.path(name).display().to_string();
        let (config, events, frames) = (path("tcpkit.toml"), path("events"), path("frames.pcap"));
        let own = ["-i", "veth0", "--config", &config, "--event-log", &events, "-w", &frames, "--json"];
        own.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn log(&self) -> PathBuf {
        self.path("events")
    }
}

/// Events of this kind in a log, so far.
fn events(log: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["event"] == kind).collect()
}

/// Sends SIGHUP and waits until the log tells what came of it.
fn reload(live: &mut Live<'_>, log: &Path) -> Value {
    let before = events(log, "reload").len();
    live.running().signal(libc::SIGHUP);
    assert!(until(patience(60), || events(log, "reload").len() > before), "no reload: {before}");
    events(log, "reload").swap_remove(before)
}

/// Waits until so many more frames were wanted.
fn await_frames(live: &Live<'_>, frames: u64) {
    let wanted = || live.get("/api/v1/ledger")["total"]["matched"].as_u64().unwrap();
    let before = wanted();
    assert!(until(patience(30), || wanted() >= before + frames), "{} of {frames}", wanted() - before);
}

fn start<'a>(pair: &'a Pair, port: u16, words: &[String]) -> Live<'a> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    Live::at(&pair.server, SocketAddr::from(([127, 0, 0, 1], port)), &words)
}

/// Numbers of the datagrams in a capture file (nanosecond pcap, Ethernet, IPv4), by port; each once.
fn numbers(file: &Path) -> BTreeMap<u16, BTreeSet<u64>> {
    let bytes = fs::read(file).unwrap();
    let mut rest = &bytes[24..];
    let mut found: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
    while let Some((header, more)) = rest.split_at_checked(16) {
        let len = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let (frame, more) = more.split_at(len);
        rest = more;
        if frame.len() >= 50 && frame[12..14] == [8, 0] && frame[23] == 17 {
            let port = u16::from_be_bytes([frame[36], frame[37]]);
            let number = u64::from_be_bytes(frame[42..50].try_into().unwrap());
            assert!(found.entry(port).or_default().insert(number), "{port}: {number} twice");
        }
    }
    found
}

/// Of all that passed, as the kernel had it, what stands in the file must be runs without a hole: how many.
fn runs(all: &BTreeSet<u64>, captured: &BTreeSet<u64>) -> usize {
    assert!(captured.is_subset(all), "captured, and never seen");
    let marks: Vec<bool> = all.iter().map(|number| captured.contains(number)).collect();
    usize::from(marks.first() == Some(&true)) + marks.windows(2).filter(|pair| *pair == [false, true]).count()
}

/// One port, the other, and the first again, with a file in between that cannot be used.
fn filters_change_without_a_loss(backend: &[&str]) {
    let pair = Pair::new("reload").unwrap();
    let one = format!("expression = \"udp dst port {}\"\n", PORTS[0]);
    let other = format!("expression = \"udp dst port {}\"\n", PORTS[1]);
    let configured = Configured::new(&one);
    let all = configured.path("all.pcap");
    let size = ["--ring-bytes", "64M", "--snaplen", "64", "--shards", "2"].map(str::to_owned);
    let whole = ["-i", "veth0", "--json", "-w", all.to_str().unwrap(), "udp"].map(str::to_owned);
    let reference = start(&pair, 34_400, &[&whole[..], &size].concat());
    let mut live = start(&pair, 34_401, &[&configured.words(backend)[..], &size].concat());
    let traffic = Traffic::start(&pair, Duration::from_millis(1));
    await_frames(&live, 5_000);
    configured.write(&other);
    reload(&mut live, &configured.log());
    await_frames(&live, 5_000);
    configured.write("expression = \"udp dst port\"\n");
    reload(&mut live, &configured.log());
    await_frames(&live, 2_000);
    configured.write(&one);
    reload(&mut live, &configured.log());
    await_frames(&live, 5_000);
    drop(traffic);
    let outcome = live.end(libc::SIGTERM).success();
    let report = outcome.json();
    let reference = reference.end(libc::SIGTERM).success().json();
    for (name, report) in [("reloaded", &report), ("reference", &reference)] {
        closes(report);
        let total = &report["ledger"]["total"];
        assert_eq!((&total["ring_full"], &total["helper_failed"]), (&0.into(), &0.into()), "{name}: {total}");
    }
    let (all, captured) = (numbers(&all), numbers(&configured.path("frames.pcap")));
    let count = |port| runs(&all[&port], &captured[&port]);
    assert_eq!(PORTS.map(count), [2, 1], "{backend:?}: a hole in what was wanted");
    assert!(all[&PORTS[1]].len() > captured[&PORTS[1]].len() + 1_000);
    let frames: usize = captured.values().map(BTreeSet::len).sum();
    assert_eq!(report["ledger"]["total"]["matched"], frames, "{backend:?}: {}", report["ledger"]);
    told(&configured, &outcome, &report);
}

/// Each reload is an event; the refused one is a line, too.
fn told(configured: &Configured, outcome: &Outcome, report: &Value) {
    let events = events(&configured.log(), "reload");
    let outcomes: Vec<_> = events.iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["done", "refused", "done"], "{events:?}");
    assert_eq!(events[0]["changed"], serde_json::json!(["expression"]), "{events:?}");
    let reason = events[1]["reason"].as_str().unwrap();
    assert!(reason.contains("tcpkit.toml") && reason.contains("syntax error"), "{reason}");
    let lines: Vec<_> = outcome.stderr.lines().filter(|line| line.contains("reload refused")).collect();
    assert!(lines.len() == 1 && lines[0].contains(reason), "{}", outcome.stderr);
    let filter = format!("udp dst port {}", PORTS[0]);
    assert_eq!(report["capture"]["filter"], filter.as_str());
    assert!(report["capture"]["notes"].to_string().contains("the filter changed"), "{}", report["capture"]);
    assert_eq!(report["agent"]["reloads"], serde_json::json!({"done": 2, "refused": 1}));
}

#[test]
fn another_filter_takes_over_at_tc_without_a_loss() {
    if can_run("another_filter_takes_over_at_tc_without_a_loss", &[Need::Ebpf]) {
        filters_change_without_a_loss(&["--backend", "ebpf", "--hook", "tc"]);
    }
}

#[test]
fn another_filter_takes_over_at_xdp_without_a_loss() {
    if can_run("another_filter_takes_over_at_xdp_without_a_loss", &[Need::Ebpf]) {
        filters_change_without_a_loss(&["--backend", "ebpf", "--hook", "xdp"]);
    }
}

#[test]
fn another_filter_takes_over_in_libpcap_without_a_loss() {
    if can_run("another_filter_takes_over_in_libpcap_without_a_loss", &[Need::Ebpf]) {
        filters_change_without_a_loss(&["--backend", "pcap"]);
    }
}

#[test]
fn under_more_traffic_than_fits_every_frame_is_accounted_for() {
    if !can_run("under_more_traffic_than_fits_every_frame_is_accounted_for", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::without_addresses("flood").unwrap();
    for (namespace, address) in [(&pair.client, "10.77.0.1/24"), (&pair.server, "10.77.0.2/24")] {
        namespace.ip(&["addr", "add", address, "dev", "veth0"]).unwrap();
    }
    let expression = |port| format!("expression = \"udp dst port {port}\"\n");
    let configured = Configured::new(&expression(PORTS[0]));
    let words = configured.words(&["--backend", "ebpf", "--hook", "tc", "--ring-bytes", "64K"]);
    let mut live = start(&pair, 34_402, &words);
    let before = interface_packets(&pair.server, "veth0").unwrap();
    let traffic = Traffic::start(&pair, Duration::ZERO);
    for round in 0..6 {
        configured.write(&expression(PORTS[(round + 1) % 2]));
        assert_eq!(reload(&mut live, &configured.log())["outcome"], "done");
    }
    drop(traffic);
    let report = live.end(libc::SIGTERM).success().json();
    let after = interface_packets(&pair.server, "veth0").unwrap();
    closes(&report);
    let entries = report["ledger"]["entries"].as_array().unwrap();
    let seen: Vec<_> = entries.iter().map(|entry| entry["seen"].as_u64().unwrap()).collect();
    assert_eq!(seen.iter().sum::<u64>(), after.0 - before.0 + after.1 - before.1, "{}", report["ledger"]);
}

const SCRIPT: &str = "\
print('NAME begins')
function on_handshake(handshake) print('NAME ' .. handshake.client_port) end
";

#[test]
fn a_script_is_replaced_while_traffic_goes_on() {
    if !can_run("a_script_is_replaced_while_traffic_goes_on", &[Need::Ebpf]) {
        return;
    }
    for backend in ["ebpf", "pcap"] {
        script_is_replaced(backend);
    }
}

fn script_is_replaced(backend: &str) {
    let pair = Pair::new("script").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("own.lua");
    let log = folder.path().join("events");
    let write = |text: &str| fs::write(&script, text).unwrap();
    write(&SCRIPT.replace("NAME", "first"));
    let words = [
        "-i",
        "veth0",
        "--backend",
        backend,
        "--shards",
        "2",
        "--event-log",
        log.to_str().unwrap(),
        "-S",
        script.to_str().unwrap(),
        "tcp port 9",
    ];
    let mut live = start(&pair, 34_403, &words.map(str::to_owned));
    let flow = || assert!(pair.client.enter(|| TcpStream::connect("10.77.0.2:9")).unwrap().is_err());
    let said = |live: &mut Live<'_>, start: &str| {
        let text = live.running().stdout_so_far();
        text.lines().filter(|line| line.starts_with(start) && !line.ends_with("begins")).count()
    };
    let mut flows = 0;
    let mut until_said = |live: &mut Live<'_>, start: &str, least: usize| {
        let came = until(patience(60), || {
            flow();
            flows += 1;
            said(live, start) >= least
        });
        assert!(came, "{backend}: {start}: {}", live.running().stdout_so_far());
    };
    until_said(&mut live, "first", 3);
    write("function on_flow(flow) print('broken' end\n");
    assert_eq!(reload(&mut live, &log)["outcome"], "refused");
    let before = said(&mut live, "first");
    until_said(&mut live, "first", before + 3);
    write(&SCRIPT.replace("NAME", "second"));
    assert_eq!(reload(&mut live, &log)["changed"], serde_json::json!(["script"]));
    until_said(&mut live, "second", 3);
    let outcome = live.end(libc::SIGTERM).success();
    let count = |start: &str| {
        outcome.stdout.lines().filter(|line| line.starts_with(start) && !line.ends_with("begins")).count()
    };
    assert_eq!(count("first") + count("second"), flows, "{backend}: each flow is told once");
    let begun = |line: &str| outcome.stdout.lines().filter(|other| *other == line).count();
    assert_eq!([begun("first begins"), begun("second begins")], [2, 2], "a state for each worker");
    assert!(outcome.stderr.contains("own.lua:1"), "{}", outcome.stderr);
}

#[test]
fn what_takes_a_new_start_is_told_and_everything_else_changes() {
    if !can_run("what_takes_a_new_start_is_told_and_everything_else_changes", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("later").unwrap();
    let configured = Configured::new("top = 3\n");
    let mut live = start(&pair, 34_404, &configured.words(&[]));
    configured.write("top = 4\nshards = 7\nring-bytes = \"1M\"\nexpression = \"tcp\"\n");
    let event = reload(&mut live, &configured.log());
    assert_eq!(event["changed"], serde_json::json!(["expression", "top"]), "{event}");
    assert_eq!(event["at_next_start"], serde_json::json!(["ring-bytes", "shards"]), "{event}");
    configured.write("top = 5\nsharts = 7\n");
    let event = reload(&mut live, &configured.log());
    assert!(event["reason"].as_str().unwrap().contains("tcpkit.toml:2: sharts"), "{event}");
    fs::remove_file(configured.path("tcpkit.toml")).unwrap();
    let event = reload(&mut live, &configured.log());
    assert!(event["reason"].as_str().unwrap().contains("No such file"), "{event}");
    let metrics = get(&pair.server, SocketAddr::from(([127, 0, 0, 1], 34_404)), "/metrics").unwrap().1;
    for line in ["tcpkit_reloads_total{outcome=\"done\"} 1", "tcpkit_reloads_total{outcome=\"refused\"} 2"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    let outcome = live.end(libc::SIGTERM).success();
    let file = configured.path("tcpkit.toml").display().to_string();
    for option in ["shards", "ring-bytes"] {
        let line = format!("tcpkit: {option} changed in {file}: takes effect at the next start");
        assert_eq!(outcome.stderr.lines().filter(|other| **other == line).count(), 1, "{}", outcome.stderr);
    }
    assert_eq!(outcome.json()["capture"]["filter"], "tcp");
}

#[test]
fn a_daemon_without_a_file_says_so_and_lives_on() {
    if !can_run("a_daemon_without_a_file_says_so_and_lives_on", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("daemon").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (messages, number) = (path("messages"), path("number"));
    let words = ["-i", "veth0", "-m", "redis", "-d", "-o", &messages, "--pid-file", &number];
    let words = [&words[..], &["--stats-listen", "off"]].concat();
    inside(&pair.server, words).run().success();
    let process: i32 = fs::read_to_string(&number).unwrap().trim().parse().unwrap();
    // SAFETY: two integers; the process is the one that was started here.
    let signal = |signal| assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    signal(libc::SIGHUP);
    let said = || fs::read_to_string(&messages).unwrap();
    let is_told = until(patience(30), || said().contains("nothing to read again"));
    signal(libc::SIGTERM);
    assert!(is_told, "{}", said());
    assert!(until(patience(30), || !Path::new(&number).exists()), "it ends as asked");
}

#[test]
fn a_terminal_that_is_gone_ends_a_run_with_a_file_too() {
    if !can_run("a_terminal_that_is_gone_ends_a_run_with_a_file_too", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("terminal").unwrap();
    let configured = Configured::new("expression = \"tcp\"\n");
    let words = configured.words(&["--stats-listen", "off"]);
    let mut terminal =
        Terminal::start(&pair.server, &words.iter().map(String::as_str).collect::<Vec<_>>(), 100, 30)
            .unwrap();
    let file = configured.path("frames.pcap");
    let is_captured =
        || transfer(&pair, 1_000).is_ok() && fs::metadata(&file).is_ok_and(|it| it.len() > 1_000);
    assert!(until(patience(30), is_captured));
    // As long as the terminal is there, the signal is somebody's wish.
    terminal.signal(libc::SIGHUP);
    assert!(until(patience(30), || events(&configured.log(), "reload").len() == 1));
    terminal.hang_up();
    assert!(terminal.wait().success(), "it ends as a run ends");
    assert_eq!(events(&configured.log(), "reload").len(), 1, "it reads nothing any more");
    let replay = tcpkit(["-r", file.to_str().unwrap(), "--json"]).run().success().json();
    assert!(replay["totals"]["flows"].as_u64() >= Some(1), "the file is whole: {}", replay["totals"]);
}
