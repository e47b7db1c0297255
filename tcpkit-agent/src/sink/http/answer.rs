//! Answers: compressed for whoever takes it, and left out for whoever has them already.

use std::{
    hash::{DefaultHasher, Hasher as _},
    io::Write as _,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use flate2::{Compression, write::GzEncoder};

/// What is answered.
pub(super) struct Answer {
    pub(super) kind: &'static str,
    pub(super) octets: Vec<u8>,
    pub(super) caching: Caching,
}

/// What may be kept of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// Nothing: it is true for a moment only.
    Never,
    /// It may be kept, and asked for whether it is still true: RFC 9110 §8.8.3.
    Revalidate,
    /// It stays the same as long as the agent does.
    ForAnHour,
}

impl Answer {
    /// An answer in JSON, with a line's end.
    pub(super) fn json(text: String, caching: Caching) -> Self {
        Self { kind: "application/json", octets: (text + "\n").into_bytes(), caching }
    }

    /// The response to a request with these headers.
    pub(super) fn respond(self, asked: &HeaderMap) -> Response {
        let tag = (self.caching != Caching::Never).then(|| tag(&self.octets));
        let mut response = match &tag {
            Some(tag) if has_it(asked, tag) => StatusCode::NOT_MODIFIED.into_response(),
            _ => self.body(asked),
        };
        let headers = response.headers_mut();
        let caching = match self.caching {
            Caching::Never => "no-store",
            Caching::Revalidate => "no-cache",
            Caching::ForAnHour => "max-age=3600",
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        response
    }

    fn body(&self, asked: &HeaderMap) -> Response {
        let packed = takes_gzip(asked).then(|| gzip(&self.octets)).flatten();
        let is_packed = packed.is_some();
        let body = packed.map_or_else(|| Body::from(self.octets.clone()), Body::from);
        let mut response = ([(header::CONTENT_TYPE, self.kind)], body).into_response();
        if is_packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// The same octets have the same tag; it is weak, because they may come compressed or not.
fn tag(octets: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(octets);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// RFC 9110 §13.1.2: whether the asker has a text with this tag.
fn has_it(asked: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|tags| tags.split(',')).any(|other| other.trim() == "*" || opaque(other) == opaque(tag))
}

/// RFC 9110 §12.5.3: whether gzip is acceptable, and not refused by a weight of zero.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for coding in values.flat_map(|codings| codings.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        let is_welcome = weight.is_none_or(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return is_welcome,
            "*" => any = is_welcome,
            _ => {}
        }
    }
    any
}

/// `None` for what is not worth it.
fn gzip(octets: &[u8]) -> Option<Vec<u8>> {
    if octets.len() < WORTH_IT {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(octets).ok()?;
    encoder.finish().ok()
}

/// A shorter answer fits into one packet as it is.
const WORTH_IT: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_for_those_who_want_it() {
        for (value, takes) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0, *", false),
            ("*", true),
            ("identity", false),
            ("br;q=1.0, *;q=0", false),
        ] {
            assert_eq!(takes_gzip(&headers(header::ACCEPT_ENCODING, value)), takes, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_known_again_weak_or_strong_or_among_others() {
        let own = tag(b"text");
        let strong = own.trim_start_matches("W/").to_owned();
        for value in [own.clone(), strong, format!("\"x\", {own}"), "*".to_owned()] {
            let value = HeaderValue::try_from(value).unwrap();
            assert!(has_it(&HeaderMap::from_iter([(header::IF_NONE_MATCH, value)]), &own));
        }
        assert!(!has_it(&headers(header::IF_NONE_MATCH, "\"text\""), &own));
        assert_ne!(tag(b"text"), tag(b"texts"));
    }
}
