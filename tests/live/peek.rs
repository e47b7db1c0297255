//! `tcpkit peek` on an interface: real servers, real refusals, real losses, beside what tcpeek printed for the same.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Duration,
};

use tcpkit_tests::{
    left_out::{Need, can_run},
    live::inside,
    netns::{Namespace, Pair, run},
    run::{Outcome, Running, tcpkit},
    wait::until,
};

/// What tcpeek wrote for this traffic.
const GOLDEN: &str = include_str!("../captures/golden__tcpeek_live.txt");

const CLIENT: &str = "10.99.0.1";
const SERVER: &str = "10.99.0.2";

/// The golden run's host: two servers; ports that drop, and that refuse by ICMP.
struct Bed {
    pair: Pair,
    folder: tempfile::TempDir,
}

impl Bed {
    fn new(label: &str) -> Self {
        let pair = Pair::without_addresses(label).unwrap();
        for (namespace, v4, v6) in [(&pair.client, CLIENT, "fd99::1"), (&pair.server, SERVER, "fd99::2")] {
            namespace.ip(&["addr", "add", &format!("{v4}/24"), "dev", "veth0"]).unwrap();
            namespace.ip(&["addr", "add", &format!("{v6}/64"), "dev", "veth0", "nodad"]).unwrap();
        }
        serve(&pair.server, 6379);
        serve(&pair.server, 8080);
        let bed = Self { pair, folder: tempfile::tempdir().unwrap() };
        nft(
            &bed.pair.server,
            "table inet refuse { chain input { type filter hook input priority 0;
               tcp dport 7001 drop
               meta nfproto ipv4 tcp dport 7002 reject with icmp type port-unreachable
               meta nfproto ipv4 tcp dport 7003 reject with icmp type host-unreachable
               meta nfproto ipv4 tcp dport 7004 reject with icmp type admin-prohibited
               meta nfproto ipv6 tcp dport 7004 reject with icmpv6 type admin-prohibited
             }
            }",
        );
        bed
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("peek.sock")
    }

    /// `tcpkit peek` in the client's namespace, when it listens on its socket.
    fn peek(&self, namespace: &Namespace, words: &[&str]) -> Peeking {
        self.peek_at(self.socket(), namespace, words)
    }

    fn peek_at(&self, socket: PathBuf, namespace: &Namespace, words: &[&str]) -> Peeking {
        let path = socket.display().to_string();
        let mut running =
            inside(namespace, [&["peek", "-U", &path], words].concat()).env("TZ", "UTC").start();
        let mut ended = false;
        let ready = until(Duration::from_secs(30), || {
            ended = running.has_ended();
            // The file is there a moment before somebody listens on it.
            ended || UnixStream::connect(&socket).is_ok()
        });
        if ended || !ready {
            running.signal(libc::SIGTERM);
            panic!("no capture: {:?}", running.wait());
        }
        Peeking { running, socket }
    }

    fn connect(&self, host: &str, port: u16, patience: u64) -> bool {
        let address = SocketAddr::new(host.parse::<IpAddr>().unwrap(), port);
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(patience));
        self.pair.client.enter(connect).unwrap().is_ok()
    }

    /// The golden traffic: its fates are in [`GOLDEN`].
    fn traffic(&self) {
        assert!(self.connect(SERVER, 6379, 3_000) && self.connect(SERVER, 8080, 3_000));
        for port in [7002, 7003, 7004] {
            assert!(!self.connect(SERVER, port, 500), "{port}");
        }
        assert!(!self.connect(SERVER, 7001, 7_500));
        nft(
            &self.pair.client,
            "table inet lose { chain input { type filter hook input priority 0;
               tcp sport 8080 tcp flags & (syn | ack) == (syn | ack) drop
             }
            }",
        );
        let mend = {
            let name = self.pair.client.name().to_owned();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(2_500));
                run("ip", &["netns", "exec", &name, "nft", "delete", "table", "inet", "lose"]).unwrap();
            })
        };
        assert!(self.connect(SERVER, 8080, 8_000));
        mend.join().unwrap();
    }
}

/// A run of `tcpkit peek` that captures.
struct Peeking {
    running: Running,
    socket: PathBuf,
}

