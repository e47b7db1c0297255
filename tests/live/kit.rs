//! git-hulk/tcpkit's command lines on an interface: a line for each request of a real server, as it is answered.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
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
