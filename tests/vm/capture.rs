//! Real TCP between two namespaces, live and replayed, by each hook.
#![expect(clippy::disallowed_methods, reason = "time stamps are compared with the guest's clock")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use serde_json::Value;
use tcpkit_tests::{live::Live, netns::Pair, run::tcpkit, traffic::transfer};

use super::tell::judge;
use crate::live::ledger::closes;

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn a_replay_gives_the_flow_log_of_the_live_capture() {
    for (name, words) in [
        ("TC", &["--hook", "tc", "--shards", "2"][..]),
        ("native XDP", &["--hook", "xdp", "--shards", "2"]),
        ("TC, whole frames, a filter", &["--hook", "tc", "--snaplen", "65535", "tcp and host 10.77.0.2"]),
    ] {
        judge(&format!("flow log live and replayed, ledger, times: {name}"), || live_and_replayed(words));
    }
}

fn live_and_replayed(words: &[&str]) -> &'static str {
    let pair = Pair::new("replay").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, log, replayed) = (path("x.pcapng"), path("live"), path("replayed"));
    let common = ["-i", "veth0", "--json", "-w", &file, "--flow-log", &log];
    let begun = now_us();
    let live = Live::start(&pair.server, &[&common[..], words].concat());
    traffic(&pair).unwrap();
    thread::sleep(Duration::from_millis(500));
    let report = live.end(libc::SIGINT).success().json();
    let ended = now_us();
    closes(&report);
    assert_eq!(report["completeness"], 1.0, "{}", report["ledger"]);
    let live = fs::read_to_string(&log).unwrap();
    let outcome = tcpkit(["-r", &file, "--json", "--flow-log", &replayed]).run().success().json();
    assert_eq!(live, fs::read_to_string(&replayed).unwrap());
    assert_eq!(report["handshake"], outcome["handshake"]);
    for count in ["frames", "segments", "bytes", "payload_bytes", "flows"] {
        assert_eq!(report["totals"][count], outcome["totals"][count], "{count}");
    }
    let flows: Vec<Value> = live.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_v4_only = words.last().is_some_and(|word| word.contains("10.77.0.2"));
    assert_eq!(flows.len(), if is_v4_only { 7 } else { 8 }, "{live}");
    flows.iter().for_each(|flow| times_are_sane(flow, begun, ended));
    ""
}

/// Five short exchanges, one of them by IPv6, one bulk transfer each way, and one connection that is refused.
fn traffic(pair: &Pair) -> Result<()> {
    for address in ["10.77.0.2:0", "10.77.0.2:0", "10.77.0.2:0", "10.77.0.2:0", "[fd77::2]:0"] {
        exchange(pair, address)?;
    }
    transfer(pair, 3_000_000)?;
    transfer(pair, 100_000)?;
    let closed: SocketAddr = "10.77.0.2:9".parse()?;
    let refused = pair.client.enter(|| TcpStream::connect_timeout(&closed, Duration::from_secs(5)))?;
    anyhow::ensure!(refused.is_err(), "port 9 is open");
    Ok(())
}

/// A question and an answer; the server closes last.
fn exchange(pair: &Pair, address: &str) -> Result<()> {
    let listener = pair.server.enter(|| TcpListener::bind(address))??;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0; 5];
        stream.read_exact(&mut question)?;
        stream.write_all(b"answer")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    });
    let mut stream = pair.client.enter(|| TcpStream::connect(address))??;
    stream.write_all(b"hello")?;
    stream.read_exact(&mut [0; 6])?;
    drop(stream);
    server.join().map_err(|_| anyhow::anyhow!("the server panicked"))?
}

/// Within two seconds of the guest's clock, in order, and no handshake before its time.
fn times_are_sane(flow: &Value, begun: i64, ended: i64) {
    let time = |key: &str| flow[key].as_i64().unwrap_or_else(|| panic!("{key}: {flow}"));
    let around = begun - 2_000_000..=ended + 2_000_000;
    assert!(around.contains(&time("start_us")) && around.contains(&time("end_us")), "{around:?}: {flow}");
    assert!(time("start_us") <= time("end_us"), "{flow}");
    if flow["handshake"] == "success" {
        let span = |key: &str| flow[key].as_f64().unwrap_or_else(|| panic!("{key}: {flow}"));
        let (whole, server, client) = (span("handshake_us"), span("server_rtt_us"), span("client_rtt_us"));
        assert!(server > 0.0 && client >= 0.0 && whole >= server, "{flow}");
        assert!((whole - server - client).abs() < 1.0, "{flow}");
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}
