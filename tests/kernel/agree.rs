//! Kernel and agent look at the same frames: same flows, same filter; and where the kernel cannot see in, the shards
//! find the owner.

use tcpkit_agent::{
    filter::Matcher,
    pipeline::{EngineSettings, Output, Shard},
    time::Timestamp,
    wire::{self, Frame, FrameDirection, InterfaceId, LinkType, Packet, ParseOptions},
};
use tcpkit_common::{flow::FlowHash, record::Hook};
use tcpkit_tests::{netns::has_root, test_run::Context};

use super::{
    filter::placed,
    frames::{Case, Random, cases, ethernet, tcp, v4},
    parse::parse,
    programs::{Bench, can_be_fed},
};

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame {
        timestamp: Timestamp(1_000_000_000),
        interface: InterfaceId(0),
        link_type: LinkType::ETHERNET,
        direction: FrameDirection::Inbound,
        hook: Some(Hook::TcIngress),
        frame_len: bytes.len() as u32,
        gso_size: 0,
        bytes,
    }
}

/// The flow to which the agent's own parser says that a frame belongs; `None` when it analyses nothing in it.
fn owner(bytes: &[u8], options: ParseOptions) -> Option<FlowHash> {
    match wire::parse(&frame(bytes), options).packet {
        Ok(Packet::Udp(_) | Packet::Other(_)) | Err(_) => None,
        Ok(packet) => Some(wire::flow_hash(&packet)),
    }
}

fn is_fragment(bytes: &[u8]) -> bool {
    matches!(wire::parse(&frame(bytes), ParseOptions::default()).packet, Ok(Packet::Fragment(_)))
}

fn inner() -> Vec<u8> {
    v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(10))
}

fn over_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (8 + header.len() + payload.len()) as u16;
    let datagram = [&[0, 5][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], header, payload].concat();
    ethernet(0x0800, &v4([10, 0, 0, 1], [10, 0, 0, 2], 17, &datagram))
}

fn over_ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &v4([10, 0, 0, 1], [10, 0, 0, 2], protocol, payload))
}

/// What the agent enters and the kernel does not, with the flow of [`inner`] in each.
fn beyond_the_kernel() -> Vec<(&'static str, Vec<u8>)> {
    let ip = inner();
    let whole = ethernet(0x0800, &ip);
    let deep = (0..18).fold(ip.clone(), |packet, _| v4([10, 0, 0, 1], [10, 0, 0, 2], 4, &packet));
    vec![
        ("vxlan without network", over_udp(4789, &[0, 0, 0, 0, 0, 0, 1, 0], &whole)),
        ("l2tp", over_udp(1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], &ip)),
        ("e-tag", ethernet(0x893f, &[&[0, 0, 0, 1, 0, 0, 8, 0][..], &ip].concat())),
        ("vxlan gpe", over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 1, 0], &ip)),
        ("gre in udp", over_udp(4754, &[0, 0, 8, 0], &ip)),
        ("mpls in udp", over_udp(6635, &[0, 1, 1, 64], &ip)),
        ("mpls in ip", over_ip(137, &[&[0, 1, 1, 64][..], &ip].concat())),
        ("ether in ip", over_ip(97, &[&[0x30, 0][..], &whole].concat())),
        ("old qinq 2", ethernet(0x9200, &[&[0, 7, 8, 0][..], &ip].concat())),
        ("llc snap", ethernet(66, &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ip].concat())),
        ("eighteen ip in ip", ethernet(0x0800, &deep)),
    ]
}

#[test]
fn kernel_and_agent_enter_the_same_tunnels() {
    // The agent takes the inner frame as proof; the kernel goes by the flag, and the shards hand such frames over.
    for Case { name, frame, hash } in cases().into_iter().filter(|case| case.name != "no vxlan") {
        if let Some(owner) = owner(&frame, ParseOptions::default()) {
            assert_eq!(owner, hash, "{name}: the agent");
            assert_eq!(parse(&frame, false).flow_hash(), hash, "{name}: the kernel");
        }
        // What is carried by TCP, a fragment or an error must be known to both; the rest has no owner.
        let has_owner = owner(&frame, ParseOptions::default()).is_some();
        let by_addresses = ["no ports yet", "icmp echo", "icmp6 neighbour", "cut in ip", "cut in tcp"];
        let no_flow = ["gtp-u echo", "gtp-u", "gtp-u extension", "arp", "lldp"];
        assert!(has_owner || by_addresses.contains(&name) || no_flow.contains(&name), "{name}");
    }
}

