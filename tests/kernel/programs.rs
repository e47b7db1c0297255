//! Each program over single frames, by `BPF_PROG_TEST_RUN`: record, hash, counters, and the frame as it was.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use tcpkit_agent::source::live::{HookChoice, HookCounters, LiveCapture, LiveOptions, RingReader, XdpKind};
use tcpkit_common::{
    counter::Counter,
    flow::FlowHash,
    record::{Hook, RecordHeader},
};
use tcpkit_tests::{
    netns::{Namespace, has_root},
    test_run::{Context, test_run},
};

use super::{
    frames::{Case, Random, cases, ethernet, tcp, v4},
    parse::parse,
};

/// The programs of a capture that sees no other traffic than what a test feeds them.
pub(super) struct Bench {
    capture: LiveCapture,
    readers: Vec<RingReader>,
    /// By hook, once it has been asked for: before a slow machine's verifier each is dear.
    programs: [Option<OwnedFd>; 3],
    // Gone only after the capture has let go of it.
    _namespace: Namespace,
}

impl Bench {
    pub(super) fn new(options: LiveOptions) -> Self {
        let namespace = Namespace::new("bench").unwrap();
        let options = LiveOptions { interfaces: vec!["lo".to_owned()], hook: HookChoice::Tc, ..options };
        let mut capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
        let readers = capture.take_readers();
        Self { capture, readers, programs: [const { None }; 3], _namespace: namespace }
    }

    /// The program of a hook, loaded when it is first asked for.
    fn program(&mut self, hook: Hook) -> BorrowedFd<'_> {
        let capture = &mut self.capture;
        let program: &OwnedFd =
            self.programs[hook as usize].get_or_insert_with(|| capture.program_fd(hook).unwrap());
        program.as_fd()
    }

    /// Feeds one frame to one program, which must pass it on unchanged; gives the record, if there is one.
    pub(super) fn feed(
        &mut self,
        hook: Hook,
        frame: &[u8],
        context: Context,
    ) -> Option<(u32, RecordHeader, Vec<u8>)> {
        let run = test_run(self.program(hook), frame, context).unwrap();
        assert_eq!(run.verdict, if hook == Hook::XdpIngress { XDP_PASS } else { u32::MAX });
        assert_eq!(run.frame, frame, "{hook:?} changed the frame");
        let mut record = None;
        for reader in &mut self.readers {
            let shard = reader.shard();
            reader.poll(2, |header, bytes| {
                assert!(record.is_none(), "two records of one frame");
                record = Some((shard, *header, bytes.to_vec()));
            });
        }
        record
    }

    /// Instructions that the verifier went through for a program.
    pub(super) fn verified_instructions(&mut self, hook: Hook) -> u32 {
        self.program(hook);
        self.capture.program_info(hook).unwrap().verified_instruction_count().unwrap()
    }

    /// The counters of a hook, of which `lo` has only one attached.
    pub(super) fn counters(&self, hook: Hook) -> HookCounters {
        self.capture.hook_counters(0, hook)
    }
}

const XDP_PASS: u32 = 2;

/// Both programs that XDP may run; kernels before 5.18 have only the second.
pub(super) const XDP_KINDS: [XdpKind; 2] = [XdpKind::Auto, XdpKind::Linear];

/// `BPF_PROG_TEST_RUN` makes no skb of an IP packet that is shorter than its header (linux/net/bpf/test_run.c).
pub(super) fn can_be_fed(hook: Hook, frame: &[u8]) -> bool {
    let needed = match (frame[12], frame[13]) {
        (0x08, 0x00) => 34,
        (0x86, 0xdd) => 54,
        _ => 14,
    };
    hook == Hook::XdpIngress || frame.len() >= needed
}

#[test]
pub(crate) fn every_kind_of_frame_is_recorded_in_the_ring_of_its_flow() {
    if !has_root("every_kind_of_frame_is_recorded_in_the_ring_of_its_flow") {
        return;
    }
    for xdp in XDP_KINDS {
        let options =
            LiveOptions { xdp, shards: 5, snaplen: 60, ring_bytes: 1 << 16, ..LiveOptions::default() };
        let mut bench = Bench::new(options);
        for hook in Hook::ALL {
            every_kind_of_frame(&mut bench, hook);
        }
    }
}

fn every_kind_of_frame(bench: &mut Bench, hook: Hook) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| can_be_fed(hook, &case.frame)).collect();
    for case in &cases {
        let name = case.name;
        let (shard, header, bytes) = bench.feed(hook, &case.frame, Context::default()).unwrap();
        assert_eq!(header.flow_hash, case.hash.0, "{name} at {hook:?}");
        assert_eq!(shard, case.hash.shard(5), "{name}");
        assert_eq!(header.frame_len as usize, case.frame.len(), "{name}");
        assert_eq!(bytes, case.frame[..case.frame.len().min(60)], "{name}");
        assert_eq!((header.hook, header.gso_size, header.vlan_protocol), (hook as u8, 0, 0), "{name}");
        assert!(header.monotonic_ns > 0);
    }
    let counters = bench.counters(hook);
    let kinds = cases.len() as u64;
    assert_eq!(
        [counters.seen(), counters.get(Counter::Recorded), counters.get(Counter::WirePackets)],
        [kinds; 3]
    );
    let bytes: usize = cases.iter().map(|case| case.frame.len()).sum();
    assert_eq!(counters.get(Counter::WireBytes), bytes as u64);
    assert_eq!(counters.get(Counter::ArpPackets), 1);
    assert_eq!(counters.get(Counter::FragmentPackets), 4);
    assert_eq!(counters.get(Counter::IcmpPackets), 4);
    let ip = counters.get(Counter::Ipv4Packets) + counters.get(Counter::Ipv6Packets);
    assert_eq!(ip, cases.iter().filter(|case| case.hash != FlowHash(0)).count() as u64);
}

