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
}
