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
mod format;
mod native;
mod plain;
mod process;
mod sample;
#[cfg(test)]
mod tests;
mod top;
mod tops;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::report::Report;
use catalogue::{Context, METRICS, Metric};
pub use format::Format;
use plain::plain;
use process::Process;
pub use prometheus_client::encoding::prometheus_protobuf::EncodeError;
use sample::{Samples, Value};
use tops::Tops;

/// Tells metrics; it remembers what it told, so that counters never go back.
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

    /// The metrics of this report in this format.
    ///
    /// # Errors
    /// The library finds that a metric contradicts its type: a defect.
    pub fn render(&self, format: Format, report: &Report, own: &Own) -> Result<Vec<u8>, EncodeError> {
        let families = self.families(report, own);
        match format {
            Format::Protobuf => encode::protobuf(families),
            Format::OpenMetrics => Ok(encode::text(families)?.into_bytes()),
            Format::Plain => Ok(plain(&encode::text(families)?).into_bytes()),
        }
    }

    fn families(&self, report: &Report, own: &Own) -> Vec<Samples> {
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
        let families = families.filter(|samples| !samples.rows.is_empty()).collect();
        state.told = told;
        families
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
