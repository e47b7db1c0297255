//! What docs/tour.md shows is what the binary prints.
//!
//! In a block of `console`, lines with `$ ` are commands, run by a shell beside a link to these tests; the lines below
//! must stand in what it prints, in this order, and one below the other unless a line `…` is between them.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use tcpkit_tests::run::binary;

/// A command and what the document says that it prints.
struct Shown {
    command: String,
    lines: Vec<String>,
}

fn shown(document: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in document.split("```console\n").skip(1) {
        let block = block.split("\n```").next().unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown { command: command.to_owned(), lines: Vec::new() }),
                None => all.last_mut().expect("a block begins with a command").lines.push(line.to_owned()),
            }
        }
    }
    all
}

fn printed(command: &str, folder: &Path) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command}: {}: {said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The first line that is not where the document has it.
fn missing<'a>(lines: &'a [String], output: &str) -> Option<&'a str> {
    let mut rest = output.lines().map(str::trim_end);
    let mut is_next = true;
    for line in lines {
        if line == "…" {
            is_next = false;
            continue;
        }
        let found = if is_next { rest.next() == Some(line) } else { rest.any(|printed| printed == line) };
        if !found {
            return Some(line);
        }
        is_next = true;
    }
    None
}

#[test]
fn the_tour_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(root.join("tests"), folder.path().join("tests")).unwrap();
    symlink(binary(), folder.path().join("tcpkit")).unwrap();
    let document = fs::read_to_string(root.join("docs/tour.md")).unwrap();
    let all = shown(&document);
    assert!(all.len() >= 10, "it has {} commands", all.len());
    for Shown { command, lines } in all {
        assert!(!lines.is_empty(), "{command}: nothing is shown of it");
        let output = printed(&command, folder.path());
        let missing = missing(&lines, &output);
        assert_eq!(missing, None, "{command}\nprints\n{output}");
    }
}

#[test]
fn a_line_that_is_not_printed_is_missed() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(missing(&lines("a\n…\nc"), "a\nb\nc\n"), None);
    assert_eq!(missing(&lines("a\nc"), "a\nb\nc\n"), Some("c"));
    assert_eq!(missing(&lines("…\nb\na"), "a\nb\n"), Some("a"));
    assert_eq!(missing(&lines("b"), "a\nb\n"), Some("b"));
}
