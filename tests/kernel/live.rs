//! Real traffic in namespaces: every frame is accounted for, and nothing stays attached.

use std::time::Duration;

use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions};
use tcpkit_common::counter::Counter;
use tcpkit_tests::netns::{Pair, has_root};

fn options(hook: HookChoice) -> LiveOptions {
    LiveOptions { interfaces: vec!["veth0".to_owned()], hook, ring_bytes: 1 << 20, ..LiveOptions::default() }
}

#[test]
fn smoke() {
    if !has_root("smoke") {
        return;
    }
    for hook in [HookChoice::Tc, HookChoice::Xdp] {
        let pair = Pair::new("smoke").unwrap();
        let mut capture = pair.server.enter(|| LiveCapture::open(options(hook))).unwrap().unwrap();
        println!("{:?} {:?}", capture.interfaces(), capture.notes());
        let mut readers = capture.take_readers();
        pair.client.command("ping").args(["-c3", "-i0.01", "10.77.0.2"]).output().unwrap();
        capture.detach();
        std::thread::sleep(Duration::from_millis(10));
        let mut delivered = 0;
        for reader in &mut readers {
            reader.poll(1000, |header, bytes| {
                delivered += 1;
                println!("{header:?} {}", bytes.len());
            });
        }
        let counters = capture.counters();
        println!("{counters:?}");
        let recorded: u64 = counters.iter().map(|one| one.get(Counter::Recorded)).sum();
        assert_eq!(recorded, delivered);
        assert!(delivered >= 6);
    }
}
