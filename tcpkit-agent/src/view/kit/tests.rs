//! What the older tools printed, from records of the same requests.

use std::net::{IpAddr, SocketAddr};

use jiff::tz::TimeZone;

use super::*;
use crate::{
    report::{BUCKET_BOUNDS_US, BUCKETS, RequestRecord, Sent, ServiceCount, Services},
    time::Timestamp,
};

fn golden(name: &str) -> String {
    let path = format!("{}/../tests/captures/golden__{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A request as one line of tcpkit 1.0.1 tells it; `None` where the line is none.
fn record_of(line: &str) -> Option<RequestRecord> {
    let mut parts = line.splitn(3, " | ");
    let (head, latency, label) = (parts.next()?, parts.next()?, parts.next()?);
    let words: Vec<&str> = head.split(' ').collect();
    let [date, time, client, "=>", server] = words[..] else { return None };
    let at: jiff::Timestamp = format!("{date}T{time}Z").parse().unwrap();
    let (client, server): (SocketAddr, SocketAddr) = (client.parse().unwrap(), server.parse().unwrap());
    let (milliseconds, microseconds) = latency.strip_suffix(" ms")?.split_once('.')?;
    let latency_us = milliseconds.parse::<i64>().unwrap() * 1_000 + microseconds.parse::<i64>().unwrap();
    Some(record(client, server, (at.as_microsecond() - latency_us, Some(at.as_microsecond())), label))
}

fn record(
    client: SocketAddr,
    server: SocketAddr,
    (request_start_us, response_start_us): (i64, Option<i64>),
    label: &str,
) -> RequestRecord {
    RequestRecord {
        client_ip: client.ip(),
        client_port: client.port(),
        server_ip: server.ip(),
        server_port: server.port(),
        interface: None,
        protocol: "redis",
        command: String::new(),
        key: String::new(),
        label: label.to_owned(),
        status: String::new(),
        is_error: false,
        outcome: if response_start_us.is_some() { "answered" } else { "unanswered" },
        request_start_us,
        request_end_us: request_start_us,
        response_start_us,
        response_end_us: response_start_us,
        latency_us: None,
        request_bytes: 14,
        response_bytes: if response_start_us.is_some() { 7 } else { 0 },
        is_blocking: false,
        time_spent: None,
    }
}

fn records(name: &str) -> Vec<RequestRecord> {
    golden(name).lines().filter_map(record_of).collect()
}

/// Lines of these records in UTC.
fn lines(records: &[RequestRecord], dialect: Dialect, threshold_us: u64, terminal: bool) -> String {
    let mut lines = Lines::new(dialect, threshold_us, (terminal, terminal), TimeZone::UTC);
    let mut text = String::new();
    records.iter().for_each(|record| lines.append(&mut text, record));
    text
}

/// The same requests as the engine sums them up.
fn tally(records: &[RequestRecord], threshold_us: u64) -> Services {
    let mut services = Services::default();
    for record in records {
        let mut service = ServiceCount {
            requests: 1,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            ..ServiceCount::default()
        };
        if let Some((_, latency)) = line::answer(record) {
            service.answered = 1;
            service.latency_us = latency;
            service.slow = u64::from(threshold_us > 0 && latency >= threshold_us);
            service.buckets = buckets(&[(latency, 1)]);
        }
        let port = record.server_port;
        match services.ports.iter_mut().find(|(known, _)| *known == port) {
            Some((_, sum)) => sum.merge(&service),
            None => services.ports.push((port, service)),
        }
        services.servers.push((SocketAddr::new(record.server_ip, port), service));
    }
    services
}

/// So many requests of each latency.
fn buckets(latencies: &[(u64, u64)]) -> [u64; BUCKETS] {
    let mut buckets = [0; BUCKETS];
    for (latency, requests) in latencies {
        buckets[BUCKET_BOUNDS_US.partition_point(|bound| bound < latency)] += requests;
    }
    buckets
}

/// From one mark to another, both within.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("{from} is not in {text}"));
    let end = text[start..].find(to).unwrap_or_else(|| panic!("{to} is not in {text}"));
    &text[start..start + end]
}

#[test]
fn every_line_of_1_0_1_is_written_as_it_was() {
    for name in ["k10_redis.txt", "k10_http.txt", "k10_memcached.txt", "k10_live_redis.txt"] {
        let expected: String = golden(name)
            .lines()
            .filter(|line| line.contains(" ms | "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(lines(&records(name), Dialect::V10, 0, false), expected, "{name}");
    }
}

#[test]
fn lines_of_1_1_are_green_on_a_terminal_only() {
    let text = golden("k11_redis.txt");
    let requests: Vec<_> = text
        .lines()
        .filter_map(|line| record_of(line.trim_start_matches("\x1b[0m").strip_prefix("\x1b[32m")?))
        .filter(|record| !record.label.starts_with("SET spl"))
        .collect();
    assert_eq!(requests.len(), 19);
    let body = between(&text, "\x1b[32m", "# --- rc").replace("SET spl\n$1\n", "SET spl\n");
    let body: String = body.split_inclusive("\x1b[0m").filter(|line| !line.contains("SET spl")).collect();
    assert_eq!(lines(&requests, Dialect::V11, 0, true), body);
    assert_eq!(lines(&requests, Dialect::V11, 0, false), body.replace("\x1b[32m", "").replace("\x1b[0m", ""));
}

#[test]
fn the_threshold_is_part_of_what_is_slow() {
    let all = records("k10_redis.txt");
    assert_eq!(lines(&all, Dialect::V10, 30_329, false).lines().count(), 2);
    assert_eq!(lines(&all, Dialect::V10, 30_330, false).lines().count(), 1);
    assert_eq!(lines(&all, Dialect::V10, 172_553, false), "");
    let service = |threshold| by_port(&tally(&all, threshold), &[])[0].1;
    assert_eq!((service(30_329).slow, service(30_330).slow, service(0).slow), (2, 1, 0));
}

#[test]
fn statistics_of_the_same_requests_are_those_of_1_0_1() {
    for (name, port, threshold) in
        [("k10_redis.txt", 6379, 0), ("k10_http.txt", 8080, 0), ("k10_memcached.txt", 11211, 0)]
    {
        let expected = golden(name);
        let expected = between(&expected, "====", "======================== interface");
        let ports = by_port(&tally(&records(name), threshold * 1_000), &[port]);
        assert_eq!(latency_statistics(&ports, threshold * 1_000), expected, "{name}");
    }
    assert!(
        latency_statistics(&by_port(&tally(&records("k10_http.txt"), 0), &[]), 2_500)
            .contains("threshod: 2.5 ms")
    );
    // All requests, of which few have a line.
    let (all, expected) = (records("k10_redis.txt"), golden("k10_redis_t1.txt"));
    let ports = by_port(&tally(&all, 1_000), &[6379, 6380]);
    assert_eq!(
        latency_statistics(&ports, 1_000),
        between(&expected, "====", "======================== interface")
    );
}

#[test]
fn interface_statistics_are_those_of_a_live_run() {
    let interfaces = Interfaces { captured: 214, received: 214, dropped: 0, interface_dropped: 0 };
    let expected = golden("k10_live_redis.txt");
    let at = expected.find("======================== interface").unwrap();
    assert_eq!(interfaces.statistics(Dialect::V10), expected[at..]);
    let expected = golden("k11_live_redis.txt");
    let at = expected.find("\n======================== interface").unwrap();
    assert_eq!(interfaces.statistics(Dialect::V11), expected[at..]);
}

#[test]
fn the_shapes_of_the_stats_port_have_the_spaces_of_their_versions() {
    // What 1.0.1 had counted when it was asked.
    let buckets = buckets(&[(50, 15), (150, 2), (300, 1), (30_227, 1), (128_619, 1)]);
    let text = golden("k10_stats_json.txt");
    let service =
        ServiceCount { answered: 20, latency_us: 159_696, slow: 2, buckets, ..ServiceCount::default() };
    let tally = Services {
        ports: vec![(6379, service)],
        servers: Vec::new(),
        from_clients: Sent { segments: 110, payload_bytes: 100_829 },
        from_servers: Sent { segments: 104, payload_bytes: 100_301 },
    };
    let asked = [6379, 6380];
    assert_eq!(Shape::V101.render(&tally, &asked, "redis", 0), text.trim_end());
    let array = between(&text, "[{", "}]}").to_owned() + "}]";
    assert_eq!(Shape::Array.render(&tally, &asked, "redis", 0), array);
    assert_eq!(Shape::Array.render(&Services::default(), &[], "redis", 0), "[]");
    let json: serde_json::Value = serde_json::from_str(&array).unwrap();
    assert_eq!(json[0]["6379"]["latencies"][9], 1);
}

#[test]
fn the_shape_of_1_1_is_as_cjson_prints_it() {
    let buckets = buckets(&[(50, 16), (300, 2), (30_346, 1), (213_016, 1)]);
    let server = |address: &str, service| (address.parse().unwrap(), service);
    let service = ServiceCount {
        requests: 90,
        request_bytes: 106_769,
        answered: 89,
        response_bytes: 106_154,
        buckets,
        ..ServiceCount::default()
    };
    let one = Services { servers: vec![server("10.99.0.2:6379", service)], ..Services::default() };
    let text = golden("k11_stats_json.txt");
    assert_eq!(Shape::V11.render(&one, &[], "redis", 0), text.trim_end());
    let two = Services {
        servers: vec![server("[::1]:6379", ServiceCount::default()), server("10.99.0.2:6379", service)],
        ..Services::default()
    };
    let json: serde_json::Value = serde_json::from_str(&Shape::V11.render(&two, &[], "redis", 0)).unwrap();
    assert_eq!(json["[::1]:6379"]["latency"].as_array().unwrap().len(), 0);
    assert_eq!(json["10.99.0.2:6379"]["latency"][3]["200ms~500ms"], 1);
    let none = Shape::V11.render(&Services::default(), &[], "redis", 0);
    assert_eq!(none, "{\n}");
}

#[test]
fn a_query_names_a_version_or_is_refused() {
    for (query, shape) in [
        ("", Some(Shape::Array)),
        ("v=1.0.0", Some(Shape::Array)),
        ("v=1.0.1", Some(Shape::V101)),
        ("x&v=1.1", Some(Shape::V11)),
        ("v=1.1.0", Some(Shape::V11)),
        ("v=2", None),
    ] {
        assert_eq!(Shape::of_query(query), shape, "{query}");
    }
}

#[test]
fn a_request_without_an_answer_has_no_line_and_counts_as_a_request_of_its_server() {
    let (client, server) = ("[fd99::1]:1".parse().unwrap(), "[fd99::2]:6379".parse().unwrap());
    let both =
        [record(client, server, (5, None), "GET a"), record(client, server, (5, Some(3)), "GET \x1b b")];
    // Time stepped back between request and response.
    assert_eq!(
        lines(&both, Dialect::V10, 0, false),
        "1970-01-01 00:00:00.000003 [fd99::1]:1 => [fd99::2]:6379 | 0.000 ms | GET \x1b b\n"
    );
    assert!(lines(&both, Dialect::V10, 0, true).ends_with("| GET \\u{1b} b\n"));
    let service = tally::by_server(&tally(&both, 0))[&server];
    assert_eq!((service.requests, service.answered), (2, 1));
    assert_eq!((service.request_bytes, service.response_bytes, service.buckets[0]), (28, 7, 1));
}

#[test]
fn lines_follow_the_zone_and_times_before_the_epoch() {
    let (client, server) = ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap());
    let mut lines = Lines::new(Dialect::V10, 0, (false, false), TimeZone::fixed(jiff::tz::offset(8)));
    let mut text = String::new();
    for at in [-1, 0, 1_000_000] {
        lines.append(&mut text, &record(client, server, (at, Some(at)), "x"));
    }
    let times: Vec<&str> = text.lines().map(|line| &line[..26]).collect();
    assert_eq!(
        times,
        ["1970-01-01 07:59:59.999999", "1970-01-01 08:00:00.000000", "1970-01-01 08:00:01.000000"]
    );
}

fn raw(dialect: Dialect, ascii: bool, terminal: bool) -> RawLines {
    RawLines::new(dialect, ascii, terminal, (vec![6379], Vec::new()), TimeZone::UTC)
}

fn packet(payload: &[u8], tcp: Option<Tcp>) -> RawPacket<'_> {
    RawPacket {
        at: Timestamp(1_795_239_602_045_870_000),
        source: "10.99.0.1:55674".parse().unwrap(),
        destination: "10.99.0.2:6379".parse().unwrap(),
        tcp,
        payload_len: u32::try_from(payload.len()).unwrap(),
        payload,
    }
}

fn shown(mut lines: RawLines, packet: &RawPacket<'_>) -> String {
    let mut text = Vec::new();
    lines.append(&mut text, packet);
    String::from_utf8(text).unwrap()
}

const PUSH: Tcp = Tcp { seq: 1_466_743_639, ack: 1_213_917_579, flags: 24, window: 63 };

#[test]
fn a_packet_is_shown_as_1_0_1_showed_it() {
    let ping = packet(b"*1\r\n$4\r\nPING\r\n", Some(PUSH));
    let expected = "2026-11-21 05:40:02 10.99.0.1:55674=>10.99.0.2:6379 REQ 1466743639 1213917579 24 14 *1\r\n$4\r\nPING\r\n\n";
    assert_eq!(shown(raw(Dialect::V10, false, false), &ping), expected);
    assert_eq!(shown(raw(Dialect::V10, false, false), &packet(b"", Some(PUSH))), "");
    let udp = RawPacket { source: ping.destination, destination: ping.source, ..packet(b"x", None) };
    let expected = "2026-11-21 05:40:02 10.99.0.2:6379=>10.99.0.1:55674 RSP 1 x\n";
    assert_eq!(shown(raw(Dialect::V10, false, false), &udp), expected);
}

#[test]
fn a_packet_is_shown_as_1_1_showed_it_with_its_own_destination() {
    let ping = packet(b"PING\r\n\x1b", Some(PUSH));
    let head = "05:40:02.045870 IP 10.99.0.1.55674 > 10.99.0.2.6379: Flags [P.], seq 1466743639:1466743646, ack 1213917579, window 63, length 7";
    assert_eq!(shown(raw(Dialect::V11, false, false), &ping), format!("{head}\n"));
    assert_eq!(shown(raw(Dialect::V11, true, false), &ping), format!("{head} PING\r\n\x1b\n"));
    assert_eq!(shown(raw(Dialect::V11, true, true), &ping), format!("{head} PING\r\n\\u{{1b}}\n"));
    let syn = Tcp { seq: u32::MAX, ack: 0, flags: 2 + 64 + 128, window: 64_240 };
    assert_eq!(
        shown(raw(Dialect::V11, true, false), &packet(b"", Some(syn))),
        "05:40:02.045870 IP 10.99.0.1.55674 > 10.99.0.2.6379: Flags [SEW], window 64240, length 0 \n"
    );
    let last = Tcp { flags: 16, ..syn };
    let wrapped = shown(raw(Dialect::V11, false, false), &packet(b"ab", Some(last)));
    assert!(wrapped.contains("Flags [.], seq 4294967295:1, ack 0,"), "{wrapped}");
    let v6 = RawPacket {
        source: "[fd99::1]:53".parse().unwrap(),
        destination: "[fd99::2]:5353".parse().unwrap(),
        ..packet(b"abc", None)
    };
    assert_eq!(
        shown(raw(Dialect::V11, false, false), &v6),
        "05:40:02.045870 IP6 fd99::1.53 > fd99::2.5353: length 3\n"
    );
}

#[test]
fn who_asks_is_told_by_port_then_by_address_then_by_the_lower_port() {
    let is_request = |source: &str, destination: &str, ports: &[u16], servers: &[&str]| {
        let servers: Vec<IpAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
        let lines = RawLines::new(Dialect::V10, false, false, (ports.to_vec(), servers), TimeZone::UTC);
        let ends = RawPacket {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            ..packet(b"x", None)
        };
        shown(lines, &ends).contains(" REQ ")
    };
    assert!(is_request("10.0.0.1:50000", "10.0.0.2:6379", &[6379], &[]));
    assert!(!is_request("10.0.0.2:6379", "10.0.0.1:50000", &[6379], &[]));
    assert!(is_request("10.0.0.1:53", "10.0.0.2:53", &[53], &["10.0.0.2"]));
    assert!(!is_request("10.0.0.2:53", "10.0.0.1:53", &[53], &["10.0.0.2"]));
    assert!(is_request("10.0.0.1:50000", "10.0.0.2:80", &[], &[]));
    assert!(!is_request("10.0.0.2:80", "10.0.0.1:50000", &[], &[]));
}
