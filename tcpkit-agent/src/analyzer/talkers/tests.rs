//! Who talks, in small stories; and that bounds and shards do not show where they must not.

use proptest::prelude::*;

use super::*;
use crate::flow::FlowKey;

fn host(number: u8) -> Address {
    Address::v4([10, 0, number / 16, number % 16])
}

fn tuple(client: u8, server: u8, port: u16) -> FourTuple {
    FourTuple { source: host(client), destination: host(server), source_port: 40_000, destination_port: port }
}

fn traffic(packets: u64, bytes: u64) -> SideTraffic {
    SideTraffic { frames: packets, packets, bytes, payload_bytes: bytes / 2, retransmitted_bytes: bytes / 10 }
}

fn flow(client: u8, server: u8, port: u16, bytes: [u64; 2], is_new: bool) -> FlowTraffic {
    let (flow, side) = FlowKey::of(&tuple(client, server, port));
    let [by_client, by_server] = bytes.map(|bytes| traffic(1, bytes));
    let sent = if side == Side::Low { [by_client, by_server] } else { [by_server, by_client] };
    FlowTraffic { flow, client: side, sent, is_new }
}

fn said(sum: &TalkSum) -> [u64; 3] {
    [sum.talk.sent.bytes, sum.talk.received.bytes, sum.talk.flows]
}

#[test]
fn a_flow_counts_at_both_of_its_ends_and_once_at_its_service() {
    let mut talkers = TalkerAnalyzer::default();
    talkers.on_traffic(&[flow(1, 2, 443, [100, 5_000], true), flow(1, 2, 443, [10, 500], false)]);
    talkers.on_traffic(&[flow(3, 2, 443, [7, 70], true)]);
    let addresses: Vec<_> =
        talkers.addresses().top(9).into_iter().map(|(address, sum)| (address, said(sum))).collect();
    assert_eq!(addresses, [(host(2), [5_570, 117, 2]), (host(1), [110, 5_500, 1]), (host(3), [7, 70, 1])]);
    let ports: Vec<_> =
        talkers.ports().top(9).into_iter().map(|(port, sum)| (port.port, said(sum))).collect();
    assert_eq!(ports, [(443, [5_570, 117, 2])]);
    assert_eq!(talkers.total().bytes, 5_687, "each packet once");
}

#[test]
fn a_flow_within_a_prefix_is_one_flow_of_it() {
    let mut talkers = TalkerAnalyzer::default();
    let (within, beyond) = (flow(1, 2, 80, [10, 20], true), flow(1, 17, 80, [1, 2], true));
    talkers.on_traffic(&[within, beyond, flow(4, 4, 80, [5, 5], true)]);
    let prefixes = talkers.prefixes();
    let found: Vec<_> = prefixes
        .top(9)
        .into_iter()
        .map(|(prefix, sum)| (prefix.network().0.to_string(), said(sum)))
        .collect();
    assert_eq!(found, [("10.0.0.0".into(), [41, 42, 3]), ("10.0.1.0".into(), [2, 1, 1])]);
}

#[test]
fn datagrams_belong_to_the_end_with_the_lower_port_once_they_are_settled() {
    let mut talkers = TalkerAnalyzer::default();
    let question = tuple(1, 2, 53);
    for _ in 0..3 {
        talkers.on_datagram(&question, traffic(1, 80));
        talkers.on_datagram(&question.reversed(), traffic(1, 300));
    }
    talkers.on_packet(host(5), host(1), traffic(1, 98));
    talkers.settle();
    let services = talkers.services().top(9);
    let [(service, sum)] = services[..] else { panic!("{services:?}") };
    assert_eq!((service.server.address, service.server.port, service.is_udp), (host(2), 53, true));
    assert_eq!(said(sum), [900, 240, 0]);
    assert_eq!(said(talkers.addresses().top(9)[0].1), [240, 998, 0]);
    assert_eq!(talkers.total().packets, 7);
}

#[test]
fn a_scan_folds_addresses_and_their_prefix_stays_exact() {
    let mut talkers = TalkerAnalyzer::default();
    let spread = |number: u32| {
        let [_, b, c, d] = number.to_be_bytes();
        Address::v4([172, b, c, d])
    };
    for number in (0..20_000).chain([5_000]) {
        talkers.on_packet(spread(number), host(1), traffic(1, 60));
    }
    talkers.settle();
    assert!(talkers.addresses().folded() > 10_000);
    let top = talkers.addresses().top_bounded(2);
    assert_eq!(
        (top[0].0, said(top[0].1), top[0].2),
        (host(1), [0, 1_200_060, 0], 0),
        "the target never gave way"
    );
    let late =
        talkers.addresses().top_bounded(usize::MAX).into_iter().find(|row| row.0 == spread(5_000)).unwrap();
    assert_eq!((said(late.1), late.2 >= 60), ([60, 0, 0], true), "it may have said more before it gave way");
    let prefixes = talkers.prefixes();
    let sums: Vec<u64> =
        prefixes.top_bounded(99).iter().map(|(_, sum, missing)| said(sum)[0] + missing).collect();
    assert_eq!(sums.iter().sum::<u64>(), 1_200_060, "{sums:?}");
    assert_eq!(prefixes.top_bounded(2)[1].2, 0, "a prefix lacks nothing because its addresses do");
}

proptest! {
    #[test]
    fn shards_do_not_show(
        flows in prop::collection::vec((0u8..40, 0u8..40, 1u16..5, 0u64..9_000, 0u64..9_000, any::<bool>()), 0..80),
        packets in prop::collection::vec((0u8..40, 0u8..40, 0u16..60_000, 0u64..2_000), 0..300),
        shards in 1usize..5,
    ) {
        let mut parts = vec![TalkerAnalyzer::default(); shards];
        let mut whole = TalkerAnalyzer::default();
        for (number, (client, server, port, up, down, is_new)) in flows.into_iter().enumerate() {
            let told = flow(client, server, port, [up, down], is_new);
            parts[number % shards].on_traffic(&[told]);
            whole.on_traffic(&[told]);
        }
        for (number, (source, destination, port, bytes)) in packets.into_iter().enumerate() {
            for talkers in [&mut parts[number % shards], &mut whole] {
                match port {
                    0..1_000 => talkers.on_packet(host(source), host(destination), traffic(1, bytes)),
                    port => talkers.on_datagram(&tuple(source, destination, port), traffic(1, bytes)),
                }
            }
        }
        whole.settle();
        parts.iter_mut().for_each(TalkerAnalyzer::settle);
        let mut merged = parts.pop().unwrap();
        parts.iter().for_each(|part| merged.merge(part));
        prop_assert_eq!(&merged, &whole);
        let ends = |sums: &Ranking<Prefix, TalkSum>| {
            let all = sums.beyond(0).talk;
            (all.sent.bytes, all.received.bytes)
        };
        let total = whole.total().bytes;
        prop_assert_eq!(ends(&whole.prefixes()), (total, total), "what is sent is received");
    }
}
