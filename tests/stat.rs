//! `tcpkit stat` and `tcpkit prof` on files, held to what tcpstat 1.5 and tcpprof printed for the same words.

use std::{fs, io::Write as _, os::unix::fs::symlink, process::Command};

use serde_json::Value;
use tcpkit_tests::run::{Outcome, binary, tcpkit};

fn capture(name: &str) -> String {
    format!("{}/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn stat(words: &[&str]) -> Outcome {
    tcpkit([&["stat"], words].concat()).run()
}

/// Every run that is on record: the tool, its words, what it printed.
fn runs() -> Vec<(String, Vec<String>, String)> {
    let text = fs::read_to_string(capture("golden__tcpstat_runs.jsonl")).unwrap();
    let run = |line: &str| {
        let run: Value = serde_json::from_str(line).unwrap();
        let words = run["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
        let tool = run["tool"].as_str().unwrap().strip_prefix("tcp").unwrap().to_owned();
        (tool, words.collect(), run["stdout"].as_str().unwrap().to_owned())
    };
    text.lines().map(run).collect()
}

#[test]
fn every_run_on_record_is_repeated_to_the_byte() {
    let runs = runs();
    assert!(runs.len() > 200, "{}", runs.len());
    for (tool, words, expected) in runs {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let outcome = tcpkit([&[tool.as_str()], &words[..]].concat()).directory(capture("")).run();
        assert_eq!(outcome.code(), 0, "{tool} {words:?}: {outcome:?}");
        assert_eq!(outcome.stdout, expected, "{tool} {words:?}");
    }
}

#[test]
fn the_program_is_tcpstat_by_its_name_and_reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [("tcpstat", "-r -"), ("tcpprof", "-S l -r -")] {
        let link = folder.path().join(name);
        symlink(binary(), &link).unwrap();
        let file = fs::File::open(capture("golden__gaps.pcap")).unwrap();
        let output = Command::new(&link).args(words.split(' ')).stdin(file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let expected = if name == "tcpstat" {
            stat(&["-r", &capture("golden__gaps.pcap")]).success().stdout
        } else {
            tcpkit(["prof", "-S", "l", "-r", &capture("golden__gaps.pcap")]).run().success().stdout
        };
        assert_eq!(stdout, expected, "{name}");
        assert!(stdout.lines().count() > 2, "{stdout}");
    }
    // A pipe cannot be looked at twice.
    let bytes = fs::read(capture("golden__gaps.pcap")).unwrap();
    let piped = tcpkit(["stat", "-r", "-"]).stdin(bytes).run().success();
    assert_eq!(piped.stdout, stat(&["-r", &capture("golden__gaps.pcap")]).success().stdout);
}

#[test]
fn lines_go_to_descriptors_that_the_shell_opened_and_to_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = |format: &str| {
        let script = format!(
            "exec {} stat -r {} -o '{format}' 7>{}",
            binary().display(),
            capture("golden__one.pcap"),
            folder.path().join("seven").display()
        );
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let output = run(r"a%7%n packet\n%1b%9lost%2err%256lost\n");
    assert_eq!((output.stdout, output.stderr), (b"ab".to_vec(), b"err".to_vec()));
    assert_eq!(fs::read_to_string(folder.path().join("seven")).unwrap(), "1 packet\n");
}

#[test]
fn a_line_is_printed_when_the_user_asks_for_it() {
    let bytes = fs::read(capture("golden__gaps.pcap")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut running = tcpkit(["stat", "-1", "-r", fifo.to_str().unwrap(), "-o", r"%n\n"]).start();
    let mut pipe = fs::File::options().write(true).open(&fifo).unwrap();
    let half = bytes.len() / 2;
    pipe.write_all(&bytes[..half]).unwrap();
    let is_waiting = || is_asleep(running.id());
    assert!(tcpkit_tests::wait::until(tcpkit_tests::wait::patience(20), is_waiting));
    running.signal(libc::SIGUSR1);
    pipe.write_all(&bytes[half..]).unwrap();
    drop(pipe);
    let outcome = running.wait().success();
    let counts: Vec<u32> = outcome.stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(counts.len(), 2, "{outcome:?}");
    assert_eq!(counts.iter().sum::<u32>(), 90, "{outcome:?}");
}

/// Whether a process waits, having read what there was.
fn is_asleep(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let wchan = fs::read_to_string(format!("/proc/{process}/wchan")).unwrap_or_default();
    stat.contains(") S ") && wchan.contains("pipe")
}

#[test]
fn what_has_no_end_ends_and_says_so() {
    let outcome = stat(&["-r", &capture("golden__one.pcap"), "-1", "-s", "3"]);
    let outcome = outcome.failure(1, &["intervals without packets follow for ever"]);
    assert!(outcome.stdout.len() > 1 << 20 && outcome.stdout.len() < (1 << 20) + 200);
}

#[test]
fn strict_is_what_the_manual_promises() {
    let gaps = capture("golden__gaps.pcap");
    let outcome = stat(&["--strict", "-r", &gaps, "-1", "-o", r"100%%\n"]).success();
    assert_eq!(outcome.stdout, "100%\n");
    let share = |words: &[&str]| {
        let stdout = stat(&[words, &["-b", "2000", "-r", &gaps, "1"]].concat()).success().stdout;
        stdout.split('(').nth(1).unwrap().split('%').next().unwrap().to_owned()
    };
    // Seven seconds of 22, and of the 21 that there are.
    assert_eq!((share(&[]).as_str(), share(&["--strict"]).as_str()), ("31.82", "33.33"));
    stat(&["-r", "/nonexistent"]).success();
    // In tcpstat's own words, without our name in front.
    let refused = stat(&["--strict", "-r", "/nonexistent"]);
    assert_eq!((refused.code(), refused.stderr.as_str()), (1, "stat(): No such file or directory\n"));
}

#[test]
fn conversions_of_our_own_tell_what_the_engine_knows() {
    let words = ["-r", &capture("golden__synack_dup.pcap"), "-1", "-o", r"%f %x %c\n"];
    assert_eq!(stat(&words).success().stdout, "1 0 1.000000\n");
    let file = capture("deepflow__rtt-rtt-2.pcap");
    let report = tcpkit(["-r", &file, "--json"]).run().success().json();
    let report = &report["retransmit"];
    let stdout = stat(&["-r", &file, "-1", "-o", r"%x\n"]).success().stdout;
    assert_eq!(stdout.trim(), report["retransmitted_segments"].to_string());
    let parts = stat(&["-r", &file, "0.01", "-o", r"%x\n"]).success().stdout;
    let sum: u64 = parts.lines().map(|line| line.parse::<u64>().unwrap()).sum();
    assert_eq!(sum.to_string(), stdout.trim());
}

#[test]
fn ipv6_has_rows_in_tcpprofs_tables_when_asked_for() {
    let file = capture("golden__mixed.pcap");
    let prof = |words: &[&str]| {
        tcpkit([&["prof", "-n", "-S", "phn", "-r", &file], words].concat()).run().success().stdout
    };
    assert!(!prof(&[]).contains("fd99::"));
    let both = prof(&["-6"]);
    assert!(both.contains("\tfd99::1 ") && both.contains("\tfd99::/64 "), "{both}");
}

#[test]
fn usage_is_tcpstats_with_ours_below() {
    let golden = fs::read_to_string(capture("golden__tcpstat_h.txt")).unwrap();
    let outcome = tcpkit(["stat", "-h"]).run();
    let theirs = golden.split("# --- stderr\n").nth(1).unwrap();
    let ours = outcome.stderr.replace("tcpkit stat", "tcpstat");
    assert!(ours.starts_with(theirs), "{ours}");
    assert!(ours.contains("added by tcpkit:"), "{ours}");
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (1, ""));
}
