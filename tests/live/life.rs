//! What becomes of a capture when its interface is renamed, goes, comes back, or is not there yet.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    attached::Attached,
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair},
    run::tcpkit,
    traffic::transfer,
    wait::until,
};
use tempfile::TempDir;

/// A folder for what a run writes.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The options that have everything written here.
    fn words(&self) -> Vec<String> {
        let options = [("-w", "x.pcapng"), ("--flow-log", "flows"), ("--event-log", "events")];
        options.iter().flat_map(|(option, name)| [(*option).to_owned(), self.path(name)]).collect()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

/// A live run in the server's namespace with these words, everything written to `files`.
fn start<'a>(namespace: &'a Namespace, files: &Files, words: &[&str]) -> Live<'a> {
    let written = files.words();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    Live::start(namespace, &[words, &["--json"], &written[..]].concat())
}

/// Waits until the report's notes say this.
fn told(live: &Live<'_>, words: &str) {
    let notes = || live.get("/api/v1/report")["capture"]["notes"].to_string();
    assert!(until(Duration::from_secs(10), || notes().contains(words)), "{words:?} is not in {}", notes());
}

/// The ledger closes, and a replay of what was written has the same flows on as many interfaces.
fn is_whole(report: &Value, files: &Files, interfaces: &[&str]) {
    assert_eq!((&report["ledger"]["closes"], &report["complete"]), (&true.into(), &true.into()), "{report}");
    assert_eq!(report["completeness"], 1.0, "{}", report["ledger"]);
    let log = files.path("replayed");
    let words = ["-r", &files.path("x.pcapng"), "--json", "--flow-log", &log];
    let replay = tcpkit(words).run().success().json();
    let names: Vec<&str> = replay["capture"]["interfaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, interfaces);
    // Shards interleave in the file, so its first frame may be another one.
    let totals = |report: &Value| {
        let mut totals = report["totals"].as_object().unwrap().clone();
        totals.remove("duration_us");
        totals
    };
    assert_eq!(totals(&replay), totals(report));
    assert_eq!(replay["ledger"]["total"]["seen"], report["ledger"]["total"]["matched"]);
}

fn names(report: &Value) -> Vec<&str> {
    let each = report["capture"]["interfaces"].as_array().unwrap().iter();
    each.map(|one| one["name"].as_str().unwrap()).collect()
}

/// One connection that outlives what happens to the interfaces.
struct Talk {
    stream: TcpStream,
    server: JoinHandle<usize>,
    sent: usize,
}

impl Talk {
    fn new(pair: &Pair) -> Self {
        let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:0")).unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut bytes = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap_or_default()
        });
        let stream = pair.client.enter(|| TcpStream::connect(address)).unwrap().unwrap();
        Self { stream, server, sent: 0 }
    }

    /// Sends some bytes, and waits until they were acknowledged.
    fn send(&mut self, bytes: usize) {
        self.stream.write_all(&vec![0x5a; bytes]).unwrap();
        self.sent += bytes;
        assert!(until(Duration::from_secs(20), || self.unacknowledged() == 0), "nothing comes through");
    }

    fn unacknowledged(&self) -> libc::c_int {
        use std::os::fd::AsRawFd as _;
        let mut left = 0;
        // SAFETY: the call writes one integer.
        assert_eq!(unsafe { libc::ioctl(self.stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut left) }, 0);
        left
    }

    /// Closes it; how many bytes it carried.
    fn finish(self) -> usize {
        drop(self.stream);
        assert_eq!(self.server.join().unwrap(), self.sent);
        self.sent
    }
}

/// Makes the cable of a pair anew, as it was.
fn lay_cable(pair: &Pair) {
    let peer = ["peer", "name", "veth0", "netns", pair.server.name()];
    pair.client.ip(&[&["link", "add", "veth0", "type", "veth"], &peer[..]].concat()).unwrap();
    for (namespace, address) in [(&pair.client, "10.77.0.1/24"), (&pair.server, "10.77.0.2/24")] {
        namespace.ip(&["addr", "add", address, "dev", "veth0"]).unwrap();
        namespace.ip(&["link", "set", "veth0", "up"]).unwrap();
    }
}

/// The kernel's number of an interface.
fn number(namespace: &Namespace, name: &str) -> Option<u32> {
    namespace.enter(|| tcpkit_agent::source::live::interface_index(name)).unwrap()
}