#[test]
fn any_bytes_get_one_fate_and_the_hash_of_the_host() {
    if !has_root("any_bytes_get_one_fate_and_the_hash_of_the_host") {
        return;
    }
    for xdp in XDP_KINDS {
        any_bytes(LiveOptions {
            xdp,
            shards: 3,
            snaplen: 1500,
            ring_bytes: 1 << 16,
            ..LiveOptions::default()
        });
    }
}

fn any_bytes(options: LiveOptions) {
    let mut bench = Bench::new(options);
    let cases = cases();
    let mut random = Random(99);
    let mut fed = 0;
    for round in 0..20_000u64 {
        let frame = random.frame(&cases);
        let hook = Hook::ALL[random.below(3)];
        if !can_be_fed(hook, &frame) {
            continue;
        }
        fed += 1;
        let (_, header, bytes) = bench.feed(hook, &frame, Context::default()).unwrap();
        assert_eq!(header.flow_hash, parse(&frame, false).flow_hash().0, "round {round}: {frame:02x?}");
        assert_eq!(bytes, frame);
    }
    let seen: u64 = Hook::ALL.iter().map(|hook| bench.counters(*hook).seen()).sum();
    assert_eq!(seen, fed);
}

#[test]
fn a_full_ring_is_counted_frame_by_frame() {
    if !has_root("a_full_ring_is_counted_frame_by_frame") {
        return;
    }
    let mut bench = Bench::new(LiveOptions { ring_bytes: 4096, ..LiveOptions::default() });
    let frame = ethernet(0x0800, &v4([1; 4], [2; 4], 6, &tcp(100)));
    test_run(bench.program(Hook::TcEgress), &frame, Context { repeat: 1000, ..Context::default() }).unwrap();
    let mut delivered = 0;
    bench.readers[0].poll(usize::MAX, |_, _| delivered += 1);
    let counters = bench.counters(Hook::TcEgress);
    assert_eq!(counters.get(Counter::Recorded), delivered);
    assert_eq!(counters.get(Counter::Recorded) + counters.get(Counter::RingFull), 1000);
    assert_eq!(counters.get(Counter::Frames), 1000);
    assert!(delivered > 10 && delivered < 100, "{delivered}");
}

#[test]
fn a_super_segment_counts_as_what_was_on_the_wire() {
    if !has_root("a_super_segment_counts_as_what_was_on_the_wire") {
        return;
    }
    let mut bench = Bench::new(LiveOptions::default());
    let frame = ethernet(0x0800, &v4([1; 4], [2; 4], 6, &tcp(2_500)));
    let context = Context { gso_size: 1_000, ..Context::default() };
    let (_, header, _) = bench.feed(Hook::TcIngress, &frame, context).unwrap();
    assert_eq!(header.gso_size, 1_000);
    let counters = bench.counters(Hook::TcIngress);
    assert_eq!(counters.get(Counter::WirePackets), 3);
    assert_eq!(counters.get(Counter::WireBytes), 2_500 + 3 * 54);
    assert_eq!((counters.get(Counter::SuperSegments), counters.get(Counter::TcpPackets)), (1, 3));
}

#[test]
pub(crate) fn whole_frames_are_recorded_when_asked_for() {
    if !has_root("whole_frames_are_recorded_when_asked_for") {
        return;
    }
    for xdp in XDP_KINDS {
        let options = LiveOptions { xdp, snaplen: u32::MAX, ring_bytes: 1 << 16, ..LiveOptions::default() };
        let mut bench = Bench::new(options);
        for hook in Hook::ALL {
            let frame = ethernet(0x0800, &v4([1; 4], [2; 4], 6, &tcp(3_000)));
            let (_, header, bytes) = bench.feed(hook, &frame, Context::default()).unwrap();
            assert_eq!((header.captured_len, bytes), (header.frame_len, frame));
        }
    }
}

/// What a frame costs each program; printed, because the limit is a matter for the benchmarks.
#[test]
fn cost_of_each_program() {
    if !has_root("cost_of_each_program") {
        return;
    }
    for (snaplen, xdp) in [(64, XdpKind::Auto), (256, XdpKind::Auto), (256, XdpKind::Linear)] {
        let options = LiveOptions { snaplen, xdp, ring_bytes: 32 << 20, ..LiveOptions::default() };
        let mut bench = Bench::new(options);
        let frame = ethernet(0x0800, &v4([1; 4], [2; 4], 6, &tcp(1_400)));
        for hook in Hook::ALL {
            let mut best = u32::MAX;
            for _ in 0..10 {
                let context = Context { repeat: 10_000, ..Context::default() };
                match test_run(bench.program(hook), &frame, context) {
                    Ok(run) => best = best.min(run.duration_ns),
                    // A signal to the process ends a long run.
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => panic!("{hook:?}: {error}"),
                }
                bench.readers[0].poll(usize::MAX, |_, _| ());
            }
            assert!(best < u32::MAX, "{hook:?}: every run was interrupted");
            println!("{hook:?} {xdp:?} snaplen {snaplen}: {best} ns");
            assert_eq!(bench.counters(hook).get(Counter::RingFull), 0);
        }
    }
}
