//! How far a long replay is, on standard error, for someone who watches a terminal.

use std::{
    io,
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress through files whose size is known, or a count of frames from a pipe.
///
/// Nothing is shown for the first second, and nothing stays when it is done.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    total_bytes: Option<u64>,
    begun: Instant,
    shown: bool,
}

impl Progress {
    /// Progress on standard error; `total_bytes` of all files as they stand on the disk, `None` for a pipe.
    #[must_use]
    pub fn new(total_bytes: Option<u64>) -> Self {
        Self::begun_at(total_bytes, now())
    }

    fn begun_at(total_bytes: Option<u64>, begun: Instant) -> Self {
        Self { bar: ProgressBar::hidden(), total_bytes, begun, shown: false }
    }

    /// This many bytes of the files were read, in which this many frames stood; cheap enough for each block.
    pub fn update(&mut self, read_bytes: u64, frames: u64) {
        if !self.is_due(now()) {
            return;
        }
        if !self.shown {
            self.show();
        }
        self.bar.set_position(read_bytes);
        self.bar.set_message(message(read_bytes, self.total_bytes, frames));
    }

    /// Runs `write`, which writes to the terminal, without mixing with the progress there.
    pub fn suspend<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.bar.suspend(write)
    }

    /// Done: clears what was shown.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn is_due(&self, now: Instant) -> bool {
        self.shown || now.duration_since(self.begun) >= PATIENCE
    }

    fn show(&mut self) {
        self.bar = match self.total_bytes {
            Some(total) => ProgressBar::new(total).with_style(style(BAR)),
            None => ProgressBar::new_spinner().with_style(style(SPINNER)),
        }
        .with_elapsed(PATIENCE);
        self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND));
        self.shown = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates below are well-formed").progress_chars("=> ")
}

/// What may be cut off where the terminal is narrow: a line that wraps would leave its first row behind.
fn message(read: u64, total: Option<u64>, frames: u64) -> String {
    let (read, frames) = (HumanBytes(read), HumanCount(frames));
    match total {
        Some(total) => format!("{read} of {}, {frames} frames", HumanBytes(total)),
        None => format!("{read}, {frames} frames"),
    }
}

#[expect(clippy::disallowed_methods, reason = "progress is about the watcher's time, not the capture's")]
fn now() -> Instant {
    Instant::now()
}

/// A replay that is done within this time shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAWS_PER_SECOND: u8 = 5;
const BAR: &str = "{percent:>3} % [{bar:20}] {eta} left, {wide_msg}";
const SPINNER: &str = "{spinner} {elapsed}, {bytes_per_sec}, {wide_msg}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_replay_shows_nothing() {
        let mut progress = Progress::new(Some(100));
        progress.update(50, 1);
        assert!(!progress.shown && progress.bar.is_hidden());
        assert!(!progress.is_due(progress.begun + PATIENCE / 2));
        assert!(progress.is_due(progress.begun + PATIENCE));
    }

    #[test]
    fn a_long_replay_counts_bytes_and_frames() {
        for total in [Some(1_000), None] {
            let begun = now().checked_sub(PATIENCE * 2).unwrap();
            let mut progress = Progress::begun_at(total, begun);
            progress.update(500, 12_345);
            assert!(progress.shown);
            assert_eq!((progress.bar.position(), progress.bar.length()), (500, total));
            let of_all = if total.is_some() { " of 1000 B" } else { "" };
            assert_eq!(progress.bar.message(), format!("500 B{of_all}, 12,345 frames"));
            progress.finish();
            assert!(progress.bar.is_finished());
        }
    }

    #[test]
    fn more_bytes_than_expected_are_no_failure() {
        let mut progress = Progress::begun_at(Some(10), now().checked_sub(PATIENCE * 2).unwrap());
        progress.update(u64::MAX, u64::MAX);
        assert_eq!(progress.suspend(|| Ok(7)).unwrap(), 7);
    }
}
