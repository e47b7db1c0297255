//! Real traffic in namespaces: every frame is accounted for, and nothing stays attached.
#![expect(clippy::disallowed_methods, reason = "these tests measure real time")]

use std::{
    io::{BufRead, BufReader},
    net::UdpSocket,
    process::Stdio,
    time::{Duration, Instant},
};

use tcpkit_agent::source::live::{
    HookChoice, HookCounters, InterfaceState, LiveCapture, LiveOptions, RingReader, TcAttach,
};
use tcpkit_common::{counter::Counter, record::Hook};
use tcpkit_tests::{
    attached::Attached,
    netns::{Pair, has_root, run},
    traffic::{interface_packets, snmp, transfer},
    wait::until,
};

fn options(hook: HookChoice, tc_attach: TcAttach) -> LiveOptions {
    let interfaces = vec!["veth0".to_owned()];
    LiveOptions { interfaces, hook, tc_attach, shards: 3, ring_bytes: 16 << 20, ..LiveOptions::default() }
}

/// Empties the rings; gives how many records there were.
fn drain(readers: &mut [RingReader]) -> u64 {
    let mut delivered = 0;
    for reader in readers {
        while reader.poll(usize::MAX, |header, bytes| {
            assert_eq!(header.captured_len as usize, bytes.len());
            assert!(bytes.len() <= 256 && header.frame_len as usize >= bytes.len());
            delivered += 1;
        }) > 0
        {}
        assert!(reader.is_empty());
    }
    delivered
}

fn by_hook(counters: &[HookCounters], hook: Hook) -> HookCounters {
    *counters.iter().find(|one| one.hook == hook).expect("the hook is attached")
}

/// What the kernel itself counted while a capture was open, between the readings inside of it and those around it:
/// neighbour discovery and the last words of a connection may fall between two readings.
struct Bracket {
    inside: Reading,
    around: Reading,
}

/// The kernel's own counts at one time.
struct Reading {
    /// Packets in and out of the server's interface.
    packets: (u64, u64),
    /// TCP segments that client and server put on the wire first, and those that they sent again. Where some were
    /// lost on the way, which a busy machine's backlog does, as many were sent again at least.
    segments: [(u64, u64); 2],
}

impl Reading {
    fn now(pair: &Pair) -> Self {
        let segments = [&pair.client, &pair.server].map(|namespace| {
            let count = |name| snmp(namespace, "Tcp", name).unwrap();
            (count("OutSegs"), count("RetransSegs"))
        });
        Self { packets: interface_packets(&pair.server, "veth0").unwrap(), segments }
    }

    /// Counts since an earlier reading.
    fn since(self, earlier: &Self) -> Self {
        let packets = (self.packets.0 - earlier.packets.0, self.packets.1 - earlier.packets.1);
        let difference = |index: usize| {
            let (now, then) = (self.segments[index], earlier.segments[index]);
            (now.0 - then.0, now.1 - then.1)
        };
        Self { packets, segments: [difference(0), difference(1)] }
    }
}

impl Bracket {
    fn check(&self, hook: HookChoice, ingress: &HookCounters, egress: &HookCounters) {
        let frames = |counters: &HookCounters| counters.get(Counter::Frames);
        let packets = self.inside.packets.0..=self.around.packets.0;
        assert!(packets.contains(&frames(ingress)), "{hook:?}: {} of {packets:?} in", frames(ingress));
        let packets = self.inside.packets.1..=self.around.packets.1;
        assert!(packets.contains(&frames(egress)), "{hook:?}: {} of {packets:?} out", frames(egress));
        for (index, counters) in [ingress, egress].into_iter().enumerate() {
            let (first, again) = self.around.segments[index];
            let segments = self.inside.segments[index].0..=first + again;
            let counted = counters.get(Counter::TcpPackets);
            assert!(segments.contains(&counted), "{hook:?}: {counted} of {segments:?}");
        }
    }
}

