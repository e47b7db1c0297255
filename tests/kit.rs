//! git-hulk/tcpkit's command lines on files, beside what its versions printed for the same captures.
//!
//! Where we differ, the difference is listed here and its reason in docs/moving-from-tcpkit.md.

use std::{fs, net::Ipv4Addr};

use tcpkit_tests::run::{Outcome, tcpkit};

fn capture(name: &str) -> String {
    format!("{}/captures/golden__{name}", env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> String {
    fs::read_to_string(capture(name)).unwrap()
}

/// `tcpkit` in UTC on a capture.
fn kit(file: &str, words: &str) -> Outcome {
    let file = capture(file);
    tcpkit(["-r", &file].into_iter().chain(words.split_whitespace())).env("TZ", "UTC").run()
}

/// Without the path of a packet's line of 1.0.1 its head; the payload may have several lines.
fn heads(stdout: &str) -> Vec<String> {
    let is_head = |line: &&str| line.starts_with("2026-11-21 ") && line.contains("=>10.99.0.");
    stdout
        .lines()
        .filter(is_head)
        .map(|line| line.split(' ').take(8).collect::<Vec<_>>().join(" ") + " ")
        .collect()
}

#[test]
fn packets_are_shown_as_1_0_1_showed_them() {
    let stdout = kit("redis.pcap", "-m raw -p 6379 -s 10.99.0.2").success().stdout;
    let expected = golden("k10_raw_heads.txt");
    assert_eq!(heads(&stdout), expected.lines().collect::<Vec<_>>());
    let first = "2026-11-21 05:40:02 10.99.0.1:55674=>10.99.0.2:6379 REQ 1466743639 1213917579 24 14 *1\r\n$4\r\nPING\r\n\n";
    assert!(stdout.starts_with(first), "{}", &stdout[..200]);
    // Every octet of payload, as 1.0.1 wrote them.
    let (lines, statistics) = stdout.split_at(stdout.find("=======").unwrap());
    assert_eq!(lines.len(), 216_607);
    let expected = "\
======================== interface stats ========================
231 packets captured
231 packets received by filter
0 packets dropped by kernel
0 packets dropped by interface
=================================================================
";
    assert_eq!(statistics, expected);
}

/// 1.1.0 printed the source in place of the destination, and counted UDP's header as payload; ours with the same
/// mistakes, and the true destinations.
fn with_the_old_mistakes(line: &str) -> (String, &str) {
    let (time, rest) = line.split_once(" IP ").unwrap();
    let (source, rest) = rest.split_once(" > ").unwrap();
    let (destination, rest) = rest.split_once(": ").unwrap();
    let rest = match rest.strip_prefix("length ") {
        Some(payload) => format!("length {}", payload.parse::<u32>().unwrap() + 8),
        None => rest.to_owned(),
    };
    (format!("{time} IP {source} > {source}: {rest}"), destination)
}

#[test]
fn packets_are_shown_as_1_1_showed_them_with_their_destinations() {
    for (file, name) in [("redis.pcap", "k11_raw_redis.txt"), ("mixed.pcap", "k11_raw_dns.txt")] {
        let stdout = kit(file, "-p raw").success().stdout;
        let expected = golden(name);
        let expected: Vec<&str> = expected.lines().filter(|line| !line.starts_with('#')).collect();
        let (v6, ours): (Vec<&str>, Vec<&str>) = stdout.lines().partition(|line| line.contains(" IP6 "));
        let mistaken: Vec<_> = ours.iter().map(|line| with_the_old_mistakes(line)).collect();
        let lines: Vec<&str> = mistaken.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines, expected, "{file}");
        let hosts = ["10.99.0.1.", "10.99.0.2."];
        for (line, destination) in &mistaken {
            let source = line.split(' ').nth(2).unwrap();
            let there = usize::from(source.starts_with(hosts[0]));
            assert!(destination.starts_with(hosts[there]), "{line}: {destination}");
        }
        // 1.1.0 saw no IPv6.
        assert_eq!(v6.is_empty(), file == "redis.pcap", "{v6:?}");
    }
}

#[test]
fn packets_may_have_their_payload_behind_them() {
    let stdout = kit("redis.pcap", "-A tcp port 55682").success().stdout;
    let ping = "05:40:02.407699 IP 10.99.0.1.55682 > 10.99.0.2.6379: Flags [P.], seq 1171999435:1171999449, ack 3616873911, window 63, length 14 *1\r\n$4\r\nPING\r\n\n";
    assert!(stdout.contains(ping), "{stdout}");
    assert!(stdout.lines().next().unwrap().ends_with(", length 0 "), "{stdout}");
    assert_eq!(kit("redis.pcap", "-p raw -A tcp port 55682").success().stdout, stdout);
}

#[test]
fn a_filter_holds_and_a_bad_one_is_refused() {
    assert_eq!(kit("redis.pcap", "-p raw tcp port 9999").success().stdout, "");
    let refused = kit("redis.pcap", "-p raw bogus (").failure(2, &["filter expression"]);
    assert_eq!(refused.stdout, "");
}

#[test]
fn lines_are_appended_to_a_file_and_standard_output_stays_the_agents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    fs::write(&path, "before\n").unwrap();
    let words = format!("-p raw -o {} tcp port 55682", path.display());
    let stdout = kit("redis.pcap", &words).success().stdout;
    assert!(stdout.contains("tcpkit") || stdout.contains("redis.pcap"), "the summary: {stdout}");
    let lines = fs::read_to_string(&path).unwrap();
    let packets = lines.strip_prefix("before\n").expect("what was there stays");
    assert_eq!(packets.lines().count(), 12, "{packets}");
    kit("redis.pcap", "-p raw -o /nowhere/lines").failure(1, &["-o /nowhere/lines", "no such file"]);
    let itself = format!("-p raw -o {}", capture("redis.pcap"));
    kit("redis.pcap", &itself).failure(2, &["-o", "to be read"]);
}

#[test]
fn what_does_nothing_on_a_file_is_a_warning() {
    let outcome = kit("redis.pcap", "-p raw -s 256 -B 64 tcp port 55682").success();
    for said in
        ["tcpkit: warning: -B has no effect on a file", "tcpkit: warning: -s BYTES has no effect on a file"]
    {
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }
    assert_eq!(outcome.stdout.lines().count(), 12);
}

#[test]
fn in_the_background_a_refusal_is_told_as_in_the_foreground() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let lines = folder.path().join("lines");
    let background = format!("-d -p raw -o {} --pid-file {}", lines.display(), pid.display());
    let run = |words: &str| tcpkit(words.split_whitespace()).run();
    run(&format!("-r /nowhere/x.pcap {background}")).failure(1, &["/nowhere/x.pcap", "no such file"]);
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = capture("redis.pcap");
    run(&format!("-r {file} {background} -P {port}")).failure(1, &[&port.to_string(), "in use"]);
    run(&format!("-r {file} -d --json")).failure(2, &["-d and --json", "name a file"]);
    assert!(!pid.exists(), "it goes with the process that was refused");
}
