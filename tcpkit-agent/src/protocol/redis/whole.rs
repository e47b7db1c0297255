//! Messages of Redis that lie within one piece, as nearly all of them do: read in one go.
//!
//! What is unusual about a message (an argument that is secret, an effect on those that follow, octets that were not
//! captured, more arguments than are ever many) is left to `request` and `response`, which read anything: `None` says
//! so, and nothing was read then.

use super::{
    super::{
        cursor::Cursor,
        exchange::{Extent, Request, Words},
        text::Text,
    },
    command::{Habit, KeyPlace, Secret},
    request::Asked,
    response::Reply,
};

/// Arguments of a request that is read here, its name among them.
const MAX_ARGUMENTS: usize = 12;

/// Reads a request that lies within the piece.
#[inline]
pub(super) fn request(cursor: &mut Cursor<'_>) -> Option<Asked> {
    let octets = cursor.rest();
    let mut at = 0;
    let count = length(octets, &mut at, b'*').filter(|count| (1..=MAX_ARGUMENTS).contains(count))?;
    let mut arguments: [&[u8]; MAX_ARGUMENTS] = [&[]; MAX_ARGUMENTS];
    let arguments = &mut arguments[..count];
    for argument in &mut *arguments {
        let len = length(octets, &mut at, b'$')?;
        *argument = octets.get(at..at + len)?;
        at += len;
        if octets.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let command = Text::upper(arguments[0]);
    let habit = Habit::of(command.octets());
    let key = match habit.key {
        KeyPlace::At(place) => arguments.get(place as usize).copied().unwrap_or_default(),
        KeyPlace::None => &[],
        KeyPlace::AfterCount(_) | KeyPlace::AfterStreams => return None,
    };
    if habit.secret != Secret::None || arguments[0].len() > LONGEST_NAME {
        return None;
    }
    let extent = taken(cursor, at);
    let request =
        Request { command, words: Words::spaced(key, arguments), extent, is_blocking: habit.is_blocking };
    let arguments = u32::try_from(count - 1).unwrap_or(u32::MAX);
    Some(Asked { request, effect: habit.effect, arguments, is_cut: false })
}

/// Reads a reply that lies within the piece and is not an aggregate, nor an error.
#[inline]
pub(super) fn reply(cursor: &mut Cursor<'_>) -> Option<Reply> {
    let octets = cursor.rest();
    let sort = *octets.first()?;
    let mut reply = Reply { sort, ..Reply::default() };
    let end = match sort {
        b'$' if octets.starts_with(b"$-1\r\n") => 5,
        b'$' => {
            let mut at = 0;
            let len = length(octets, &mut at, b'$')?;
            if octets.get(at + len..at + len + 2)? != b"\r\n" {
                return None;
            }
            at + len + 2
        }
        b'+' => {
            let line = &octets[..octets.len().min(LONGEST_STATUS)];
            let end = memchr::memchr(b'\n', line)?;
            let line = &line[1..end];
            reply.first = Text::of(line.strip_suffix(b"\r").unwrap_or(line));
            end + 1
        }
        b':' => {
            let mut at = 0;
            reply.integer = i64::try_from(length(octets, &mut at, b':')?).unwrap_or(i64::MAX);
            at
        }
        _ => return None,
    };
    reply.extent = taken(cursor, end);
    Some(reply)
}

/// A sign, up to six digits and an end of line.
#[inline]
fn length(octets: &[u8], at: &mut usize, sign: u8) -> Option<usize> {
    if *octets.get(*at)? != sign {
        return None;
    }
    let mut value = 0;
    for place in *at + 1..*at + 1 + MAX_DIGITS {
        let digit = octets.get(place)?.wrapping_sub(b'0');
        if digit > 9 {
            let is_end = place > *at + 1 && octets.get(place..place + 2)? == b"\r\n";
            *at = place + 2;
            return is_end.then_some(value);
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
