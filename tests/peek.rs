//! `tcpkit peek` on files, and what it says to whoever calls it wrongly.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::Value;
use tcpkit_tests::run::{Outcome, binary, tcpkit};

fn capture(name: &str) -> String {
    format!("{}/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> String {
    fs::read_to_string(capture(name)).unwrap()
}

/// `tcpkit peek` in UTC.
fn peek(words: &[&str]) -> Outcome {
    tcpkit([&["peek"], words].concat()).env("TZ", "UTC").run()
}

/// What stands between the columns: the server, the result, the repeats.
fn sessions(stderr: &str) -> Vec<String> {
    let lines = stderr.lines().filter(|line| line.matches(" | ").count() == 4 && !line.contains("TIME"));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split(" | ").collect();
            let server = columns[2].split_whitespace().next_back().unwrap();
            let repeats: Vec<&str> = columns[4].split_whitespace().collect();
            format!("{server} {} {}", columns[3].trim(), repeats.join(" "))
        })
        .collect()
}

/// One filter's part of the summary, each line without what is around its words.
fn section<'a>(stderr: &'a str, name: &str) -> Vec<&'a str> {
    let mut parts = stderr.split("------------------------------------\n");
    let part = parts.find(|part| part.lines().next() == Some(&format!(" {name}"))).unwrap_or_default();
    part.lines().skip(1).map(str::trim).collect()
}

#[test]
fn a_capture_of_the_golden_traffic_gives_every_byte_that_is_promised() {
    let file = capture("golden__handshake.pcap");
    let outcome = peek(&["-r", &file, "--self", "10.99.0.1", "--icmp", "redis:TX@%:6379"]).success();
    assert_eq!(outcome.stdout, "");
    let expected = golden("golden__handshake_peek.txt");
    let (reading, rest) = outcome.stderr.split_once('\n').unwrap();
    assert_eq!(reading, format!("reading from file {file}, link-type EN10MB (Ethernet)"));
    assert_eq!(rest, expected);
}

#[test]
fn silence_counts_from_the_last_segment_and_icmp_only_when_asked() {
    let file = capture("golden__handshake.pcap");
    let stderr = peek(&["-r", &file, "--self", "10.99.0.1", "-t", "2"]).success().stderr;
    assert_eq!(
        sessions(&stderr),
        [
            "10.99.0.2:6379 success 0 0",
            "10.99.0.2:8080 success 0 0",
            "10.99.0.2:9 failure (reject) 0 0",
            "10.99.0.2:9 failure (reject) 0 0",
            "10.99.0.2:7002 failure (timeout) 0 0",
            "10.99.0.2:7003 failure (timeout) 0 0",
            "10.99.0.2:7004 failure (timeout) 0 0",
            // Its SYNs were a second apart until a pause of 2.012 s; the one that came after it decides nothing more.
            "10.99.0.2:7001 failure (timeout) 5 0",
        ],
        "{stderr}"
    );
    assert!(stderr.contains("   2.000 | 26-11-21 05:40:16.758 |"), "{stderr}");
    assert!(stderr.contains("   7.103 | 26-11-21 05:40:16.762 |"), "{stderr}");
    assert!(!stderr.contains("ICMP Unreachable"), "{stderr}");
}

#[test]
fn repeats_are_counted_and_without_own_addresses_a_session_goes_both_ways() {
    let file = capture("golden__synack_dup.pcap");
    let stderr = peek(&["-r", &file, "a:TX@%:8080", "b:RX@10.99.0.99/24:8080"]).success().stderr;
    assert_eq!(sessions(&stderr), ["10.99.0.2:8080 success 3 4"]);
    for name in ["RX", "TX", "a", "b"] {
        let expected =
            ["Success: 1 session", "SYN Segment Duplicate :      1", "S/A Segment Duplicate :      1"];
        assert_eq!(section(&stderr, name)[..3], expected, "{name}: {stderr}");
    }
}

#[test]
fn a_server_sees_the_same_sessions_come_in() {
    let file = capture("golden__handshake.pcap");
    let words =
        ["-r", &file, "--self", "fd99::2,10.99.0.2", "--icmp", "-q", "a:RX@10.99.0.0/24:9", ":RX@%:7001"];
    let stderr = peek(&words).success().stderr;
    assert_eq!(section(&stderr, "TX")[0], "Success: 0 session");
    assert_eq!(
        section(&stderr, "a")[3..6],
        ["Failure: 2 session", "Connection Timed Out  :      0", "Connection Rejected   :      2"]
    );
    assert!(!stderr.contains("Pending"), "excluded: {stderr}");
    assert!(!stderr.contains("TIME(s)"), "quiet: {stderr}");
    let stranger = peek(&["-r", &file, "--self", "192.0.2.1"]).success().stderr;
    assert_eq!(sessions(&stranger), [""; 0]);
}