impl Peeking {
    fn ask(&self, words: &str) -> String {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Waits until a session was counted that the words are part of the answer for.
    fn wait_for(&self, words: &str) {
        let mut answer = String::new();
        let counted = until(Duration::from_secs(10), || {
            answer = self.ask("GET\r\n");
            answer.contains(words)
        });
        assert!(counted, "{words}: {answer}");
    }

    fn end(mut self, signal: i32) -> Outcome {
        self.running.signal(signal);
        let outcome = self.running.wait().success();
        assert_eq!(outcome.stdout, "", "{outcome:?}");
        assert!(!self.socket.exists(), "the socket goes with the run");
        outcome
    }
}

/// Accepts on every address until the test ends.
fn serve(namespace: &Namespace, port: u16) -> JoinHandle<()> {
    let listener = namespace.enter(|| TcpListener::bind(("::", port))).unwrap().unwrap();
    thread::spawn(move || listener.incoming().for_each(drop))
}

fn nft(namespace: &Namespace, rules: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    fs::write(&file, rules).unwrap();
    run("ip", &["netns", "exec", namespace.name(), "nft", "-f", file.to_str().unwrap()]).unwrap();
}

/// The sessions without what differs from run to run: the columns behind the time stamp, without the client's port.
fn sessions(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.matches(" | ").count() == 4 && !line.contains("TIME"));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.splitn(3, " | ").collect();
            assert_eq!((columns[0].len(), columns[1].len()), (8, 21), "{line}");
            let (client, rest) = columns[2].split_once(':').unwrap();
            format!("{client}:{}", &rest[5..])
        })
        .collect()
}

/// Everything behind the sessions, without times and without how many frames there were.
fn summary(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| !line.contains("SUMMARY"));
    lines
        .filter(|line| !["from :", "to :", "time :", "recv "].iter().any(|word| line.contains(word)))
        .collect()
}

fn can(test: &str) -> bool {
    can_run(test, &[Need::Ebpf, Need::Program("nft")])
}

#[test]
fn the_golden_traffic_gives_the_golden_text() {
    if !can("the_golden_traffic_gives_the_golden_text") {
        return;
    }
    let bed = Bed::new("peekgold");
    let both = ["ebpf", "pcap"].map(|backend| {
        let words = ["-i", "veth0", "-t", "4", "--icmp", "--backend", backend];
        let filters = ["redis:TX@%:6379", "web80:TX@10.99.0.99/24:80:8080"];
        let socket = bed.folder.path().join(backend);
        bed.peek_at(socket, &bed.pair.client, &[&words[..], &filters].concat())
    });
    bed.traffic();
    for peeking in both {
        is_golden(peeking);
    }
}

/// Ends the run and compares with what tcpeek said.
fn is_golden(peeking: Peeking) {
    peeking.wait_for("\"failure\":{\"total\":4");
    let refreshed = peeking.ask("REFRESH\r\n");
    let counts = "{\"TX\":{\"success\":{\"total\":3,\"dupsyn\":1,\"dupsynack\":1},\"failure\":{\"total\":4,\"timeout\":1,\"reject\":3}}}";
    assert!(refreshed.contains(counts), "{refreshed}");
    let said = peeking.end(libc::SIGINT).stderr;
    // tcpeek takes an ICMP error of another code than port and host unreachable for silence.
    let golden =
        GOLDEN.replace("sdv0", "veth0").replace("7004  | failure (timeout)", "7004  | failure (unreach)");
    let (mut expected, mut seen) = (sessions(&golden), sessions(&said));
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected, "{said}");
    let golden = golden
        .replace("Timed Out  :      2", "Timed Out  :      1")
        .replace("Unreachable      :      2", "Unreachable      :      3");
    assert_eq!(summary(&said), summary(&golden));
    assert_eq!(said.lines().take(3).collect::<Vec<_>>(), golden.lines().take(3).collect::<Vec<_>>());
    let took = |server: &str| {
        let line = said.lines().rfind(|line| line.contains(server)).unwrap();
        line[..8].trim().parse::<f64>().unwrap()
    };
    // The silence counts from the last SYN, which came some seven seconds after the first.
    assert!((10.5..12.5).contains(&took(":7001 ")), "{said}");
    assert!((2.5..4.5).contains(&took(":8080 ")), "{said}");
}

