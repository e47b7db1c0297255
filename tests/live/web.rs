//! Web and names, live: what servers write down of their requests is what the request log says of them.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::PathBuf,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    server::Server,
    wait::patience,
};

/// A capture that writes a request log, and the log when it has ended.
struct Listening<'a> {
    live: Live<'a>,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl<'a> Listening<'a> {
    fn at(pair: &'a Pair, words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("requests");
        let path = log.display().to_string();
        let always = ["-i", "veth0", "--quiet", "--request-log", &path];
        let live = Live::start(&pair.server, &[&always[..], words].concat());
        Self { live, log, _folder: folder }
    }

    /// Ends it; each line of its log.
    fn requests(self) -> Vec<Value> {
        self.live.end(libc::SIGINT).success();
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn curl(pair: &Pair, words: &[&str]) {
    let always = ["netns", "exec", pair.client.name(), "curl", "-s", "--max-time", "40"];
    run("ip", &[&always[..], words].concat()).unwrap();
}

fn text<'a>(request: &'a Value, field: &str) -> &'a str {
    request[field].as_str().unwrap_or_else(|| panic!("no {field}: {request}"))
}

/// How often each line is there.
fn tally(lines: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for line in lines {
        *tally.entry(line).or_default() += 1;
    }
    tally
}

/// Whether the times of an answered request are in order.
fn assert_in_order(request: &Value) {
    let time = |field: &str| request[field].as_i64().unwrap_or_else(|| panic!("no {field}: {request}"));
    let times = ["request_start_us", "request_end_us", "response_start_us", "response_end_us"].map(time);
    assert!(times.is_sorted(), "{request}");
}

/// Sends what a browser of the nineties would, three requests at once, and reads until the server closes.
fn pipeline(pair: &Pair) -> Result<()> {
    let address: SocketAddr = "10.77.0.2:80".parse()?;
    let mut stream = pair.client.enter(|| TcpStream::connect(address))??;
    stream.set_read_timeout(Some(patience(20)))?;
    let get = "GET /small HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "HEAD /small?last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    stream.write_all([get, get, last].concat().as_bytes())?;
    let mut answers = String::new();
    stream.read_to_string(&mut answers)?;
    ensure!(answers.matches("HTTP/1.1 200 OK").count() == 3, "{answers}");
    Ok(())
}

#[test]
fn every_request_that_nginx_writes_down_is_measured() {
    let needs = [Need::Ebpf, Need::Program("nginx"), Need::Program("curl"), Need::Program("openssl")];
    if !can_run("every_request_that_nginx_writes_down_is_measured", &needs) {
        return;
    }
    let pair = Pair::new("web").unwrap();
    let server = Server::web(&pair.server, 3_000_000).unwrap();
    let listening = Listening::at(&pair, &["-m", "http", "-p", "80", "--snaplen", "1500"]);
    let at = |path: &str| format!("http://10.77.0.2{path}");
    let small = at("/small");
    curl(&pair, &["-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", &small, &small, &small]);
    curl(&pair, &["-o", "/dev/null", "-I", &small]);
    curl(&pair, &["-o", "/dev/null", "--compressed", &at("/page.html"), "-o", "/dev/null", &small]);
    curl(&pair, &["-o", "/dev/null", &at("/missing?where=there"), "-o", "/dev/null", &at("/large")]);
    curl(&pair, &["-o", "/dev/null", "-d", "a=b&c=d", &at("/made")]);
    curl(&pair, &["-o", "/dev/null", "-H", "Expect: 100-continue", "-d", "a=b", &at("/made/slowly")]);
    curl(&pair, &["-o", "/dev/null", "--http1.0", &small]);
    pipeline(&pair).unwrap();
    let asked = server.asked("asked.log", 14, |_| true).unwrap();
    let requests = listening.requests();

    // Content that is thrown away may be counted by nginx or not, and so may the interim response.
    let has_content = |path: &str| path.starts_with("/made");
    let theirs = tally(asked.iter().map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
        [method, path, status, ..] if has_content(path) => format!("{method} {path} {status}"),
        _ => line.clone(),
    }));
    let ours = tally(requests.iter().map(|request| {
        let [method, path, status] = ["command", "key", "status"].map(|field| text(request, field));
        if has_content(path) {
            return format!("{method} {path} {status}");
        }
        format!("{method} {path} {status} {} {}", request["response_bytes"], request["request_bytes"])
    }));
    assert_eq!(ours, theirs);
    for request in &requests {
        assert_eq!((text(request, "outcome"), text(request, "protocol")), ("answered", "http"), "{request}");
        assert_eq!(request["is_error"], text(request, "status") >= "400", "{request}");
        // nginx answers before the content has come that it throws away.
        if !has_content(text(request, "key")) {
            assert_in_order(request);
        }
    }
    let query = requests.iter().find(|request| text(request, "key") == "/missing").unwrap();
    assert_eq!(text(query, "label"), "GET /missing?where=there HTTP/1.1");
}

