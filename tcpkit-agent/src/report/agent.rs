//! How the agent itself fares.

use schemars::JsonSchema;
use serde::Serialize;

use super::SpanSummary;

/// The agent's own health; what it measures of the capture stands elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct AgentReport {
    /// For how long each request of the control plane (for a report, for a list of flows) kept a worker from its
    /// frames.
    pub pause_us: SpanSummary,
    /// How often the configuration was read again.
    pub reloads: ReloadCounts,
}

/// How often the configuration was read again (SIGHUP).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReloadCounts {
    /// What had changed is in force, or waits for the next start.
    pub done: u64,
    /// Something was wrong, and everything stayed as it was.
    pub refused: u64,
}