#[test]
fn a_session_is_told_at_once_and_signals_that_tcpeek_ignores_are_ignored() {
    if !can("a_session_is_told_at_once_and_signals_that_tcpeek_ignores_are_ignored") {
        return;
    }
    let bed = Bed::new("peeknow");
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("err");
    let script = format!("exec \"$@\" 2> {}", errors.display());
    let shell = ["ip", "netns", "exec", bed.pair.client.name(), "sh", "-c", &script, "sh"];
    let socket = bed.socket().display().to_string();
    let mut running = tcpkit(["peek", "-i", "veth0", "-U", &socket]).inside(shell).start();
    assert!(until(Duration::from_secs(20), || bed.socket().exists()));
    let said = || fs::read_to_string(&errors).unwrap_or_default();
    for (number, signal) in
        [libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM, libc::SIGPIPE].into_iter().enumerate()
    {
        assert!(bed.connect(SERVER, 6379, 3_000));
        let told = || said().matches("      success      ").count() == number + 1;
        assert!(until(Duration::from_secs(2), told), "{}", said());
        running.signal(signal);
        thread::sleep(Duration::from_millis(100));
        assert!(!running.has_ended(), "{signal}");
    }
    running.signal(libc::SIGTERM);
    let _ended = running.wait().success();
    assert!(said().ends_with("\n====================================\n"), "{}", said());
}

#[test]
fn on_loopback_a_session_counts_for_both_directions_and_once() {
    if !can("on_loopback_a_session_counts_for_both_directions_and_once") {
        return;
    }
    let bed = Bed::new("peeklo");
    for backend in ["ebpf", "pcap"] {
        let peeking = bed.peek(&bed.pair.client, &["-i", "lo", "--backend", backend, "-c", "2"]);
        assert!(!bed.connect("127.0.0.1", 1, 3_000) && !bed.connect("::1", 1, 3_000));
        peeking.wait_for(
            "\"TX\":{\"success\":{\"total\":0,\"dupsyn\":0,\"dupsynack\":0},\"failure\":{\"total\":2",
        );
        let outcome = peeking.end(libc::SIGTERM);
        let expected = ["      127.0.0.1:       127.0.0.1:1     | failure (reject)  |       0        0 "];
        assert_eq!(sessions(&outcome.stderr)[..1], expected, "{outcome:?}");
        assert_eq!(outcome.stderr.matches("   Failure: 2 session\n").count(), 2, "{outcome:?}");
    }
}

#[test]
fn what_is_undecided_at_the_end_is_pending() {
    if !can("what_is_undecided_at_the_end_is_pending") {
        return;
    }
    let bed = Bed::new("peekpend");
    let peeking = bed.peek(&bed.pair.client, &["-i", "veth0"]);
    assert!(!bed.connect(SERVER, 7001, 1_500));
    let outcome = peeking.end(libc::SIGINT);
    let lines = sessions(&outcome.stderr);
    assert_eq!(lines.len(), 1, "{outcome:?}");
    assert!(lines[0].ends_with(":7001  |      pending      |       1        0 "), "{outcome:?}");
    let (before, after) = outcome.stderr.split_once("SUMMARY").unwrap();
    assert!(before.contains("pending") && after.contains("   Pending: 1 session\n"), "{outcome:?}");
    assert!(!after.contains("Success: 1"), "{outcome:?}");
}

#[test]
fn every_address_of_the_interface_is_the_hosts_own_also_one_that_came_later() {
    if !can("every_address_of_the_interface_is_the_hosts_own_also_one_that_came_later") {
        return;
    }
    let bed = Bed::new("peekaddr");
    bed.pair.server.ip(&["addr", "add", "10.99.0.3/24", "dev", "veth0"]).unwrap();
    let peeking = bed.peek(&bed.pair.server, &["-i", "veth0", "--icmp", "six:RX@[fd99::/16]:%"]);
    for host in [SERVER, "10.99.0.3", "fd99::2"] {
        assert!(bed.connect(host, 6379, 3_000), "{host}");
    }
    assert!(!bed.connect("fd99::2", 7004, 500));
    bed.pair.server.ip(&["addr", "add", "10.99.0.4/24", "dev", "veth0"]).unwrap();
    thread::sleep(Duration::from_millis(1_100));
    assert!(bed.connect("10.99.0.4", 8080, 3_000));
    peeking.wait_for("{\"RX\":{\"success\":{\"total\":4");
    let outcome = peeking.end(libc::SIGINT);
    let servers: Vec<_> = sessions(&outcome.stderr)
        .iter()
        .map(|line| line.split(" | ").next().unwrap().split_whitespace().next_back().unwrap().to_owned())
        .collect();
    let expected = ["10.99.0.2:6379", "10.99.0.3:6379", "[fd99::2]:6379", "[fd99::2]:7004", "10.99.0.4:8080"];
    assert_eq!(servers.len(), expected.len(), "{outcome:?}");
    for server in expected {
        assert!(outcome.stderr.contains(&format!("{server} ")), "{server}: {outcome:?}");
    }
    let six = outcome
        .stderr
        .split("------------------------------------\n")
        .find(|part| part.starts_with(" six\n"));
    let six = six.unwrap();
    assert!(six.contains("Success: 1 ") && six.contains("Unreachable      :      1"), "{outcome:?}");
}

