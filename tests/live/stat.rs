//! `tcpkit stat` and `tcpkit prof` on an interface: what the kernel counted, and obedience to signals and time.

use std::time::Duration;

use tcpkit_tests::{
    attached::Attached,
    left_out::{Need, can_run},
    live::inside,
    netns::{Namespace, Pair, run},
    run::Running,
    traffic::transfer,
    wait::{patience, until},
};

/// Packets and bytes that passed an interface, both ways, as `ip -s link` shows them.
fn passed(namespace: &Namespace) -> (u64, u64) {
    let output = namespace.ip(&["-json", "-s", "link", "show", "dev", "veth0"]).unwrap();
    let links: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let both = |name: &str| {
        ["rx", "tx"].iter().map(|way| links[0]["stats64"][way][name].as_u64().unwrap()).sum::<u64>()
    };
    (both("packets"), both("bytes"))
}

/// A run that captures.
fn start(namespace: &Namespace, words: &[&str]) -> Running {
    let mut running = inside(namespace, [&["stat", "-i", "veth0"], words].concat()).start();
    let mut ended = false;
    let ready = until(patience(30), || {
        ended = running.has_ended();
        ended || Attached::now(namespace, "veth0") == Attached::by_tc()
    });
    if ended || !ready {
        running.signal(libc::SIGTERM);
        panic!("no capture: {:?}", running.wait());
    }
    running
}

/// Frames are as on the wire, and nobody reports the multicast groups of a link that has just come up.
fn without_offloads(pair: &Pair) {
    for namespace in [&pair.client, &pair.server] {
        let silence = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
        run("ip", &["netns", "exec", namespace.name(), "sh", "-c", silence]).unwrap();
        let words = ["netns", "exec", namespace.name(), "ethtool", "-K", "veth0"];
        run("ip", &[&words[..], &["tso", "off", "gso", "off", "gro", "off"]].concat()).unwrap();
    }
}

#[test]
fn counters_of_the_kernel_are_those_of_the_interface() {
    let name = "counters_of_the_kernel_are_those_of_the_interface";
    if !can_run(name, &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    let pair = Pair::new("statsum").unwrap();
    without_offloads(&pair);
    let before = passed(&pair.client);
    let mut running = start(&pair.client, &["-l", "-o", r"%n %N %T %A %I %V\n", "0.2"]);
    transfer(&pair, 4 << 20).unwrap();
    let after = passed(&pair.client);
    running.signal(libc::SIGINT);
    let outcome = running.wait().success();
    let sum = |column: usize| -> u64 {
        let cell = |line: &str| line.split(' ').nth(column).unwrap().parse::<u64>().unwrap();
        outcome.stdout.lines().map(cell).sum()
    };
    assert_eq!((sum(0), sum(1)), (after.0 - before.0, after.1 - before.1), "{outcome:?}");
    assert!(sum(1) > 4 << 20, "{outcome:?}");
    assert_eq!(sum(0), sum(2) + sum(3), "TCP and ARP is all there was: {outcome:?}");
    assert_eq!((sum(2), sum(5)), (sum(4), 0), "{outcome:?}");
    assert_eq!(Attached::now(&pair.client, "veth0"), Attached::NONE);
}

#[test]
fn it_ends_after_its_seconds_and_answers_signals_without_a_packet() {
    if !can_run("it_ends_after_its_seconds_and_answers_signals_without_a_packet", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::without_addresses("statend").unwrap();
    let words = ["stat", "-i", "veth0", "-s", "1", "0.4", "-o", r"%n\n"];
    let outcome = inside(&pair.client, words).run().success();
    assert_eq!(outcome.stdout, "0\n0\n0\n", "{outcome:?}");
    let mut running = start(&pair.client, &["-1", "-o", r"%n %b %l\n"]);
    running.signal(libc::SIGUSR1);
    assert!(until(patience(20), || running.stdout_so_far().lines().count() == 1));
    running.signal(libc::SIGTERM);
    let outcome = running.wait().success();
    assert_eq!(outcome.stdout, "0 0.00 1.00\n".repeat(2), "{outcome:?}");
}

#[test]
fn sizes_of_packets_are_those_that_libpcap_sees() {
    let name = "sizes_of_packets_are_those_that_libpcap_sees";
    if !can_run(name, &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    let pair = Pair::new("statdev").unwrap();
    without_offloads(&pair);
    let line = ["-1", "-f", "tcp", "-o", r"%n %N %a %d %I %T %U %b\n"];
    let mut counted = start(&pair.client, &line);
    let words = [&["stat", "-i", "veth0", "--backend", "pcap"], &line[..]].concat();
    let mut looked_at = inside(&pair.client, words).start();
    let is_open = || std::fs::read_to_string(format!("/proc/{}/net/packet", looked_at.id()));
    // Each packet socket is a line below the heading.
    assert!(until(patience(20), || is_open().is_ok_and(|text| text.lines().count() > 1)));
    std::thread::sleep(Duration::from_millis(300));
    transfer(&pair, 1 << 20).unwrap();
    counted.signal(libc::SIGINT);
    looked_at.signal(libc::SIGINT);
    let (counted, looked_at) = (counted.wait().success(), looked_at.wait().success());
    let without_rate = |text: &str| text.rsplit_once(' ').map(|(figures, _)| figures.to_owned());
    assert_eq!(without_rate(&counted.stdout), without_rate(&looked_at.stdout), "{counted:?} {looked_at:?}");
    assert!(without_rate(&counted.stdout).is_some_and(|text| !text.contains("nan")), "{counted:?}");
}

#[test]
fn extremes_take_packets_and_say_so_and_prof_shows_who_talked() {
    if !can_run("extremes_take_packets_and_say_so_and_prof_shows_who_talked", &[Need::Root]) {
        return;
    }
    let pair = Pair::new("statmax").unwrap();
    let both = [
        &["stat", "-i", "veth0", "-s", "2", "-o", r"%m %M\n"][..],
        &["prof", "-i", "veth0", "-n", "-S", "h", "-s", "2"],
    ];
    let [stat, prof] = both.map(|words| inside(&pair.client, words).start());
    // Somebody talks all the time that they look.
    let (mut stat, mut prof) = (stat, prof);
    let over = until(patience(40), || {
        transfer(&pair, 1 << 16).unwrap();
        stat.has_ended() && prof.has_ended()
    });
    assert!(over);
    let (stat, prof) = (stat.wait().success(), prof.wait().success());
    assert!(stat.stderr.contains("%m and %M need the size of each packet"), "{stat:?}");
    let sizes: Vec<u32> = stat.stdout.trim().split(' ').map(|size| size.parse().unwrap()).collect();
    assert!(sizes[0] >= 28 && sizes[1] > 1_000, "{stat:?}");
    assert!(prof.stdout.contains("\t10.77.0.1 ") && prof.stdout.contains("\t10.77.0.2 "), "{prof:?}");
}
