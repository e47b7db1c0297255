//! What the endpoint says when it has no answer (RFC 9457, `application/problem+json`).

use schemars::JsonSchema;
use serde::Serialize;

/// Why there is no answer, and what would have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// RFC 9457 §4.2.1: `about:blank`, because the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What is wrong with this request, or here and now.
    pub detail: String,
    /// The parameter of the query that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What there is: paths, parameters, or values of `parameter`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}
