//! Paths and what they answer.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;

use super::source::{Health, ReportSource, Unavailable};

/// The paths of the endpoint.
pub(super) fn router(reports: ReportSource, health: Health) -> Router {
    Router::new()
        .route("/api/v1/report", get(report))
        .route("/api/v1/ledger", get(ledger))
        .route("/healthz", get(healthz))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Sources { reports, health })
}

#[derive(Clone)]
struct Sources {
    reports: ReportSource,
    health: Health,
}

async fn report(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Response {
    match sources.reports.report().await {
        Ok(report) => json(&*report, query.as_deref()),
        Err(reason) => unavailable(reason),
    }
}

/// The ledger, with the completeness that stands beside it in the report.
async fn ledger(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Response {
    let report = match sources.reports.report().await {
        Ok(report) => report,
        Err(reason) => return unavailable(reason),
    };
    let Ok(serde_json::Value::Object(mut ledger)) = serde_json::to_value(&report.ledger) else {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "the ledger is no JSON object");
    };
    ledger.insert("completeness".into(), report.completeness.into());
    json(&ledger, query.as_deref())
}

async fn healthz(State(sources): State<Sources>) -> Response {
    match sources.health.trouble() {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn not_found() -> Response {
    failure(StatusCode::NOT_FOUND, "no such path; there are /api/v1/report, /api/v1/ledger, /healthz")
}

async fn not_allowed() -> Response {
    failure(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
}

fn unavailable(reason: Unavailable) -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string())
}

fn failure(status: StatusCode, reason: &str) -> Response {
    let mut response = json(&serde_json::json!({ "error": reason }), None);
    *response.status_mut() = status;
    response
}

/// JSON on one line, or, with `pretty` in the query, on several.
fn json(value: &impl Serialize, query: Option<&str>) -> Response {
    let pretty =
        query.is_some_and(|query| query.split('&').any(|word| word == "pretty" || word == "pretty=true"));
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json"), NO_STORE], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// A report is true for a moment only.
const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");
