//! What a head says of where its message ends (RFC 9112 §6).

use super::start::Method;

/// What the fields of a head say, as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    length: Option<u64>,
    coding: Option<Coding>,
    is_contradictory: bool,
}

/// The last transfer coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    Other,
}

/// How the content of a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none, or so many octets.
    Length(u64),
    /// With the last chunk.
    Chunks,
    /// With the connection.
    UntilEnd,
    /// The head contradicts itself: nobody knows.
    Unknown,
}

impl Framing {
    /// Hears a field line.
    pub(super) fn on_field(&mut self, line: &[u8]) {
        // Two fields of a head matter, and their first letters are rare among the others.
        if !matches!(line, [b'c' | b'C' | b't' | b'T', ..]) {
            return;
        }
        if let Some(value) = value_of(line, b"content-length:") {
            self.on_length(value);
        } else if let Some(value) = value_of(line, b"transfer-encoding:") {
            let last = value.rsplit(|octet| *octet == b',').next().unwrap_or_default().trim_ascii();
            let is_chunked = last.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(if is_chunked { Coding::Chunked } else { Coding::Other });
        }
    }

    /// RFC 9112 §6.3: the same length several times is that length, anything else an error.
    fn on_length(&mut self, value: &[u8]) {
        for number in value.split(|octet| *octet == b',') {
            match decimal(number.trim_ascii()) {
                Some(length) if self.length.is_none_or(|before| before == length) => {
                    self.length = Some(length)
                }
                _ => self.is_contradictory = true,
            }
        }
    }

    /// How a request with such a head ends.
    pub(super) const fn of_request(&self) -> Body {
        match (self.coding, self.length) {
            (Some(Coding::Chunked), _) => Body::Chunks,
            // RFC 9112 §6.3: its length cannot be known, and the server has to refuse it.
            (Some(Coding::Other), _) => Body::Unknown,
            (None, _) if self.is_contradictory => Body::Unknown,
            (None, Some(length)) => Body::Length(length),
            (None, None) => Body::Length(0),
        }
    }

    /// How a response with such a head ends, which has this status and answers such a method.
    pub(super) const fn of_response(&self, code: u16, method: Method) -> Body {
        let is_tunnel = matches!(method, Method::Connect) && code / 100 == 2;
        if matches!(method, Method::Head) || is_tunnel || code < 200 || code == 204 || code == 304 {
            return Body::Length(0);
        }
        match (self.coding, self.length) {
            (Some(Coding::Chunked), _) => Body::Chunks,
            (Some(Coding::Other), _) => Body::UntilEnd,
            (None, _) if self.is_contradictory => Body::Unknown,
            (None, Some(length)) => Body::Length(length),
            (None, None) => Body::UntilEnd,
        }
    }
}

/// RFC 9112 §7.1: the size of a chunk, in hexadecimal digits; extensions follow a semicolon.
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |size, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(size.checked_mul(16)? | u64::from(value))
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let value = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(value))
    })
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}
