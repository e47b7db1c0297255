//! Requests of stories: who asked, what came of it, where the time went, and that shards do not show.

use super::{
    scenario::{ACK, Captured, FIN_ACK, RST_ACK, SYN, SYN_ACK, Scenario, Spec, ipv4, scenario},
    *,
};
use crate::{
    analyzer::RequestSettings,
    report::{EventKind, RequestRecord, RequestsReport},
};

/// A request of 18 octets.
const ASK: &str = "GET / HTTP/1.1\r\n\r\n";
/// A response of 40 octets.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

impl Scenario {
    /// The client says these octets; numbers count from the initial ones.
    fn asks(self, seq: u32, ack: u32, words: &str) -> Self {
        self.client(ACK, seq, ack, u16::try_from(words.len()).unwrap()).saying(words)
    }

    /// The server does.
    fn answers(self, seq: u32, ack: u32, words: &str) -> Self {
        self.server(ACK, seq, ack, u16::try_from(words.len()).unwrap()).saying(words)
    }

    /// A datagram.
    fn datagram(self, from: (u8, u16), to: (u8, u16), payload: &[u8]) -> Self {
        let mut udp = Vec::new();
        udp.extend(from.1.to_be_bytes());
        udp.extend(to.1.to_be_bytes());
        udp.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(payload);
        self.raw(&ipv4(17, from.0, to.0, &udp))
    }
}

fn settings(shards: u32) -> EngineSettings {
    let mut settings = EngineSettings::replay(shards);
    settings.requests = Some(RequestSettings::every());
    settings.wanted.requests = true;
    settings
}

fn requests(scenario: Scenario) -> Vec<RequestRecord> {
    let observed = observe(&scenario.frames(), &settings(1));
    assert!(observed.report.ledger.closes, "{:#?}", observed.report.ledger);
    observed.requests
}

/// Client's host, outcome, latency and where the time went, in milliseconds.
fn told(request: &RequestRecord) -> String {
    let host = request.client_ip.to_string().rsplit('.').next().unwrap().to_owned();
    let part = |us: f64| us / 1_000.0;
    let Some(spent) = &request.time_spent else {
        return format!("{host} {} {} {}", request.protocol, request.command, request.outcome);
    };
    let mut line = format!(
        "{host} {} {} {} {} = {} + {}",
        request.protocol,
        request.command,
        request.outcome,
        part(spent.total_us),
        part(spent.server_us),
        part(spent.network_us)
    );
    if let Some(culprit) = &spent.culprit {
        let cost = part(culprit.cost_us);
        line.push_str(&format!(" {} {} {} {cost}", culprit.message, culprit.segment, culprit.cause));
    }
    line
}

fn check_requests(scenario: Scenario, expected: &[&str]) {
    let lines: Vec<String> = requests(scenario).iter().map(told).collect();
    assert_eq!(lines, expected);
}

fn report(frames: &[Captured], settings: &EngineSettings) -> RequestsReport {
    observe(frames, settings).report.latency.requests.expect("somebody listened")
}

/// A request that takes 30 ms: 10 of them the way to the server and back.
fn one_request() -> Scenario {
    scenario().handshake().asks(1, 1, ASK).after(ms(30)).answers(1, 19, ANSWER)
}

#[test]
fn a_request_is_the_server_s_less_the_way_there_and_back() {
    let story = one_request().after(ms(5)).client(ACK, 19, 41, 0);
    check_requests(story, &["1 http GET answered 30 = 20 + 10"]);
    let record = requests(one_request()).remove(0);
    assert_eq!(record.time_spent.unwrap().handshake_us, Some(15_000.0));
    assert_eq!((record.request_bytes, record.response_bytes), (18, 40));
    assert_eq!((record.latency_us, record.label.as_str()), (Some(30_000.0), "GET / HTTP/1.1"));
}

#[test]
fn a_response_that_is_sent_again_is_delivered_late() {
    let story = one_request().after(ms(210)).answers(1, 19, ANSWER).after(ms(5)).client(ACK, 19, 41, 0);
    check_requests(story, &["1 http GET answered 240 = 20 + 220 response 1 rto 210"]);
    let acknowledged =
        one_request().after(ms(5)).client(ACK, 19, 41, 0).after(ms(205)).answers(1, 19, ANSWER);
    check_requests(acknowledged, &["1 http GET answered 30 = 20 + 10"]);
}

