//! git-hulk/tcpkit's command lines on files, beside what its versions printed for the same captures.
//!
//! Where we differ, the difference is listed here and its reason in docs/moving-from-tcpkit.md.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
};

use serde_json::Value;
use tcpkit_tests::{
    run::{Outcome, tcpkit},
    wait::{patience, until},
};

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

/// The lines of requests in an output, without the colours of 1.1.0; a label that had a line's end in it is whole.
fn requests(text: &str) -> Vec<String> {
    let text = text.replace("\x1b[32m", "").replace("\x1b[0m", "");
    let is_next = |line: &str| !line.starts_with("2026-11-21 ") && !line.starts_with(['=', '#', '\x1b']);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().skip_while(|line| !line.contains(" ms | ")) {
        match lines.last_mut() {
            _ if line.contains(" ms | ") => lines.push(line.to_owned()),
            Some(last) if is_next(line) && !line.is_empty() => last.extend(["\n", line]),
            _ => break,
        }
    }
    lines
}

/// Those lines with other labels where the older tool had them wrong: one line may become several of the same time.
fn with_labels(lines: Vec<String>, wrong: &[(&str, &[&str])]) -> Vec<String> {
    let corrected = |line: String| {
        let (head, label) = line.split_once(" ms | ").unwrap();
        match wrong.iter().find(|(old, _)| *old == label) {
            Some((_, labels)) => labels.iter().map(|label| format!("{head} ms | {label}")).collect(),
            None => vec![line],
        }
    };
    lines.into_iter().flat_map(corrected).collect()
}

/// From the first rule on.
fn statistics(stdout: &str) -> &str {
    &stdout[stdout.find("====").unwrap_or_else(|| panic!("no statistics: {stdout}"))..]
}

/// What 1.0.1 cut at 255 bytes, and 1.1.0 at 126, is cut at 127.
fn long_set() -> String {
    format!("SET {}", "k".repeat(123))
}

/// The first part of a value that 1.0.1 and 1.1.0 left out, because its end lay in another segment.
fn big_set() -> String {
    format!("SET big {}", "x".repeat(119))
}

#[test]
fn requests_of_redis_are_shown_as_1_0_1_showed_them() {
    let stdout = kit("redis.pcap", "-m redis -p 6379 -s 10.99.0.2 -t 0").success().stdout;
    let old_long = format!("SET {} {}", "k".repeat(200), "v".repeat(50));
    let differences: [(&str, &[&str]); 4] = [
        // Three requests in one segment.
        ("SET p1 1 *3 $3 SET $2 p2 $1 2 *2 GET p1", &["SET p1 1", "SET p2 2", "GET p1"]),
        // One request in two segments.
        ("SET spl\n$1", &["SET split value-in-two-segments"]),
        ("SET big", &[&big_set()]),
        (&old_long, &[&long_set()]),
    ];
    let expected = with_labels(requests(&golden("k10_redis.txt")), &differences);
    assert_eq!(requests(&stdout), expected);
    assert_eq!(expected.len(), 22);
    // As many more requests as there were in the pipeline, and what the capture itself counted.
    let expected = "\
========================= latency stats =========================
tcp port: 6379, total requests: 22, average latency: 9.284 ms, slow threshod: 0 ms, slow requests: 0
0ms~0.1ms: 15
0.1ms~0.2ms: 4
0.2ms~0.5ms: 1
20ms~50ms: 1
100ms~200ms: 1
======================== interface stats ========================
231 packets captured
231 packets received by filter
0 packets dropped by kernel
0 packets dropped by interface
=================================================================
";
    assert_eq!(statistics(&stdout), expected);
}

