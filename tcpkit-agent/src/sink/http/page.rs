//! `GET /`: the page.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::sink::page;

/// The page, which asks for reports itself; a new version of tcpkit has a new one, so it is asked for anew.
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, page::live()).into_response()
}
