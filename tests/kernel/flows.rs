//! Traffic by flow and by millisecond as the programs count it: every frame that was wanted is in one row or in a sum
//! beside them, whatever becomes of its record.

use std::{collections::HashMap, os::fd::AsFd as _, time::Duration};

use tcpkit_agent::source::live::{
    FlowOther, FlowRow, FlowSum, HookChoice, LiveCapture, LiveOptions, RingReader, XdpKind,
};
use tcpkit_common::{
    counter::Counter,
    flow::{Address, FlowHash},
    record::Hook,
};
use tcpkit_tests::{
    generator::{Generator, smallest_frame},
    netns::{Namespace, Pair, has_root, run},
    test_run::{Context, test_run},
    traffic::interface_packets,
};

use super::{
    frames::{ethernet, tcp, v4},
    programs::{XDP_KINDS, can_be_fed},
};

/// A capture on a silent interface, whose programs a test feeds.
struct Bench {
    capture: LiveCapture,
    readers: Vec<RingReader>,
    _namespace: Namespace,
}

impl Bench {
    fn new(options: LiveOptions) -> Self {
        let namespace = Namespace::new("flows").unwrap();
        let options = LiveOptions { interfaces: vec!["lo".to_owned()], hook: HookChoice::Tc, ..options };
        let mut capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
        let readers = capture.take_readers();
        Self { capture, readers, _namespace: namespace }
    }

    fn feed(&mut self, hook: Hook, frame: &[u8], context: Context) {
        let program = self.capture.program_fd(hook).unwrap();
        test_run(program.as_fd(), frame, context).unwrap();
        for reader in &mut self.readers {
            while reader.poll(1_024, |_, _| {}) > 0 {}
        }
    }

    fn rows(&mut self) -> Vec<FlowRow> {
        self.capture.read_flow_counts().unwrap().rows().collect()
    }
}

/// What one hook has counted in all.
fn total(capture: &LiveCapture, hook: Hook) -> FlowSum {
    let counters = capture.hook_counters(0, hook);
    FlowSum {
        frames: counters.get(Counter::Frames),
        packets: counters.get(Counter::WirePackets),
        bytes: counters.get(Counter::WireBytes),
    }
}

/// Rows and sums beside them make up everything, to the byte.
fn assert_closes(capture: &mut LiveCapture, hook: Hook) -> (Vec<FlowRow>, FlowOther) {
    let expected = total(capture, hook);
    let reading = capture.read_flow_counts().unwrap();
    let rows: Vec<_> = reading.rows().filter(|row| row.hook == hook).collect();
    let other = reading.other(0, hook);
    let in_rows = rows.iter().fold(FlowSum::default(), |sum, row| sum.plus(row.sum));
    let all = in_rows.plus(other.no_flow).plus(other.evicted).plus(other.forgotten);
    assert_eq!(all, expected, "{hook:?}: {other:?}");
    (rows, other)
}

/// TCP over IPv4 between the same two hosts.
fn segment(source_port: u16, destination_port: u16, payload: usize) -> Vec<u8> {
    let mut transport = tcp(payload);
    transport[..2].copy_from_slice(&source_port.to_be_bytes());
    transport[2..4].copy_from_slice(&destination_port.to_be_bytes());
    ethernet(0x0800, &v4([10, 0, 0, 1], [10, 0, 0, 2], 6, &transport))
}

#[test]
pub(crate) fn each_direction_of_a_flow_has_its_own_sums_at_every_hook() {
    if !has_root("each_direction_of_a_flow_has_its_own_sums_at_every_hook") {
        return;
    }
    for xdp in XDP_KINDS {
        let options = LiveOptions { xdp, flow_counters: 1_024, bursts: true, ..LiveOptions::default() };
        let mut bench = Bench::new(options);
        for hook in Hook::ALL {
            two_directions(&mut bench, hook);
        }
    }
}

fn two_directions(bench: &mut Bench, hook: Hook) {
    let there = segment(40_000, 80, 10);
    let back = segment(80, 40_000, 1_000);
    for _ in 0..3 {
        bench.feed(hook, &there, Context::default());
    }
    bench.feed(hook, &back, Context::default());
    let (rows, other) = assert_closes(&mut bench.capture, hook);
    assert_eq!((rows.len(), other), (2, FlowOther::default()), "{hook:?}");
    for (source_port, frames, frame) in [(40_000, 3, &there), (80, 1, &back)] {
        let row = rows.iter().find(|row| row.tuple.source_port == source_port).unwrap();
        let bytes = frames * frame.len() as u64;
        assert_eq!(row.sum, FlowSum { frames, packets: frames, bytes }, "{hook:?}");
        assert_eq!((row.protocol, row.interface), (6, 0));
        assert!(row.first_ns <= row.last_ns && row.first_ns > 0);
    }
}

