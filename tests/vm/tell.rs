//! Lines that `cargo xtask vm` gathers into its table of kernels.

use std::io::{self, Write as _};

/// `FEATURE name = value: remark`: what this kernel has. The remark tells what it costs where it is missing.
pub(super) fn feature(name: &str, value: &str, remark: &str) {
    line("FEATURE", name, value, remark);
}

/// `CHECK name = pass|fail|left out: remark`: how tcpkit fared here.
#[expect(dead_code, reason = "for the scenarios that come")]
pub(super) fn check(name: &str, value: &str, remark: &str) {
    line("CHECK", name, value, remark);
}

fn line(kind: &str, name: &str, value: &str, remark: &str) {
    let colon = if remark.is_empty() { "" } else { ": " };
    // Past the harness, which shows what a test prints only when it fails; on a line of its own.
    writeln!(io::stdout(), "\n{kind} {name} = {value}{colon}{remark}").unwrap();
}
