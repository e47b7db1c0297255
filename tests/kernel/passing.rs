//! Our programs are guests at their hooks: whoever stands behind them sees every frame, unchanged.

use aya::programs::TcAttachType;
use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions, RingReader, TcAttach};
use tcpkit_common::{counter::Counter, record::Hook};
use tcpkit_tests::{
    attached::{classifiers, has_tcx},
    netns::{Pair, has_root, run},
    traffic::transfer,
};

fn open(pair: &Pair, hook: HookChoice, tc_attach: TcAttach) -> (LiveCapture, RingReader) {
    let options = LiveOptions {
        interfaces: vec!["veth0".to_owned()],
        hook,
        tc_attach,
        ring_bytes: 32 << 20,
        snaplen: 128,
        ..LiveOptions::default()
    };
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let reader = capture.take_readers().remove(0);
    (capture, reader)
}

/// Frames of TCP over IPv4 that came in behind every program, as netfilter's own ingress hook counts them.
fn counted_behind(pair: &Pair) -> u64 {
    let list = run("ip", &["netns", "exec", pair.server.name(), "nft", "list", "table", "netdev", "behind"]);
    let text = String::from_utf8(list.unwrap().stdout).unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).unwrap().parse().unwrap()
}

fn count_behind(pair: &Pair) {
    let rules = "add table netdev behind; \
                 add chain netdev behind in { type filter hook ingress device veth0 priority 0; }; \
                 add rule netdev behind in ip protocol tcp counter";
    run("ip", &["netns", "exec", pair.server.name(), "nft", rules]).unwrap();
}

/// What one capture recorded of TCP over IPv4, without times: header fields and bytes. The rest (neighbours being
/// looked for) may come while only one of the two captures is open.
fn records(reader: &mut RingReader) -> Vec<(u8, u32, u16, Vec<u8>)> {
    let mut records = Vec::new();
    while reader.poll(usize::MAX, |header, bytes| {
        if bytes[12..14] == [0x08, 0x00] && bytes[23] == 6 {
            records.push((header.hook, header.frame_len, header.gso_size, bytes.to_vec()));
        }
    }) > 0
    {}
    records
}

/// The newer program runs first, and one by TCX before those by clsact: so the older capture is the one behind.
#[test]
fn programs_behind_ours_see_every_frame_unchanged() {
    if !has_root("programs_behind_ours_see_every_frame_unchanged") {
        return;
    }
    for (behind, ours) in [
        (TcAttach::Auto, TcAttach::Auto),
        (TcAttach::Clsact, TcAttach::Clsact),
        (TcAttach::Clsact, TcAttach::Auto),
    ] {
        let what = format!("{ours:?} before {behind:?}");
        let pair = Pair::new("behind").unwrap();
        count_behind(&pair);
        let (mut second, mut second_reader) = open(&pair, HookChoice::Tc, behind);
        let (mut first, mut first_reader) = open(&pair, HookChoice::Tc, ours);
        if ours == TcAttach::Auto {
            let count = pair.server.enter(|| classifiers("veth0", TcAttachType::Egress)).unwrap();
            // Of a kernel without TCX all are by clsact.
            assert_eq!(count, if behind == TcAttach::Auto || !has_tcx() { 2 } else { 1 }, "{what}");
        }
        transfer(&pair, 3_000_000).unwrap();
        pair.client.ip(&["link", "set", "veth0", "down"]).unwrap();
        let behind_all = counted_behind(&pair);
        first.detach();
        second.detach();
        let (front, back) = (records(&mut first_reader), records(&mut second_reader));
        assert!(front.len() > 100, "{what}");
        assert_eq!(front.len(), back.len(), "{what}");
        let at = |records: &[(u8, u32, u16, Vec<u8>)], hook| {
            records.iter().filter(|one| one.0 == hook as u8).cloned().collect::<Vec<_>>()
        };
        for hook in [Hook::TcIngress, Hook::TcEgress] {
            assert!(sorted(at(&front, hook)) == sorted(at(&back, hook)), "{what}: {hook:?} differs");
            let seen = |capture: &LiveCapture| capture.hook_counters(0, hook).get(Counter::TcpPackets);
            assert_eq!(seen(&first), seen(&second), "{what}: {hook:?}");
        }
        assert_eq!(at(&front, Hook::TcIngress).len() as u64, behind_all, "{what}: netfilter");
    }
}

/// Two CPUs may record in another order than they passed the hook.
fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort_unstable();
    records
}

#[test]
fn tc_sees_every_frame_that_xdp_passed() {
    if !has_root("tc_sees_every_frame_that_xdp_passed") {
        return;
    }
    let pair = Pair::new("passed").unwrap();
    count_behind(&pair);
    let (mut behind, mut behind_reader) = open(&pair, HookChoice::Tc, TcAttach::Auto);
    let (mut front, mut front_reader) = open(&pair, HookChoice::Xdp, TcAttach::Auto);
    // So that one frame at XDP is one frame behind it.
    run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "off"]).unwrap();
    transfer(&pair, 300_000).unwrap();
    pair.client.ip(&["link", "set", "veth0", "down"]).unwrap();
    let counted = counted_behind(&pair);
    pair.server.enter(|| front.detach()).unwrap();
    behind.detach();
    let bytes = |reader: &mut RingReader, hook: Hook| {
        let all = records(reader).into_iter().filter(|one| one.0 == hook as u8);
        sorted(all.map(|(_, len, _, bytes)| (len, bytes)).collect::<Vec<_>>())
    };
    let at_xdp = bytes(&mut front_reader, Hook::XdpIngress);
    assert!(at_xdp.len() > 100, "{}", at_xdp.len());
    assert!(at_xdp == bytes(&mut behind_reader, Hook::TcIngress));
    assert_eq!(at_xdp.len() as u64, counted);
}
