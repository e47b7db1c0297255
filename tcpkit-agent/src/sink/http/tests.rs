//! The endpoint over real sockets: what it answers, and what hostile clients get.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::sink::text::sample;

/// An endpoint on loopback over a pipeline that counts how often it is asked.
struct Bed {
    serving: Serving,
    health: Health,
    asked: Arc<AtomicU64>,
}

fn bed() -> Bed {
    let (source, requests) = report_channel();
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    thread::spawn(move || {
        for request in requests {
            counter.fetch_add(1, Ordering::Relaxed);
            request.answer(sample::report());
        }
    });
    let health = Health::starting();
    Bed { serving: serve(source, &health), health, asked }
}

fn serve(source: ReportSource, health: &Health) -> Serving {
    let endpoint = Endpoint::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let statistics: StatsAnswer = Arc::new(|query, report| {
        (query != "v=9").then(|| format!("[\"{query}\",{}]", report.ledger.total.seen))
    });
    endpoint.spawn(source, health.clone(), statistics).unwrap()
}

impl Bed {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.serving.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends these bytes and reads until the other side closes.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_all(&mut stream)
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer =
            self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        (status(&answer), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer still leaves the answer.
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map_or(0, |code| code.parse().unwrap())
}

#[test]
fn the_report_and_the_ledger_are_json() {
    let bed = bed();
    let (code, body) = bed.get("/api/v1/report");
    let report: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &report["schema"]), (200, &serde_json::json!(crate::report::SCHEMA)));
    assert_eq!(body.lines().count(), 1);
    assert!(bed.get("/api/v1/report?pretty").1.lines().count() > 50);
    let (code, body) = bed.get("/api/v1/ledger");
    let ledger: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(code, 200);
    assert_eq!(ledger["total"], report["ledger"]["total"]);
    assert_eq!(ledger["completeness"], 0.9925);
}

#[test]
fn health_follows_the_capture() {
    let bed = bed();
    assert_eq!(bed.get("/healthz"), (503, "starting\n".into()));
    bed.health.set_capturing();
    assert_eq!(bed.get("/healthz"), (200, "ok\n".into()));
    bed.health.set_trouble("eth0 went down");
    assert_eq!(bed.get("/healthz"), (503, "eth0 went down\n".into()));
}

#[test]
fn what_there_is_not_is_said_in_json() {
    let bed = bed();
    let (code, body) = bed.get("/nowhere");
    assert_eq!(code, 404);
    assert!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["error"]
            .as_str()
            .unwrap()
            .contains("report")
    );
    let answer =
        bed.send(b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answer), 405);
    assert!(answer.ends_with("{\"error\":\"only GET and HEAD\"}\n"), "{answer}");
    let head = bed.send(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"), "HEAD has no body: {head}");
}

#[test]
fn a_report_serves_everyone_who_asks_within_a_tenth_of_a_second() {
    let bed = bed();
    let mut stream = bed.connect();
    let mut chunk = [0; 65_536];
    for _ in 0..20 {
        stream.write_all(b"GET /api/v1/ledger HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(stream.read(&mut chunk).unwrap() > 0);
    }
    assert!(bed.asked.load(Ordering::Relaxed) < 20, "each request cost a report");
    thread::sleep(limits::REPORT_AGE * 2);
    let before = bed.asked.load(Ordering::Relaxed);
    bed.get("/api/v1/ledger");
    assert_eq!(bed.asked.load(Ordering::Relaxed), before + 1, "a report went stale");
}

#[test]
fn statistics_are_served_to_the_letter_and_by_version() {
    let bed = bed();
    let seen = sample::report().ledger.total.seen;
    assert_eq!(bed.get("/stats"), (200, format!("[\"\",{seen}]")));
    assert_eq!(bed.get("/stats?v=1.1"), (200, format!("[\"v=1.1\",{seen}]")));
    let (code, body) = bed.get("/stats?v=9");
    assert!(code == 400 && body.contains("v=1.0.1"), "{body}");
}

#[test]
fn who_connects_and_says_nothing_gets_the_statistics_and_the_end() {
    let bed = bed();
    let expected = format!("[\"\",{}]", sample::report().ledger.total.seen);
    assert_eq!(read_all(&mut bed.connect()), expected, "silence");
    let mut half = bed.connect();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut half), expected, "its side is closed, as nc -N does");
}