#[test]
fn tags_ipv6_and_ecn_do_not_hide_a_session() {
    for (file, server) in [
        ("arkime__twovlan.pcap", ""),
        ("zeek__vlan-qinqinq.pcap", ""),
        ("arkime__v6-http.pcap", "["),
        ("tcpdump__accecn_handshake.pcap", ""),
    ] {
        let stderr = peek(&["-r", &capture(file)]).success().stderr;
        let successes: Vec<_> =
            sessions(&stderr).into_iter().filter(|line| line.contains(" success ")).collect();
        assert!(successes.iter().any(|line| line.starts_with(server)), "{file}: {stderr}");
        let counted = format!("Success: {} session", successes.len());
        assert_eq!(section(&stderr, "RX")[0], counted, "{file}: {stderr}");
    }
}

#[test]
fn json_is_a_line_for_each_session_on_standard_output() {
    let file = capture("golden__handshake.pcap");
    let outcome = peek(&["-r", &file, "--self", "10.99.0.1", "--icmp", "--json", "-q"]).success();
    let lines: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let results: Vec<_> = lines.iter().map(|line| line["result"].as_str().unwrap()).collect();
    let expected =
        ["success", "success", "reject", "reject", "unreachable", "unreachable", "unreachable", "pending"];
    assert_eq!(results, expected);
    assert_eq!(lines[6]["icmp"], "3/13");
    assert_eq!(lines[7]["syn_repeats"], 6);
    assert_eq!(lines[0]["start_us"], 1_795_239_616_757_953_i64);
    assert_eq!(lines[0]["took_us"], 47.0);
    assert_eq!((&lines[0]["client_ip"], &lines[0]["server_port"]), (&"10.99.0.1".into(), &6379.into()));
}

#[test]
fn a_wrong_checksum_hides_a_segment_from_those_who_look() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pcap");
    // A SYN to a port that refuses: its checksum is that of the pseudo-header, for the network card to finish.
    let mut bytes = fs::read(capture("golden__handshake.pcap")).unwrap();
    let syn = nth_frame(&bytes, 12);
    assert_eq!(bytes[syn + 14 + 20 + 13], 2);
    let counts = |bytes: &[u8], checksum: &str| {
        fs::write(&file, bytes).unwrap();
        let stderr = peek(&["-r", file.to_str().unwrap(), "-c", checksum]).success().stderr;
        let left_out = stderr.contains("tcpkit: warning: 1 frames with a wrong checksum were left out");
        (sessions(&stderr).iter().filter(|line| line.contains(":9 ")).count(), left_out)
    };
    for (checksum, tcp, ip) in
        [("0", (2, false), (2, false)), ("1", (2, false), (1, true)), ("2", (1, true), (1, true))]
    {
        assert_eq!(counts(&bytes, checksum), (2, false), "-c {checksum}");
        for (place, expected) in [(14 + 20 + 16, tcp), (14 + 10, ip)] {
            bytes[syn + place] ^= 0x10;
            assert_eq!(counts(&bytes, checksum), expected, "-c {checksum}, {place}");
            bytes[syn + place] ^= 0x10;
        }
    }
}

/// Where the frame begins in a little-endian pcap file.
fn nth_frame(bytes: &[u8], number: usize) -> usize {
    let mut place = 24;
    for _ in 0..number {
        let captured = u32::from_le_bytes(bytes[place + 8..place + 12].try_into().unwrap());
        place += 16 + captured as usize;
    }
    place + 16
}

#[test]
fn an_expression_without_meaning_is_refused_in_tcpeeks_words() {
    let text = golden("golden__tcpeek_badexpr.txt");
    let cases: Vec<_> = text.split("## expr '").skip(1).map(|case| case.split_once("'\n").unwrap()).collect();
    assert_eq!(cases.len(), 5);
    for (expression, said) in cases {
        let outcome = peek(&["-i", "lo", "good:RX@%:80", expression]);
        assert_eq!((outcome.code(), &*outcome.stderr, &*outcome.stdout), (1, said, ""), "{expression}");
    }
}

