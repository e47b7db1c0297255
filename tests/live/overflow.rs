//! A server that does not accept: what its kernel drops for want of room, beside what tcpkit suspects from outside.
//!
//! Linux drops the ACK of a handshake while the accept queue is full, and repeats the SYN/ACK; a SYN that finds the
//! queue full it drops at once. Both count as `ListenOverflows` and as `ListenDrops` (net/ipv4/tcp_ipv4.c,
//! `tcp_v4_syn_recv_sock`, and net/ipv4/tcp_input.c, `tcp_conn_request`).

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    path::Path,
    sync::Barrier,
    thread,
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    judge::{
        bed::{Bed, Between, SERVER},
        counters::Counters,
        relay::Line,
    },
    left_out::{Need, can_run},
    live::Live,
    netns::Namespace,
    wait::{patience, until},
};

/// What the server's queue is to hold; the kernel lets one more in.
const BACKLOG: usize = 8;

/// States of `/proc/net/tcp` (include/net/tcp_states.h).
const ESTABLISHED: &str = "01";
const SYN_SENT: &str = "02";
const SYN_RECEIVED: &str = "03";

/// Sockets of a namespace in this state, the server's port at one of their ends.
fn sockets(namespace: &Namespace, port: u16, state: &str) -> usize {
    let text = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/tcp")).unwrap().unwrap();
    let end = format!(":{port:04X}");
    let is_wanted = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let mut ends = [words.next(), words.next()].into_iter().flatten();
        ends.any(|one| one.ends_with(&end)) && words.next() == Some(state)
    };
    text.lines().filter(is_wanted).count()
}

/// A server that listens and never accepts.
fn listen(bed: &Bed) -> TcpListener {
    let listener = bed.server.enter(|| TcpListener::bind((SERVER, 0))).unwrap().unwrap();
    // SAFETY: integers only. On a socket that listens already it changes the backlog.
    let result = unsafe { libc::listen(listener.as_raw_fd(), BACKLOG as i32) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    listener
}

/// As many clients as the backlog, at once; those that were answered.
fn connect(bed: &Bed, address: SocketAddr) -> Vec<TcpStream> {
    let together = Barrier::new(BACKLOG);
    let one = || {
        together.wait();
        bed.client.enter(|| TcpStream::connect_timeout(&address, patience(20))).unwrap().ok()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..BACKLOG).map(|_| scope.spawn(one)).collect();
        clients.into_iter().filter_map(|client| client.join().unwrap()).collect()
    })
}

/// What a capture at one end says: its report, and its flows.
fn end(live: Live<'_>, log: &Path) -> (Value, Vec<Value>) {
    let report = live.end(libc::SIGINT).success().json();
    let text = fs::read_to_string(log).unwrap();
    (report, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Segments of this flow that the server's kernel has dropped for want of room: every ACK where it suspects so, every
/// SYN where none was answered.
fn dropped(flow: &Value) -> u64 {
    let syns = 1 + number(&flow["syn_retransmissions"]);
    match (flow["accept_queue_overflow"] == true, number(&flow["server"]["frames"])) {
        (true, _) => number(&flow["client"]["frames"]) - syns,
        (false, 0) => syns,
        (false, _) => 0,
    }
}

#[test]
fn a_suspected_overflow_of_the_accept_queue_is_one_that_the_kernel_counted() {
    if !can_run("an accept queue that overflows", &[Need::Ebpf]) {
        return;
    }
    // So far away that all of them have asked before the first one can complete its handshake.
    let far = Line { delay: Duration::from_millis(200), ..Line::default() };
    let between = Between::Relay { lines: Box::new([far.clone(), far]), seed: 1 };
    let bed = Bed::new("queue", &between, &["tcp_synack_retries=1", "tcp_syn_retries=1"]).unwrap();
    let listener = listen(&bed);
    let address = listener.local_addr().unwrap();
    let port = address.port();
    let folder = tempfile::tempdir().unwrap();
    let logs = ["client", "server"].map(|name| folder.path().join(name));
    let captures = [(&bed.client, &logs[0]), (&bed.server, &logs[1])].map(|(namespace, log)| {
        let log = log.display().to_string();
        Live::start(namespace, &["-i", "eth0", "--hook", "tc", "--json", "--flow-log", &log])
    });
    let before = Counters::of(&bed.server).unwrap();
    let waiting = connect(&bed, address);
    let is_full = || sockets(&bed.server, port, ESTABLISHED) == BACKLOG;
    assert!(until(patience(20), is_full), "the queue does not fill: {} answered", waiting.len());
    let late = connect(&bed, address);
    // The kernel has given up all of them but those that wait to be accepted; nothing moves any more.
    let is_silent =
        || sockets(&bed.server, port, SYN_RECEIVED) == 0 && sockets(&bed.client, port, SYN_SENT) == 0;
    assert!(until(patience(30), is_silent), "handshakes go on for ever");
    let kernel = Counters::of(&bed.server).unwrap().since(&before);
    let accepted = sockets(&bed.server, port, ESTABLISHED);
    let [at_client, at_server] = captures;
    let [client, server] = [end(at_client, &logs[0]), end(at_server, &logs[1])];
    assert_eq!(waiting.len(), BACKLOG);

    let suspected = (waiting.len() + late.len() - accepted) as u64;
    assert!(suspected > 0, "every late client found room, so nothing was tested: {kernel:?}");
    for (place, (report, flows)) in [("client", &client), ("server", &server)] {
        assert_eq!(report["completeness"], 1.0, "at the {place}'s end");
        assert_eq!(flows.len(), 2 * BACKLOG, "at the {place}'s end");
        let told = number(&report["handshake"]["accept_queue_overflows"]);
        assert_eq!(told, suspected, "at the {place}'s end; {kernel:?}");
        let flows_told = flows.iter().filter(|flow| flow["accept_queue_overflow"] == true).count();
        assert_eq!(flows_told as u64, suspected, "at the {place}'s end");
        let segments: u64 = flows.iter().map(dropped).sum();
        for name in ["TcpExt.ListenOverflows", "TcpExt.ListenDrops"] {
            assert_eq!(segments, kernel.get(name), "{name}, at the {place}'s end: {kernel:?}");
        }
    }
}
