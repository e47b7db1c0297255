//! Paths and what they answer.

use super::{
    bare::StatsAnswer,
    source::{Health, ReportSource, Unavailable},
};
use crate::report::{LedgerReport, Record};
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// The paths of the endpoint.
pub(super) fn router(reports: ReportSource, health: Health, statistics: StatsAnswer) -> Router {
    Router::new()
        .route("/", get(super::page::page))
        .route("/api/v1/report", get(report))
        .route("/api/v1/ledger", get(ledger))
        .route("/stats", get(stats))
        .route("/healthz", get(healthz))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Sources { reports, health, statistics })
}

#[derive(Clone)]
struct Sources {
    reports: ReportSource,
    health: Health,
    statistics: StatsAnswer,
}

async fn report(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Response {
    match sources.reports.report().await {
        Ok(report) => json(&*report, query.as_deref()),
        Err(reason) => unavailable(reason),
    }
}

async fn ledger(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Response {
    match sources.reports.report().await {
        Ok(report) => json(&LedgerReport::from(&*report), query.as_deref()),
        Err(reason) => unavailable(reason),
    }
}

/// To the letter what a bare connection gets, without a line's end behind it.
async fn stats(State(sources): State<Sources>, RawQuery(query): RawQuery) -> Response {
    let report = match sources.reports.report().await {
        Ok(report) => report,
        Err(reason) => return unavailable(reason),
    };
    match (sources.statistics)(query.as_deref().unwrap_or_default(), &report) {
        Some(text) => ([(header::CONTENT_TYPE, "application/json"), NO_STORE], text).into_response(),
        None => failure(StatusCode::BAD_REQUEST, "no such version; there are v=1.0, v=1.0.1 and v=1.1"),
    }
}

async fn healthz(State(sources): State<Sources>) -> Response {
    match sources.health.trouble() {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn not_found() -> Response {
    failure(StatusCode::NOT_FOUND, "no such path; there are /api/v1/report, /api/v1/ledger, /stats, /healthz")
}

async fn not_allowed() -> Response {
    failure(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
}

fn unavailable(reason: Unavailable) -> Response {
    failure(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string())
}

fn failure(status: StatusCode, reason: &str) -> Response {
    (status, body(serde_json::json!({ "error": reason }).to_string())).into_response()
}

/// JSON on one line, or, with `pretty` in the query, on several.
fn json(record: &impl Record, query: Option<&str>) -> Response {
    let pretty =
        query.is_some_and(|query| query.split('&').any(|word| word == "pretty" || word == "pretty=true"));
    let text = if pretty { serde_json::to_string_pretty(record) } else { serde_json::to_string(record) };
    match text {
        Ok(text) => body(text).into_response(),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn body(text: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), NO_STORE], text + "\n")
}

/// A report is true for a moment only.
const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");
