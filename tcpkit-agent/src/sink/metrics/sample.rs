//! The series of one metric, as they stand.

use super::{catalogue::Metric, native::Native};
use crate::report::{DURATION_BOUNDS_NS, Durations};

/// The series of one metric.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) metric: &'static Metric,
    pub(super) rows: Vec<Sample>,
}

/// One series.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: Value,
}

/// What it stands at.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A counter of things.
    Count(u64),
    /// A counter or a gauge of amounts.
    Number(f64),
    /// Things by size.
    Histogram(Histogram),
    /// Nothing but labels.
    Info,
}

/// Things by size.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Upper bounds, the last of them infinite, and how many fell into each bucket.
    pub(super) buckets: Vec<(f64, u64)>,
    /// The same in Prometheus's own buckets, of durations.
    pub(super) native: Option<Native>,
    /// All sizes together.
    pub(super) sum: f64,
    /// One of those that fell into a bucket.
    pub(super) exemplars: Vec<(usize, Exemplar)>,
}

/// One of those that a histogram counts.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
    /// Seconds since the epoch.
    pub(super) at: f64,
}

impl Samples {
    /// None yet.
    pub(super) const fn of(metric: &'static Metric) -> Self {
        Self { metric, rows: Vec::new() }
    }

    /// Adds a counter of things; the values are those of the metric's labels.
    pub(super) fn count(&mut self, labels: &[&str], count: u64) {
        self.push(labels, Value::Count(count));
    }

    /// Adds an amount.
    pub(super) fn number(&mut self, labels: &[&str], number: f64) {
        self.push(labels, Value::Number(number));
    }

    /// Adds labels that say everything.
    pub(super) fn info(&mut self, labels: &[&str]) {
        self.push(labels, Value::Info);
    }

    /// Adds durations.
    pub(super) fn durations(&mut self, labels: &[&str], durations: &Durations) {
        self.durations_with(labels, durations, Vec::new());
    }

    /// Adds durations with examples of some.
    pub(super) fn durations_with(
        &mut self,
        labels: &[&str],
        durations: &Durations,
        exemplars: Vec<(usize, Exemplar)>,
    ) {
        let bounds = DURATION_BOUNDS_NS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let buckets = bounds.zip(durations.buckets).collect();
        let native = Some(Native::of(&durations.native));
        let sum = seconds(durations.sum_ns);
        self.push(labels, Value::Histogram(Histogram { buckets, native, sum, exemplars }));
    }

    /// Adds things by size.
    pub(super) fn sizes(&mut self, buckets: Vec<(f64, u64)>, sum: f64) {
        let histogram = Histogram { buckets, native: None, sum, exemplars: Vec::new() };
        self.push(&[], Value::Histogram(histogram));
    }

    fn push(&mut self, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        let labels = self.metric.labels.iter().zip(labels);
        // A label without a value is no label to Prometheus.
        let labels = labels.filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.rows.push(Sample { labels, value });
    }
}

/// The bucket that this duration falls into.
pub(super) fn bucket_of(nanoseconds: f64) -> usize {
    DURATION_BOUNDS_NS.partition_point(|bound| number(*bound) < nanoseconds)
}

/// Nanoseconds in seconds.
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    number(nanoseconds) / 1e9
}

/// As the numbers of Prometheus are.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
pub(super) const fn number(count: u64) -> f64 {
    count as f64
}
