//! Messages of Redis that lie within one piece, as nearly all of them do: read in one go.
//!
//! What is unusual about a message (an argument that is secret, an effect on those that follow, octets that were not
//! captured, more arguments than are ever many) is left to `request` and `response`, which read anything: `None` says
//! so, and nothing was read then.

use super::{
    super::{
        cursor::Cursor,
        exchange::{Extent, Request},
        text::Text,
        words::Phrase,
    },
    command::{KeyPlace, Latest, Secret},
    request::Asked,
    response::Reply,
};

/// Arguments of a request that is read here, its name among them.
const MAX_ARGUMENTS: usize = 12;

/// Reads a request that lies within the piece.
#[inline]
pub(super) fn request(cursor: &mut Cursor<'_>, latest: &mut Latest) -> Option<Asked> {
    let octets = cursor.rest();
    let mut rest = octets;
    let count = length(&mut rest, b'*').filter(|count| (1..=MAX_ARGUMENTS).contains(count))?;
    let name = string(&mut rest)?;
    let (command, habit) = latest.of(name);
    let key_place = match habit.key {
        KeyPlace::At(place) => place as usize,
        KeyPlace::None => 0,
        KeyPlace::AfterCount(_) | KeyPlace::AfterStreams => return None,
    };
    if habit.secret != Secret::None || name.len() > LONGEST_NAME {
        return None;
    }
    let mut phrase = Phrase::new(name);
    for place in 1..count {
        let argument = string(&mut rest)?;
        if place == key_place {
            phrase.push_key(argument);
        } else {
            phrase.push(argument);
        }
    }
    let extent = taken(cursor, octets.len() - rest.len());
    let request = Request { command, words: phrase.words(), extent, is_blocking: habit.is_blocking };
    let arguments = u32::try_from(count - 1).unwrap_or(u32::MAX);
    Some(Asked { request, effect: habit.effect, arguments, is_cut: false })
}

/// Reads a reply of which nobody needs more than where it ends, where it lies within the piece: a status line, a string
/// or a number.
#[inline]
pub(super) fn short_reply(cursor: &mut Cursor<'_>) -> Option<Extent> {
    let octets = cursor.rest();
    let end = match octets {
        [b'+', b'O', b'K', b'\r', b'\n', ..] => 5,
        [b'+', ..] => status(octets)?.1,
        [b'$', ..] => string_end(octets)?,
        [b':', ..] => {
            let mut rest = octets;
            length(&mut rest, b':')?;
            octets.len() - rest.len()
        }
        _ => return None,
    };
    Some(taken(cursor, end))
}

/// Reads a reply that lies within the piece and is not an aggregate, nor an error.
#[inline]
pub(super) fn reply(cursor: &mut Cursor<'_>) -> Option<Reply> {
    let octets = cursor.rest();
    let sort = *octets.first()?;
    let mut reply = Reply { sort, ..Reply::default() };
    let end = match sort {
        b'$' => string_end(octets)?,
        b'+' => {
            let (line, end) = status(octets)?;
            reply.first = Text::of(line);
            end
        }
        b':' => {
            let mut rest = octets;
            reply.integer = i64::try_from(length(&mut rest, b':')?).unwrap_or(i64::MAX);
            octets.len() - rest.len()
        }
        _ => return None,
    };
    reply.extent = taken(cursor, end);
    Some(reply)
}

/// Where a string ends that the octets begin with.
#[inline]
fn string_end(octets: &[u8]) -> Option<usize> {
    if octets.starts_with(b"$-1\r\n") {
        return Some(5);
    }
    let mut rest = octets;
    string(&mut rest)?;
    Some(octets.len() - rest.len())
}

