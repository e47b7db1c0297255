//! What may leave as JSON: the types of this module, and nothing else.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    DoctorReport, Event, FlowRecord, HandshakeRecord, Problem, Report, RequestRecord, flows::FlowListing,
};

/// Something that a log or the endpoint takes.
pub trait Record: Serialize {}

impl Record for DoctorReport {}
impl Record for Event {}
impl Record for FlowListing {}
impl Record for FlowRecord {}
impl Record for HandshakeRecord {}
impl Record for Report {}
impl Record for RequestRecord {}
impl<T: Serialize> Record for PartReport<'_, T> {}
impl Record for EventsLost {}
impl Record for Problem {}

/// One part of the report by itself, with what it takes to judge it.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(rename = "PartOf{T}")]
pub struct PartReport<'a, T> {
    /// False while the capture still runs.
    complete: bool,
    /// delivered / matched; `null` without frames.
    completeness: Option<f64>,
    /// The part.
    #[serde(flatten)]
    part: &'a T,
}

impl<'a, T> PartReport<'a, T> {
    /// This part of this report.
    #[must_use]
    pub const fn of(report: &Report, part: &'a T) -> Self {
        Self { complete: report.complete, completeness: report.completeness, part }
    }
}

/// A reader of events was too slow, and has not seen them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventsLost {
    /// How many it has not seen.
    pub lost: u64,
}