#[test]
pub(crate) fn counters_agree_with_the_interface_and_with_tcp() {
    if !has_root("counters_agree_with_the_interface_and_with_tcp") {
        return;
    }
    for (hook, tc_attach) in [
        (HookChoice::Tc, TcAttach::Auto),
        (HookChoice::Tc, TcAttach::Clsact),
        (HookChoice::Xdp, TcAttach::Auto),
    ] {
        let pair = Pair::new("agree").unwrap();
        let before = Reading::now(&pair);
        let mut capture = pair.server.enter(|| LiveCapture::open(options(hook, tc_attach))).unwrap().unwrap();
        let mut readers = capture.take_readers();
        let opened = Reading::now(&pair);
        transfer(&pair, 40_000_000).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let inside = Reading::now(&pair).since(&opened);
        // What was sent may wait for the receiver's side of the cable.
        until(Duration::from_secs(5), || {
            let counters = capture.counters();
            counters[0].get(Counter::TcpPackets) >= inside.segments[0].0
                && by_hook(&counters, Hook::TcEgress).get(Counter::TcpPackets) >= inside.segments[1].0
        });
        let delivered = pair.server.enter(|| capture.detach()).map(|_| drain(&mut readers)).unwrap();
        let bracket = Bracket { inside, around: Reading::now(&pair).since(&before) };
        let counters = capture.counters();
        let ingress = counters[0];
        let egress = by_hook(&counters, Hook::TcEgress);

        let recorded = ingress.get(Counter::Recorded) + egress.get(Counter::Recorded);
        assert_eq!(recorded, delivered);
        assert_eq!(ingress.seen(), ingress.get(Counter::Frames));
        bracket.check(hook, &ingress, &egress);
        if hook == HookChoice::Tc {
            assert!(ingress.get(Counter::SuperSegments) > 0);
        }
    }
}

/// Captures until it is killed, when another test starts this binary for that; otherwise does nothing.
#[test]
fn a_capture_to_be_killed() {
    let Ok(kind) = std::env::var("TCPKIT_TEST_CAPTURE") else { return };
    let (hook, tc_attach) = match kind.as_str() {
        "xdp" => (HookChoice::Xdp, TcAttach::Auto),
        "clsact" => (HookChoice::Tc, TcAttach::Clsact),
        _ => (HookChoice::Tc, TcAttach::Auto),
    };
    let capture = LiveCapture::open(options(hook, tc_attach)).unwrap();
    println!("attached {:?}", capture.interfaces());
    std::thread::sleep(Duration::from_secs(60));
}

/// What is attached to the server's interface.
fn attached(pair: &Pair) -> Attached {
    Attached::now(&pair.server, "veth0")
}

#[test]
pub(crate) fn nothing_stays_attached_after_sigkill() {
    if !has_root("nothing_stays_attached_after_sigkill") {
        return;
    }
    let clsact = Attached { clsact: true, ..Attached::NONE };
    for (kind, expected) in [("tc", Attached::by_tc()), ("xdp", Attached::by_xdp()), ("clsact", clsact)] {
        let pair = Pair::new("kill").unwrap();
        let binary = std::env::current_exe().unwrap();
        let mut child = pair
            .server
            .command(binary.to_str().unwrap())
            .args(["--exact", "kernel::live::a_capture_to_be_killed", "--nocapture"])
            .env("TCPKIT_TEST_CAPTURE", kind)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let ready = output.lines().map_while(Result::ok).any(|line| line.contains("attached ["));
        let while_it_lives = attached(&pair);
        child.kill().unwrap();
        child.wait().unwrap();
        let killed = Instant::now();
        while attached(&pair) != Attached::NONE && killed.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(ready, "{kind}: the capture did not begin");
        assert_eq!(while_it_lives, expected, "{kind}");
        assert_eq!(attached(&pair), Attached::NONE, "{kind}");
    }
}

/// Filters at the ingress of the server's interface.
fn filters(pair: &Pair) -> usize {
    let output = run("tc", &["-n", pair.server.name(), "filter", "show", "dev", "veth0", "ingress"]).unwrap();
    String::from_utf8_lossy(&output.stdout).matches(" handle ").count()
}

