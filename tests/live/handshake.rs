//! Handshakes that real kernels refuse, ignore and drop, beside what those kernels counted.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;
use tcpkit_tests::{
    judge::counters::Counters,
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair},
};

use super::mix::{V4, V6, nft};

const NEEDS: [Need; 2] = [Need::Ebpf, Need::Program("nft")];

/// Connects, or gives up after this time.
fn connect(client: &Namespace, address: IpAddr, port: u16, wait: Duration) -> Result<TcpStream> {
    let address = SocketAddr::from((address, port));
    Ok(client.enter(|| TcpStream::connect_timeout(&address, wait))??)
}

/// The report of a capture that has ended.
fn report(live: Live<'_>) -> Value {
    let outcome = live.end(libc::SIGINT).success();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.stdout))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_closed_port_rejects_and_a_dropping_one_times_out_after_as_many_syns_as_the_kernel_sent() {
    if !can_run("handshakes refused and ignored", &NEEDS) {
        return;
    }
    let pair = Pair::new("refuse").unwrap();
    nft(&pair.server, "input", "tcp dport 81 drop").unwrap();
    let live = Live::start(&pair.client, &["-i", "veth0", "--json", "--quiet", "--handshake-timeout", "2"]);
    let before = Counters::of(&pair.client).unwrap();
    for (address, port) in [(V4, 9), (V6, 9), (V4, 9)] {
        connect(&pair.client, address, port, Duration::from_secs(1)).unwrap_err();
    }
    let client = &pair.client;
    thread::scope(|scope| {
        for address in [V4, V6, V4] {
            scope.spawn(move || connect(client, address, 81, Duration::from_millis(3_500)).unwrap_err());
        }
    });
    let kernel = Counters::of(&pair.client).unwrap().since(&before);
    let handshake = &report(live)["handshake"];
    assert_eq!(number(&handshake["results"]["reject"]), 3);
    assert_eq!(number(&handshake["results"]["timeout"]), 3);
    assert_eq!(number(&handshake["syn_retransmissions"]), kernel.get("TcpExt.TCPSynRetrans"), "{kernel:?}");
    assert!(number(&handshake["syn_retransmissions"]) >= 3);
    let servers: Vec<_> = handshake["servers"].as_array().unwrap().iter().collect();
    let of = |port: u64| servers.iter().filter(move |server| server["server_port"] == port);
    assert_eq!(of(9).map(|server| number(&server["results"]["reject"])).sum::<u64>(), 3);
    assert_eq!(of(81).map(|server| number(&server["results"]["timeout"])).sum::<u64>(), 3);
}

#[test]
fn what_a_firewall_answers_is_unreachable_by_type_and_code() {
    if !can_run("handshakes answered by ICMP", &NEEDS) {
        return;
    }
    let pair = Pair::new("icmp").unwrap();
    let answers = [
        (V4, 91, "icmp type host-unreachable", "icmp", 3, 1, "host_unreachable"),
        (V4, 92, "icmp type admin-prohibited", "icmp", 3, 13, "admin_prohibited"),
        (V6, 93, "icmpv6 type admin-prohibited", "icmpv6", 1, 1, "admin_prohibited"),
        (V6, 94, "icmpv6 type no-route", "icmpv6", 1, 0, "no_route"),
    ];
    for (_, port, kind, ..) in answers {
        nft(&pair.server, "input", &format!("tcp dport {port} reject with {kind}")).unwrap();
    }
    let live = Live::start(&pair.client, &["-i", "veth0", "--json", "--quiet"]);
    for (address, port, ..) in answers {
        connect(&pair.client, address, port, Duration::from_millis(900)).unwrap_err();
    }
    let handshake = &report(live)["handshake"];
    assert_eq!(number(&handshake["results"]["unreachable"]), 4);
    for (_, port, _, protocol, kind, code, name) in answers {
        let told = handshake["icmp"].as_array().unwrap().iter().find(|told| {
            told["protocol"] == protocol
                && told["type"] == kind
                && told["code"] == code
                && told["name"] == name
        });
        let told = told.unwrap_or_else(|| panic!("no {name} for port {port}: {handshake}"));
        assert_eq!(number(&told["unreachable"]), 1, "{told}");
    }
}
