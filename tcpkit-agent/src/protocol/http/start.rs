//! Start lines: what a message begins with (RFC 9112 §3 and §4).

use super::line::Told;
use crate::protocol::{piece::Party, text::Text};

/// A request line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The method.
    pub(super) command: Text<24>,
    /// The path without its query.
    pub(super) key: Text<64>,
    /// The line as it was sent.
    pub(super) label: Text<127>,
    /// What of it changes how the answer is read.
    pub(super) method: Method,
}

/// Methods whose answers have no content of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// The answer has a head alone.
    Head,
    /// An answer of success turns the connection into a tunnel.
    Connect,
    /// All others.
    #[default]
    Other,
}

/// What a message begins with.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack while one line is looked at")]
pub(super) enum First {
    /// A request.
    Request(Asked),
    /// A response with this status code.
    Response(u16),
    /// HTTP/2: nothing that comes is a line any more.
    Another,
}

/// Reads a start line; `None` when it is none. A line that was captured in part is taken by its beginning.
pub(super) fn read(party: Party, line: Told<'_>) -> Option<First> {
    match party {
        Party::Client => request(line),
        Party::Server => status(line.octets).map(First::Response),
    }
}

/// Whether octets may be the beginning of a start line, be they few.
pub(super) fn could_begin(party: Party, octets: &[u8]) -> bool {
    match party {
        Party::Client => match octets.iter().position(|octet| *octet == b' ') {
            Some(end) => is_method(&octets[..end]),
            None => octets.len() <= METHOD_LIMIT && octets.iter().all(|octet| is_token(*octet)),
        },
        Party::Server => {
            let prefix = octets.len().min(RESPONSE.len());
            octets[..prefix] == RESPONSE[..prefix]
        }
    }
}

/// Whether a piece that begins like this begins a message, and hardly anything else: how a lost thread is found again.
pub(super) fn begins(party: Party, octets: &[u8]) -> bool {
    match party {
        Party::Client => begins_request(octets),
        Party::Server => status(octets).is_some(),
    }
}

/// Whether a party that begins like this speaks HTTP/1; a request line in part counts when its method is well known.
pub(super) fn speaks(party: Party, first: &[u8]) -> bool {
    let is_usual = || METHODS.iter().any(|method| first.starts_with(method));
    begins(party, first)
        && (party == Party::Server || first.contains(&b'\n') || (is_usual() && first.len() >= ENOUGH))
}

fn request(line: Told<'_>) -> Option<First> {
    let end = line.octets.iter().position(|octet| *octet == b' ')?;
    let (method, rest) = line.octets.split_at(end);
    let mut target = rest;
    if line.is_whole {
        let version;
        (target, version) = rest.split_at(rest.len().checked_sub(VERSION_LEN)?);
        match version {
            b"HTTP/2.0" if method == b"PRI" => return Some(First::Another),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => {}
            _ => return None,
        }
    }
    is_method(method).then(|| First::Request(asked(method, target.trim_ascii(), line.octets)))
}

fn asked(method: &[u8], target: &[u8], line: &[u8]) -> Asked {
    let path = target.split(|octet| *octet == b'?').next().unwrap_or_default();
    let kind = match method {
        b"HEAD" => Method::Head,
        b"CONNECT" => Method::Connect,
        _ => Method::Other,
    };
    Asked { command: Text::upper(method), key: Text::of(path), label: Text::of(line), method: kind }
}

fn status(line: &[u8]) -> Option<u16> {
    let (digits, after) = line.strip_prefix(RESPONSE)?.split_at_checked(5)?;
    let [b'0'..=b'9', b' ', first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else {
        return None;
    };
    let code = [first, second, third].iter().fold(0, |code, digit| code * 10 + u16::from(**digit - b'0'));
    matches!(after, [] | [b' ' | b'\r' | b'\n', ..]).then_some(code)
}

fn begins_request(octets: &[u8]) -> bool {
    // The method first: of a piece of anything else no more is looked at.
    let beginning = &octets[..octets.len().min(METHOD_LIMIT + 1)];
    let method = beginning.split(|octet| *octet == b' ').next().unwrap_or_default();
    if method.len() == beginning.len()
        || !method.iter().all(|octet| is_token(*octet) && !octet.is_ascii_lowercase())
    {
        return false;
    }
    let end = memchr::memchr(b'\n', octets);
    let line = &octets[..end.unwrap_or(octets.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let target = line.get(method.len()..).unwrap_or_default().trim_ascii_start();
    let is_target =
        matches!(target, [b'/' | b'*', ..]) || target.starts_with(b"http") || target.starts_with(b"HTTP/");
    let is_plausible =
        (is_target || method == b"CONNECT") && line.iter().all(|octet| !octet.is_ascii_control());
    is_plausible && matches!(request(Told { octets: line, is_whole: end.is_some() }), Some(First::Request(_)))
}

fn is_method(octets: &[u8]) -> bool {
    (1..=METHOD_LIMIT).contains(&octets.len()) && octets.iter().all(|octet| is_token(*octet))
}

/// RFC 9110 §5.6.2: the octets of a token.
const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Methods of standards have at most 17 octets (`UPDATEREDIRECTREF`).
const METHOD_LIMIT: usize = 31;

const RESPONSE: &[u8] = b"HTTP/1.";

/// `HTTP/1.1`.
const VERSION_LEN: usize = 8;

/// Methods by which a request line without its end is recognised.
const METHODS: [&[u8]; 9] = [
    b"GET /",
    b"HEAD /",
    b"POST /",
    b"PUT /",
    b"DELETE /",
    b"OPTIONS /",
    b"PATCH /",
    b"GET http://",
    b"CONNECT ",
];

/// So much of a request line without its end is recognised: other protocols of lines have shorter ones.
const ENOUGH: usize = 64;
