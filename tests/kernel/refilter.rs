//! Another filter in place of the one that runs: by bpf link and by classifier, in both XDP programs.

use std::net::UdpSocket;

use tcpkit_agent::{
    source::live::{HookChoice, LiveCapture, LiveOptions, ObjectFilter, TcAttach, XdpKind},
    wire::LinkType,
};
use tcpkit_common::{counter::Counter, record::Hook};
use tcpkit_tests::{
    attached::Attached,
    netns::{Namespace, Pair, has_root},
};

use super::{filter::placed_for, wait_until};

const PORTS: [u16; 2] = [5_001, 5_002];

#[test]
fn a_filter_takes_over_at_every_hook() {
    if !has_root("a_filter_takes_over_at_every_hook") {
        return;
    }
    takes_over_everywhere();
}

pub(crate) fn takes_over_everywhere() {
    takes_over(HookChoice::Tc, TcAttach::Auto, XdpKind::Auto);
    takes_over(HookChoice::Tc, TcAttach::Clsact, XdpKind::Auto);
    takes_over(HookChoice::Xdp, TcAttach::Auto, XdpKind::Auto);
    takes_over(HookChoice::Xdp, TcAttach::Clsact, XdpKind::Linear);
}

/// One port, the other, everything, and everything still after a filter that cannot be had.
fn takes_over(hook: HookChoice, tc_attach: TcAttach, xdp: XdpKind) {
    let what = format!("{hook:?} {tc_attach:?} {xdp:?}");
    let pair = Pair::without_addresses("refilter").unwrap();
    for (namespace, address) in [(&pair.client, "10.77.0.1/24"), (&pair.server, "10.77.0.2/24")] {
        namespace.ip(&["addr", "add", address, "dev", "veth0"]).unwrap();
    }
    let _sinks = PORTS.map(|port| socket(&pair.server, &format!("10.77.0.2:{port}")));
    // Whoever has to be asked where the server is, was asked.
    datagrams(&pair.client);
    // Two, so that the programs look up which one it is.
    let interfaces = vec!["veth0".to_owned(), "lo".to_owned()];
    let filter = placed(PORTS[0]);
    let options = LiveOptions { interfaces, hook, tc_attach, xdp, filter, ..LiveOptions::default() };
    let options = LiveOptions { flow_counters: 1_000, strict_filter: true, ..options };
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let mut readers = capture.take_readers();
    let attached = Attached::now(&pair.server, "veth0");
    let mut sent = 0;
    let mut send = |capture: &LiveCapture| {
        sent += datagrams(&pair.client);
        wait_until(|| seen(capture) >= sent);
    };
    send(&capture);
    replace(&pair, &mut capture, placed(PORTS[1])).unwrap();
    send(&capture);
    replace(&pair, &mut capture, None).unwrap();
    send(&capture);
    let unplaceable = Box::new(|_: &mut Vec<u8>| Err("there is no room".to_owned()));
    let refused = replace(&pair, &mut capture, Some(ObjectFilter { place: unplaceable, reach: 64 }));
    assert!(refused.unwrap_err().to_string().contains("no room"), "{what}");
    send(&capture);
    assert_eq!(Attached::now(&pair.server, "veth0"), attached, "{what}");
    capture.detach();
    let mut found = [0, 0];
    for reader in &mut readers {
        reader.poll(usize::MAX, |_, bytes| {
            let port = bytes.get(36..38).map(|port| u16::from_be_bytes([port[0], port[1]]));
            let place = PORTS.iter().position(|known| port == Some(*known));
            place.into_iter().for_each(|place| found[place] += 1);
        });
    }
    // Each is wanted in three of the four rounds.
    assert_eq!(found, [30, 30], "{what}");
    let counted = capture.read_flow_counts().unwrap();
    let frames = |port: u16| -> u64 {
        let rows =
            counted.rows().filter(|row| row.tuple.destination_port == port && row.hook != Hook::TcEgress);
        rows.map(|row| row.sum.frames).sum()
    };
    assert_eq!(PORTS.map(frames), [30, 30], "{what}: the kernel counts on in the same memory");
    drop(capture);
    wait_until(|| Attached::now(&pair.server, "veth0") == Attached::NONE);
}

fn placed(port: u16) -> Option<ObjectFilter> {
    placed_for(LinkType::ETHERNET, &format!("udp dst port {port}"))
}

fn replace(
    pair: &Pair,
    capture: &mut LiveCapture,
    filter: Option<ObjectFilter>,
) -> Result<(), tcpkit_agent::source::live::LiveError> {
    pair.server.enter(|| capture.replace_filter(filter, true)).unwrap()
}

/// Ten to each port, always from the same ones.
fn datagrams(client: &Namespace) -> u64 {
    for (number, port) in PORTS.into_iter().enumerate() {
        let socket = socket(client, &format!("10.77.0.1:{}", 6_000 + number));
        for _ in 0..10 {
            socket.send_to(b"x", ("10.77.0.2", port)).unwrap();
        }
    }
    20
}

fn socket(namespace: &Namespace, address: &str) -> UdpSocket {
    namespace.enter(|| UdpSocket::bind(address)).unwrap().unwrap()
}

/// Frames that came in.
fn seen(capture: &LiveCapture) -> u64 {
    let count = |hook| {
        let counters = capture.hook_counters(0, hook);
        counters.get(Counter::Filtered) + counters.matched()
    };
    count(Hook::TcIngress) + count(Hook::XdpIngress)
}
