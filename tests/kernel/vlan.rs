//! VLAN tags, which the kernel takes out of a frame on its way in: everyone sees them as if they were still there.

use std::{fs, path::Path, process::Stdio, time::Duration};

use aya::programs::TcAttachType;
use tcpkit_agent::{
    filter::Matcher,
    source::live::{HookChoice, LiveCapture, LiveOptions},
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};
use tcpkit_common::{
    counter::Counter,
    record::{Hook, RecordHeader},
};
use tcpkit_tests::{
    netns::{Pair, has_root, run},
    packet_socket::send_frame,
    run::tcpkit,
};

use super::{
    classifiers,
    filter::placed,
    frames::{ethernet, tcp, v4},
    wait_until,
};

/// Tags over one TCP segment between ports 40,000 and 443.
fn frames() -> [(&'static str, Vec<u8>); 6] {
    let ip = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(20));
    let tagged = |outer: u16, tags: &[&[u8]]| ethernet(outer, &[&tags.concat()[..], &ip].concat());
    [
        ("untagged", ethernet(0x0800, &ip)),
        ("802.1Q", tagged(0x8100, &[&[0xe0, 5, 8, 0]])),
        ("802.1Q of another", tagged(0x8100, &[&[0, 6, 8, 0]])),
        ("802.1ad", tagged(0x88a8, &[&[0, 5, 8, 0]])),
        ("QinQ", tagged(0x88a8, &[&[0, 5, 0x81, 0], &[0, 7, 8, 0]])),
        ("priority only", tagged(0x8100, &[&[0x60, 0, 8, 0]])),
    ]
}

const EXPRESSIONS: [&str; 9] = [
    "vlan 5 and tcp port 443",
    "vlan and host 198.51.100.2",
    "tcp port 443",
    "vlan",
    "vlan 5 and vlan 7 and tcp",
    "not vlan and tcp",
    "vlan 0",
    "ether[12:2] = 0x88a8",
    "greater 79",
];

/// The frame with the tag where it was.
fn whole(header: &RecordHeader, bytes: &[u8]) -> Vec<u8> {
    if header.vlan_protocol == 0 {
        return bytes.to_vec();
    }
    let tag = [header.vlan_protocol.to_be_bytes(), header.vlan_tci.to_be_bytes()].concat();
    [&bytes[..12], &tag, &bytes[12..]].concat()
}

/// Sends every frame from the client to the server.
fn send_all(pair: &Pair) {
    let index = pair.client.enter(|| tcpkit_agent::source::live::interface_index("veth0")).unwrap().unwrap();
    for (_, frame) in frames() {
        pair.client.enter(|| send_frame(index, &frame)).unwrap().unwrap();
    }
}

/// The frames that the server's interface records, as on the wire.
fn captured(hook: HookChoice, expression: Option<&str>) -> (Vec<(RecordHeader, Vec<u8>)>, u64) {
    let pair = Pair::without_addresses("vlan").unwrap();
    let options = LiveOptions {
        interfaces: vec!["veth0".to_owned()],
        hook,
        ring_bytes: 1 << 18,
        filter: expression.and_then(placed),
        ..LiveOptions::default()
    };
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let mut readers = capture.take_readers();
    send_all(&pair);
    pair.server.enter(|| capture.detach()).unwrap();
    let mut records = Vec::new();
    readers[0].poll(usize::MAX, |header, bytes| records.push((*header, whole(header, bytes))));
    let ingress = capture.interfaces()[0].hooks[0];
    assert_eq!(ingress, if hook == HookChoice::Xdp { Hook::XdpIngress } else { Hook::TcIngress });
    let counters = capture.hook_counters(0, ingress);
    assert_eq!((counters.seen(), counters.matched()), (6, records.len() as u64), "{expression:?}");
    (records, counters.get(Counter::WireBytes))
}

#[test]
fn tags_in_metadata_are_recorded_and_counted() {
    if !has_root("tags_in_metadata_are_recorded_and_counted") {
        return;
    }
    for hook in [HookChoice::Tc, HookChoice::Xdp] {
        let (records, wire_bytes) = captured(hook, None);
        let mut hashes = Vec::new();
        for ((name, sent), (header, bytes)) in frames().iter().zip(&records) {
            assert_eq!(bytes, sent, "{name} by {hook:?}");
            hashes.push(header.flow_hash);
            let in_metadata = hook == HookChoice::Tc && *name != "untagged";
            assert_eq!(header.vlan_protocol != 0, in_metadata, "{name} by {hook:?}");
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 1, "tags change nothing about the flow");
        let sent: usize = frames().iter().map(|(_, frame)| frame.len()).sum();
        assert_eq!(wire_bytes, sent as u64, "{hook:?}");
    }
}

