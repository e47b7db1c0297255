//! Metrics: what the report and the agent's own health have, for Prometheus.
//!
//! The contract:
//! - Base units, names and types as OpenMetrics wants them; the catalogue in `catalogue` is all there is, and
//!   `docs/metrics.md` is made of it.
//! - No label ever has a four-tuple. Servers and commands are told apart for the busiest few; the rest is `other`, and
//!   the sum of all grows as the whole does, whoever comes and goes among the busiest.
//! - A counter never goes back. Where a verdict is revised (a retransmission that turns out to be spurious), the counter
//!   of the first verdict stands still until it is made up for.

mod catalogue;
#[cfg(test)]
mod document;
mod encode;
mod plain;
mod process;
mod sample;
#[cfg(test)]
mod tests;
mod top;
mod tops;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};

use crate::report::Report;
use catalogue::{Context, METRICS, Metric};
pub use plain::plain;
use process::Process;
use sample::{Samples, Value};
use tops::Tops;

/// Makes the text of metrics; it remembers what it told, so that counters never go back.
#[derive(Debug)]
pub struct Metrics {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tops: Tops,
    /// What each series of a counter was told to be, by name and label values.
    told: HashMap<(&'static str, Vec<String>), u64>,
}

/// What the endpoint knows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// Readers of events.
    pub event_readers: usize,
    /// Events that they have lost.
    pub events_lost: u64,
}

impl Metrics {
    /// Metrics that tell so many servers and commands apart.
    #[must_use]
    pub fn new(top: usize) -> Self {
        Self { state: Mutex::new(State { tops: Tops::new(top), told: HashMap::new() }) }
    }

    /// The metrics of this report, in OpenMetrics 1.0.0.
    ///
    /// # Errors
    /// The library finds that a metric contradicts its type: a defect.
    pub fn render(&self, report: &Report, own: &Own) -> Result<String, fmt::Error> {
        // A thread that panicked while it wrote left numbers behind that are whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let named = state.tops.update(report);
        let context = Context { report, own, named: &named, process: Process::now() };
        let mut told = HashMap::new();
        let families = METRICS.iter().copied().flatten().map(|metric| {
            let mut samples = Samples::of(metric);
            (metric.fill)(&context, &mut samples);
            samples.rows.iter_mut().for_each(|row| state.hold(metric, row, &mut told));
            samples
        });
        let families: Vec<Samples> = families.filter(|samples| !samples.rows.is_empty()).collect();
        state.told = told;
        encode::encode(families)
    }
}

impl State {
    /// Sees to it that a counter does not go back.
    fn hold(
        &self,
        metric: &'static Metric,
        row: &mut sample::Sample,
        told: &mut HashMap<(&'static str, Vec<String>), u64>,
    ) {
        if let Value::Count(count) = &mut row.value {
            let key = (metric.name, row.labels.iter().map(|(_, value)| value.clone()).collect());
            *count = (*count).max(self.told.get(&key).copied().unwrap_or(0));
            told.insert(key, *count);
        }
    }
}

/// Whether these headers ask for OpenMetrics rather than for the older text.
#[must_use]
pub fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut openmetrics, mut text) = (0.0f32, 0.0f32);
    for range in values.flat_map(|ranges| ranges.split(',')) {
        let mut words = range.split(';').map(str::trim);
        let kind = words.next().unwrap_or_default();
        let mut weight = 1.0f32;
        let mut is_known = true;
        for word in words {
            match word.split_once('=') {
                Some(("q", value)) => weight = value.parse().unwrap_or(0.0),
                Some(("version", value)) => is_known = matches!(value, "1.0.0" | "0.0.1" | "0.0.4"),
                _ => {}
            }
        }
        match kind {
            "application/openmetrics-text" if is_known => openmetrics = weight.max(openmetrics),
            "text/plain" => text = weight.max(text),
            _ => {}
        }
    }
    openmetrics > 0.0 && openmetrics >= text
}

/// The media type of what [`Metrics::render`] makes.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The media type of what [`plain`] makes.
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
