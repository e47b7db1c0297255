//! Whatever the interface's offloads, queues and MTU are: what tcpkit counts is what went over the cable.
//!
//! The oracles were found by setting all counters of both hosts side by side. Nothing is lost on the way here, so:
//! - *Packets* on the wire are the sending host's `TcpOutSegs` and `TcpRetransSegs`, of both directions and in every
//!   case: the stack counts a super-segment as the segments that it stands for. (`TcpInSegs` does not: it counts
//!   buffers after GRO.)
//! - *Frames* at TC on the way in are the receiving host's `TcpInSegs`, for both stand behind GRO. By XDP they are the
//!   interface's received packets, and the packets on the wire.
//! - *Frames* on the way out are the interface's sent packets where it has TSO; without it the kernel cuts behind TC,
//!   and the interface's sent packets are the packets on the wire.
//! - *Bytes* are the interface's, and the headers again for each segment that it counted in one buffer. Of a buffer
//!   that the receiver takes by NAPI (it has XDP, or from Linux 5.13 on it has GRO and the sender no TSO), a veth counts at both its ends
//!   no Ethernet header.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use serde_json::Value;
use tcpkit_tests::{
    kernel::is_at_least,
    left_out::{Need, can_run},
    live::Live,
    netns::{Namespace, Pair, run},
    traffic::{interface_packets, snmp},
    wait::{patience, until},
};

/// What a host counted of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    /// Packets of the interface, in and out.
    frames: [u64; 2],
    /// Bytes of the interface, in and out.
    bytes: [u64; 2],
    /// Segments of TCP, in and out.
    segments: [u64; 2],
}

impl Counts {
    fn of(namespace: &Namespace) -> Self {
        let (received, sent) = interface_packets(namespace, "veth0").unwrap();
        let segments = ["InSegs", "OutSegs"].map(|name| snmp(namespace, "Tcp", name).unwrap());
        // A segment that is sent again is not among those that are sent.
        let again = snmp(namespace, "Tcp", "RetransSegs").unwrap();
        let bytes = ["rx_bytes", "tx_bytes"].map(|name| statistic(namespace, name));
        Self { frames: [received, sent], bytes, segments: [segments[0], segments[1] + again] }
    }

    fn since(self, before: Self) -> Self {
        let less = |now: [u64; 2], then: [u64; 2]| [now[0] - then[0], now[1] - then[1]];
        Self {
            frames: less(self.frames, before.frames),
            bytes: less(self.bytes, before.bytes),
            segments: less(self.segments, before.segments),
        }
    }

    /// What one direction's bytes were on the wire, in so many packets.
    fn wire_bytes(&self, direction: usize, packets: u64, without_ethernet: bool) -> u64 {
        let frames = self.frames[direction];
        let ethernet = if without_ethernet { frames * ETHERNET } else { 0 };
        self.bytes[direction] + ethernet + (packets - frames) * HEADERS
    }
}

fn statistic(namespace: &Namespace, name: &str) -> u64 {
    let output = namespace.ip(&["-s", "-j", "link", "show", "dev", "veth0"]).unwrap();
    let links: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (direction, what) = name.split_once('_').unwrap();
    links[0]["stats64"][direction][what].as_u64().unwrap()
}

/// A pair that sends nothing for its own sake, with static neighbours, so that all that passes is TCP.
fn silent_pair(queues: &str) -> Pair {
    let pair = Pair::without_addresses("offload").unwrap();
    pair.client.ip(&["link", "del", "veth0"]).unwrap();
    let queues = ["numrxqueues", queues, "numtxqueues", queues];
    let link = ["link", "add", "veth0", "address", "02:00:00:00:00:01"];
    let peer = ["peer", "name", "veth0", "address", "02:00:00:00:00:02"];
    let there = ["netns", pair.server.name()];
    let words = [&link[..], &queues, &["type", "veth"], &peer, &queues, &there].concat();
    pair.client.ip(&words).unwrap();
    for (namespace, own, other) in [(&pair.client, 1, 2), (&pair.server, 2, 1)] {
        let address = format!("10.77.0.{own}/24");
        let neighbour = [format!("10.77.0.{other}"), format!("02:00:00:00:00:0{other}")];
        namespace.ip(&["link", "set", "veth0", "addrgenmode", "none"]).unwrap();
        namespace.ip(&["addr", "add", &address, "dev", "veth0"]).unwrap();
        namespace.ip(&["link", "set", "veth0", "up"]).unwrap();
        let words = ["neigh", "add", &neighbour[0], "lladdr", &neighbour[1], "dev", "veth0"];
        namespace.ip(&[&words[..], &["nud", "permanent"]].concat()).unwrap();
    }
    pair
}

fn ethtool(namespace: &Namespace, features: &[(&str, bool)]) {
    for (feature, on) in features {
        let state = if *on { "on" } else { "off" };
        let words = ["netns", "exec", namespace.name(), "ethtool", "-K", "veth0", feature, state];
        run("ip", &words).unwrap();
    }
}