#[test]
fn without_decapsulation_both_stay_outside() {
    for Case { name, frame, .. } in cases() {
        if let Some(owner) = owner(&frame, ParseOptions { decapsulate: false, ..ParseOptions::default() }) {
            assert_eq!(parse(&frame, true).flow_hash(), owner, "{name}");
        }
    }
}

/// The shards of an agent.
struct Shards(Vec<Shard>);

impl Shards {
    fn new(count: u32) -> Self {
        let settings = EngineSettings::live(count);
        Self((0..count).map(|number| Shard::new(&settings, number)).collect())
    }

    /// Takes a frame as it comes out of the ring that `hash` chose; gives where it was handed to.
    fn take(&mut self, bytes: &[u8], hash: FlowHash) -> Option<u32> {
        let count = self.0.len() as u32;
        let mut out = Output::default();
        let frame = frame(bytes);
        self.0[hash.shard(count) as usize].on_frame(&frame, frame.timestamp, &mut out);
        assert!(out.foreign.len() <= 1);
        let foreign = out.foreign.pop()?;
        let shard = foreign.shard;
        let mut out = Output::default();
        self.0[shard as usize].on_foreign(foreign, frame.timestamp, &mut out);
        // The datagram that a fragment completes goes on to the owner of its flow, as it does without us.
        assert!(out.foreign.is_empty() || is_fragment(bytes), "handed on twice: {bytes:02x?}");
        Some(shard)
    }

    fn flows(&self) -> Vec<u64> {
        self.0.iter().map(|shard| shard.snapshot().flows.opened).collect()
    }
}

#[test]
fn what_the_kernel_cannot_see_reaches_its_owner() {
    let flow = FlowHash::of(&super::frames::tuple());
    let mut shards = Shards::new(7);
    for (name, frame) in beyond_the_kernel() {
        assert_eq!(owner(&frame, ParseOptions::default()), Some(flow), "{name}");
        let hash = parse(&frame, false).flow_hash();
        assert_ne!(hash, flow, "{name}: the kernel sees in by now; move it to the cases of both");
        let handed = shards.take(&frame, hash);
        assert_eq!(handed, (hash.shard(7) != flow.shard(7)).then_some(flow.shard(7)), "{name}");
    }
    shards.take(&ethernet(0x0800, &inner()), flow);
    assert_eq!(
        shards.flows().iter().sum::<u64>(),
        1,
        "one flow, however it was carried: {:?}",
        shards.flows()
    );
}

#[test]
fn any_bytes_reach_the_shard_that_owns_them() {
    let mut cases = cases();
    cases.extend(beyond_the_kernel().into_iter().map(|(name, frame)| Case {
        name,
        frame,
        hash: FlowHash(0),
    }));
    let mut random = Random(11);
    let (mut owned, mut differ) = (0u32, 0u32);
    let mut shards = Shards::new(5);
    for round in 0..200_000 {
        let frame = random.frame(&cases);
        let hash = parse(&frame, false).flow_hash();
        let handed = shards.take(&frame, hash);
        let Some(owner) = owner(&frame, ParseOptions::default()) else {
            assert_eq!(handed, None, "round {round}: {frame:02x?}");
            continue;
        };
        owned += 1;
        differ += u32::from(owner != hash);
        // A fragment may complete a datagram, which is then handed to the shard of its flow.
        if !is_fragment(&frame) {
            let expected = (owner.shard(5) != hash.shard(5)).then_some(owner.shard(5));
            assert_eq!(handed, expected, "round {round}: {frame:02x?}");
        }
    }
    println!("{owned} frames with an owner, {differ} of which the kernel puts elsewhere");
    assert!(owned > 20_000 && differ < owned / 4, "{differ} of {owned}");
}

