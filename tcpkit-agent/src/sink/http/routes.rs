//! Paths and what they answer.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use tokio::sync::{Semaphore, watch};

use super::{
    Served,
    answer::{Answer, Caching},
    life::Life,
    limits, openapi, paths,
    problem::{bad_query, no_such_path, problem, respond, unavailable},
    query::Query,
};
use crate::{
    report::{
        PartReport, Problem, Record, Report,
        flows::{FlowCursor, FlowFilter, FlowOrder, FlowQuery},
    },
    sink::metrics::{Format, Metrics, Own},
};

/// What answers are made of.
#[derive(Clone)]
struct Sources {
    served: Arc<Served>,
    metrics: Arc<Metrics>,
    /// Places for readers of events.
    places: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

/// The paths of the endpoint; streams of events end when `stopped` changes.
pub(super) fn router(served: Arc<Served>, stopped: watch::Receiver<bool>) -> Router {
    let metrics = Arc::new(Metrics::new(served.top));
    let places = Arc::new(Semaphore::new(limits::EVENT_READERS));
    Router::new()
        .route(paths::PAGE, get(super::page::page))
        .route(paths::REPORT, view(text))
        .route(paths::FLOWS, get(flows))
        .route(paths::HANDSHAKES, view(|report, pretty| part(report, &report.handshake, pretty)))
        .route(paths::RETRANSMITS, view(|report, pretty| part(report, &report.retransmit, pretty)))
        .route(paths::LATENCY, view(|report, pretty| part(report, &report.latency, pretty)))
        .route(paths::STALLS, view(|report, pretty| part(report, &report.stalls, pretty)))
        .route(paths::BANDWIDTH, view(|report, pretty| part(report, &report.bandwidth, pretty)))
        .route(paths::LEDGER, view(|report, pretty| part(report, &report.ledger, pretty)))
        .route(paths::EVENTS, get(events))
        .route(paths::METRICS, get(scrape))
        .route(paths::STATS, get(stats))
        .route(paths::HEALTHZ, get(healthz))
        .route(paths::READYZ, get(readyz))
        .route(paths::OPENAPI, get(description))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Sources { served, metrics, places, stopped })
}

/// A view of the report as JSON.
fn view(render: fn(&Report, bool) -> Result<String, Problem>) -> MethodRouter<Sources> {
    get(move |State(sources): State<Sources>, uri: Uri, headers: HeaderMap| async move {
        let answer = async {
            let query = Query::of(&uri, paths::parameters(uri.path()))?;
            let report = sources.served.reports.report().await.map_err(unavailable)?;
            Ok(Answer::json(render(&report, query.flag("pretty"))?, Caching::Revalidate))
        };
        given(answer.await, &headers)
    })
}

fn part<T: serde::Serialize>(report: &Report, part: &T, pretty: bool) -> Result<String, Problem> {
    text(&PartReport::of(report, part), pretty)
}

