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
fn the_kernel_tells_whether_it_has_its_types() {
    let has_types = Path::new("/sys/kernel/btf/vmlinux").exists();
    let remark = "no capture by eBPF; libpcap stands in, and a line says so";
    let (value, remark) = if has_types { ("yes", "") } else { ("no", remark) };
    feature("types of the kernel (BTF)", value, remark);
}