#[test]
fn a_threshold_leaves_lines_out_and_not_counts() {
    let split: [(&str, &[&str]); 1] = [("SET spl\n$1", &["SET split value-in-two-segments"])];
    let stdout = kit("redis.pcap", "-m redis -p 6379,6380 -s 10.99.0.2 -t 1").success().stdout;
    assert_eq!(requests(&stdout), with_labels(requests(&golden("k10_redis_t1.txt")), &split));
    let sums = "tcp port: 6379, total requests: 22, average latency: 9.284 ms, slow threshod: 1 ms, slow requests: 2\n";
    assert!(stdout.contains(sums) && !stdout.contains("6380, total"), "{stdout}");
    let eleven = kit("redis.pcap", "-p redis -t 1").success().stdout;
    assert_eq!(requests(&eleven), with_labels(requests(&golden("k11_redis_t1.txt")), &split));
    // The threshold belongs to what is shown: 30.329 ms.
    for (threshold, count) in [("30.329", 2), ("30.33", 1), ("172.552", 1), ("173", 0)] {
        let stdout = kit("redis.pcap", &format!("-m redis -t {threshold}")).success().stdout;
        assert_eq!(requests(&stdout).len(), count, "{threshold}");
        assert!(
            stdout.contains(&format!("slow threshod: {threshold} ms, slow requests: {count}\n")),
            "{stdout}"
        );
    }
}

#[test]
fn requests_of_redis_are_shown_as_1_1_showed_them() {
    let old_long = format!("SET {}", "k".repeat(122));
    let differences: [(&str, &[&str]); 4] = [
        ("SET p1 1 $3 $2 $1 *2 GET p1", &["SET p1 1", "SET p2 2", "GET p1"]),
        ("SET spl\n$1", &["SET split value-in-two-segments"]),
        ("SET big", &[&big_set()]),
        (&old_long, &[&long_set()]),
    ];
    let expected = with_labels(requests(&golden("k11_redis.txt")), &differences);
    let stdout = kit("redis.pcap", "-p redis").success().stdout;
    assert_eq!(stdout.lines().collect::<Vec<_>>(), expected, "nothing else, and no colour in a pipe");
    assert_eq!(kit("redis.pcap", "-p redis tcp port 6379").success().stdout, stdout);
    assert_eq!(kit("redis.pcap", "-p redis tcp port 9999").success().stdout, "", "1.1.0 applied no filter");
}

#[test]
fn requests_of_http_are_shown_as_both_showed_them() {
    let stdout = kit("http_cut.pcap", "-m http -p 8080 -s 10.99.0.2 -t 0").success().stdout;
    let mut expected = requests(&golden("k10_http.txt"));
    // Three requests in one segment: the older tools took them for one.
    let pipeline = [
        "814104 10.99.0.1:49484 => 10.99.0.2:8080 | 0.045 ms",
        "814119 10.99.0.1:49484 => 10.99.0.2:8080 | 0.060 ms",
    ];
    let pipeline = pipeline.map(|line| format!("2026-11-21 05:40:07.{line} | GET /f100.txt HTTP/1.1"));
    expected.splice(7..7, pipeline);
    assert_eq!(requests(&stdout), expected);
    let sums = "tcp port: 8080, total requests: 10, average latency: 0.070 ms, slow threshod: 0 ms, slow requests: 0\n0ms~0.1ms: 8\n0.1ms~0.2ms: 2\n";
    assert!(statistics(&stdout).contains(sums), "{stdout}");
    // 1.1.0 appended headers, with a stray byte before each.
    let first_line = |line: String| line[..line.find(" HTTP/1.").unwrap() + " HTTP/1.1".len()].to_owned();
    let eleven = kit("http_cut.pcap", "-p http").success().stdout;
    let old: Vec<String> = requests(&golden("k11_http.txt")).into_iter().map(first_line).collect();
    let (mut ours, skipped): (Vec<String>, Vec<String>) =
        requests(&eleven).into_iter().partition(|line| old.contains(line));
    ours.sort();
    assert_eq!((ours, skipped), (old, expected[7..9].to_vec()));
}

