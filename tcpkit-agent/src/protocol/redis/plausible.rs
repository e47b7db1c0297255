//! What looks like Redis: where reading begins again after a loss, and how a connection is recognised.

use super::{super::line::number, command::is_known, request::MAX_BULK, response::MAX_ELEMENTS};

/// Whether a request begins like this beyond doubt: its first lines, or an inline command with nothing after it.
pub(super) fn is_request(octets: &[u8]) -> bool {
    match octets {
        [b'*', b'1'..=b'9', ..] => is_array_of_strings(octets),
        [b'A'..=b'Z' | b'a'..=b'z', ..] => {
            let Some(line) = octets.strip_suffix(b"\n") else { return false };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            !line.contains(&b'\n') && is_known(name)
        }
        _ => false,
    }
}

/// `*3 $3 ...`, as the first lines say.
fn is_array_of_strings(octets: &[u8]) -> bool {
    let mut lines = octets.split(|octet| *octet == b'\n');
    let mut length = |sign: u8| match lines.next() {
        Some([first, digits @ .., b'\r']) if *first == sign => number(digits),
        _ => None,
    };
    length(b'*').is_some_and(|count| count > 0) && length(b'$').is_some_and(|length| length >= 0)
}

pub(super) fn find_request(octets: &[u8]) -> Option<usize> {
    let ends = memchr::memmem::find_iter(octets, b"\r\n*").map(|place| place + 2);
    ends.into_iter().find(|place| is_array_of_strings(&octets[*place..]))
}

/// Whether a connection that begins like this is a client's of Redis. Inline commands that other protocols have as well
/// (`GET x` of memcached, `QUIT` of mail) prove nothing.
pub(super) fn is_recognised_request(first: &[u8]) -> bool {
    const COMMON: [&[u8]; 22] = [
        b"APPEND", b"AUTH", b"COPY", b"DEBUG", b"DECR", b"ECHO", b"GET", b"HELLO", b"INCR", b"INFO",
        b"MODULE", b"MOVE", b"QUIT", b"RENAME", b"ROLE", b"SAVE", b"SORT", b"SYNC", b"TIME", b"TOUCH",
        b"TYPE", b"WATCH",
    ];
    let Some(end) = memchr::memchr(b'\n', first) else { return false };
    if first[0] == b'*' {
        return is_request(first);
    }
    let line = first[..end].strip_suffix(b"\r").unwrap_or(&first[..end]);
    let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    // SET of memcached names flags, time and length.
    let is_stored = name.eq_ignore_ascii_case(b"SET")
        && line.split(u8::is_ascii_whitespace).skip(2).filter(|word| number(word).is_some()).count() >= 3;
    is_known(name) && !is_stored && !COMMON.iter().any(|common| common.eq_ignore_ascii_case(name))
}

/// Whether a reply begins like this, as far as its first line says.
pub(super) fn is_reply(octets: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', octets) else { return false };
    let Some((sort, value)) = octets[..end].strip_suffix(b"\r").and_then(<[u8]>::split_first) else {
        return false;
    };
    match sort {
        b'+' => value.first().is_some_and(u8::is_ascii_alphanumeric),
        b'-' => value.first().is_some_and(u8::is_ascii_uppercase),
        b':' => number(value).is_some(),
        b'$' => number(value).is_some_and(|length| (-1..=MAX_BULK).contains(&length)),
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            number(value).is_some_and(|count| (-1..=MAX_ELEMENTS).contains(&count))
                && octets.get(end + 1).is_none_or(|next| b"+-:$*_,#!=(%~>|".contains(next))
        }
        b'_' => value.is_empty(),
        b'#' => matches!(value, b"t" | b"f"),
        _ => false,
    }
}

/// Whether a connection on which the server is heard first is one to Redis: a reply that no other protocol has.
pub(super) fn is_recognised_reply(first: &[u8]) -> bool {
    match first {
        b"+PONG\r\n" | b"+QUEUED\r\n" => true,
        // An array of strings may be a command as well.
        [b'*', b'1'..=b'9', ..] => {
            is_reply(first) && memchr::memchr(b'$', first).is_none_or(|place| first[place - 1] != b'\n')
        }
        [b'$' | b'%' | b'~' | b'>', b'-' | b'0'..=b'9', ..] => is_reply(first),
        [b'-', ..] => {
            const WORDS: [&[u8]; 5] = [b"-WRONGTYPE ", b"-NOAUTH ", b"-MOVED ", b"-LOADING ", b"-WRONGPASS "];
            WORDS.iter().any(|word| first.starts_with(word)) && is_reply(first)
        }
        _ => false,
    }
}
