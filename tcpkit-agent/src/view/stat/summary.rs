//! `-b`, `-B` and `-a`: what a capture comes to as a whole.

use super::number::fixed;

/// Sums over the intervals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Seconds of all intervals.
    pub(super) time: f64,
    /// Seconds of those that exceeded the limit.
    pub(super) exceeded: f64,
    pub(super) bytes: f64,
    /// Bits per second of the fastest interval.
    pub(super) peak: f64,
}

impl Totals {
    /// `-b`, `-B`.
    pub(super) fn bandwidth(&self, limit: f64, carries: bool) -> String {
        format!(
            "{}Time exceeding {} bps:\t{} sec.\t({}% of the time)\nPeak Bandwidth: {} bps\n",
            if carries { "" } else { "(Raw) " },
            fixed(limit, 2),
            fixed(self.exceeded, 2),
            fixed(100.0 * self.exceeded / self.time, 2),
            fixed(self.peak, 2)
        )
    }

    /// `-a`; `interval` is what the bytes are divided by when no time passed.
    pub(super) fn account(&self, interval: f64) -> String {
        let second = if self.time == 0.0 { self.bytes / interval } else { self.bytes / self.time };
        let (minute, hour) = (second * 60.0, second * 60.0 * 60.0);
        let (day, month) = (hour * 24.0, hour * 24.0 * 30.0);
        [("sec", second), ("minute", minute), ("hour", hour), ("day", day), ("month", month)]
            .map(|(unit, bytes)| format!("Bytes/{unit}\t= {}\n", amount(bytes)))
            .concat()
    }
}

/// `%8.1f` and a unit of 1,024.
fn amount(bytes: f64) -> String {
    const KILO: f64 = 1_024.0;
    let (value, unit) = match bytes {
        bytes if bytes > KILO * KILO * KILO => (bytes / (KILO * KILO * KILO), "GB"),
        bytes if bytes > KILO * KILO => (bytes / (KILO * KILO), "MB"),
        bytes if bytes > KILO => (bytes / KILO, "KB"),
        bytes => (bytes, " B"),
    };
    format!("{:>8} {unit}", fixed(value, 1))
}