#[test]
pub(crate) fn a_renamed_interface_is_captured_on_under_its_new_name() {
    if !can_run("a_renamed_interface_is_captured_on_under_its_new_name", &[Need::Ebpf]) {
        return;
    }
    for hook in ["tc", "xdp"] {
        let pair = Pair::new("renamed").unwrap();
        let files = Files::new();
        let live = start(&pair.server, &files, &["-i", "veth0", "--hook", hook]);
        transfer(&pair, 1_000).unwrap();
        for words in [&["down"][..], &["name", "lan0"], &["up"]] {
            let name = if words == ["up"] { "lan0" } else { "veth0" };
            pair.server.ip(&[&["link", "set", name], words].concat()).unwrap();
        }
        told(&live, "lan0 is up again");
        transfer(&pair, 1_000).unwrap();
        let report = live.end(libc::SIGINT).success().json();
        assert_eq!((names(&report), &report["totals"]["flows"]), (vec!["lan0"], &2.into()), "{hook}");
        let entries = report["ledger"]["entries"].as_array().unwrap();
        assert!(entries.iter().all(|entry| entry["interface"] == "lan0"), "{}", report["ledger"]);
        assert!(files.text("events").contains("\"lan0\",\"change\":\"is the new name of veth0"), "{hook}");
        assert!(files.text("flows").lines().all(|flow| flow.contains("\"interface\":\"lan0\"")), "{hook}");
        // The file calls it as it was called when it began.
        is_whole(&report, &files, &["veth0"]);
    }
}

#[test]
pub(crate) fn an_interface_that_is_made_anew_is_attached_again_and_its_flows_go_on() {
    if !can_run("an_interface_that_is_made_anew_is_attached_again_and_its_flows_go_on", &[Need::Ebpf]) {
        return;
    }
    for (hook, others) in [("auto", &[][..]), ("xdp", &[]), ("tc", &["-i", "lo", "not port 33333"])] {
        let pair = Pair::new("anew").unwrap();
        let files = Files::new();
        let words = [&["-i", "veth0", "--reattach", "--hook", hook], others].concat();
        let live = start(&pair.server, &files, &words);
        let mut talk = Talk::new(&pair);
        talk.send(10_000);
        let before = number(&pair.server, "veth0");
        for _ in 0..2 {
            pair.server.ip(&["link", "del", "veth0"]).unwrap();
            told(&live, "veth0 disappeared; waiting for it");
            lay_cable(&pair);
            let captured =
                || live.get("/api/v1/report")["capture"]["notes"].to_string().matches("is there and").count();
            assert!(until(Duration::from_secs(5), || captured() > 0), "{hook}");
            thread::sleep(Duration::from_millis(200));
            talk.send(10_000);
        }
        assert_ne!(number(&pair.server, "veth0"), before, "{hook}: another number");
        let sent = talk.finish();
        thread::sleep(Duration::from_millis(200));
        let report = live.end(libc::SIGINT).success().json();
        assert_eq!(report["totals"]["flows"], 1, "{hook}: {}", report["totals"]);
        assert!(report["totals"]["payload_bytes"].as_u64() >= Some(sent as u64), "{}", report["totals"]);
        let capture = &report["capture"]["interfaces"][0];
        let expected = if hook == "xdp" { "ebpf/xdp+tc" } else { "ebpf/tc" };
        assert_eq!((&capture["name"], &capture["hook"]), (&"veth0".into(), &expected.into()), "{hook}");
        let events = files.text("events");
        assert_eq!(events.matches("is there and captured").count(), 2, "{hook}: {events}");
        assert_eq!(files.text("flows").lines().count(), 1, "{hook}");
        let interfaces = if others.is_empty() { &["veth0"][..] } else { &["veth0", "lo"] };
        is_whole(&report, &files, interfaces);
        assert_eq!(files.text("flows"), files.text("replayed"), "{hook}");
    }
}

#[test]
pub(crate) fn an_interface_that_moves_to_another_namespace_is_left_there_and_taken_back() {
    if !can_run("an_interface_that_moves_to_another_namespace_is_left_there", &[Need::Ebpf]) {
        return;
    }
    for (hook, waits) in [("tc", true), ("xdp", true), ("tc", false)] {
        let pair = Pair::new("moved").unwrap();
        let files = Files::new();
        let words = ["-i", "veth0", "--hook", hook, "--reattach"];
        let words = if waits { &words[..] } else { &words[..4] };
        let live = start(&pair.server, &files, words);
        transfer(&pair, 1_000).unwrap();
        let elsewhere = Namespace::new("elsewhere").unwrap();
        pair.server.ip(&["link", "set", "veth0", "netns", elsewhere.name()]).unwrap();
        if !waits {
            let report = live.wait().failure(1, &["every interface disappeared", "veth0"]).json();
            assert_eq!(Attached::now(&elsewhere, "veth0"), Attached::NONE);
            assert!(files.text("events").contains("into another network namespace; its capture has ended"));
            is_whole(&report, &files, &["veth0"]);
            continue;
        }
        told(&live, "veth0 disappeared into another network namespace; waiting for it");
        // Nothing of ours goes with it: what happens there is none of this capture's business.
        assert_eq!(Attached::now(&elsewhere, "veth0"), Attached::NONE, "{hook}");
        elsewhere.ip(&["link", "set", "veth0", "netns", pair.server.name()]).unwrap();
        told(&live, "veth0 is there and captured");
        pair.server.ip(&["addr", "add", "10.77.0.2/24", "dev", "veth0"]).unwrap();
        pair.server.ip(&["link", "set", "veth0", "up"]).unwrap();
        told(&live, "veth0 is up again");
        transfer(&pair, 1_000).unwrap();
        let report = live.end(libc::SIGINT).success().json();
        assert_eq!(report["totals"]["flows"], 2, "{hook}: {}", report["totals"]);
        is_whole(&report, &files, &["veth0"]);
        assert_eq!(Attached::now(&pair.server, "veth0"), Attached::NONE, "{hook}");
    }
}