#[test]
fn requests_of_memcached_are_shown_as_both_showed_them() {
    let stdout = kit("memcached.pcap", "-m memcached -p 11211 -s 10.99.0.2 -t 0").success().stdout;
    let mut expected = requests(&golden("k10_memcached.txt"));
    let ours = |line: &str| format!("2026-11-21 05:40:05.{line}");
    // The second request of a pipeline, and a command that 1.0.1 did not know.
    expected.push(ours("124434 10.99.0.1:57486 => 10.99.0.2:11211 | 0.014 ms | get n"));
    expected.push(ours("124446 10.99.0.1:57486 => 10.99.0.2:11211 | 0.005 ms | version"));
    assert_eq!(requests(&stdout), expected);
    let sums = "tcp port: 11211, total requests: 12, average latency: 0.050 ms, slow threshod: 0 ms, slow requests: 0\n0ms~0.1ms: 10\n0.1ms~0.2ms: 2\n";
    assert!(statistics(&stdout).contains(sums), "{stdout}");
    let mut eleven = requests(&golden("k11_memcached.txt"));
    // 1.1.0 waited for an answer to a request that wants none, and charged it with the next one's.
    assert!(eleven[3].ends_with(" | 20.307 ms | set n 0 0 1 noreply9x"), "{}", eleven[3]);
    eleven[3] = ours("123861 10.99.0.1:57486 => 10.99.0.2:11211 | 0.160 ms | get n");
    // The pipeline again.
    assert!(eleven[9].ends_with(" | 0.008 ms | get aVget n"), "{}", eleven[9]);
    eleven[9] = expected[9].clone();
    eleven.insert(10, expected[10].clone());
    assert_eq!(requests(&kit("memcached.pcap", "-p memcached").success().stdout), eleven);
    let log = kit("memcached.pcap", "-m memcached --request-log -").success().stdout;
    let quiet = log.lines().find(|line| line.contains("\"label\":\"set n 0 0 1 noreply\"")).unwrap();
    assert!(quiet.contains("\"outcome\":\"no_reply\""), "it stands in the request log: {quiet}");
}

#[test]
fn statistics_are_served_while_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: the name ends with NUL.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Free now, and most likely a moment later.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let words = format!("-r {} -m redis -p 6379,6380 -t 1 -P {port}", pipe.display());
    let running = tcpkit(words.split(' ')).env("TZ", "UTC").start();
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writer.write_all(&fs::read(capture("redis.pcap")).unwrap()).unwrap();
    let mut text = String::new();
    let served = until(patience(20), || {
        text = bare(port).unwrap_or_default();
        text.contains("\"total_reqs\": 22")
    });
    assert!(served, "{text}");
    let expected = "[{\"6379\":{\"total_reqs\": 22,\"total_costs\":204251, \"slow_reqs\":2,\"latencies\":[15,4,1,0,0,0,0,1,0,1,0,0,0,0,0,0,0,0]}},{\"6380\":{\"total_reqs\": 0,\"total_costs\":0, \"slow_reqs\":0,\"latencies\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}}]";
    assert_eq!(text, expected);
    let head = "{\"type\":\"redis\",\"drops\":0,\"in_packets\":126,\"out_packets\":105,\"in_bytes\":100829,\"out_bytes\":100217, \"ports\":";
    assert_eq!(http(port, "/stats?v=1.0.1"), format!("{head}{expected}}}"));
    let server: Value = serde_json::from_str(&http(port, "/stats?v=1.1")).unwrap();
    let server = &server["10.99.0.2:6379"];
    assert_eq!(
        (&server["requests"], &server["responses"], &server["latency"][0]["<0.1ms"]),
        (&22.into(), &22.into(), &15.into())
    );
    drop(writer);
    let outcome = running.wait().success();
    assert_eq!(requests(&outcome.stdout).len(), 2);
}

/// The body of an answer by HTTP.
fn http(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(patience(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// What the stats port says to somebody who closes his side at once.
fn bare(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(patience(5)))?;
    stream.shutdown(Shutdown::Write)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
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
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = capture("redis.pcap");
    run(&format!("-r {file} {background} -P {port}")).failure(1, &[&port.to_string(), "in use"]);
    run(&format!("-r {file} -d --json")).failure(2, &["-d and --json", "name a file"]);
    assert!(!pid.exists(), "it goes with the process that was refused");
}

#[test]
fn requests_by_udp_are_shown() {
    let lines = requests(&kit("mixed.pcap", "-m dns -u -p 5353").success().stdout);
    // As the script of 1.1.0 measured them.
    let latencies: Vec<&str> = lines.iter().map(|line| line.split(" | ").nth(1).unwrap()).collect();
    assert_eq!(latencies, ["5.223 ms", "3.150 ms", "3.148 ms"], "{lines:?}");
    assert!(
        lines[0].starts_with("2026-11-21 05:41:23.085231 10.99.0.1:45058 => 10.99.0.2:5353 | "),
        "{lines:?}"
    );
    assert!(lines[0].contains("example.com"), "{lines:?}");
}