#[test]
fn another_user_owns_the_socket_and_captures_on() {
    if !can("another_user_owns_the_socket_and_captures_on") {
        return;
    }
    let bed = Bed::new("peekuser");
    // SAFETY: a path that ends with NUL, and integers.
    let opened = unsafe {
        let path = std::ffi::CString::new(bed.folder.path().to_str().unwrap()).unwrap();
        libc::chmod(path.as_ptr(), 0o777)
    };
    assert_eq!(opened, 0);
    for backend in ["ebpf", "pcap"] {
        let peeking =
            bed.peek(&bed.pair.client, &["-i", "veth0", "-u", "nobody", "--backend", backend, "-q"]);
        assert_eq!(fs::metadata(&peeking.socket).unwrap().uid(), 65_534);
        assert!(bed.connect(SERVER, 6379, 3_000));
        peeking.wait_for("\"TX\":{\"success\":{\"total\":1");
        let outcome = peeking.end(libc::SIGINT);
        assert!(!outcome.stderr.contains("TIME(s)"), "quiet: {outcome:?}");
        assert!(outcome.stderr.contains("   Success: 1 session\n"), "{outcome:?}");
    }
}

#[test]
fn without_an_address_there_is_no_direction_unless_it_is_given() {
    if !can("without_an_address_there_is_no_direction_unless_it_is_given") {
        return;
    }
    let silent = Pair::without_addresses("peektap").unwrap();
    let _refused =
        inside(&silent.client, ["peek", "-i", "veth0"]).run().failure(1, &["veth0", "no address", "--self"]);
    let bed = Bed::new("peekself");
    let words = ["-i", "any", "--promisc", "--self", SERVER, "a:RX@10.99.0.1:6379"];
    let peeking = bed.peek(&bed.pair.client, &words);
    assert!(bed.connect(SERVER, 6379, 3_000));
    peeking.wait_for("{\"a\":{\"success\":{\"total\":1");
    let outcome = peeking.end(libc::SIGINT);
    assert!(outcome.stderr.contains("listening on any, link-type LINUX_SLL2"), "{outcome:?}");
}

#[test]
fn a_busy_socket_is_an_error_and_a_stale_one_is_none() {
    if !can("a_busy_socket_is_an_error_and_a_stale_one_is_none") {
        return;
    }
    let bed = Bed::new("peekbusy");
    let mut peeking = bed.peek(&bed.pair.client, &["-i", "veth0"]);
    let socket = bed.socket().display().to_string();
    let second = inside(&bed.pair.client, ["peek", "-i", "veth0", "-U", &socket]).run();
    assert!(second.code() == 1 && second.stderr.contains("something is there already"), "{second:?}");
    peeking.running.signal(libc::SIGKILL);
    drop(peeking.running.wait());
    assert!(Path::new(&socket).exists());
    let peeking = Peeking {
        running: inside(&bed.pair.client, ["peek", "-i", "veth0", "-U", &socket]).start(),
        socket: bed.socket(),
    };
    assert!(until(Duration::from_secs(20), || UnixStream::connect(&socket).is_ok()));
    let stats = tcpkit(["peekstat", "-U", &socket]).run().success();
    assert!(stats.stdout.starts_with("====== TCPEEK SUMMARY ======\n"), "{stats:?}");
    let _ended = peeking.end(libc::SIGTERM);
}
