//! What the statistics are asked for.

use super::Format;

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A line for each interval.
    Lines,
    /// How long a bandwidth was exceeded (`-b`, `-B`), and the peak.
    Bandwidth,
    /// Bytes by second, minute, hour, day and month (`-a`).
    Account,
}

/// Options of a run.
#[derive(Clone, Debug)]
pub struct StatOptions {
    /// Seconds; -1 is the whole capture.
    pub interval: f64,
    /// Only so many seconds from the first packet on; -1 is all of them (`-s`).
    pub seconds: f64,
    /// Intervals without packets are left out (`-e`).
    pub skips_empty: bool,
    /// Subtracted from times (`-R`).
    pub relative_to: f64,
    /// The line (`-o`).
    pub format: Format,
    /// What is printed.
    pub action: Action,
    /// Bits per second of `-b` and `-B`, the last one given.
    pub limit: f64,
    /// What exceeds the limit is carried over to the next interval: `-b` was given at some time.
    pub carries: bool,
    /// What the manual page promises where the binary does otherwise (`--strict`).
    pub strict: bool,
}

impl Default for StatOptions {
    fn default() -> Self {
        Self {
            interval: 5.0,
            seconds: -1.0,
            skips_empty: false,
            relative_to: 0.0,
            format: Format::default(),
            action: Action::Lines,
            limit: 0.0,
            carries: false,
            strict: false,
        }
    }
}