#[test]
pub(crate) fn an_interface_that_is_not_there_yet_is_waited_for() {
    if !can_run("an_interface_that_is_not_there_yet_is_waited_for", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("later").unwrap();
    for namespace in [&pair.client, &pair.server] {
        // Deleting one end of a cable deletes the other.
        drop(namespace.ip(&["link", "del", "veth0"]));
    }
    let files = Files::new();
    let live = start(&pair.server, &files, &["-i", "veth0", "--reattach", "tcp"]);
    told(&live, "veth0: not there yet; waiting for it");
    lay_cable(&pair);
    told(&live, "veth0 is there and captured");
    told(&live, "veth0 is up again");
    transfer(&pair, 100_000).unwrap();
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!(report["totals"]["flows"], 1, "{}", report["totals"]);
    // What it is for was not known, so the host was not changed.
    assert_eq!(report["capture"]["interfaces"][0]["hook"], "ebpf/tc");
    is_whole(&report, &files, &["veth0"]);
}

#[test]
pub(crate) fn what_comes_back_as_something_else_is_refused_once_and_waited_for() {
    let needs = [Need::Ebpf];
    if !can_run("what_comes_back_as_something_else_is_refused_once_and_waited_for", &needs) {
        return;
    }
    let pair = Pair::new("other").unwrap();
    let files = Files::new();
    let live = start(&pair.server, &files, &["-i", "veth0", "--reattach"]);
    pair.server.ip(&["link", "del", "veth0"]).unwrap();
    told(&live, "disappeared");
    pair.server.ip(&["tuntap", "add", "veth0", "mode", "tun"]).unwrap();
    told(&live, "veth0 is there and cannot be captured: interface veth0 has another link layer");
    pair.server.ip(&["link", "set", "veth0", "up"]).unwrap();
    thread::sleep(Duration::from_millis(300));
    pair.server.ip(&["link", "del", "veth0"]).unwrap();
    lay_cable(&pair);
    told(&live, "veth0 is there and captured");
    transfer(&pair, 1_000).unwrap();
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!(report["totals"]["flows"], 1, "{}", report["totals"]);
    assert_eq!(files.text("events").matches("cannot be captured").count(), 1, "{}", files.text("events"));
}

#[test]
pub(crate) fn an_interface_that_joins_and_leaves_a_bridge_is_captured_on() {
    if !can_run("an_interface_that_joins_and_leaves_a_bridge_is_captured_on", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("bridge").unwrap();
    let files = Files::new();
    let live = start(&pair.server, &files, &["-i", "veth0"]);
    transfer(&pair, 1_000).unwrap();
    for words in [
        &["link", "add", "br0", "type", "bridge"][..],
        &["link", "set", "br0", "up"],
        &["link", "set", "veth0", "master", "br0"],
    ] {
        pair.server.ip(words).unwrap();
    }
    told(&live, "veth0 became part of br0");
    pair.server.ip(&["link", "set", "veth0", "nomaster"]).unwrap();
    told(&live, "veth0 is no longer part of");
    transfer(&pair, 1_000).unwrap();
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!(report["totals"]["flows"], 2, "{}", report["totals"]);
    is_whole(&report, &files, &["veth0"]);
}

#[test]
pub(crate) fn only_a_capture_that_waits_keeps_the_right_to_attach() {
    if !can_run("only_a_capture_that_waits_keeps_the_right_to_attach", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("rights").unwrap();
    // CAP_NET_ADMIN is number 12, CAP_BPF 39 (linux/capability.h).
    for (words, expected) in
        [(&["-i", "veth0"][..], 0), (&["-i", "veth0", "--reattach"], (1 << 12) | (1 << 39))]
    {
        let mut live = Live::start(&pair.server, words);
        let status = Path::new("/proc").join(live.running().id().to_string()).join("status");
        let status = fs::read_to_string(status).unwrap();
        for set in ["CapEff:", "CapPrm:"] {
            let held = status.lines().find_map(|line| line.strip_prefix(set)).unwrap().trim();
            assert_eq!(u64::from_str_radix(held, 16).unwrap(), expected, "{words:?}: {status}");
        }
        drop(live.end(libc::SIGINT).success());
    }
}

#[test]
pub(crate) fn what_libpcap_cannot_do_is_refused() {
    let words = ["-i", "lo", "--reattach", "--backend", "pcap"];
    tcpkit(words).run().failure(2, &["--reattach", "--backend pcap"]);
    tcpkit(["-r", "x.pcap", "--reattach"]).run().failure(2, &["--reattach", "--read"]);
}
