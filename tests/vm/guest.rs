//! The guest itself: without what is asked here, no other scenario in it means anything.

use std::{fs, path::Path};

use tcpkit_tests::run::tcpkit;

use super::tell::feature;

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn the_guest_has_what_tests_count_on() {
    for place in ["/sys/fs/bpf", "/sys/kernel/tracing/events", "/run/netns", "/sys/fs/cgroup/cgroup.procs"] {
        assert!(Path::new(place).exists(), "{place} is not there");
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(mounts.contains("/sys/fs/bpf bpf"), "{mounts}");
    assert_eq!(fs::read_to_string("/sys/class/net/lo/operstate").unwrap().trim(), "unknown");
    tcpkit(["--version"]).run().success();
    tcpkit(["-r", "captures/traffic-mix.pcap", "--json"]).run().success();
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn the_kernel_tells_what_it_is() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    feature("kernel", release.trim(), "");
    let types = if Path::new("/sys/kernel/btf/vmlinux").exists() { "yes" } else { "no" };
    feature("types of the kernel (BTF)", types, "");
}
