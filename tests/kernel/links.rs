//! Interfaces whose frames begin with IP, and several interfaces at one time.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::UdpSocket,
    os::fd::AsRawFd as _,
    time::Duration,
};

use tcpkit_agent::{
    source::live::{self, HookChoice, LiveCapture, LiveOptions, RingReader, TcAttach},
    wire::LinkType,
};
use tcpkit_common::{
    counter::Counter,
    flow::FlowHash,
    record::{Hook, RecordHeader},
};
use tcpkit_tests::{
    netns::{Namespace, Pair, has_root},
    run::tcpkit,
    traffic::transfer,
    wait::until,
};

use super::{
    filter::placed_for,
    frames::{tcp, tuple, v4},
};

/// A tun device `tun0` in a namespace of its own: what is written to it comes in, what is routed to it goes out.
struct Tun {
    namespace: Namespace,
    device: File,
}

impl Tun {
    fn new(label: &str) -> Self {
        let namespace = Namespace::new(label).unwrap();
        let device = namespace.enter(open_tun).unwrap();
        for command in [&["addr", "add", "10.78.0.1/24", "dev", "tun0"][..], &["link", "set", "tun0", "up"]] {
            namespace.ip(command).unwrap();
        }
        Self { namespace, device }
    }

    fn receive(&mut self, packet: &[u8]) {
        assert_eq!(self.device.write(packet).unwrap(), packet.len());
    }
}

fn open_tun() -> File {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").unwrap();
    // SAFETY: integers, bytes and pointers, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"tun0") {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    // SAFETY: the request lives through the call.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF as libc::Ioctl, &raw mut request) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    device
}

fn options(interfaces: &[&str], tc_attach: TcAttach) -> LiveOptions {
    let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
    LiveOptions {
        interfaces,
        hook: HookChoice::Tc,
        tc_attach,
        shards: 3,
        ring_bytes: 1 << 20,
        ..LiveOptions::default()
    }
}

fn open(namespace: &Namespace, options: LiveOptions) -> (LiveCapture, Vec<RingReader>) {
    let mut capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let readers = capture.take_readers();
    (capture, readers)
}

/// Every record: its shard, header and bytes.
fn records(readers: &mut [RingReader]) -> Vec<(u32, RecordHeader, Vec<u8>)> {
    let mut records = Vec::new();
    for reader in readers {
        let shard = reader.shard();
        reader.poll(usize::MAX, |header, bytes| records.push((shard, *header, bytes.to_vec())));
    }
    records
}

#[test]
fn frames_of_a_tun_device_begin_with_ip() {
    if !has_root("frames_of_a_tun_device_begin_with_ip") {
        return;
    }
    for tc_attach in [TcAttach::Auto, TcAttach::Clsact] {
        let mut tun = Tun::new("tun");
        let (mut capture, mut readers) = open(&tun.namespace, options(&["tun0"], tc_attach));
        assert_eq!(capture.interfaces()[0].link_type, LinkType::RAW);
        assert_eq!(capture.interfaces()[0].hooks, [Hook::TcIngress, Hook::TcEgress]);
        let packet = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(30));
        tun.receive(&packet);
        let socket = tun.namespace.enter(|| UdpSocket::bind("10.78.0.1:5000")).unwrap().unwrap();
        socket.send_to(b"out", "10.78.0.2:53").unwrap();
        capture.detach();
        let records = records(&mut readers);
        let incoming: Vec<_> =
            records.iter().filter(|(_, header, _)| header.hook == Hook::TcIngress as u8).collect();
        let [(shard, header, bytes)] = incoming[..] else { panic!("{records:?}") };
        assert_eq!(*bytes, packet);
        assert_eq!(header.flow_hash, FlowHash::of(&tuple()).0);
        assert_eq!(*shard, FlowHash::of(&tuple()).shard(3));
        let outgoing = records.iter().find(|(_, _, bytes)| bytes.ends_with(b"out")).unwrap();
        assert_eq!((outgoing.2[0], outgoing.1.hook), (0x45, Hook::TcEgress as u8));
        let counters = capture.hook_counters(0, Hook::TcIngress);
        assert_eq!(
            (counters.get(Counter::TcpPackets), counters.get(Counter::WireBytes)),
            (1, packet.len() as u64)
        );
    }
}

#[test]
fn a_filter_for_a_tun_device_is_compiled_for_ip() {
    if !has_root("a_filter_for_a_tun_device_is_compiled_for_ip") {
        return;
    }
    let mut tun = Tun::new("tunf");
    let link_types = tun.namespace.enter(|| live::link_types(&["tun0".to_owned()], false)).unwrap().unwrap();
    assert_eq!(link_types, [LinkType::RAW]);
    let filter = placed_for(link_types[0], "tcp dst port 443 and host 198.51.100.2");
    let options = LiveOptions { filter, ..options(&["tun0"], TcAttach::Auto) };
    let (mut capture, mut readers) = open(&tun.namespace, options);
    let wanted = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(0));
    let other = v4([192, 0, 2, 1], [198, 51, 100, 3], 6, &tcp(0));
    let quote = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(0)[..8]);
    let error = v4([10, 0, 0, 9], [192, 0, 2, 1], 1, &[&[3, 1, 0, 0, 0, 0, 0, 0][..], &quote].concat());
    for packet in [&wanted, &other, &error] {
        tun.receive(packet);
    }
    capture.detach();
    let bytes: Vec<Vec<u8>> = records(&mut readers).into_iter().map(|(_, _, bytes)| bytes).collect();
    let count = |packet: &Vec<u8>| bytes.iter().filter(|bytes| *bytes == packet).count();
    assert_eq!([count(&wanted), count(&other), count(&error)], [1, 0, 1]);
    let counters = capture.hook_counters(0, Hook::TcIngress);
    assert_eq!((counters.seen(), counters.matched()), (3, 2));
}

