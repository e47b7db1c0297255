//! Bytes by address are those that the interface counted, while the capture runs and in its report.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair, run},
    wait::{patience, until},
};

const CLIENT: &str = "10.77.0.1";
const SERVER: &str = "10.77.0.2";

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Bytes that the interface received and sent: `ip -s link`, read where that reads it.
fn interface_bytes(namespace: &Namespace) -> [u64; 2] {
    let text = namespace.enter(|| fs::read_to_string("/proc/thread-self/net/dev")).unwrap().unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("veth0:")).unwrap();
    let values: Vec<u64> = line.split_whitespace().map(|value| value.parse().unwrap()).collect();
    [values[0], values[8]]
}

/// Each packet by itself, so that the interface counts what is on the wire.
fn without_offload(namespace: &Namespace) {
    let words = ["netns", "exec", namespace.name(), "ethtool", "-K", "veth0"];
    run("ip", &[&words[..], &["tso", "off", "gso", "off", "gro", "off"]].concat()).unwrap();
}

fn address<'a>(report: &'a Value, address: &str) -> Option<&'a Value> {
    let rows = report["bandwidth"]["talkers"]["addresses"].as_array().unwrap();
    rows.iter().find(|row| row["address"] == address)
}

#[test]
fn bytes_by_address_are_those_of_the_interface() {
    let needs = [Need::Ebpf, Need::Program("ethtool")];
    if !can_run("bytes_by_address_are_those_of_the_interface", &needs) {
        return;
    }
    let pair = Pair::new("talkers").unwrap();
    for namespace in [&pair.client, &pair.server] {
        without_offload(namespace);
    }
    let live = Live::start(&pair.server, &["-i", "veth0", "--json", "--hook", "tc"]);
    let before = interface_bytes(&pair.server);
    let (client, mut server) = talk(&pair, 3_000_000, 200_000);
    // The connection is silent and open, and yet all of it is told.
    let is_told = until(patience(30), || {
        let report = live.get("/api/v1/report");
        address(&report, CLIENT).is_some_and(|row| {
            number(&row["sent"]["goodput_bytes"]) >= 3_000_000
                && number(&row["received"]["goodput_bytes"]) >= 200_000
        })
    });
    assert!(is_told, "{}", live.get("/api/v1/report")["bandwidth"]["talkers"]);
    drop(client);
    server.read_to_end(&mut Vec::new()).unwrap();
    drop(server);
    // FIN and its acknowledgement are on their way until the interface counts nothing more.
    let mut last = interface_bytes(&pair.server);
    let is_quiet = || {
        std::thread::sleep(Duration::from_millis(300));
        let now = interface_bytes(&pair.server);
        now == std::mem::replace(&mut last, now)
    };
    assert!(until(patience(30), is_quiet));
    let report = live.end(libc::SIGINT).success().json();
    assert_eq!(report["completeness"], 1.0);
    is_the_interface_s(&report, [last[0] - before[0], last[1] - before[1]]);
}

/// Sends so much to the server and back, and one datagram each way; the ends of the connection.
fn talk(pair: &Pair, there: usize, back: usize) -> (TcpStream, TcpStream) {
    let listener = pair.server.enter(|| TcpListener::bind((SERVER, 7_000))).unwrap().unwrap();
    let asked = pair.server.enter(|| UdpSocket::bind((SERVER, 5_353))).unwrap().unwrap();
    let asking = pair.client.enter(|| UdpSocket::bind((CLIENT, 40_053))).unwrap().unwrap();
    asking.send_to(&[7; 100], (SERVER, 5_353)).unwrap();
    let (len, from) = asked.recv_from(&mut [0; 200]).unwrap();
    asked.send_to(&[8; 400], from).unwrap();
    assert_eq!(len, 100);
    let mut client = pair.client.enter(|| TcpStream::connect((SERVER, 7_000))).unwrap().unwrap();
    let mut server = listener.accept().unwrap().0;
    let sender = std::thread::spawn(move || {
        client.write_all(&vec![0x5a; there]).unwrap();
        client.read_exact(&mut vec![0; back]).unwrap();
        client
    });
    server.read_exact(&mut vec![0; there]).unwrap();
    server.write_all(&vec![0x5a; back]).unwrap();
    (sender.join().unwrap(), server)
}

fn is_the_interface_s(report: &Value, [received, sent]: [u64; 2]) {
    let bandwidth = &report["bandwidth"];
    let by_direction = ["inbound", "outbound"].map(|way| number(&bandwidth["directions"][way]["bytes"]));
    assert_eq!(by_direction, [received, sent], "{bandwidth}");
    let not_ip = number(&bandwidth["protocols"]["other"]["bytes"]);
    assert_eq!(not_ip, number(&bandwidth["ip_versions"]["not_ip"]["bytes"]), "ARP has no address");
    let talkers = &bandwidth["talkers"];
    assert_eq!(number(&talkers["total"]["bytes"]) + not_ip, received + sent, "{talkers}");
    let client = address(report, CLIENT).unwrap();
    let others: u64 = ["sent", "received"].iter().map(|way| number(&client[way]["bytes"])).sum();
    let v6 = number(&bandwidth["ip_versions"]["ipv6"]["bytes"]);
    assert_eq!(others + not_ip + v6, received + sent, "everything was said with the client: {client}");
    assert_eq!(client["sent"], address(report, SERVER).unwrap()["received"]);
    let services = talkers["services"].as_array().unwrap();
    let names: Vec<_> = services.iter().map(|row| (number(&row["server_port"]), &row["flows"])).collect();
    assert_eq!(names, [(7_000, &1.into()), (5_353, &0.into())], "{services:?}");
    assert_eq!(number(&services[1]["sent"]["payload_bytes"]), 400);
    let link = &bandwidth["interfaces"][0]["link"];
    assert_eq!(link["speed_bits_per_second"], 10_000_000_000_u64, "what a veth says of itself: {bandwidth}");
    let peak = link["peak"]["inbound"].as_f64().unwrap();
    assert!(peak > 1e-6 && peak < 1.0 && peak >= link["mean"]["inbound"].as_f64().unwrap(), "{link}");
}
