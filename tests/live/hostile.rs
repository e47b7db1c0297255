//! Hostile clients of the endpoint while a capture runs: it loses nothing, and its memory stays bounded.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use tcpkit_tests::{
    left_out::{Need, can_run},
    live::{ENDPOINT, Live},
    netns::Pair,
    traffic::transfer,
};

/// What clients send; the connection is dropped in the middle of the answer.
const REQUESTS: [&str; 9] = [
    "",
    "G",
    "GET /api/v1/report?pretty HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n",
    "GET /api/v1/flows?limit=10000&sort=bytes HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/v1/events HTTP/1.1\r\nhost: x\r\n\r\n",
    "GET /api/v1/flows?filter=((((( HTTP/1.1\r\nhost: x\r\n\r\n",
    "POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00",
];

#[test]
fn hostile_clients_cost_the_capture_nothing() {
    if !can_run("hostile_clients_cost_the_capture_nothing", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("hostile").unwrap();
    let mut live = Live::start(&pair.server, &["-i", "veth0", "--json"]);
    let before = resident(live.running().id());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..4 {
            let (pair, is_over) = (&pair, &is_over);
            scope.spawn(move || pair.server.enter(|| harass(number, is_over)).unwrap());
        }
        for _ in 0..10 {
            transfer(&pair, 300_000).unwrap();
        }
        is_over.store(true, Relaxed);
    });
    let grown = resident(live.running().id()).saturating_sub(before);
    assert!(grown < 128 << 20, "the agent grew by {} MiB", grown >> 20);
    let report = live.end(libc::SIGINT).success().json();
    let total = &report["ledger"]["total"];
    assert_eq!(report["ledger"]["closes"], true, "{total}");
    assert_eq!(report["completeness"], 1.0, "{total}");
    assert_eq!((&total["ring_full"], &total["helper_failed"]), (&0.into(), &0.into()), "{total}");
    assert_eq!(report["handshake"]["results"]["success"], 10, "{}", report["handshake"]["results"]);
}

/// Connects, asks, and goes away, again and again; some connections stay and dribble.
fn harass(number: usize, is_over: &AtomicBool) {
    let mut kept = Vec::new();
    for round in 0.. {
        if is_over.load(Relaxed) {
            return;
        }
        let Ok(mut stream) = TcpStream::connect(ENDPOINT) else { continue };
        let _refused = stream.write_all(REQUESTS[(number + round) % REQUESTS.len()].as_bytes());
        if round % 3 == 0 {
            kept.push(stream);
        } else {
            let _some = stream.set_read_timeout(Some(Duration::from_millis(5)));
            let _gone = stream.read(&mut [0; 64]);
        }
        if kept.len() > 100 {
            kept.iter_mut().for_each(|stream| {
                let _closed = stream.write_all(b"x");
            });
            kept.clear();
        }
    }
}

/// Memory of a process that is there.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}