#[test]
pub(crate) fn a_foreign_clsact_and_its_filters_stay() {
    if !has_root("a_foreign_clsact_and_its_filters_stay") {
        return;
    }
    let pair = Pair::new("foreign").unwrap();
    let open = || LiveCapture::open(options(HookChoice::Tc, TcAttach::Clsact)).unwrap();
    run("tc", &["-n", pair.server.name(), "qdisc", "add", "dev", "veth0", "clsact"]).unwrap();
    let other = pair.server.enter(open).unwrap();
    let ours = pair.server.enter(open).unwrap();
    assert_eq!(filters(&pair), 2);
    drop(ours);
    assert_eq!(filters(&pair), 1);
    drop(other);
    let clsact = Attached { clsact: true, ..Attached::NONE };
    assert_eq!((filters(&pair), attached(&pair)), (0, clsact));
}

#[test]
fn a_clsact_that_others_use_by_now_stays() {
    if !has_root("a_clsact_that_others_use_by_now_stays") {
        return;
    }
    let pair = Pair::new("shared").unwrap();
    let open = || LiveCapture::open(options(HookChoice::Tc, TcAttach::Clsact)).unwrap();
    let ours = pair.server.enter(open).unwrap();
    let other = pair.server.enter(open).unwrap();
    drop(ours);
    assert_eq!(filters(&pair), 1);
    drop(other);
}

#[test]
pub(crate) fn a_foreign_xdp_program_stays_and_tc_is_used() {
    if !has_root("a_foreign_xdp_program_stays_and_tc_is_used") {
        return;
    }
    let pair = Pair::without_addresses("busy").unwrap();
    let open = || LiveCapture::open(options(HookChoice::Xdp, TcAttach::Auto)).unwrap();
    let first = pair.server.enter(open).unwrap();
    let second = pair.server.enter(open).unwrap();
    assert_eq!(first.interfaces()[0].hooks, [Hook::XdpIngress, Hook::TcEgress]);
    assert_eq!(second.interfaces()[0].hooks, [Hook::TcIngress, Hook::TcEgress]);
    assert!(second.notes().iter().any(|note| note.contains("another XDP program")), "{:?}", second.notes());
    drop(second);
    assert_eq!(attached(&pair), Attached::by_xdp());
}

#[test]
fn interface_events_are_told_and_the_last_one_ends_the_capture() {
    if !has_root("interface_events_are_told_and_the_last_one_ends_the_capture") {
        return;
    }
    let pair = Pair::new("events").unwrap();
    let mut options = options(HookChoice::Auto, TcAttach::Auto);
    options.interfaces.push("lo".to_owned());
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    assert_eq!(capture.interfaces()[1].hooks, [Hook::TcIngress]);
    let mut expect = |command: &[&str], expected: &[InterfaceState]| {
        pair.server.ip(command).unwrap();
        let mut states: Vec<InterfaceState> = Vec::new();
        // The kernel tells of a carrier up to a second late.
        for _ in 0..300 {
            std::thread::sleep(Duration::from_millis(10));
            states.extend(capture.changes().into_iter().map(|change| change.state));
            if states.len() >= expected.len() {
                break;
            }
        }
        assert_eq!(states, expected, "{command:?}");
    };
    expect(&["link", "set", "veth0", "down"], &[InterfaceState::Down]);
    expect(&["link", "set", "veth0", "up"], &[InterfaceState::Up]);
    expect(&["link", "del", "veth0"], &[InterfaceState::Down, InterfaceState::Gone]);
    assert!(!capture.is_over());
    assert_eq!(capture.detach(), Vec::<String>::new());
}

#[test]
pub(crate) fn a_sleeping_reader_is_woken_at_once() {
    if !has_root("a_sleeping_reader_is_woken_at_once") {
        return;
    }
    let pair = Pair::new("wake").unwrap();
    let options = LiveOptions { shards: 1, ..options(HookChoice::Tc, TcAttach::Auto) };
    let mut capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
    let mut reader = capture.take_readers().remove(0);
    transfer(&pair, 1).unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        while reader.poll(usize::MAX, |_, _| ()) > 0 {}
        let socket = pair.client.enter(|| UdpSocket::bind("10.77.0.1:0")).unwrap().unwrap();
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            let sent = Instant::now();
            socket.send_to(b"x", "10.77.0.2:9").unwrap();
            sent
        });
        while reader.is_empty() {
            reader.wait(Duration::from_secs(5)).unwrap();
        }
        slowest = slowest.max(Instant::now().saturating_duration_since(sender.join().unwrap()));
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}