const EXPRESSIONS: [&str; 9] = [
    "tcp port 443",
    "host 198.51.100.2",
    "udp",
    "icmp",
    "ip6 and tcp",
    "tcp and not port 443",
    "len < 100 and ip",
    "vlan 7",
    "ip[4:2] & 1 = 0 and tcp port 443",
];

/// The same frames in the same order, so that both remember the same datagrams.
fn compare(expression: &str, strict: bool, frames: &[Vec<u8>]) {
    let mut matcher = Matcher::new(expression, strict).unwrap();
    let options = tcpkit_agent::source::live::LiveOptions {
        filter: placed(expression),
        strict_filter: strict,
        ring_bytes: 1 << 16,
        ..Default::default()
    };
    let mut bench = Bench::new(options);
    for (index, bytes) in frames.iter().enumerate().filter(|(_, bytes)| can_be_fed(Hook::TcIngress, bytes)) {
        let wanted = matcher.matches(&frame(bytes)).unwrap();
        // One hook only: what datagrams are remembered depends on the order.
        let got = bench.feed(Hook::TcIngress, bytes, Context::default()).is_some();
        assert_eq!(got, wanted, "{expression}, strict {strict}, frame {index}: {bytes:02x?}");
    }
}

#[test]
fn the_kernel_filters_as_the_matcher_does() {
    if !has_root("the_kernel_filters_as_the_matcher_does") {
        return;
    }
    let cases = cases();
    let mut random = Random(5);
    let mut frames: Vec<Vec<u8>> = cases.iter().map(|case| case.frame.clone()).collect();
    frames.extend((0..1_500).map(|_| random.frame(&cases)));
    for expression in EXPRESSIONS {
        for strict in [false, true] {
            compare(expression, strict, &frames);
        }
    }
}

/// First and later fragments of few datagrams between few hosts, some of which a filter for port 443 wants.
#[test]
fn a_datagram_is_forgotten_when_its_number_is_used_again() {
    if !has_root("a_datagram_is_forgotten_when_its_number_is_used_again") {
        return;
    }
    let mut random = Random(3);
    let frames: Vec<Vec<u8>> = (0..2_000)
        .map(|_| {
            let mut packet = v4([192, 0, 2, 1], [198, 51, 100, random.below(2) as u8], 6, &tcp(8));
            packet[5] = random.below(4) as u8;
            match random.below(3) {
                0 => packet[6..8].copy_from_slice(&[0x20, 0]),
                1 => packet[6..8].copy_from_slice(&[0x20, 5]),
                _ => packet[6..8].copy_from_slice(&[0, 9]),
            }
            packet[23] = if random.below(2) == 0 { 0xbb } else { 0xbc };
            ethernet(0x0800, &packet)
        })
        .collect();
    compare("tcp port 443", false, &frames);
    compare("tcp port 443", true, &frames);
}

/// The longest quote that a filter can see ends at the same octet on both sides.
#[test]
fn a_long_quote_is_cut_alike() {
    if !has_root("a_long_quote_is_cut_alike") {
        return;
    }
    let frames: Vec<Vec<u8>> = [1_200, 1_279, 1_280, 1_281, 1_400]
        .into_iter()
        .map(|len: usize| {
            let quoted = v4([192, 0, 2, 1], [198, 51, 100, 2], 6, &tcp(len - 40));
            let error = [&[3, 4, 0, 0, 0, 0, 5, 0][..], &quoted].concat();
            ethernet(0x0800, &v4([10, 0, 0, 9], [192, 0, 2, 1], 1, &error))
        })
        .collect();
    for expression in [
        "tcp and greater 1293",
        "tcp and greater 1294",
        "tcp and greater 1295",
        "tcp and ether[1293] = 0x5a",
        "tcp and ether[1294] = 0x5a",
    ] {
        compare(expression, false, &frames);
    }
}
