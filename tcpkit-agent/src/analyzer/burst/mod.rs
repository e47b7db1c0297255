//! How high the rate went within milliseconds: peaks and percentiles over windows of 1 and of 10 milliseconds.
//!
//! Takes one millisecond after the other, idle ones included, of one interface and direction. Windows of 10 ms begin
//! with each millisecond, so a burst is seen whole wherever it falls. Memory is that of two histograms.

mod frames;

pub use frames::{BurstAnalyzer, BurstKey, Late};

use super::{Bucket, SpanHistogram};
use crate::time::Span;

/// Milliseconds of the longer windows.
const LONG: usize = 10;

/// What passed in one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin<F> {
    /// Bytes on the wire.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// The flow that may have most of the bytes; if one has more than half of them, it is this one.
    pub candidate: Option<F>,
    /// Bytes that are certainly the candidate's.
    pub weight: u64,
}

impl<F> Bin<F> {
    /// Nothing passed.
    pub const EMPTY: Self = Self { bytes: 0, packets: 0, candidate: None, weight: 0 };
}

/// The rate within milliseconds, of one interface and direction. `F` names a flow, or stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurstSeries<F> {
    one: Windows<F>,
    ten: Windows<F>,
    /// The last milliseconds, oldest first.
    recent: Vec<Bin<F>>,
    /// Number of the millisecond that comes next.
    next: Option<i64>,
    observed: u64,
    missed: u64,
}

/// All windows of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows<F> {
    /// Bytes of each, in the place of nanoseconds.
    bytes: SpanHistogram,
    peak: Option<BurstPeak<F>>,
}

/// The window with the most bytes; the first one, where several have as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstPeak<F> {
    /// Number of the millisecond with which it begins.
    pub begin: i64,
    /// What passed in it.
    pub bin: Bin<F>,
}

impl<F> Default for BurstSeries<F> {
    fn default() -> Self {
        let windows = || Windows { bytes: SpanHistogram::default(), peak: None };
        let (one, ten) = (windows(), windows());
        Self { one, ten, recent: Vec::new(), next: None, observed: 0, missed: 0 }
    }
}

impl<F: Copy + PartialEq> BurstSeries<F> {
    /// Takes what passed in this millisecond; those since the one before were idle. One that was there already, or
    /// that stands before the first, is not taken, and false is returned.
    pub fn on_millisecond(&mut self, number: i64, bin: Bin<F>) -> bool {
        let next = *self.next.get_or_insert(number);
        if number < next {
            return false;
        }
        self.on_idle(number);
        self.push(number, bin);
        true
    }

    /// Nothing passed in the milliseconds before this one that were not taken yet.
    pub fn on_idle(&mut self, end: i64) {
        let Some(next) = self.next else { return };
        let idle = u64::try_from(end.saturating_sub(next)).unwrap_or(0);
        let single = idle.min(LONG as u64);
        for _ in 0..single {
            let number = self.next.unwrap_or(next);
            self.push(number, Bin::EMPTY);
        }
        let rest = idle - single;
        if rest > 0 {
            self.one.bytes.record_many(Bucket::of(Span(0)), Span(0), rest);
            self.ten.bytes.record_many(Bucket::of(Span(0)), Span(0), rest);
        }
        self.observed += rest;
        self.next = Some(end.max(next));
    }

    /// The milliseconds from here on to `end` are not known; no window reaches over them.
    pub fn on_missed(&mut self, end: i64) {
        let Some(next) = self.next else { return };
        self.missed += u64::try_from(end.saturating_sub(next)).unwrap_or(0);
        self.next = Some(end.max(next));
        self.recent.clear();
    }

    /// Windows of 1 ms, one after the other.
    #[must_use]
    pub const fn one(&self) -> &Windows<F> {
        &self.one
    }

    /// Windows of 10 ms, one beginning with each millisecond.
    #[must_use]
    pub const fn ten(&self) -> &Windows<F> {
        &self.ten
    }

    /// Milliseconds that were taken, and that are not known.
    #[must_use]
    pub const fn extent(&self) -> (u64, u64) {
        (self.observed, self.missed)
    }

    fn push(&mut self, number: i64, bin: Bin<F>) {
        self.observed += 1;
        self.next = Some(number.saturating_add(1));
        self.one.record(number, bin);
        if self.recent.len() == LONG {
            self.recent.remove(0);
        }
        self.recent.push(bin);
        if self.recent.len() == LONG {
            self.ten.record(number - (LONG as i64 - 1), sum(&self.recent));
        }
    }
}

impl<F: Copy> Windows<F> {
    /// Bytes that 99 of 100 windows did not exceed, at most 1 % off.
    #[must_use]
    pub fn p99_bytes(&self) -> Option<u64> {
        self.bytes.per_mille(990).map(|bytes| bytes.0)
    }

    /// The highest.
    #[must_use]
    pub const fn peak(&self) -> Option<&BurstPeak<F>> {
        self.peak.as_ref()
    }

    fn record(&mut self, begin: i64, bin: Bin<F>) {
        self.bytes.record(Span(bin.bytes));
        if self.peak.as_ref().is_none_or(|peak| bin.bytes > peak.bin.bytes) {
            self.peak = Some(BurstPeak { begin, bin });
        }
    }
}

/// All of them together; of the candidates, the one with the most certain bytes.
fn sum<F: Copy + PartialEq>(bins: &[Bin<F>]) -> Bin<F> {
    let mut sum = Bin::EMPTY;
    for bin in bins {
        sum.bytes += bin.bytes;
        sum.packets += bin.packets;
        let is_its = |other: &&Bin<F>| other.candidate == bin.candidate && bin.candidate.is_some();
        let weight = bins.iter().filter(is_its).map(|other| other.weight).sum();
        if weight > sum.weight {
            (sum.candidate, sum.weight) = (bin.candidate, weight);
        }
    }
    sum
}

#[cfg(test)]
mod tests;
