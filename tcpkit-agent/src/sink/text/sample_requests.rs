//! Requests for tests.

use std::collections::BTreeMap;

use crate::report::*;

/// A response whose second segment was lost.
pub(crate) fn request() -> RequestRecord {
    RequestRecord {
        client_ip: [10, 0, 0, 1].into(),
        client_port: 43_210,
        server_ip: [10, 0, 0, 2].into(),
        server_port: 80,
        interface: Some("eth0".into()),
        protocol: "http",
        command: "GET".into(),
        key: "/big".into(),
        label: "GET /big HTTP/1.1".into(),
        status: "200".into(),
        is_error: false,
        outcome: "answered",
        request_start_us: 1_795_247_133_123_456,
        request_end_us: 1_795_247_133_123_456,
        response_start_us: Some(1_795_247_133_124_656),
        response_end_us: Some(1_795_247_133_125_156),
        latency_us: Some(1_200.0),
        request_bytes: 144,
        response_bytes: 14_480,
        is_blocking: false,
        time_spent: Some(TimeSpent {
            total_us: 203_100.0,
            handshake_us: Some(200.0),
            server_us: 1_200.0,
            network_us: 201_900.0,
            request_us: 0.0,
            response_us: 201_900.0,
            rto_us: 200_400.0,
            fast_us: 0.0,
            zero_window_us: 0.0,
            culprit: Some(Culprit { message: "response", segment: 2, cause: "rto", cost_us: 200_400.0 }),
        }),
    }
}

/// One that took its time to be sent, and failed; one without answer, and with a name that steers a terminal.
pub(crate) fn requests() -> Vec<RequestRecord> {
    let upload = RequestRecord {
        command: "POST".into(),
        key: "/upload".into(),
        status: "503".into(),
        is_error: true,
        time_spent: Some(TimeSpent {
            total_us: 500_300.0,
            handshake_us: Some(300_000.0),
            server_us: 200.0,
            network_us: 500_100.0,
            request_us: 499_800.0,
            response_us: 100.0,
            ..TimeSpent::default()
        }),
        ..request()
    };
    let aborted = RequestRecord {
        protocol: "redis",
        command: "DEBUG".into(),
        key: String::new(),
        label: "DEBUG \x1b[2J".into(),
        outcome: "aborted",
        response_start_us: None,
        response_end_us: None,
        latency_us: None,
        response_bytes: 0,
        time_spent: None,
        ..request()
    };
    vec![request(), upload, aborted]
}

/// Requests of two protocols.
pub(crate) fn requests_report() -> RequestsReport {
    let http = summary(1_000, 3.0);
    let redis = summary(1_234_567, 0.1);
    let unread = ProtocolRequests { summary: redis, desynchronised: 3, unmatched: 12, ..Default::default() };
    let command =
        |protocol, command: &str, summary| CommandRequests { protocol, command: command.to_owned(), summary };
    let server = |server_ip: &str, protocol, summary| ServerRequests {
        server_ip: server_ip.parse().unwrap(),
        server_port: 6379,
        protocol,
        summary,
    };
    RequestsReport {
        total: redis,
        protocols: BTreeMap::from([
            ("http", ProtocolRequests { summary: http, ..Default::default() }),
            ("redis", unread),
        ]),
        ports: vec![PortRequests {
            server_port: 6379,
            summary: redis,
            buckets: [7; 18],
            latency_total_us: 9,
        }],
        commands: vec![command("redis", "GET", redis), command("http", "GET", http)],
        servers: vec![server("10.0.0.2", "redis", redis), server("2001:db8::2", "http", http)],
        slowest: requests()[..2].to_vec(),
        counts: BTreeMap::from([("conversations", 77), ("unrecognised", 5), ("capture_gaps", 2)]),
        ..RequestsReport::default()
    }
}

fn summary(answered: u64, factor: f64) -> RequestSummary {
    let at = |value: f64| Some(value * factor);
    RequestSummary {
        requests: answered + 9,
        answered,
        errors: 4,
        unanswered: 7,
        aborted: 2,
        total_us: RequestSpans {
            samples: answered,
            min: at(10.0),
            avg: at(200.0),
            p50: at(150.0),
            p90: at(400.0),
            p99: at(1_500.0),
            p999: at(40_000.0),
            max: at(1_250_000.0),
        },
        ..RequestSummary::default()
    }
}
