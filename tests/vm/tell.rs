//! Lines that `cargo xtask vm` gathers into its table of kernels.

use std::{
    any::Any,
    env,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// `FEATURE name = value: remark`: what this kernel has. The remark tells what it costs where it is missing.
pub(super) fn feature(name: &str, value: &str, remark: &str) {
    line("FEATURE", name, value, remark);
}

/// `CHECK name = pass|fail|left out: remark`: how tcpkit fared here.
pub(super) fn check(name: &str, value: &str, remark: &str) {
    line("CHECK", name, value, remark);
}

/// A check that passes unless the scenario panics, which then fails the test, too; what it gives is the remark.
///
/// # Panics
/// With the scenario, or outside of guests.
pub(super) fn judge<T: Into<String>>(name: &str, scenario: impl FnOnce() -> T) {
    assert!(env::var_os("TCPKIT_GUEST").is_some(), "for a guest of `cargo xtask vm`");
    match catch_unwind(AssertUnwindSafe(scenario)) {
        Ok(remark) => check(name, "pass", &remark.into()),
        Err(panic) => {
            check(name, "fail", first_line(panic.as_ref()));
            resume_unwind(panic);
        }
    }
}

/// What is judged only where there is time: the gate leaves it out and says so.
pub(super) fn judge_at_length<T: Into<String>>(name: &str, scenario: impl FnOnce() -> T) {
    if is_gate() {
        return check(name, "left out", "not the gate's share; `cargo xtask vm --all` runs it");
    }
    judge(name, scenario);
}

/// Whether this is a guest of `cargo xtask test`, whose time is short: each way of attaching once, each mode of a bond
/// once on kernels whose bonds know XDP, no matrix of offloads.
pub(super) fn is_gate() -> bool {
    env::var_os("TCPKIT_GUEST").is_some_and(|share| share == "gate")
}

/// What a panic says.
fn first_line(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    text.lines().next().unwrap_or_default()
}

fn line(kind: &str, name: &str, value: &str, remark: &str) {
    let colon = if remark.is_empty() { "" } else { ": " };
    // Past the harness, which shows what a test prints only when it fails; on a line of its own.
    let mut out = io::stdout().lock();
    writeln!(out, "\n{kind} {name} = {value}{colon}{remark}").unwrap();
}