/// Octets that each segment of these connections repeats: Ethernet, IPv4, TCP with its timestamps.
const HEADERS: u64 = ETHERNET + 20 + 32;
const ETHERNET: u64 = 14;

/// One direction in a report: frames, packets and bytes.
fn traffic(report: &Value, direction: &str) -> [u64; 3] {
    let counts = &report["bandwidth"]["directions"][direction];
    ["frames", "packets", "bytes"].map(|name| counts[name].as_u64().unwrap())
}

/// Sends so many bytes to the server and as many back.
fn exchange(pair: &Pair, bytes: usize) {
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:0")).unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let mut stream = pair.client.enter(|| TcpStream::connect(address)).unwrap().unwrap();
    stream.write_all(&vec![0x5a; bytes]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    server.join().unwrap();
    assert_eq!(back.len(), bytes);
}

/// What server and client have counted when nothing moves it any more. The connection that asked whether the capture
/// has begun ends inside the server's namespace, and its last segments are among what TCP counts there.
fn at_rest(pair: &Pair) -> (Counts, Counts) {
    let both = || (Counts::of(&pair.server), Counts::of(&pair.client));
    let mut last = both();
    let rests = until(patience(10), || {
        thread::sleep(Duration::from_millis(100));
        let before = std::mem::replace(&mut last, both());
        before == last
    });
    assert!(rests, "the hosts do not come to rest: {last:?}");
    last
}

/// One combination, tried.
fn compare(pair: &Pair, hook: &str, tso: bool, gro: bool, what: &str) {
    for namespace in [&pair.client, &pair.server] {
        ethtool(namespace, &[("tso", tso), ("gro", gro)]);
    }
    let live = Live::start(&pair.server, &["-i", "veth0", "--hook", hook, "--json"]);
    let before = at_rest(pair);
    exchange(pair, 1_000_000);
    let after = at_rest(pair);
    let report = live.end(libc::SIGINT).success().json();
    let (own, peer) = (after.0.since(before.0), after.1.since(before.1));
    assert_eq!(report["ledger"]["closes"], true, "{what}: {}", report["ledger"]);
    assert_eq!(report["completeness"], 1.0, "{what}: {}", report["ledger"]);
    let is_xdp = captured_by_xdp(&report, hook, what);
    let by_napi = gro && !tso && is_at_least(5, 13);
    let [frames, packets, bytes] = traffic(&report, "inbound");
    let expected = if is_xdp { own.frames[0] } else { own.segments[0] };
    assert_eq!((frames, packets), (expected, peer.segments[1]), "in, {what}: {own:?} {peer:?}");
    assert!(!is_xdp || frames == packets, "in, {what}: XDP sees wire frames: {frames} {packets}");
    assert_eq!(bytes, own.wire_bytes(0, packets, is_xdp || by_napi), "in, {what}: {own:?}");
    let [frames, packets, bytes] = traffic(&report, "outbound");
    assert_eq!(packets, own.segments[1], "out, {what}: {own:?}");
    let expected = if tso { frames } else { packets };
    assert_eq!(expected, own.frames[1], "out, {what}: {own:?}");
    assert!(frames < packets, "out, {what}: TC stands before segmentation: {frames} {packets}");
    assert_eq!(bytes, own.wire_bytes(1, packets, by_napi), "out, {what}: {own:?}");
}

/// Whether XDP captures what comes in; asked for, it may only be missing where the kernel refuses it, with a reason.
fn captured_by_xdp(report: &Value, hook: &str, what: &str) -> bool {
    let is_xdp = report["capture"]["interfaces"][0]["hook"] == "ebpf/xdp+tc";
    let notes = report["capture"]["notes"].to_string();
    assert!(is_xdp == (hook == "xdp") || notes.contains("using TC"), "{what}: {notes}");
    is_xdp
}

#[test]
fn counts_are_the_interfaces_own_with_every_offload() {
    if !can_run("counts_are_the_interfaces_own_with_every_offload", &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    compare_all(&[("1500", "1"), ("1500", "4"), ("9000", "1"), ("9000", "4")]);
}

/// Every combination of hook, TSO and GRO, for these MTUs and numbers of queues.
pub(crate) fn compare_all(links: &[(&str, &str)]) {
    for (mtu, queues) in links {
        let pair = silent_pair(queues);
        for namespace in [&pair.client, &pair.server] {
            namespace.ip(&["link", "set", "veth0", "mtu", mtu]).unwrap();
        }
        for hook in ["tc", "xdp"] {
            for (tso, gro) in [(true, true), (true, false), (false, true), (false, false)] {
                let what = format!("{hook}, MTU {mtu}, {queues} queues, TSO {tso}, GRO {gro}");
                compare(&pair, hook, tso, gro, &what);
            }
        }
    }
}
