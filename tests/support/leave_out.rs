//! How a test that cannot run says so; also a part of the agent's own tests.
//!
//! It prints a line that begins with `LEFT OUT: `, appends it to the file that `TCPKIT_LEFT_OUT` names, and with
//! `CI=true` it fails: there, leaving it out would hide a defect.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write as _},
};

/// Says that a test, or a part of one, is left out.
///
/// # Panics
/// With `CI=true`.
pub fn leave_out(test: &str, reason: &str) {
    let line = format!("LEFT OUT: {test}: {reason}");
    // Past the harness, which shows what a test prints only when it fails.
    let _closed = writeln!(io::stderr(), "{line}");
    if let Some(path) = env::var_os("TCPKIT_LEFT_OUT") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("cannot append to {}: {error}", path.display()));
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "{line} (CI=true forbids that)");
}