#[test]
fn a_request_that_is_sent_again_reaches_the_server_late() {
    let story = scenario().handshake().asks(1, 1, ASK).after(ms(220)).asks(1, 1, ASK).after(ms(30));
    check_requests(story.answers(1, 19, ANSWER), &["1 http GET answered 250 = 20 + 230 request 1 rto 220"]);
}

#[test]
fn a_connection_that_is_lost_aborts_its_request_and_one_that_ends_leaves_it_unanswered() {
    let asked = || scenario().handshake().asks(1, 1, ASK).after(ms(30));
    check_requests(asked().server(RST_ACK, 1, 19, 0), &["1 http GET aborted"]);
    let closed = asked().server(FIN_ACK, 1, 19, 0).client(FIN_ACK, 19, 2, 0);
    check_requests(closed, &["1 http GET unanswered"]);
    check_requests(asked(), &["1 http GET unanswered"]);
}

#[test]
fn a_new_connection_on_the_same_ports_is_another_conversation() {
    let again = one_request().reconnect().handshake().asks(1, 1, ASK).after(ms(12)).answers(1, 19, ANSWER);
    check_requests(again, &["1 http GET answered 30 = 20 + 10", "1 http GET answered 12 = 2 + 10"]);
}

#[test]
fn mid_stream_the_port_or_what_is_said_tells_who_asks() {
    // By its ports, the flow's client is 10.0.0.2.
    let odd = scenario().between((1, 7000), (2, 40_000));
    let story = odd.clone().asks(1, 1, ASK).after(ms(30)).answers(1, 19, ANSWER);
    let records = requests(story);
    assert_eq!(records[0].server_port, 40_000);
    let mut named = settings(1);
    named.requests = Some(RequestSettings { ports: vec![7_000], ..RequestSettings::every() });
    let answered = odd.answers(1, 1, ASK).after(ms(30)).asks(1, 19, ANSWER).frames();
    let records = observe(&answered, &named).requests;
    assert_eq!((records.len(), records[0].server_port), (1, 7_000));
    named.requests = Some(RequestSettings { ports: vec![9_000], ..RequestSettings::every() });
    assert!(observe(&answered, &named).requests.is_empty(), "another port was asked for");
}

#[test]
fn what_is_not_recognised_is_counted_and_costs_nothing_more() {
    let mut story = scenario().between((1, 40_000), (2, 9_999)).handshake();
    for number in 0..20 {
        story = story.asks(1 + number * 9, 1, "gibberish");
    }
    let report = report(&story.frames(), &settings(1));
    assert_eq!((report.total.requests, report.counts["unrecognised"]), (0, 1));
}

#[test]
fn octets_that_the_capture_lost_are_stepped_over() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let story = scenario().handshake().asks(1, 1, ASK).after(ms(30)).answers(1, 19, long);
    // 60 octets were never captured, and are acknowledged.
    let end = 1 + u32::try_from(long.len()).unwrap();
    let story = story.after(ms(1)).answers(end + 60, 19, &"x".repeat(40));
    let story = story.after(ms(5)).client(ACK, 19, end + 100, 0).after(ms(20)).asks(19, end + 100, ASK);
    let frames = story.after(ms(10)).answers(end + 100, 37, ANSWER).frames();
    let observed = observe(&frames, &settings(1));
    let lines: Vec<String> = observed.requests.iter().map(told).collect();
    assert_eq!(lines, ["1 http GET answered 31 = 20 + 11", "1 http GET answered 10 = 0 + 10"]);
    let counts = observed.report.latency.requests.unwrap().counts;
    assert_eq!((counts["capture_gaps"], counts["capture_gap_bytes"]), (1, 60));
}

#[test]
fn a_slow_request_is_an_event() {
    let mut settings = settings(1);
    settings.wanted.requests = false;
    settings.wanted.slow_request = ms(30);
    let frames = one_request().frames();
    let observed = observe(&frames, &settings);
    assert!(observed.requests.is_empty());
    let slow = observed.events.iter().filter(|event| matches!(event.kind, EventKind::SlowRequest { .. }));
    assert_eq!(slow.count(), 1);
    settings.wanted.slow_request = ms(31);
    assert!(observe(&frames, &settings).events.is_empty());
}

/// A query for example.com, type A, and where asked for its answer (RFC 1035 §4.1).
fn dns(id: u16, is_answer: bool) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend(if is_answer { [0x81, 0x80] } else { [0x01, 0x00] });
    message.extend([0, 1, 0, u8::from(is_answer), 0, 0, 0, 0]);
    message.extend(b"\x07example\x03com\x00\x00\x01\x00\x01");
    if is_answer {
        message.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01");
    }
    message
}