/// JSON on one line, or on several.
fn text(record: &impl Record, pretty: bool) -> Result<String, Problem> {
    let text = if pretty { serde_json::to_string_pretty(record) } else { serde_json::to_string(record) };
    text.map_err(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn given(answer: Result<Answer, Problem>, headers: &HeaderMap) -> Response {
    match answer {
        Ok(answer) => answer.respond(headers),
        Err(problem) => respond(&problem),
    }
}

async fn flows(State(sources): State<Sources>, uri: Uri, headers: HeaderMap) -> Response {
    let answer = async {
        let query = Query::of(&uri, paths::parameters(uri.path()))?;
        let asked = flow_query(&query)?;
        let listing = sources.served.flows.list(asked).await.map_err(unavailable)?;
        Ok(Answer::json(text(&listing, query.flag("pretty"))?, Caching::Never))
    };
    given(answer.await, &headers)
}

fn flow_query(query: &Query) -> Result<FlowQuery, Problem> {
    let usual = FlowQuery::default();
    let filter = query.text("filter").unwrap_or_default();
    let filter = FlowFilter::parse(filter)
        .map_err(|mistake| bad_query("filter", mistake.to_string(), FILTERS.map(str::to_owned).into()))?;
    let after = query.text("cursor").map(str::parse::<FlowCursor>).transpose();
    let after = after.map_err(|error| bad_query("cursor", error.to_string(), Vec::new()))?;
    let limit = query.number("limit").and_then(|limit| usize::try_from(limit).ok());
    Ok(FlowQuery {
        order: query.text("sort").and_then(FlowOrder::from_name).unwrap_or(usual.order),
        descending: query.text("order") != Some("asc"),
        limit: limit.unwrap_or(usual.limit),
        filter,
        after,
        ..usual
    })
}

/// What a filter of flows consists of, for whoever has mistyped one.
const FILTERS: [&str; 9] = [
    "host ADDRESS",
    "net ADDRESS/BITS",
    "port NUMBER or FIRST-LAST",
    "client or server before one of these",
    "state NAME",
    "interface NAME",
    "midstream",
    "open",
    "and, or, not, ( )",
];

async fn events(State(sources): State<Sources>, request: Request) -> Response {
    if let Err(problem) = Query::of(request.uri(), paths::parameters(paths::EVENTS)) {
        return respond(&problem);
    }
    let Ok(place) = Arc::clone(&sources.places).try_acquire_owned() else {
        return respond(&problem(StatusCode::SERVICE_UNAVAILABLE, "there are too many readers of events"));
    };
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    if request.method() == axum::http::Method::HEAD {
        return (headers, Body::empty()).into_response();
    }
    let life = request.extensions().get::<Life>().cloned();
    if let Some(life) = &life {
        life.begin_stream();
    }
    let over = move || {
        drop(place);
        if let Some(life) = life {
            life.end_stream();
        }
    };
    let body = sources.served.events.body(request.headers(), sources.stopped.clone(), over);
    (headers, Body::new(body)).into_response()
}

async fn scrape(State(sources): State<Sources>, uri: Uri, headers: HeaderMap) -> Response {
    let answer = async {
        Query::of(&uri, paths::parameters(paths::METRICS))?;
        let report = sources.served.reports.report().await.map_err(unavailable)?;
        let own =
            Own { event_readers: sources.served.events.readers(), events_lost: sources.served.events.lost() };
        let format = Format::wanted(&headers);
        let octets = sources
            .metrics
            .render(format, &report, &own)
            .map_err(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(Answer { kind: format.media_type(), octets, caching: Caching::Never })
    };
    given(answer.await, &headers)
}

/// To the letter what a bare connection gets, without a line's end behind it.
async fn stats(State(sources): State<Sources>, uri: Uri, headers: HeaderMap) -> Response {
    let answer = async {
        Query::of(&uri, paths::parameters(paths::STATS))?;
        let report = sources.served.reports.report().await.map_err(unavailable)?;
        let text = (sources.served.statistics)(uri.query().unwrap_or_default(), &report);
        let text = text.ok_or_else(|| bad_query("v", "no such version", Vec::new()))?;
        Ok(Answer { kind: "application/json", octets: text.into_bytes(), caching: Caching::Never })
    };
    given(answer.await, &headers)
}

async fn healthz(State(sources): State<Sources>, uri: Uri) -> Response {
    match Query::of(&uri, paths::parameters(paths::HEALTHZ)) {
        Ok(_) => health(sources.served.health.trouble()),
        Err(problem) => respond(&problem),
    }
}

async fn readyz(State(sources): State<Sources>, uri: Uri) -> Response {
    if let Err(problem) = Query::of(&uri, paths::parameters(paths::READYZ)) {
        return respond(&problem);
    }
    let trouble = match sources.served.health.trouble() {
        None => sources.served.reports.report().await.err().map(|reason| reason.to_string()),
        trouble => trouble,
    };
    health(trouble)
}

fn health(trouble: Option<String>) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    match trouble {
        None => (StatusCode::OK, no_store, "ok\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, no_store, format!("{reason}\n")).into_response(),
    }
}

async fn description(uri: Uri, headers: HeaderMap) -> Response {
    let answer = Query::of(&uri, paths::parameters(paths::OPENAPI)).map(|query| {
        let description = openapi::describe();
        let text = if query.flag("pretty") { format!("{description:#}") } else { description.to_string() };
        Answer::json(text, Caching::ForAnHour)
    });
    given(answer, &headers)
}

async fn not_found(uri: Uri) -> Response {
    respond(&no_such_path(uri.path()))
}

async fn not_allowed() -> Response {
    let mut allowed = problem(StatusCode::METHOD_NOT_ALLOWED, "this endpoint only tells");
    allowed.allowed = vec!["GET".to_owned(), "HEAD".to_owned()];
    let mut response = respond(&allowed);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