/// The text of a status line that the octets begin with, and where it ends.
#[inline]
fn status(octets: &[u8]) -> Option<(&[u8], usize)> {
    let line = &octets[..octets.len().min(LONGEST_STATUS)];
    let end = memchr::memchr(b'\n', line)?;
    let line = &line[1..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A string with its length before it and an end of line behind it.
#[inline(always)]
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = length(rest, b'$')?;
    let (string, behind) = rest.split_at_checked(len)?;
    *rest = behind.strip_prefix(b"\r\n")?;
    Some(string)
}

/// A sign, up to six digits and an end of line.
#[inline(always)]
fn length(rest: &mut &[u8], sign: u8) -> Option<usize> {
    let digit = |octet: u8| usize::from(octet - b'0');
    match **rest {
        [first, one @ b'0'..=b'9', b'\r', b'\n', ref behind @ ..] if first == sign => {
            *rest = behind;
            Some(digit(one))
        }
        [first, ten @ b'0'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ref behind @ ..] if first == sign => {
            *rest = behind;
            Some(digit(ten) * 10 + digit(one))
        }
        [first, ref digits @ ..] if first == sign => long_length(rest, digits),
        _ => None,
    }
}

/// The same of any number of digits, behind the sign.
#[inline(never)]
fn long_length<'a>(rest: &mut &'a [u8], digits: &'a [u8]) -> Option<usize> {
    let mut value = 0;
    for (place, octet) in digits.iter().enumerate().take(MAX_DIGITS) {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            *rest = digits[place..].strip_prefix(b"\r\n").filter(|_| place > 0)?;
            return Some(value);
        }
        value = value * 10 + usize::from(digit);
    }
    None
}

/// Takes so many octets, all of them captured.
#[inline]
fn taken(cursor: &mut Cursor<'_>, octets: usize) -> Extent {
    let (at, offset) = (cursor.at(), cursor.offset());
    let len = octets as u64;
    cursor.skip(&mut { len });
    Extent { start: at, end: at, offset, len }
}

/// Digits of a length that is read here, and the octet after them.
const MAX_DIGITS: usize = 7;
/// As much of a command's name as is kept.
const LONGEST_NAME: usize = 24;
/// As much of a status line as is looked at, its end among them; what is longer is read by `response`.
const LONGEST_STATUS: usize = 34;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use crate::protocol::{Protocol, testing::Conversation};

    const WORDS: &[&[u8]] = &[
        b"GET",
        b"set",
        b"MSET",
        b"BLPOP",
        b"AUTH",
        b"HELLO",
        b"CONFIG",
        b"EVALSHA",
        b"XREAD",
        b"MULTI",
        b"EXEC",
        b"CLIENT",
        b"SUBSCRIBE",
        b"BRPOPLPUSH",
        b"STREAMS",
        b"requirepass",
        b"2",
        b"A.VERY.LONG.NAME.OF.A.MODULE",
    ];

    /// A word of a command: names of every habit, keys, values, long ones and empty ones.
    fn word() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            4 => prop::sample::select(WORDS).prop_map(<[u8]>::to_vec),
            2 => vec(any::<u8>(), 0..40),
            1 => vec(Just(b'x'), 60..140),
        ]
    }

    fn reply() -> impl Strategy<Value = Vec<u8>> {
        let line = |sign: u8| {
            vec(prop::char::range(' ', '~'), 0..60).prop_map(move |text| {
                let text: String = text.into_iter().collect();
                [&[sign], text.as_bytes(), b"\r\n"].concat()
            })
        };
        prop_oneof![
            Just(b"+OK\r\n".to_vec()),
            Just(b"$-1\r\n".to_vec()),
            Just(b"*-1\r\n".to_vec()),
            Just(b"*2\r\n:1\r\n$1\r\na\r\n".to_vec()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            vec(any::<u8>(), 0..50).prop_map(|octets| {
                [format!("${}\r\n", octets.len()).as_bytes(), &octets, b"\r\n"].concat()
            }),
            line(b'+'),
            line(b'-'),
        ]
    }

    fn command(words: &[Vec<u8>]) -> Vec<u8> {
        let begin = format!("*{}\r\n", words.len()).into_bytes();
        words.iter().fold(begin, |octets, word| {
            [&octets, format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// A message that is cut is read by `request` and `response`; one that is not, mostly here.
        #[test]
        fn what_is_read_in_one_go_is_what_is_read_octet_by_octet(
            commands in vec(vec(word(), 1..15), 1..4),
            replies in vec(reply(), 0..5),
        ) {
            let octets: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
            let talk = Conversation::new(Protocol::Redis).client(1, octets).server(2, replies.concat());
            prop_assert_eq!(talk.hear(), talk.hear_octet_by_octet());
        }
    }
}