#[test]
fn a_pipeline_that_ended_has_no_statistics() {
    let (source, requests) = report_channel();
    drop(requests);
    let health = Health::starting();
    let bed = Bed { serving: serve(source, &health), health, asked: Arc::default() };
    assert_eq!(read_all(&mut bed.connect()), "");
    assert_eq!(bed.get("/stats").0, 503);
}

#[test]
fn a_pipeline_that_ended_is_unavailable() {
    let (source, requests) = report_channel();
    drop(requests);
    let health = Health::starting();
    let bed = Bed { serving: serve(source, &health), health, asked: Arc::default() };
    let (code, body) = bed.get("/api/v1/report");
    assert_eq!((code, body.as_str()), (503, "{\"error\":\"the capture has ended\"}\n"));
}

#[test]
fn a_client_that_dribbles_its_header_is_closed_and_blocks_nobody() {
    let bed = bed();
    let mut slow = bed.connect();
    let dribble = thread::spawn(move || {
        let header = b"GET /healthz HTTP/1.1\r\nhost: abcdefghijklmnopqrstuvwxyz";
        header.iter().position(|byte| {
            thread::sleep(Duration::from_millis(250));
            slow.write_all(&[*byte]).is_err()
        })
    });
    let mut silent = bed.connect();
    assert_eq!(bed.get("/healthz").0, 503, "others are answered meanwhile");
    assert_ne!(status(&read_all(&mut silent)), 200, "who asks nothing gets nothing");
    assert!(dribble.join().unwrap().is_some(), "closed before the header was whole, 12 s later");
}

#[test]
fn an_oversize_or_senseless_request_is_refused() {
    let bed = bed();
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(limits::HEADER_BYTES));
    assert_eq!(status(&bed.send(long.as_bytes())), 431);
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(limits::HEADERS + 1));
    assert_eq!(status(&bed.send(many.as_bytes())), 431);
    assert_eq!(status(&bed.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")), 400);
}

#[test]
fn a_thousand_connections_are_bounded_and_forgotten() {
    let bed = bed();
    bed.health.set_capturing();
    // Each begins to ask: who says nothing is answered and gone within a second.
    let begin = |_| {
        let mut stream = bed.connect();
        let _refused_before = stream.write_all(b"G");
        stream
    };
    let crowd: Vec<TcpStream> = (0..1_000).map(begin).collect();
    let mut refused = 0;
    for stream in &crowd {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    }
    let (code, _) = bed.get_even_when_full();
    assert_eq!(code, 503, "no room beyond the limit");
    for mut stream in &crowd {
        let mut chunk = [0; 256];
        refused += usize::from(matches!(stream.read(&mut chunk), Ok(read) if read > 0));
    }
    // On a slow machine some of the crowd lose their place to others, because they ask for nothing for too long.
    let kept = 1_000 - refused;
    assert!((limits::CONNECTIONS..=4 * limits::CONNECTIONS).contains(&kept), "{kept} of 1,000 were let in");
    drop(crowd);
    let recovered = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(20));
        bed.get_even_when_full().0 == 200
    });
    assert!(recovered, "places are free again when their holders went away");
}

impl Bed {
    fn get_even_when_full(&self) -> (u16, String) {
        let mut stream = self.connect();
        let _refused_before =
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = read_all(&mut stream);
        (status(&answer), answer)
    }
}

#[test]
fn stopping_waits_for_nobody_who_says_nothing() {
    let bed = bed();
    let address = bed.serving.address();
    let _idle: Vec<TcpStream> = (0..10).map(|_| bed.connect()).collect();
    #[expect(clippy::disallowed_methods, reason = "this test is about wall time")]
    let before = std::time::Instant::now();
    drop(bed);
    assert!(before.elapsed() < limits::GRACE + Duration::from_secs(1));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_busy_address_is_told_from_one_that_is_not_ours() {
    let bed = bed();
    let error = Endpoint::bind(bed.serving.address()).unwrap_err();
    assert!(error.is_busy());
    assert_eq!(error.to_string(), format!("cannot listen on {}", bed.serving.address()));
    assert!(!Endpoint::bind("192.0.2.1:33333".parse().unwrap()).unwrap_err().is_busy());
}