#[test]
fn every_handshake_that_nginx_writes_down_is_measured() {
    let needs = [Need::Ebpf, Need::Program("nginx"), Need::Program("curl"), Need::Program("openssl")];
    if !can_run("every_handshake_that_nginx_writes_down_is_measured", &needs) {
        return;
    }
    let pair = Pair::new("tls").unwrap();
    let server = Server::web(&pair.server, 100).unwrap();
    let listening = Listening::at(&pair, &["-m", "tls", "-p", "443", "--snaplen", "1500"]);
    let to = ["--connect-to", "::10.77.0.2:443"];
    let fetch = |words: &[&str]| curl(&pair, &[&["-k", "-o", "/dev/null"], &to[..], words].concat());
    fetch(&["--tls-max", "1.2", "https://old.test/small"]);
    fetch(&["--tls-max", "1.2", "--no-alpn", "https://older.test/small"]);
    for _ in 0..3 {
        fetch(&["https://New.test/small"]);
    }
    // This one does not trust the certificate, and says so before it asks anything.
    let wary = pair
        .client
        .command("curl")
        .args(["-s", "-o", "/dev/null"])
        .args(to)
        .arg("https://wary.test/")
        .status();
    assert!(!wary.unwrap().success(), "curl trusts a certificate that signed itself");
    let asked = server.asked("secret.log", 5, |_| true).unwrap();
    let requests = listening.requests();

    // Before TLS 1.3 the chosen protocol is visible.
    let visible = |line: &String| match line.split(' ').collect::<Vec<_>>()[..] {
        ["TLSv1.3", name, _] => format!("TLSv1.3 {name}"),
        [version, name, "-"] => format!("{version} {name}"),
        [version, name, protocol] => format!("{version} {protocol} {name}"),
        _ => panic!("{line}"),
    };
    let theirs = tally(asked.iter().map(visible));
    let trusting = requests.iter().filter(|request| text(request, "key") != "wary.test");
    let ours = tally(trusting.map(|request| format!("{} {}", text(request, "status"), text(request, "key"))));
    assert_eq!(ours, theirs);
    let wary = requests.iter().find(|request| text(request, "key") == "wary.test").unwrap();
    // OpenSSL says why before it encrypts; others do not.
    assert!(["unknown_ca", "encrypted_alert"].contains(&text(wary, "status")), "{wary}");
    assert_eq!(wary["is_error"], true, "{wary}");
    for request in &requests {
        assert_eq!(
            (text(request, "outcome"), text(request, "command")),
            ("answered", "HANDSHAKE"),
            "{request}"
        );
        assert_in_order(request);
        assert!(request["response_bytes"].as_u64().unwrap() > 500, "the flight has a certificate: {request}");
    }
}

/// A query with recursion desired.
fn query(id: u16, name: &str, kind: u8) -> Vec<u8> {
    let mut message = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, kind, 0, 1]);
    message
}

/// One question by UDP; the code of the answer, with TC.
fn ask(socket: &UdpSocket, id: u16, name: &str, kind: u8) -> Result<String> {
    socket.send(&query(id, name, kind))?;
    let mut answer = [0; 2_000];
    let len = socket.recv(&mut answer)?;
    ensure!(len > 12 && answer[..2] == id.to_be_bytes(), "{:?}", &answer[..len]);
    Ok(code(&answer))
}

fn code(answer: &[u8]) -> String {
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    format!("{}{}", names[usize::from(answer[3] & 0xf)], if answer[2] & 2 == 0 { "" } else { " TC" })
}

/// Questions on one TCP connection, all before the first answer.
fn ask_by_tcp(pair: &Pair, questions: &[(&str, u8)]) -> Result<Vec<String>> {
    let mut stream = pair.client.enter(|| TcpStream::connect("10.77.0.2:53"))??;
    stream.set_read_timeout(Some(patience(20)))?;
    for (id, (name, kind)) in (1..).zip(questions) {
        let message = query(id, name, *kind);
        stream.write_all(&[&u16::try_from(message.len())?.to_be_bytes(), &message[..]].concat())?;
    }
    let mut codes = Vec::new();
    for _ in questions {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut answer)?;
        codes.push(code(&answer));
    }
    Ok(codes)
}

