//! Options from a file and from the environment, the examples of the help, and what the binary generates.

use std::path::{Path, PathBuf};

use tcpkit_tests::run::{binary, tcpkit};

const CAPTURE: &str = "deepflow__syn-retrans.pcap";

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(CAPTURE)
}

fn capture() -> String {
    path().display().to_string()
}

#[test]
fn a_file_the_environment_and_the_command_line_say_what_is_done() {
    let file = written(&format!("read = [{:?}]\njson = true\nshards = 1\n", capture()));
    let config = ["--config", &file.path().display().to_string()];
    let whole = tcpkit(config).run().success().json();
    assert!(whole["totals"]["frames"].as_u64() > Some(0), "{whole}");
    // The environment asks for less than the file does not speak of, the command line for text after all.
    let filtered = tcpkit(config).env("TCPKIT_EXPRESSION", "port 1").run().success().json();
    assert_eq!(filtered["ledger"]["total"]["matched"], 0, "{filtered}");
    let typed =
        tcpkit(["-r", &capture(), "--quiet"]).env("TCPKIT_COUNT", "1").env("TCPKIT_JSON", "yes").run();
    assert_eq!(typed.success().json()["ledger"]["total"]["matched"], 1);
}

#[test]
fn a_wrong_file_is_one_line_with_its_place() {
    let file = written("shards = 2\nring-byts = \"64M\"\n");
    let path = file.path().display().to_string();
    let words = [&format!("{path}:2"), "ring-byts", "ring-bytes"];
    tcpkit(["-i", "lo", "--config", &path]).run().failure(2, &words);
    let checked = tcpkit(["config", "check", &path]).run().failure(2, &words);
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:?}");
}

#[test]
fn a_file_is_checked_down_to_its_filter() {
    let good = written("interface = \"lo\"\nexpression = \"port 443\"\n");
    let told = tcpkit(["config", "check", &good.path().display().to_string()]).run().success();
    assert!(told.stdout.ends_with(": can be used\n"), "{told:?}");
    let bad = written("expression = \"prot 443\"\n");
    tcpkit(["config", "check", &bad.path().display().to_string()])
        .run()
        .failure(2, &["filter expression", "syntax error"]);
    let conflict = written("interface = \"lo\"\nbackend = \"pcap\"\nreattach = true\n");
    tcpkit(["config", "check", &conflict.path().display().to_string()]).run().failure(2, &["--reattach"]);
}

#[test]
fn the_file_that_is_generated_can_be_used() {
    let template = tcpkit(["config", "default"]).run().success().stdout;
    let file = written(&template);
    tcpkit(["config", "check", &file.path().display().to_string()]).run().success();
}

/// Each example of the help, on a file where it says an interface.
#[test]
fn the_examples_of_the_help_run() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["trace.pcap", "x.pcap"] {
        std::fs::copy(path(), folder.path().join(name)).unwrap();
    }
    let help = tcpkit(["--help"]).run().success().stdout;
    let examples = help.split("Examples:\n").nth(1).expect("the help has examples");
    let mut count = 0;
    for line in examples.lines().filter_map(|line| line.strip_prefix("  tcpkit ")) {
        let words = line.split("  ").next().unwrap_or(line);
        // The last example has one space only before what it says.
        let words = words.split(" one line for").next().unwrap_or(words).replace("-i eth0", "-r trace.pcap");
        count += 1;
        run_in(folder.path(), &words);
    }
    assert!(count >= 5, "{examples}");
}

fn run_in(folder: &Path, words: &str) {
    let script = format!("\"$0\" {words}");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).arg(binary()).current_dir(folder);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "tcpkit {words}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn man_pages_are_what_man_can_show() {
    let pages = tcpkit(["generate", "pages"]).run().success().stdout;
    assert!(pages.lines().any(|page| page == "tcpkit-latency"), "{pages}");
    for page in pages.lines() {
        let text = tcpkit(["generate", "man", page]).run().success().stdout;
        assert!(text.contains(".TH") && text.contains("NAME"), "{page}: {text}");
    }
    tcpkit(["generate", "man", "tcpdump"]).run().failure(2, &["tcpdump", "tcpkit-latency"]);
}
