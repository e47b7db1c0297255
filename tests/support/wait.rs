//! Waiting for what other processes do, never for ever.
#![expect(clippy::disallowed_methods, reason = "a deadline is about wall time")]

use std::{
    thread,
    time::{Duration, Instant},
};

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
