//! Waiting for what other processes do, never for ever.
#![expect(clippy::disallowed_methods, reason = "a deadline is about wall time")]

use std::{
    thread,
    time::{Duration, Instant},
};

/// As long as something may take; in guests, which are emulated, four times that.
#[must_use]
pub fn patience(seconds: u64) -> Duration {
    let factor = if std::env::var_os("TCPKIT_GUEST").is_some() { 4 } else { 1 };
    Duration::from_secs(seconds * factor)
}

/// Whether the condition came true within this time.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