#[test]
fn every_query_that_dnsmasq_writes_down_is_measured() {
    if !can_run("every_query_that_dnsmasq_writes_down_is_measured", &[Need::Ebpf, Need::Program("dnsmasq")]) {
        return;
    }
    let pair = Pair::new("dns").unwrap();
    let server = Server::names(&pair.server).unwrap();
    let listening = Listening::at(&pair, &["-m", "dns", "-p", "53", "--snaplen", "1500"]);
    let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0")).unwrap().unwrap();
    socket.set_read_timeout(Some(patience(20))).unwrap();
    socket.connect("10.77.0.2:53").unwrap();
    let questions =
        [("small.test", 1), ("Small.TEST", 1), ("big.test", 16), ("nothing.test", 28), ("example.com", 1)];
    let mut said = Vec::new();
    for round in 0..20 {
        for (place, (name, kind)) in (0..).zip(questions) {
            said.push((name, kind, ask(&socket, round * 100 + place + 1, name, kind).unwrap()));
        }
    }
    let by_tcp = [("big.test", 16), ("small.test", 1), ("missing.test", 1)];
    let codes = ask_by_tcp(&pair, &by_tcp).unwrap();
    said.extend(by_tcp.into_iter().zip(codes).map(|((name, kind), code)| (name, kind, code)));
    let asked = server.asked("asked.log", said.len(), |line| line.contains(": query[")).unwrap();
    let requests = listening.requests();

    let kind_name = |kind: u8| match kind {
        1 => "A",
        16 => "TXT",
        _ => "AAAA",
    };
    let heard =
        said.iter().map(|(name, kind, code)| format!("{} {}. {code}", kind_name(*kind), name.to_lowercase()));
    let told = requests.iter().map(|request| {
        assert_eq!((text(request, "outcome"), text(request, "protocol")), ("answered", "dns"), "{request}");
        assert_in_order(request);
        format!("{} {} {}", text(request, "command"), text(request, "key"), text(request, "status"))
    });
    assert_eq!(tally(told), tally(heard), "the client heard this");
    let written = asked.iter().map(|line| {
        let (_, rest) = line.split_once(": query[").unwrap();
        let (kind, rest) = rest.split_once("] ").unwrap();
        format!("{kind} {}.", rest.split(' ').next().unwrap().to_lowercase())
    });
    let told =
        requests.iter().map(|request| format!("{} {}", text(request, "command"), text(request, "key")));
    assert_eq!(tally(told), tally(written), "dnsmasq wrote this");
}

#[test]
fn queries_sent_again_count_once_and_silence_is_told() {
    if !can_run("queries_sent_again_count_once_and_silence_is_told", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("dns").unwrap();
    let server = pair.server.enter(|| UdpSocket::bind("10.77.0.2:53")).unwrap().unwrap();
    server.set_read_timeout(Some(patience(20))).unwrap();
    let listening = Listening::at(&pair, &["-m", "dns", "-p", "53"]);
    let client = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0")).unwrap().unwrap();
    client.set_read_timeout(Some(patience(20))).unwrap();
    client.connect("10.77.0.2:53").unwrap();
    let (mut message, mut buffer) = (query(1, "slow.test", 1), [0; 500]);
    client.send(&message).unwrap();
    thread::sleep(Duration::from_millis(50));
    client.send(&message).unwrap();
    client.send(&query(2, "silent.test", 1)).unwrap();
    let mut from = None;
    for _ in 0..3 {
        from = Some(server.recv_from(&mut buffer).unwrap().1);
    }
    message[2] |= 0x80;
    server.send_to(&message, from.unwrap()).unwrap();
    client.recv(&mut buffer).unwrap();
    let requests = listening.requests();
    let told: Vec<_> = requests
        .iter()
        .map(|request| format!("{} {}", text(request, "label"), text(request, "outcome")))
        .collect();
    assert_eq!(told, ["A slow.test. answered", "A silent.test. unanswered"]);
    let latency = requests[0]["latency_us"].as_f64().unwrap();
    assert!(latency >= 40_000.0, "from the first time that it was sent: {latency}");
}
