//! How long a worker is kept from its frames by whoever wants a report: no longer than it takes to let go of its sums.
#![expect(clippy::disallowed_methods, reason = "how long a worker pauses is wall time")]

use std::time::{Duration, Instant};

use super::{scenario::Spec, *};
use crate::wire::TcpFlags;

/// SYNs from this one client to as many servers and ports, each of them sent twice.
fn scan(shard: &mut Shard, flows: u32) {
    let mut out = Output::default();
    for number in 0..flows {
        let [_, a, b, c] = number.to_be_bytes();
        let port = u16::try_from(number % 60_000).unwrap();
        let (from, to) = ((1, 40_000), (9, port));
        let mut bytes = Spec { from, to, seq: 7, ack: 0, flags: TcpFlags::SYN, payload_len: 0 }.octets();
        // RFC 791 §3.1: the destination's address.
        bytes[16..20].copy_from_slice(&[10, a, b, c]);
        let frame_len = u32::try_from(bytes.len()).unwrap();
        for repeat in 0..2 {
            let now = Timestamp(i64::from(number) * 1_000 + repeat);
            let bytes = bytes.clone();
            let captured = Captured { timestamp: now, interface: 0, frame_len, gso_size: 0, bytes };
            shard.on_frame(&captured.frame(), now, &mut out);
            out.clear();
        }
    }
}

#[test]
fn handing_over_takes_no_longer_with_many_flows() {
    let mut settings = EngineSettings::live(1);
    settings.flows.max_half_open = 200_000;
    let mut shard = Shard::new(&settings, 0);
    scan(&mut shard, 100_000);
    let begun = Instant::now();
    let first = shard.hand_over();
    let took = begun.elapsed();
    assert_eq!((first.flows.open, first.handshakes.syn_retransmissions()), (100_000, 100_000));
    let least = (0..20).map(|_| {
        let begun = Instant::now();
        drop(shard.hand_over());
        begun.elapsed()
    });
    let least = least.min().unwrap().min(took);
    assert!(least < Duration::from_millis(1), "{least:?}");
}
