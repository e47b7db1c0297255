//! A second of capture: the programs are loaded and attached by TC, frames are counted, and all is taken off again.

use std::{thread, time::Duration};

use tcpkit_common::counter::Counter;

use super::{
    super::{HookChoice, LiveCapture, LiveOptions},
    Finding,
};

/// Captures from an interface for a moment.
pub(super) fn attach(name: &str) -> Finding {
    let options = LiveOptions {
        interfaces: vec![name.to_owned()],
        hook: HookChoice::Tc,
        ring_bytes: RING,
        ..LiveOptions::default()
    };
    let mut capture = match LiveCapture::open(options) {
        Ok(capture) => capture,
        Err(error) => return Finding::trouble("trial", error.to_string()),
    };
    let before = totals(&capture);
    thread::sleep(SECOND);
    let after = totals(&capture);
    let notes = capture.notes().to_vec();
    let problems = capture.detach();
    if let Some(problem) = problems.first() {
        return Finding::trouble("trial", problem.clone());
    }
    let how = notes.first().map(|note| format!("; {note}")).unwrap_or_default();
    let (frames, bytes) = (after.0 - before.0, after.1 - before.1);
    let rate = bytes.saturating_mul(8) / 1_000_000;
    Finding::good(
        "trial",
        format!("loaded, attached and detached; {frames} frames and {rate} Mbit in a second{how}"),
    )
}

/// Frames and wire bytes past all hooks.
fn totals(capture: &LiveCapture) -> (u64, u64) {
    let sum = |counter| capture.counters().iter().map(|hook| hook.get(counter)).sum();
    (sum(Counter::Frames), sum(Counter::WireBytes))
}

/// Nobody empties it: what does not fit is not wanted.
const RING: u32 = 64 << 10;

const SECOND: Duration = Duration::from_secs(1);