#[test]
fn what_has_no_flow_and_what_was_merged_is_counted_too() {
    if !has_root("what_has_no_flow_and_what_was_merged_is_counted_too") {
        return;
    }
    let options = LiveOptions { flow_counters: 1_024, ..LiveOptions::default() };
    let mut bench = Bench::new(options);
    let mut flows = 0;
    for case in super::frames::cases() {
        for hook in Hook::ALL {
            if can_be_fed(hook, &case.frame) {
                bench.feed(
                    hook,
                    &case.frame,
                    Context { xdp: hook == Hook::XdpIngress, ..Context::default() },
                );
            }
        }
    }
    // 2,500 bytes in segments of 500.
    let merged = segment(1, 2, 2_500);
    bench.feed(Hook::TcIngress, &merged, Context { gso_size: 500, ..Context::default() });
    for hook in Hook::ALL {
        let (rows, other) = assert_closes(&mut bench.capture, hook);
        assert!(other.no_flow.frames > 0, "{hook:?}");
        assert_eq!(other.evictions, 0, "{hook:?}");
        flows += rows.len();
    }
    assert!(flows > 10, "{flows}");
    let rows = bench.rows();
    let row = rows.iter().find(|row| (row.tuple.source_port, row.tuple.destination_port) == (1, 2)).unwrap();
    assert_eq!(row.sum, FlowSum { frames: 1, packets: 5, bytes: merged.len() as u64 + 4 * 54 });
}

#[test]
fn readings_add_up_and_flows_that_give_way_are_told() {
    if !has_root("readings_add_up_and_flows_that_give_way_are_told") {
        return;
    }
    // One set of eight places for each processor.
    let mut bench = Bench::new(LiveOptions { flow_counters: 1, ..LiveOptions::default() });
    let hook = Hook::TcIngress;
    let mut fed: HashMap<u16, u64> = HashMap::new();
    for round in 0..40u16 {
        for port in [round + 1, round / 4 + 1, 5_000] {
            let frame = segment(port, 443, usize::from(round));
            bench.feed(hook, &frame, Context::default());
            *fed.entry(port).or_default() += frame.len() as u64;
            // Who was silent longest is known by the millisecond.
            std::thread::sleep(Duration::from_millis(3));
        }
        assert_closes(&mut bench.capture, hook);
    }
    // Read after every frame, so nothing that gave way was lost to its row.
    let (_, other) = assert_closes(&mut bench.capture, hook);
    assert!(other.evictions > 0, "{other:?}");
    assert_eq!(other.evicted, FlowSum::default());
    bench.capture.detach();
    let (rows, _) = assert_closes(&mut bench.capture, hook);
    // No more is remembered than the table has places.
    assert!(!rows.is_empty());
    let known = rows.iter().find(|row| row.tuple.source_port == 5_000).unwrap();
    assert_eq!(known.sum.bytes, fed[&5_000]);
}

#[test]
fn flows_that_gave_way_unread_are_in_the_sum_beside_the_rows() {
    if !has_root("flows_that_gave_way_unread_are_in_the_sum_beside_the_rows") {
        return;
    }
    let mut bench = Bench::new(LiveOptions { flow_counters: 1, ..LiveOptions::default() });
    for port in 1..=500 {
        bench.feed(Hook::TcEgress, &segment(port, 443, 0), Context::default());
    }
    let (rows, other) = assert_closes(&mut bench.capture, Hook::TcEgress);
    assert_eq!(other.evicted.frames, other.evictions);
    assert_eq!(rows.len() as u64 + other.evicted.frames, 500);
    assert!(rows.len() >= 8, "{rows:?}");
    let recent = rows.iter().filter(|row| row.recent.frames == 1).count();
    assert_eq!(recent, rows.len());
    assert!(bench.rows().iter().all(|row| row.recent == FlowSum::default()), "nothing new came");
}

