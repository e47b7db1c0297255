//! Answers that are none: which part of the request is wrong, and what there is instead (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{paths, source::Unavailable};
use crate::report::Problem;

/// A problem of this status.
pub(super) fn problem(status: StatusCode, detail: impl Into<String>) -> Problem {
    Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Unknown"),
        status: status.as_u16(),
        detail: detail.into(),
        parameter: None,
        allowed: Vec::new(),
    }
}

/// A query that cannot be answered, because of this parameter.
pub(super) fn bad_query(parameter: &str, detail: impl Into<String>, allowed: Vec<String>) -> Problem {
    let parameter = Some(parameter.to_owned());
    Problem { parameter, allowed, ..problem(StatusCode::BAD_REQUEST, detail) }
}

/// There is no such path.
pub(super) fn no_such_path(path: &str) -> Problem {
    let shown: String = path.chars().take(SHOWN).collect();
    let allowed = paths::PATHS.iter().map(|one| one.path.to_owned()).collect();
    Problem { allowed, ..problem(StatusCode::NOT_FOUND, format!("there is no {shown} here")) }
}

/// There is nothing to answer from.
pub(super) fn unavailable(reason: Unavailable) -> Problem {
    problem(StatusCode::SERVICE_UNAVAILABLE, reason.to_string())
}

/// The problem as a response.
pub(super) fn respond(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_string(problem).unwrap_or_default() + "\n";
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    let mut response = (status, headers, text).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// RFC 9457 §3.
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// Characters of a path that are repeated to whoever asked for it.
const SHOWN: usize = 100;
