//! What may leave as JSON: the types of this module, and nothing else.

use serde::Serialize;

use super::{
    DoctorReport, Event, FlowRecord, HandshakeRecord, Ledger, Report, RequestRecord, flows::FlowListing,
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
impl Record for LedgerReport<'_> {}

/// The ledger by itself, with the completeness that follows from it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LedgerReport<'a> {
    /// False while the capture still runs.
    complete: bool,
    /// delivered / matched; `null` without frames.
    completeness: Option<f64>,
    /// What became of each frame.
    #[serde(flatten)]
    ledger: &'a Ledger,
}

impl<'a> From<&'a Report> for LedgerReport<'a> {
    fn from(report: &'a Report) -> Self {
        Self { complete: report.complete, completeness: report.completeness, ledger: &report.ledger }
    }
}
