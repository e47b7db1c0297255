//! What `tcpkit doctor` found.

use serde::Serialize;

/// Everything that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// False where eBPF cannot capture from what was examined.
    pub can_capture: bool,
    /// The host first, then each interface.
    pub examined: Vec<ExaminedRecord>,
}

/// The host, or an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExaminedRecord {
    /// `host`, or the interface's name.
    pub name: String,
    /// In the order in which they matter.
    pub findings: Vec<FindingRecord>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingRecord {
    /// What was looked at.
    pub subject: &'static str,
    /// `ok`, `note` (it costs something, or changes what numbers mean), `loss` (frames are lost, or will be under
    /// load) or `trouble` (no capture by eBPF).
    pub condition: &'static str,
    /// What there is, and what that means.
    pub fact: String,
    /// What to do about it.
    pub advice: Option<String>,
}
