//! The endpoint over real sockets: what it answers, and what hostile clients get.

mod description;
mod events;
mod hostile;
mod unix;

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
use crate::{
    report::flows::{FlowQuery, FlowState, ShardListing},
    sink::{flows::flow_channel, text::sample},
};

/// An endpoint on loopback over a pipeline that counts how often it is asked.
struct Bed {
    serving: Serving,
    health: Health,
    asked: Arc<AtomicU64>,
    events: EventHub,
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
    let events = EventHub::default();
    let place = Place::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    Bed { serving: serve(&place, source, &health, &events), health, asked, events }
}

fn serve(place: &Place, reports: ReportSource, health: &Health, events: &EventHub) -> Serving {
    let endpoint = Endpoint::bind(place).unwrap();
    let statistics: StatsAnswer =
        Arc::new(|query, report| Some(format!("[\"{query}\",{}]", report.ledger.total.seen)));
    let lines: LineAnswer = Arc::new(|request, report| format!("{request:?} {}", report.ledger.total.seen));
    let (flows, requests) = flow_channel();
    thread::spawn(move || {
        for request in requests {
            let _gone = request.reply.send(listing(&request.query));
        }
    });
    let (health, events) = (health.clone(), events.clone());
    endpoint.spawn(Served { reports, flows, health, statistics, lines, events, top: 10 }).unwrap()
}

/// One flow, and how many were asked for.
fn listing(query: &FlowQuery) -> ShardListing {
    let tuple = tcpkit_common::flow::FourTuple {
        source: tcpkit_common::flow::Address::v4([10, 0, 0, 1]),
        destination: tcpkit_common::flow::Address::v4([10, 0, 0, 2]),
        source_port: 40_000,
        destination_port: 443,
    };
    let row = crate::report::flows::FlowRow {
        client_ip: tuple.source.to_ip(),
        client_port: 40_000,
        server_ip: tuple.destination.to_ip(),
        server_port: 443,
        interface: Some("eth0".into()),
        state: FlowState::Established,
        midstream: false,
        start_us: 1,
        end_us: 2,
        idle_us: 0.5,
        handshake_us: None,
        client: Default::default(),
        server: Default::default(),
        stalls: Default::default(),
    };
    let rank = crate::report::flows::Rank::new([1, 0, 0], tuple, query.descending);
    ShardListing {
        rows: vec![(rank, row)],
        considered: query.limit as u64,
        matched: u64::from(query.filter.is_empty()),
        ..ShardListing::default()
    }
}

impl Bed {
    fn address(&self) -> SocketAddr {
        match self.serving.place() {
            Place::Tcp(address) => *address,
            Place::Unix(path) => panic!("{}", path.display()),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
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
    assert_eq!(bed.get("/readyz"), (503, "starting\n".into()));
    bed.health.set_capturing();
    assert_eq!(bed.get("/readyz"), (200, "ok\n".into()));
    assert_eq!(bed.get("/healthz"), (200, "ok\n".into()));
    bed.health.set_trouble("eth0 went down");
    assert_eq!(bed.get("/healthz"), (503, "eth0 went down\n".into()));
}

#[test]
fn what_there_is_not_is_said_in_json() {
    let bed = bed();
    let (code, body) = bed.get("/nowhere");
    assert_eq!(code, 404);
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&problem["type"], &problem["status"]), (&"about:blank".into(), &404.into()));
    assert!(problem["allowed"].as_array().unwrap().contains(&"/api/v1/report".into()), "{problem}");
    let answer =
        bed.send(b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answer), 405);
    assert!(answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), "{answer}");
    for path in paths::PATHS {
        let head = bed
            .send(format!("HEAD {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", path.path).as_bytes());
        assert!(head.ends_with("\r\n\r\n") && status(&head) != 404, "HEAD has no body: {head}");
    }
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
    assert!(code == 400 && body.contains("\"1.0.1\"") && body.contains("\"parameter\":\"v\""), "{body}");
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
    let events = EventHub::default();
    let place = Place::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let bed = Bed { serving: serve(&place, source, &health, &events), health, asked: Arc::default(), events };
    assert_eq!(read_all(&mut bed.connect()), "");
    assert_eq!(bed.get("/stats").0, 503);
}

#[test]
fn a_pipeline_that_ended_is_unavailable() {
    let (source, requests) = report_channel();
    drop(requests);
    let health = Health::starting();
    let events = EventHub::default();
    let place = Place::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    let bed = Bed { serving: serve(&place, source, &health, &events), health, asked: Arc::default(), events };
    let (code, body) = bed.get("/api/v1/report");
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &problem["detail"]), (503, &"the capture has ended".into()));
    assert_eq!(bed.get("/readyz").0, 503);
}

#[test]
fn stopping_waits_for_nobody_who_says_nothing() {
    let bed = bed();
    let address = bed.address();
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
    let error = Endpoint::bind(bed.serving.place()).unwrap_err();
    assert!(error.is_busy());
    assert_eq!(error.to_string(), format!("cannot listen on {}", bed.address()));
    assert!(!Endpoint::bind(&Place::Tcp("192.0.2.1:33333".parse().unwrap())).unwrap_err().is_busy());
}