#[test]
fn help_is_tcpeeks_with_our_options_below() {
    let usage = golden("golden__tcpeek_h.txt").replace("rc=0\n", "");
    for words in [&["-h"][..], &["-help"], &["--help", "foo"]] {
        let outcome = peek(words).success();
        let ours = outcome.stdout.strip_prefix(&usage).unwrap_or_else(|| panic!("{outcome:?}"));
        assert!(ours.contains("--self") && outcome.stderr.is_empty(), "{outcome:?}");
    }
    let version = peek(&["-v"]).success().stdout;
    let golden = golden("golden__tcpeek_v.txt");
    let start = golden.split("version").next().unwrap();
    assert!(version.starts_with(start) && version.ends_with(")\n"), "{version}");
}

#[test]
fn the_names_of_the_older_tools_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let called = |name: &str, words: &[&str]| {
        let link = folder.path().join(name);
        symlink(binary(), &link).unwrap();
        let output = Command::new(&link).args(words).output().unwrap();
        fs::remove_file(&link).unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (status, stdout, _) = called("tcpeek", &["-h"]);
    assert!(status == Some(0) && stdout.starts_with("usage: tcpeek [option]"), "{stdout}");
    let (status, _, stderr) = called("tcpeek", &["--nonsense"]);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("tcpeek: unrecognized option '--nonsense'\nusage: tcpeek"), "{stderr}");
    let (status, stdout, _) = called("tcpeekstat", &["-h"]);
    assert!(status == Some(0) && stdout.starts_with("usage: tcpeekstat [OPTION]"), "{stdout}");
    let (status, _, stderr) = called("tcpeekstat", &["-g", "-j"]);
    assert!(status == Some(2) && stderr.starts_with("tcpeekstat: -j is not allowed with -g"), "{stderr}");
}

#[test]
fn what_cannot_be_is_one_line_that_names_it() {
    let file = capture("golden__handshake.pcap");
    for (words, said) in [
        (&["-r", "/nowhere.pcap"][..], &["/nowhere.pcap", "No such file"][..]),
        (&["-i", "nowhere0"], &["interface nowhere0", "does not exist", "lo"]),
        (&["-r", &file, "-u", "nobody-at-all"], &["-u nobody-at-all", "no such user"]),
        (&["-r", &file, "-U", "/nowhere/s"], &["socket /nowhere/s", "make its directory first"]),
        (&["-r", "-", "-r", "-"], &["-r -", "once only"]),
    ] {
        let _refused = peek(words).failure(1, said);
    }
    for (words, said) in [
        (&["-t", "soon"][..], "tcpkit peek: -t 'soon': give whole seconds"),
        (&["-c", "9"], "tcpkit peek: -c '9': give 0 (none), 1 (IP) or 2 (IP and TCP)"),
        (&["-i"], "tcpkit peek: option requires an argument -- 'i'"),
        (&["--i", "x"], "tcpkit peek: option '--i' is ambiguous; possibilities: '--interface' '--icmp'"),
        (&["-r", "x", "-i", "y"], "tcpkit peek: -i and -r"),
    ] {
        let outcome = peek(words);
        assert!(outcome.code() == 1 && outcome.stderr.starts_with(said), "{outcome:?}");
        assert!(outcome.stderr.contains("\nusage: tcpeek "), "{outcome:?}");
    }
    let nobody = tcpkit(["peekstat", "-U", "/nowhere/s"]).run();
    let _refused = nobody.failure(1, &["socket /nowhere/s", "is tcpeek running"]);
}

#[test]
fn damage_is_told_after_what_stood_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.pcap");
    let bytes = fs::read(capture("golden__handshake.pcap")).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
    let outcome = peek(&["-r", file.to_str().unwrap()]);
    assert_eq!(sessions(&outcome.stderr).len(), 8);
    assert_eq!(section(&outcome.stderr, "TX")[0], "Success: 2 session");
    let _told = outcome.failure(1, &["cut.pcap"]);
}

#[test]
fn any_file_of_the_corpus_is_shown() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut shown = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !path.is_file() || name.ends_with(".tsv") || name.ends_with(".txt") || name.ends_with(".md") {
            continue;
        }
        let outcome = peek(&["-r", path.to_str().unwrap(), "--icmp", "-c", "2"]);
        assert!(matches!(outcome.code(), 0 | 1), "{name}: {outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{name}: {outcome:?}");
        shown += usize::from(outcome.code() == 0);
    }
    assert!(shown > 60, "{shown}");
}
