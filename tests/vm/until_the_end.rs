//! What cannot be undone while a kernel runs: the switches that take eBPF away.

use std::{fs, path::Path};

use serde_json::Value;
use tcpkit_tests::{live::Live, netns::Pair, traffic::transfer};

use super::tell::{check, feature, judge};
use crate::live::{ledger::closes, refused};

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
const UNPRIVILEGED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn privileges_decide_and_one_line_says_what_is_missing() {
    judge("no capabilities: libpcap, and why", || {
        fs::write(UNPRIVILEGED, "1").unwrap();
        refused::without_capabilities_libpcap_captures_and_says_why();
        ""
    });
    judge("CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are enough, unprivileged_bpf_disabled or not", || {
        refused::three_capabilities_are_enough();
        ""
    });
    judge("too little locked memory (before 5.11): libpcap, and why", || {
        refused::too_little_locked_memory_is_told();
        ""
    });
    judge("bpf(2) refused by seccomp, or a kernel too old: libpcap, and why", || {
        refused::a_seccomp_profile_that_refuses_bpf_is_told();
        ""
    });
    judge("a container without bpffs and sysfs: eBPF", || {
        refused::a_container_without_bpffs_and_sysfs_captures_by_ebpf();
        ""
    });
}

/// Nothing that tcpkit does by TC is forbidden even there: it copies packets, not kernel memory.
#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn under_lockdown_capture_goes_on() {
    const NAME: &str = "lockdown=confidentiality: capture by eBPF";
    if !Path::new(LOCKDOWN).exists() {
        return check(NAME, "left out", "this kernel has no lockdown");
    }
    // Modules come before the lock.
    let pair = Pair::new("lockdown").unwrap();
    let before = captured(&pair, "xdp");
    judge(NAME, || {
        fs::write(LOCKDOWN, "confidentiality").unwrap();
        assert!(fs::read_to_string(LOCKDOWN).unwrap().contains("[confidentiality]"));
        let (tc, xdp) = (captured(&pair, "tc"), captured(&pair, "xdp"));
        assert_eq!(tc["capture"]["interfaces"][0]["hook"], "ebpf/tc");
        let (was, is) = (hook(&before), hook(&xdp));
        let notes = xdp["capture"]["notes"].to_string();
        let remark = "XDP reads frames by bpf_probe_read_kernel, which lockdown takes; TC stands in";
        let (value, remark) = if was == is { ("yes", "") } else { ("no", remark) };
        assert!(was == is || notes.contains("using TC"), "{notes}");
        feature("XDP under lockdown=confidentiality", value, remark);
        ""
    });
}

fn hook(report: &Value) -> &str {
    report["capture"]["interfaces"][0]["hook"].as_str().unwrap()
}

/// The report of a capture by eBPF in which a connection was made, of which not a frame is missing.
fn captured(pair: &Pair, hook: &str) -> Value {
    let words = ["-i", "veth0", "--json", "--backend", "ebpf", "--hook", hook];
    let live = Live::start(&pair.server, &words);
    transfer(pair, 100_000).unwrap();
    let report = live.end(libc::SIGINT).success().json();
    closes(&report);
    assert_eq!((&report["completeness"], &report["totals"]["flows"]), (&1.0.into(), &1.into()), "{report}");
    report
}