#[test]
fn a_burst_is_in_its_millisecond_with_its_flow() {
    if !has_root("a_burst_is_in_its_millisecond_with_its_flow") {
        return;
    }
    let options = LiveOptions { bursts: true, ..LiveOptions::default() };
    let mut bench = Bench::new(options);
    let (big, small) = (segment(40_000, 80, 1_400), segment(9, 80, 0));
    for _ in 0..5 {
        bench.feed(Hook::TcIngress, &small, Context::default());
    }
    bench.feed(Hook::TcIngress, &big, Context { repeat: 2_000, ..Context::default() });
    assert_eq!(bench.capture.flow_counts().map(|reading| reading.len()), None, "flows were not asked for");
    bench.capture.detach();
    let expected = total(&bench.capture, Hook::TcIngress);
    let readings = bench.capture.read_bursts();
    let [[came, went]] = &readings[..] else { panic!("{readings:?}") };
    assert_eq!(came.missed, 0);
    assert_eq!(came.milliseconds.iter().map(|one| one.bytes).sum::<u64>(), expected.bytes);
    assert_eq!(came.milliseconds.iter().map(|one| one.packets).sum::<u64>(), expected.packets);
    assert!(went.milliseconds.iter().all(|one| one.bytes == 0));
    let peak = came.milliseconds.iter().max_by_key(|one| one.bytes).unwrap();
    assert_eq!(FlowHash(peak.candidate), hash(40_000, 80), "{peak:?}");
    assert!(peak.weight * 2 > peak.bytes && peak.weight <= peak.bytes, "{peak:?}");
    // What was read is not read again.
    let again = bench.capture.read_bursts();
    assert!(again[0][0].milliseconds.iter().all(|one| one.bytes == 0));
}

fn hash(source_port: u16, destination_port: u16) -> FlowHash {
    let frame = segment(source_port, destination_port, 0);
    let ip = |at: usize| Address::v4(frame[at..at + 4].try_into().unwrap()).halves();
    let halves = |(high, low)| [high, low];
    FlowHash::of_halves(halves(ip(26)), source_port, halves(ip(30)), destination_port)
}

/// At the generator's full rate, into rings so small that most records are lost.
#[test]
fn every_frame_of_every_flow_is_counted_at_full_rate() {
    if !has_root("every_frame_of_every_flow_is_counted_at_full_rate") {
        return;
    }
    for (hook, expected) in [(HookChoice::Xdp, Hook::XdpIngress), (HookChoice::Tc, Hook::TcIngress)] {
        let pair = Pair::without_addresses("rate").unwrap();
        run("ip", &["netns", "exec", pair.server.name(), "ethtool", "-K", "veth0", "gro", "on"]).unwrap();
        let options = LiveOptions {
            interfaces: vec!["veth0".to_owned()],
            hook,
            xdp: XdpKind::Auto,
            ring_bytes: 1 << 12,
            flow_counters: 262_144,
            bursts: true,
            ..LiveOptions::default()
        };
        let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
        let before = interface_packets(&pair.server, "veth0").unwrap().0;
        let flows = 8_192;
        let (mut in_bins, mut missed) = (0, 0);
        for _ in 0..8 {
            let generator =
                pair.client.enter(|| Generator::new(2, flows, smallest_frame())).unwrap().unwrap();
            pair.client.enter(|| generator.send(65_536)).unwrap().unwrap();
            capture.read_flow_counts().unwrap();
            in_bins += bytes(&mut capture, &mut missed);
        }
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(capture.detach(), Vec::<String>::new());
        let arrived = interface_packets(&pair.server, "veth0").unwrap().0 - before;
        let counters = capture.hook_counters(0, expected);
        assert_eq!(counters.seen(), arrived, "{hook:?}");
        assert!(counters.get(Counter::RingFull) > arrived / 2, "{hook:?}: the ring was not overrun");
        let (rows, other) = assert_closes(&mut capture, expected);
        assert_eq!(other, FlowOther::default(), "{hook:?}");
        assert_eq!(rows.len(), flows as usize, "{hook:?}");
        assert_eq!(rows.iter().map(|row| row.sum.frames).sum::<u64>(), arrived, "{hook:?}");
        assert_eq!(rows.iter().map(|row| row.sum.bytes).sum::<u64>(), arrived * 60, "{hook:?}");
        in_bins += bytes(&mut capture, &mut missed);
        // A machine that stood still for seconds has missed some, and says so.
        assert!(in_bins == arrived * 60 || (missed > 0 && in_bins < arrived * 60), "{hook:?}: {in_bins}");
    }
}

/// Bytes of the milliseconds that were not read yet; `missed` grows by those that were overwritten.
fn bytes(capture: &mut LiveCapture, missed: &mut u64) -> u64 {
    let readings = capture.read_bursts();
    *missed += readings.iter().flatten().map(|reading| reading.missed).sum::<u64>();
    readings.iter().flatten().flat_map(|reading| &reading.milliseconds).map(|one| one.bytes).sum()
}
