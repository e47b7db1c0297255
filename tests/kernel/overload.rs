//! More frames than the agent can take: every one of them has a fate.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions, RingReader};
use tcpkit_common::{counter::Counter, record::Hook};
use tcpkit_tests::{
    generator::{Generator, smallest_frame},
    netns::{Pair, has_root, run},
    traffic::interface_packets,
};

/// Captures while the generator sends; gives what the readers delivered and the capture, detached and drained.
fn capture(pair: &Pair, options: LiveOptions, frames: u32, pause: Duration) -> (u64, LiveCapture, u32) {
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let readers = capture.take_readers();
    let over = AtomicBool::new(false);
    let (delivered, cost) = thread::scope(|scope| {
        let workers: Vec<_> =
            readers.into_iter().map(|reader| scope.spawn(|| work(reader, &over, pause))).collect();
        let sent = pair.client.enter(|| Generator::new(2, 4096, smallest_frame())?.send(frames));
        thread::sleep(Duration::from_millis(100));
        let problems = capture.detach();
        // Before anything here may fail, for the workers wait for it.
        over.store(true, Ordering::Release);
        assert_eq!(problems, Vec::<String>::new());
        let cost = sent.unwrap().unwrap();
        (workers.into_iter().map(|worker| worker.join().unwrap()).sum(), cost)
    });
    (delivered, capture, cost)
}

fn work(mut reader: RingReader, over: &AtomicBool, pause: Duration) -> u64 {
    let mut delivered = 0;
    loop {
        // Read before the ring is: what is in it then is all there will be.
        let last = over.load(Ordering::Acquire);
        let taken = reader.poll(1024, |header, _| assert_eq!(header.frame_len, 60)) as u64;
        delivered += taken;
        if taken == 0 && last {
            return delivered;
        }
        if taken == 0 {
            reader.wait(Duration::from_millis(50)).unwrap();
        }
        thread::sleep(pause);
    }
}

#[test]
fn the_ledger_closes_under_overload() {
    if !has_root("the_ledger_closes_under_overload") {
        return;
    }
    for (hook, expected) in [(HookChoice::Xdp, Hook::XdpIngress), (HookChoice::Tc, Hook::TcIngress)] {
        let pair = Pair::without_addresses("overload").unwrap();
        run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "on"]).unwrap();
        let interfaces = vec!["veth0".to_owned()];
        let options =
            LiveOptions { interfaces, hook, shards: 2, ring_bytes: 1 << 16, ..LiveOptions::default() };
        let before = interface_packets(&pair.server, "veth0").unwrap().0;
        let (delivered, capture, _) = capture(&pair, options, 300_000, Duration::from_millis(50));
        let arrived = interface_packets(&pair.server, "veth0").unwrap().0 - before;
        let counters = capture.hook_counters(0, expected);
        assert_eq!(counters.seen(), arrived, "{hook:?}");
        assert_eq!(counters.get(Counter::Recorded), delivered, "{hook:?}");
        assert!(counters.get(Counter::RingFull) > 0, "{hook:?}: not overloaded");
        assert!(arrived > 10_000, "{hook:?}: {arrived}");
    }
}

/// How fast it goes; printed, because what is fast enough is a matter for the benchmarks.
#[test]
fn speed_without_pause() {
    if !has_root("speed_without_pause") {
        return;
    }
    for hook in [HookChoice::Xdp, HookChoice::Tc] {
        let pair = Pair::without_addresses("speed").unwrap();
        run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "on"]).unwrap();
        let interfaces = vec!["veth0".to_owned()];
        let options = LiveOptions { interfaces, hook, ..LiveOptions::default() };
        let before = interface_packets(&pair.server, "veth0").unwrap().0;
        let (delivered, capture, cost) = capture(&pair, options, 3_000_000, Duration::ZERO);
        let arrived = interface_packets(&pair.server, "veth0").unwrap().0 - before;
        println!("{hook:?}: {cost} ns per frame sent, {arrived} arrived, {delivered} delivered");
        let seen: u64 = capture.counters().iter().map(|one| one.seen()).sum();
        assert_eq!(seen, arrived);
    }
}
