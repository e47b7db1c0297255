//! `-b`, `-B` and `-a`: what a capture comes to as a whole.

use super::{number::fixed, sample::Sample};

/// Sums over the intervals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    bytes: f64,
    exceeded: f64,
    peak: f64,
    carried: f64,
}

impl Summary {
    pub(super) fn on_interval(&mut self, sample: &Sample, length: f64, limit: f64, carries: bool) {
        self.bytes += sample.sum;
        let own = sample.sum * 8.0 / length;
        if own > self.peak {
            self.peak = own;
        }
        if sample.packets == 0 {
            return;
        }
        let bandwidth = (sample.sum + self.carried) * 8.0 / length;
        self.carried = 0.0;
        if bandwidth > limit {
            self.exceeded += length;
            if carries {
                self.carried = (bandwidth - limit) * length / 8.0;
            }
        }
    }

    pub(super) fn bandwidth(&self, limit: f64, is_raw: bool, elapsed: f64) -> String {
        format!(
            "{}Time exceeding {} bps:\t{} sec.\t({}% of the time)\nPeak Bandwidth: {} bps\n",
            if is_raw { "(Raw) " } else { "" },
            fixed(limit, 2),
            fixed(self.exceeded, 2),
            fixed(self.exceeded / elapsed * 100.0, 2),
            fixed(self.peak, 2)
        )
    }

    pub(super) fn account(&self, elapsed: f64) -> String {
        let second = if elapsed == 0.0 { 0.0 - self.bytes } else { self.bytes / elapsed };
        [("sec", 1.0), ("minute", 60.0), ("hour", 3_600.0), ("day", 86_400.0), ("month", 2_592_000.0)]
            .map(|(unit, seconds)| format!("Bytes/{unit}\t= {}\n", amount(second * seconds)))
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