#[test]
fn interfaces_of_both_kinds_keep_their_link_types_and_counters() {
    if !has_root("interfaces_of_both_kinds_keep_their_link_types_and_counters") {
        return;
    }
    let mut tun = Tun::new("mixed");
    let (mut capture, mut readers) = open(&tun.namespace, options(&["lo", "tun0"], TcAttach::Auto));
    let link_types: Vec<LinkType> = capture.interfaces().iter().map(|one| one.link_type).collect();
    assert_eq!(link_types, [LinkType::ETHERNET, LinkType::RAW]);
    let packet = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(30));
    for _ in 0..5 {
        tun.receive(&packet);
    }
    let socket = tun.namespace.enter(|| UdpSocket::bind("127.0.0.1:5000")).unwrap().unwrap();
    for _ in 0..7 {
        socket.send_to(b"x", "127.0.0.1:5000").unwrap();
    }
    capture.detach();
    let [lo, tun0] = [0, 1].map(|position: usize| capture.interfaces()[position].index.unwrap());
    let records = records(&mut readers);
    let of = |index| records.iter().filter(move |(_, header, _)| header.interface_index == index);
    assert_eq!(of(lo).count(), 7);
    assert_eq!(of(tun0).filter(|(_, _, bytes)| *bytes == packet).count(), 5);
    assert!(of(tun0).all(|(shard, header, bytes)| {
        *bytes != packet
            || (*shard, header.flow_hash) == (FlowHash::of(&tuple()).shard(3), FlowHash::of(&tuple()).0)
    }));
    assert!(of(lo).all(|(_, _, bytes)| bytes[12..15] == [0x08, 0x00, 0x45]));
    let ingress = |position| capture.hook_counters(position, Hook::TcIngress);
    assert_eq!([ingress(0).get(Counter::UdpPackets), ingress(1).get(Counter::UdpPackets)], [7, 0]);
    assert_eq!([ingress(0).get(Counter::TcpPackets), ingress(1).get(Counter::TcpPackets)], [0, 5]);
    assert_eq!([ingress(0).seen(), ingress(1).seen()], [7, 5]);
}

#[test]
fn a_filter_over_both_kinds_is_refused_with_the_way_out() {
    if !has_root("a_filter_over_both_kinds_is_refused_with_the_way_out") {
        return;
    }
    let tun = Tun::new("refuse");
    let inside = ["ip", "netns", "exec", tun.namespace.name()];
    let run = |words: &[&str]| tcpkit(words).inside(inside).run();
    run(&["-i", "lo", "-i", "tun0", "--backend", "ebpf", "--duration", "1", "tcp", "port", "80"])
        .failure(1, &["filter", "with and without Ethernet headers", "one tcpkit for each"]);
    run(&["-i", "lo", "-i", "tun0", "--backend", "ebpf", "--duration", "0.2", "--quiet"]).success();
    run(&["-i", "tun0", "--backend", "ebpf", "--duration", "0.2", "--quiet", "tcp", "port", "80"]).success();
}

#[test]
fn traffic_on_two_interfaces_is_counted_for_each_and_shares_the_rings() {
    if !has_root("traffic_on_two_interfaces_is_counted_for_each_and_shares_the_rings") {
        return;
    }
    let pair = Pair::new("two").unwrap();
    let one_ring =
        LiveOptions { shards: 1, ring_bytes: 16 << 20, ..options(&["veth0", "lo"], TcAttach::Auto) };
    let (mut capture, mut readers) = open(&pair.server, one_ring);
    let before = tcpkit_tests::traffic::interface_packets(&pair.server, "veth0").unwrap();
    transfer(&pair, 2_000_000).unwrap();
    let socket = pair.server.enter(|| UdpSocket::bind("127.0.0.1:5000")).unwrap().unwrap();
    for _ in 0..100 {
        socket.send_to(b"x", "127.0.0.1:5000").unwrap();
    }
    // A last acknowledgement may still be on its way.
    let passed = || tcpkit_tests::traffic::interface_packets(&pair.server, "veth0").unwrap();
    let seen = |hook| capture.hook_counters(0, hook).get(Counter::Recorded);
    until(Duration::from_secs(5), || {
        (seen(Hook::TcIngress), seen(Hook::TcEgress)) == (passed().0 - before.0, passed().1 - before.1)
    });
    pair.server.enter(|| capture.detach()).unwrap();
    let after = passed();
    assert_eq!(readers.len(), 1);
    let records = records(&mut readers);
    let of = |position: usize, hook: Hook| {
        let index = capture.interfaces()[position].index.unwrap();
        let mine = |header: &RecordHeader| (header.interface_index, header.hook) == (index, hook as u8);
        records.iter().filter(|(_, header, _)| mine(header)).count() as u64
    };
    let counted = |position, hook| capture.hook_counters(position, hook).get(Counter::Recorded);
    for (position, hook) in [(0, Hook::TcIngress), (0, Hook::TcEgress), (1, Hook::TcIngress)] {
        assert_eq!(of(position, hook), counted(position, hook), "{position} {hook:?}");
    }
    assert_eq!(counted(0, Hook::TcIngress), after.0 - before.0);
    assert_eq!(counted(0, Hook::TcEgress), after.1 - before.1);
    assert_eq!(counted(1, Hook::TcIngress), 100);
    assert_eq!(capture.hook_counters(1, Hook::TcEgress).seen(), 0);
}