#[test]
fn a_filter_sees_tags_in_metadata_as_in_a_file() {
    if !has_root("a_filter_sees_tags_in_metadata_as_in_a_file") {
        return;
    }
    for expression in EXPRESSIONS.into_iter().chain(["inbound", "outbound"]) {
        let mut matcher = Matcher::new(expression, false).unwrap();
        let wanted: Vec<Vec<u8>> = frames()
            .into_iter()
            .filter(|(_, frame)| matcher.matches(&offline(frame)).unwrap())
            .map(|(_, frame)| frame)
            .collect();
        let names: Vec<&str> =
            frames().iter().filter(|(_, frame)| wanted.contains(frame)).map(|(name, _)| *name).collect();
        println!("{expression}: {names:?}");
        for hook in [HookChoice::Tc, HookChoice::Xdp] {
            let matched: Vec<Vec<u8>> =
                captured(hook, Some(expression)).0.into_iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(matched, wanted, "{expression} by {hook:?}");
        }
    }
}

fn offline(bytes: &[u8]) -> Frame<'_> {
    Frame {
        timestamp: Timestamp(0),
        interface: InterfaceId(0),
        link_type: LinkType::ETHERNET,
        direction: FrameDirection::Inbound,
        hook: None,
        frame_len: bytes.len() as u32,
        gso_size: 0,
        bytes,
    }
}

/// Frames of a pcap file as tcpdump reads it with this expression, in hexadecimal; without times.
fn frames_of(file: &Path, expression: &str) -> String {
    let file = file.to_str().unwrap();
    let output = run("tcpdump", &["-r", file, "-t", "-n", "-xx", "-q", expression]).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_agent_writes_and_filters_tags_as_tcpdump_does() {
    if !has_root("the_agent_writes_and_filters_tags_as_tcpdump_does") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let reference = folder.path().join("tcpdump.pcap");
    let all = folder.path().join("all.pcap");
    let pair = Pair::without_addresses("vlanw").unwrap();
    let inside = ["ip", "netns", "exec", pair.server.name()];
    let mut tcpdump = pair
        .server
        .command("tcpdump")
        .args(["-i", "veth0", "-Q", "in", "-U", "-w", reference.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = |expression: &[&str], file: &Path| {
        let file = file.to_str().unwrap();
        let words = ["-i", "veth0", "--backend", "ebpf", "--hook", "tc", "--quiet", "-w", file];
        tcpkit([&words[..], &["--stats-listen", "off"], expression].concat()).inside(inside).start()
    };
    let tagged = folder.path().join("tagged.pcap");
    let expression = ["vlan", "5", "and", "tcp", "port", "443"];
    let mut runs = [start(&[], &all), start(&expression, &tagged)];
    let ingress = || classifiers("veth0", TcAttachType::Ingress);
    wait_until(|| reference.exists() && pair.server.enter(ingress).unwrap() == 2);
    send_all(&pair);
    std::thread::sleep(Duration::from_millis(500));
    for run in &mut runs {
        run.signal(libc::SIGINT);
    }
    for run in runs {
        run.wait().success();
    }
    // SAFETY: our own child, not waited for yet.
    unsafe { libc::kill(tcpdump.id() as i32, libc::SIGINT) };
    tcpdump.wait().unwrap();
    assert_eq!(frames_of(&reference, "").matches("0x0000:").count(), 6);
    assert_eq!(frames_of(&all, ""), frames_of(&reference, ""));
    assert_eq!(frames_of(&tagged, ""), frames_of(&reference, "vlan 5 and tcp port 443"));
    for expression in EXPRESSIONS {
        let filtered = folder.path().join("filtered.pcap");
        let words =
            ["-r", reference.to_str().unwrap(), "-w", filtered.to_str().unwrap(), "--quiet", expression];
        tcpkit(words).run().success();
        assert_eq!(frames_of(&filtered, ""), frames_of(&reference, expression), "{expression}");
        fs::remove_file(&filtered).unwrap();
    }
}
