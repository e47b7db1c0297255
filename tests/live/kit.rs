//! git-hulk/tcpkit's command lines on an interface: a line for each request of a real server, as it is answered.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{ENDPOINT, Live, get, inside},
    netns::{Namespace, Pair},
    server::Server,
    wait::{patience, until},
};

/// `redis-cli` in the client's namespace; what it printed.
fn redis(pair: &Pair, words: &[&str]) -> String {
    let output = pair.client.command("redis-cli").args(["-h", "10.77.0.2"]).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a client gets that connects and says nothing, as `nc 127.0.0.1 33333` does.
fn bare(namespace: &Namespace) -> String {
    let mut stream = namespace.enter(|| TcpStream::connect(ENDPOINT)).unwrap().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The labels of the lines, in their order.
fn labels(lines: &str) -> Vec<&str> {
    lines.lines().filter_map(|line| line.split(" ms | ").nth(1)).collect()
}

#[test]
fn each_request_has_its_line_at_once_and_the_stats_port_counts_it() {
    if !can_run("each_request_has_its_line_at_once_and_the_stats_port_counts_it", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("kitlines").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let mut live =
        Live::start(&pair.client, &["-i", "veth0", "-s", "10.77.0.2", "-p", "6379,6380", "-m", "redis"]);
    let expected = ["SET foo bar", "GET foo", "INCR ctr", "BLPOP nolist 0.1"];
    for (number, request) in expected.iter().enumerate() {
        redis(&pair, &request.split(' ').collect::<Vec<_>>());
        let is_shown = || labels(&live.running().stdout_so_far()) == expected[..=number];
        assert!(until(patience(10), is_shown), "{request}: {}", live.running().stdout_so_far());
    }
    let text = bare(&pair.client);
    let array: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&array[0]["6379"]["total_reqs"], &array[1]["6380"]["total_reqs"]), (&4.into(), &0.into()));
    assert!(text.starts_with("[{\"6379\":{\"total_reqs\": 4,\"total_costs\":"), "{text}");
    assert_eq!(get(&pair.client, ENDPOINT, "/stats").unwrap(), (200, text));
    assert_eq!(live.get("/stats?v=1.0.1")["ports"], array);
    assert_eq!(live.get("/stats?v=1.1")["10.77.0.2:6379"]["requests"], 4);
    let stdout = live.end(libc::SIGINT).success().stdout;
    let (lines, statistics) = stdout.split_at(stdout.find("====").unwrap());
    assert_eq!(lines.lines().count(), 4, "{stdout}");
    let line = lines.lines().last().unwrap();
    let (head, rest) = line.split_once(" => 10.77.0.2:6379 | ").unwrap();
    assert!(head[26..].starts_with(" 10.77.0.1:") && rest.ends_with(" ms | BLPOP nolist 0.1"), "{line}");
    let latency: f64 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((100.0..5_000.0).contains(&latency), "it waited a tenth of a second: {line}");
    assert!(statistics.contains("\ntcp port: 6379, total requests: 4, average latency: "), "{statistics}");
    assert!(statistics.contains("\n0 packets dropped by kernel\n"), "{statistics}");
    assert!(statistics.ends_with("\n=================================================================\n"));
}

/// The process in the background; it ends with the test.
struct Daemon(PathBuf);

impl Daemon {
    fn process(&self) -> Option<i32> {
        fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }

    fn signal(&self, signal: i32) {
        if let Some(process) = self.process() {
            // SAFETY: kill takes two integers; the process is the one that wrote its number there.
            unsafe { libc::kill(process, signal) };
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

#[test]
fn in_the_background_lines_go_to_the_file_and_the_number_goes_at_the_end() {
    if !can_run("in_the_background_lines_go_to_the_file_and_the_number_goes_at_the_end", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("kitdaemon").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (lines, pid) = (folder.path().join("lines"), folder.path().join("pid"));
    let words = ["-i", "veth0", "-p", "redis", "tcp", "port", "6379", "-d", "-o"];
    let files = [lines.to_str().unwrap(), "--pid-file", pid.to_str().unwrap()];
    // It returns, and nothing holds its standard streams open, though the capture goes on.
    let begun = inside(&pair.client, [&words[..], &files].concat()).run().success();
    let daemon = Daemon(pid.clone());
    let process = daemon.process().expect("the number is there when the shell goes on");
    assert_eq!((begun.stdout.as_str(), begun.stderr.as_str()), ("", ""));
    assert_eq!(get(&pair.client, ENDPOINT, "/healthz").unwrap(), (200, "ok\n".to_owned()));
    redis(&pair, &["SET", "foo", "bar"]);
    let has = |word: &str| fs::read_to_string(&lines).unwrap().contains(word);
    assert!(until(patience(10), || has(" ms | SET foo bar\n")), "{:?}", fs::read_to_string(&lines));
    let second = inside(&pair.client, [&words[..], &files].concat()).run();
    second.failure(1, &["--pid-file", &process.to_string(), "runs"]);
    daemon.signal(libc::SIGTERM);
    assert!(until(patience(20), || !pid.exists()), "the number goes with its process");
    assert!(until(patience(20), || !Path::new(&format!("/proc/{process}")).exists()));
    assert!(has("\n0 packets dropped by kernel\n"), "{:?}", fs::read_to_string(&lines));
}

#[test]
fn packets_are_shown_as_they_come() {
    if !can_run("packets_are_shown_as_they_come", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("kitraw").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let mut live = Live::start(&pair.client, &["-i", "veth0", "-p", "raw", "-A", "tcp", "port", "6379"]);
    redis(&pair, &["PING"]);
    let is_shown = || live.running().stdout_so_far().contains(" 10.77.0.2.6379 > 10.77.0.1.");
    assert!(until(patience(10), is_shown), "{}", live.running().stdout_so_far());
    let stdout = live.end(libc::SIGINT).success().stdout;
    assert!(
        stdout.contains("length 14 *1\r\n$4\r\nPING\r\n\n")
            || stdout.contains("length 14 *1\r\n$4\r\nping\r\n\n"),
        "{stdout}"
    );
    assert!(stdout.contains("length 7 +PONG\r\n\n"), "{stdout}");
    let end = "======================== interface stats ========================\n";
    assert!(stdout.matches(end).count() == 2 && stdout.ends_with(end), "{stdout}");
}

#[test]
fn the_asked_for_buffer_is_the_one_that_is_had() {
    if !can_run("the_asked_for_buffer_is_the_one_that_is_had", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("kitbuffer").unwrap();
    let mut live = Live::start(&pair.client, &["-i", "veth0", "-m", "redis", "-B", "3072", "--shards", "1"]);
    // Beside it there may be the ring of the programs' messages.
    let process = live.running().id();
    let rings = ring_sizes(process);
    assert!(rings.contains(&(4 << 20)), "3,072 KiB need a ring of 4 MiB: {rings:?}");
    assert!(!rings.contains(&(32 << 20)), "that would be the usual one: {rings:?}");
    let _outcome = live.end(libc::SIGINT).success();
}

#[test]
fn libpcap_has_the_buffer_that_is_asked_for() {
    let programs = ["redis-server", "redis-cli"].map(Need::Program);
    if !can_run("libpcap_has_the_buffer_that_is_asked_for", &[&[Need::Root][..], &programs].concat()) {
        return;
    }
    let pair = Pair::new("kitpcap").unwrap();
    let _server = Server::redis(&pair.server).unwrap();
    let asked = ["-i", "veth0", "-p", "6379", "-m", "redis", "--backend", "pcap"];
    let mut sizes = Vec::new();
    for kibibytes in [1_024, 6_144] {
        let buffer = format!("-B{kibibytes}");
        let mut live = Live::start(&pair.client, &[&asked[..], &[&buffer]].concat());
        sizes.push(packet_ring(live.running().id()));
        redis(&pair, &["PING"]);
        let is_shown = || live.running().stdout_so_far().contains(" ms | PING\n");
        assert!(until(patience(10), is_shown), "-B {kibibytes}: {}", live.running().stdout_so_far());
        let _outcome = live.end(libc::SIGINT).success();
    }
    // libpcap makes whole blocks of what it is given.
    let is_near = |size: u64, kibibytes: u64| (kibibytes * 7 / 8..=kibibytes).contains(&(size >> 10));
    assert!(is_near(sizes[0], 1_024) && is_near(sizes[1], 6_144), "{sizes:?}");
}

/// Octets of the rings of packet sockets that a process or its children have mapped (packet_mmap.rst of the kernel).
fn packet_ring(process: u32) -> u64 {
    let mut octets = 0;
    for child in std::iter::once(process).chain(children(process)) {
        let maps = fs::read_to_string(format!("/proc/{child}/maps")).unwrap_or_default();
        for line in maps.lines().filter(|line| line.contains(" socket:[")) {
            let (start, rest) = line.split_once('-').unwrap();
            let end = rest.split(' ').next().unwrap();
            let address = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
            octets += address(end) - address(start);
        }
    }
    octets
}

/// A request to memcached by UDP: a frame header (request number, datagram 0 of 1) and the line.
fn ask_by_udp(pair: &Pair, number: u8, line: &str) {
    let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0")).unwrap().unwrap();
    socket.connect("10.77.0.2:11211").unwrap();
    socket.set_read_timeout(Some(patience(20))).unwrap();
    socket.send(&[&[0, number, 0, 0, 0, 1, 0, 0][..], line.as_bytes(), b"\r\n"].concat()).unwrap();
    let mut answer = [0; 200];
    let len = socket.recv(&mut answer).unwrap();
    assert!(len > 8 && answer[..2] == [0, number], "{:?}", &answer[..len]);
}

#[test]
fn requests_by_udp_have_their_lines_where_they_are_asked_for() {
    let name = "requests_by_udp_have_their_lines_where_they_are_asked_for";
    if !can_run(name, &[Need::Ebpf, Need::Program("memcached")]) {
        return;
    }
    let pair = Pair::new("kitudp").unwrap();
    let _server = Server::memcached(&pair.server).unwrap();
    let words = ["-i", "veth0", "-p", "11211", "-m", "memcached", "-t", "0"];
    for (backend, with_udp) in [("ebpf", true), ("pcap", true), ("ebpf", false)] {
        let more = if with_udp { vec!["-u"] } else { vec![] };
        let mut live = Live::start(&pair.client, &[&words[..], &["--backend", backend], &more].concat());
        let mut expected = Vec::new();
        for number in 1..=20 {
            let line = format!("get {backend}{number}");
            ask_by_udp(&pair, number, &line);
            expected.push(line);
        }
        // By TCP behind them: where this one is shown, those before it have been heard.
        let mut stream = pair.client.enter(|| TcpStream::connect("10.77.0.2:11211")).unwrap().unwrap();
        stream.write_all(b"get by_tcp\r\n").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        drop(stream);
        let is_shown = || live.running().stdout_so_far().contains(" ms | get by_tcp\n");
        assert!(until(patience(10), is_shown), "{backend}: {}", live.running().stdout_so_far());
        if !with_udp {
            expected.clear();
        }
        let is_told = || live.get("/stats")[0]["11211"]["total_reqs"] == expected.len() + 1;
        assert!(until(patience(10), is_told), "{}", live.get("/stats"));
        let stdout = live.end(libc::SIGINT).success().stdout;
        let mut shown = labels(stdout.split("====").next().unwrap());
        shown.retain(|label| *label != "get by_tcp");
        // Each request has a conversation of its own, and those of several workers do not wait for each other.
        shown.sort_unstable();
        expected.sort_unstable();
        assert_eq!(shown, expected, "{backend}, by UDP: {with_udp}");
    }
}

/// `max_entries` of the ring buffers whose descriptors a process or its children hold.
fn ring_sizes(process: u32) -> Vec<u64> {
    let mut sizes = Vec::new();
    for child in std::iter::once(process).chain(children(process)) {
        let Ok(entries) = fs::read_dir(format!("/proc/{child}/fdinfo")) else { continue };
        for entry in entries.flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().parse::<u64>().ok()
            };
            // BPF_MAP_TYPE_RINGBUF (include/uapi/linux/bpf.h).
            if field("map_type:") == Some(27) {
                sizes.extend(field("max_entries:"));
            }
        }
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    fs::read_to_string(path)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
