//! The metrics: what each is, and where it stands in the report.
//!
//! `docs/metrics.md` is made of this, and dashboard and alerts in `dist` are checked against it.

use super::{Own, process::Process, sample::Samples, tops::Named};
use crate::report::Report;

mod agent;
mod requests;
mod tcp;
mod traffic;

/// One metric.
#[derive(Debug)]
pub(super) struct Metric {
    /// Without unit and suffix, which follow from the others.
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    pub(super) fill: fn(&Context<'_>, &mut Samples),
}

/// Base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// The name says what is counted.
    None,
    Seconds,
    Bytes,
    /// From 0 to 1.
    Ratio,
}

/// Types of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

/// What metrics are filled from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) report: &'a Report,
    pub(super) own: &'a Own,
    pub(super) named: &'a Named,
    pub(super) process: Process,
}

/// Every metric, in the order of the manual.
pub(super) const METRICS: &[&[Metric]] = &[agent::METRICS, traffic::METRICS, tcp::METRICS, requests::METRICS];

impl Metric {
    const fn new(
        name: &'static str,
        unit: Unit,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
        fill: fn(&Context<'_>, &mut Samples),
    ) -> Self {
        Self { name, unit, kind, labels, help, fill }
    }

    /// As its family is called.
    pub(super) fn family_name(&self) -> String {
        let unit = match self.unit {
            Unit::None => "",
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Ratio => "_ratio",
        };
        format!("{}{unit}", self.name)
    }

    /// As its series are called; a histogram's have suffixes of their own.
    #[cfg(test)]
    pub(super) fn full_name(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{suffix}", self.family_name())
    }
}
