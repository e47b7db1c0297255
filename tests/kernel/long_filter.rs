//! Filters of every length, with the whole object around them: what is attached loads, and quickly.

use std::time::Duration;

use aya::programs::TcAttachType;
use tcpkit_agent::{
    filter,
    source::live::{HookChoice, LiveCapture, LiveOptions},
    wire::LinkType,
};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    netns::{Pair, has_root},
    run::tcpkit,
};

use super::filter::placed;

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" or ")
}

fn pairs(count: u32) -> String {
    joined((0..count).map(|index| format!("(host 10.0.{}.7 and port {})", index % 250, 1_000 + index)))
}

fn hosts_6(count: u32) -> String {
    joined((0..count).map(|index| format!("host 2001:db8:{:x}::{:x}", index * 7 + 1, index + 1)))
}

/// Instructions of the longer of the two translations, or `None` where it does not fit.
fn instructions(expression: &str) -> Option<usize> {
    let program = filter::compile(expression, LinkType::ETHERNET, 65_535).unwrap();
    let translation = filter::translate(&program).ok()?;
    Some(translation.direct.len().max(translation.copy.len()))
}

/// The most IPv6 hosts that fit.
fn most_hosts_6() -> u32 {
    let (mut fits, mut too_many) = (800, 1_200);
    while too_many - fits > 1 {
        let middle = (fits + too_many) / 2;
        if instructions(&hosts_6(middle)).is_some() { fits = middle } else { too_many = middle }
    }
    fits
}

#[test]
fn long_filters_load_in_all_three_programs() {
    if !has_root("long_filters_load_in_all_three_programs") {
        return;
    }
    let pair = Pair::new("long").unwrap();
    for (what, expression) in [
        ("one port".to_owned(), "tcp port 443".to_owned()),
        ("200 host-port pairs".to_owned(), pairs(200)),
        ("500 IPv6 hosts".to_owned(), hosts_6(500)),
        ("800 IPv6 hosts".to_owned(), hosts_6(800)),
    ] {
        let slots = instructions(&expression).unwrap();
        for hook in [HookChoice::Tc, HookChoice::Xdp] {
            let options = LiveOptions {
                interfaces: vec!["veth0".to_owned()],
                hook,
                ring_bytes: 1 << 16,
                filter: placed(&expression),
                ..LiveOptions::default()
            };
            let start = processor_time();
            let capture = pair.server.enter(|| LiveCapture::open(options)).unwrap();
            let took = processor_time().saturating_sub(start);
            let mut capture = capture.unwrap_or_else(|error| panic!("{what} by {hook:?}: {error}"));
            let hooks = capture.interfaces()[0].hooks.clone();
            let first = if hook == HookChoice::Xdp { Hook::XdpIngress } else { Hook::TcIngress };
            assert_eq!(hooks, [first, Hook::TcEgress], "{what}: {:?}", capture.notes());
            let verified = hooks.map_verified(&capture);
            println!(
                "{what}: {slots} slots; {hook:?} attached in {took:?} of processor time; verified {verified:?}"
            );
            assert!(verified.iter().all(|(_, count)| *count < VERIFIER_LIMIT / 2), "{what}: {verified:?}");
            assert!(took.as_secs() < 30, "{what} took {took:?}");
            pair.server.enter(|| capture.detach()).unwrap();
        }
    }
}

/// linux/bpf.h: `BPF_COMPLEXITY_LIMIT_INSNS`; twice what is used must be left, for kernels that count otherwise.
const VERIFIER_LIMIT: u32 = 1_000_000;

/// What this thread has cost, in the kernel too: the verifier runs in it, and other tests run beside it.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours, and every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// What the verifier did for each hook.
trait Verified {
    fn map_verified(&self, capture: &LiveCapture) -> Vec<(Hook, u32)>;
}

impl Verified for Vec<Hook> {
    fn map_verified(&self, capture: &LiveCapture) -> Vec<(Hook, u32)> {
        let count = |hook| capture.program_info(hook).unwrap().verified_instruction_count().unwrap();
        self.iter().map(|hook| (*hook, count(*hook))).collect()
    }
}

/// What fits the slots may still be more than the verifier examines: its own limit on branches kept for later
/// (linux/kernel/bpf/verifier.c: `BPF_COMPLEXITY_LIMIT_JMP_SEQ`) depends on the expression.
#[test]
fn the_longest_filter_loads_or_names_the_verifiers_limit() {
    if !has_root("the_longest_filter_loads_or_names_the_verifiers_limit") {
        return;
    }
    let most = most_hosts_6();
    let pair = Pair::new("longest").unwrap();
    let options = LiveOptions {
        interfaces: vec!["veth0".to_owned()],
        hook: HookChoice::Tc,
        ring_bytes: 1 << 16,
        filter: placed(&hosts_6(most)),
        ..LiveOptions::default()
    };
    match pair.server.enter(|| LiveCapture::open(options)).unwrap() {
        Ok(capture) => {
            println!("{most} IPv6 hosts: {:?}", vec![Hook::TcIngress, Hook::TcEgress].map_verified(&capture))
        }
        Err(error) => {
            let text = error.to_string();
            println!("{most} IPv6 hosts: {text}");
            assert!(text.starts_with("the filter is too long for this kernel's verifier ("), "{text}");
            assert!(text.contains("jumps is too complex") || text.contains("too large"), "{text}");
            assert!(text.contains("--backend pcap"), "{text}");
            assert_eq!(pair.server.enter(|| super::classifiers("veth0", TcAttachType::Egress)).unwrap(), 0);
        }
    }
}

#[test]
fn only_what_is_attached_is_loaded() {
    if !has_root("only_what_is_attached_is_loaded") {
        return;
    }
    let pair = Pair::new("loaded").unwrap();
    for (interface, hook, expected) in [
        ("veth0", HookChoice::Tc, [false, true, true]),
        ("veth0", HookChoice::Xdp, [true, false, true]),
        ("lo", HookChoice::Tc, [false, true, false]),
        ("lo", HookChoice::Xdp, [false, true, false]),
    ] {
        let options = LiveOptions {
            interfaces: vec![interface.to_owned()],
            hook,
            ring_bytes: 1 << 16,
            ..LiveOptions::default()
        };
        let capture = pair.server.enter(|| LiveCapture::open(options)).unwrap().unwrap();
        let loaded = Hook::ALL.map(|hook| capture.program_info(hook).is_ok());
        assert_eq!(loaded, expected, "{interface} {hook:?}");
    }
}

#[test]
fn a_filter_that_does_not_fit_names_the_limit() {
    if !has_root("a_filter_that_does_not_fit_names_the_limit") {
        return;
    }
    let expression = hosts_6(most_hosts_6() + 1);
    tcpkit(["-i", "lo", "--backend", "ebpf", "--duration", "1", &expression])
        .run()
        .failure(1, &["too long", "31998", "networks instead of hosts", "--backend pcap"]);
}