fn resolver() -> Scenario {
    let (client, server) = ((1, 40_000), (2, 53));
    let asked = scenario().datagram(client, server, &dns(7, false)).after(ms(20));
    asked.datagram(server, client, &dns(7, true)).after(ms(1)).datagram(client, server, &dns(8, false))
}

#[test]
fn datagrams_are_requests_where_somebody_wants_them() {
    let story = resolver().after(secs(60)).handshake();
    check_requests(story.clone(), &["1 dns A answered 20 = 20 + 0", "1 dns A unanswered"]);
    let entry = |settings: &EngineSettings| {
        let ledger = observe(&story.clone().frames(), settings).report.ledger;
        assert!(ledger.closes, "{ledger:#?}");
        (ledger.total.analyzed, ledger.total.not_analyzed.get("udp").copied())
    };
    assert_eq!(entry(&settings(1)), (6, None));
    let mut deaf = settings(1);
    deaf.requests.as_mut().unwrap().udp = false;
    assert_eq!(entry(&deaf), (3, Some(3)));
    assert_eq!(entry(&EngineSettings::replay(1)), (3, Some(3)));
}

#[test]
fn any_number_of_shards_tells_the_same_requests_in_the_same_order() {
    let mut story = resolver();
    for client in 1..=40 {
        let (port, server) = (40_000 + u16::from(client), (200, 80));
        story = story.between((client, port), server).handshake().asks(1, 1, ASK).after(ms(3));
        if client % 3 > 0 {
            story = story.answers(1, 19, ANSWER).after(ms(2)).client(ACK, 19, 41, 0);
        }
        if client % 5 == 0 {
            story = story.server(RST_ACK, 41, 19, 0);
        }
    }
    let frames = story.after(secs(30)).handshake().frames();
    let one = observe(&frames, &settings(1));
    assert_eq!(one.requests.len(), 42);
    for shards in [2, 3, 8] {
        let several = observe(&frames, &settings(shards));
        assert_eq!(several.requests, one.requests, "{shards} shards");
        let report = |observed: &Observed| serde_json::to_value(&observed.report.latency).unwrap();
        assert_eq!(report(&several), report(&one), "{shards} shards");
    }
}

#[test]
fn nobody_listens_unless_asked() {
    let observed = observe(&one_request().frames(), &EngineSettings::replay(1));
    assert!(observed.requests.is_empty() && observed.report.latency.requests.is_none());
}

#[test]
fn a_syn_with_another_number_ends_what_waited() {
    let story = scenario().handshake().asks(1, 1, ASK).after(ms(30)).reconnect();
    check_requests(story.client(SYN, 0, 0, 0).server(SYN_ACK, 0, 1, 0), &["1 http GET unanswered"]);
}

#[test]
fn a_bound_on_what_waits_gives_conversations_up() {
    let mut settings = settings(1);
    settings.requests.as_mut().unwrap().limits.waiting = 2;
    let mut story = scenario().handshake();
    for number in 0..5 {
        story = story.asks(1 + number * 18, 1, ASK);
    }
    let observed = observe(&story.frames(), &settings);
    assert_eq!(observed.requests.len(), 3, "those that waited when it was too many");
    assert_eq!(observed.report.latency.requests.unwrap().counts["given_up"], 1);
}

/// Without that the tests above would not test what they say.
#[test]
fn spoken_octets_stand_where_the_payload_does() {
    let spec = Spec { from: (1, 1), to: (2, 2), seq: 0, ack: 0, flags: ACK, payload_len: 2 };
    let frame = scenario().asks(1, 1, "hi").frames().remove(0);
    assert_eq!(frame.bytes.len(), spec.octets().len());
    assert!(frame.bytes.ends_with(b"hi"));
}

#[test]
fn what_a_syn_carries_is_heard() {
    let asked = u16::try_from(ASK.len()).unwrap();
    let story = scenario().client(SYN, 0, 0, asked).saying(ASK).after(ms(10)).server(SYN_ACK, 0, 19, 0);
    let story = story.after(ms(5)).client(ACK, 19, 1, 0).after(ms(5)).answers(1, 19, ANSWER);
    let records = requests(story);
    assert_eq!((records.len(), records[0].latency_us), (1, Some(20_000.0)));
}
