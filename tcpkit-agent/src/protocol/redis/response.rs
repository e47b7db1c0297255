//! The replies of Redis: RESP2 and RESP3, however deep they nest.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>; streamed strings and aggregates as in
//! <https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md>. Nothing is built and nothing recurses:
//! how many values are still to come is a number, and only streamed aggregates, whose length is not known, stack up.

use super::{
    super::{
        cursor::{Cursor, Read},
        exchange::{DialogueCounts, Extent},
        line::{Line, number},
        text::Text,
        turns::Step,
    },
    plausible::is_reply,
    request::{MAX_BULK, expect},
    whole,
};

/// A longer line is no reply; `MONITOR` writes whole commands in one.
const MAX_LINE: u64 = MAX_BULK.unsigned_abs();
/// As much of a line as is looked at.
const SHOWN_LINE: usize = 48;
/// More elements are no reply.
pub(super) const MAX_ELEMENTS: i64 = u32::MAX as i64;
/// Streamed aggregates within streamed aggregates.
const MAX_STREAMED: usize = 8;

/// A reply, or what a server pushes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reply {
    pub(super) extent: Extent,
    /// The octet that says its type: `+ - : $ * _ , # ! = ( % ~ >`.
    pub(super) sort: u8,
    /// Elements of an aggregate.
    pub(super) elements: u64,
    /// The beginning of its only line, or of an aggregate's first element if that is a string.
    pub(super) first: Text<32>,
    /// An integer, or the last one of an aggregate.
    pub(super) integer: i64,
}

impl Reply {
    /// It says that the request failed.
    pub(super) const fn is_error(&self) -> bool {
        matches!(self.sort, b'-' | b'!')
    }

    /// The first word of an error: `ERR`, `WRONGTYPE`, `MOVED`.
    pub(super) fn status(&self) -> Text<24> {
        if !self.is_error() {
            return Text::new();
        }
        Text::of(self.first.octets().split(u8::is_ascii_whitespace).next().unwrap_or_default())
    }
}

/// What is known of the request that is answered next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// It asks to become a replica: only the first line is an answer, and what follows is another protocol.
    pub(super) is_sync: bool,
    /// No other one waits, and the client sends none before it has its answer.
    pub(super) is_only: bool,
}

/// Reads what a server sends.
#[derive(Debug)]
pub(super) struct Replies {
    state: State,
    line: Line,
    reply: Reply,
    /// Values to come until the innermost open streamed aggregate, or the reply, is complete.
    wanted: u64,
    /// The same of the streamed aggregates around it.
    around: [u64; MAX_STREAMED],
    /// How many streamed aggregates are open.
    streamed: usize,
    /// The string in hand comes in chunks.
    is_chunked: bool,
    /// The octets of the string in hand are wanted.
    is_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    /// In a reply, before or in a line.
    Line,
    /// In a string of which so many octets are to come.
    Body(u64),
    /// In the CR LF after it, of which so many octets are to come.
    End(u8),
    /// In a reply of which octets that are needed were not captured.
    Cut,
    Lost,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            state: State::Between,
            line: Line::default(),
            reply: Reply::default(),
            wanted: 0,
            around: [0; MAX_STREAMED],
            streamed: 0,
            is_chunked: false,
            is_first: false,
        }
    }
}

/// What is not RESP.
struct Malformed;

impl Replies {
    /// Whether no reply has begun.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Between
    }

    /// Reads until a reply is complete, the thread is lost, or the piece is used up.
    pub(super) fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        expected: Expected,
        counts: &mut DialogueCounts,
    ) -> Step<Reply> {
        while !cursor.is_empty() {
            if self.state == State::Between
                && !expected.is_sync
                && let Some(reply) = whole::reply(cursor)
            {
                return Step::Message(reply);
            }
            let step = match self.state {
                State::Between => self.begin(cursor),
                State::Line => self.line(cursor, expected.is_sync),
                State::Body(octets) => self.body(cursor, octets),
                State::End(octets) => self.end(cursor, octets),
                State::Cut => {
                    self.cut(cursor);
                    continue;
                }
                State::Lost => {
                    self.resume(cursor);
                    continue;
                }
            };
            match step {
                Read::More => {}
                Read::Ready(is_whole) if is_whole || expected.is_sync => {
                    self.state = State::Between;
                    self.reply.extent.end = cursor.at();
                    self.reply.extent.len = cursor.offset() - self.reply.extent.offset;
                    return Step::Message(self.reply);
                }
                Read::Ready(_) => {}
                Read::Missing => {
                    counts.desynchronised += 1;
                    if expected.is_only && self.state == State::Line && self.reply.sort != 0 {
                        self.cut(cursor);
                        return Step::End;
                    }
                    return self.lose();
                }
                Read::TooLong => {
                    counts.malformed += 1;
                    return self.lose();
                }
            }
        }
        Step::End
    }

    /// The client goes on: what was cut is complete.
    pub(super) fn finish(&mut self) -> Option<Reply> {
        (self.state == State::Cut).then(|| {
            self.state = State::Lost;
            self.reply
        })
    }

    /// The reply goes on to the end of the piece at least: its client has nothing else to wait for.
    fn cut(&mut self, cursor: &mut Cursor<'_>) {
        cursor.skip_all();
        self.reply.extent.end = cursor.at();
        self.reply.extent.len = cursor.offset() - self.reply.extent.offset;
        self.state = State::Cut;
        self.line.clear();
    }

    fn lose(&mut self) -> Step<Reply> {
        self.state = State::Lost;
        self.line.clear();
        Step::Lost
    }

    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<bool> {
        match cursor.rest() {
            [] => return Read::Missing,
            // A master that is asked to synchronise keeps the connection alive with empty lines.
            [b'\r' | b'\n', ..] => {
                cursor.skip(&mut 1);
                return Read::More;
            }
            _ => {}
        }
        self.reply = Reply {
            extent: Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 },
            ..Reply::default()
        };
        (self.wanted, self.streamed) = (1, 0);
        (self.is_chunked, self.is_first) = (false, false);
        self.state = State::Line;
        Read::More
    }

    /// Gives whether the reply is whole.
    fn line(&mut self, cursor: &mut Cursor<'_>, is_sync: bool) -> Read<bool> {
        let mut line = std::mem::take(&mut self.line);
        let read = match line.read(cursor, SHOWN_LINE, MAX_LINE) {
            Read::Ready(line) => match self.on_line(line) {
                Ok(()) => Read::Ready(self.is_whole()),
                // `$EOF:` and a mark is how a master begins that does not know the length.
                Err(Malformed) if is_sync => Read::Ready(true),
                Err(Malformed) => Read::TooLong,
            },
            Read::More => Read::More,
            Read::Missing => Read::Missing,
            Read::TooLong => Read::TooLong,
        };
        self.line = line;
        read
    }

    fn body(&mut self, cursor: &mut Cursor<'_>, mut octets: u64) -> Read<bool> {
        if self.is_first {
            let rest = cursor.rest();
            let here = usize::try_from(octets).unwrap_or(usize::MAX).min(rest.len());
            self.reply.first.push(&rest[..here]);
        }
        let is_whole = cursor.skip(&mut octets);
        self.state = if is_whole { State::End(2) } else { State::Body(octets) };
        Read::More
    }

    fn end(&mut self, cursor: &mut Cursor<'_>, octets: u8) -> Read<bool> {
        let expected: &[u8] = if octets == 2 { b"\r\n" } else { b"\n" };
        match expect(cursor, expected) {
            None => Read::TooLong,
            Some(0) => {
                self.state = State::Line;
                self.is_first = false;
                if !self.is_chunked {
                    self.wanted -= 1;
                }
                Read::Ready(self.is_whole())
            }
            Some(octets) => {
                self.state = State::End(octets);
                Read::More
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.state == State::Line && self.wanted == 0 && self.streamed == 0 && !self.is_chunked
    }

    fn on_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let (sort, value) = line.split_first().ok_or(Malformed)?;
        if self.is_chunked {
            return self.on_chunk(*sort, value);
        }
        // In a streamed aggregate, any number of values may come.
        if self.wanted == 0 && *sort != b'.' {
            self.wanted = 1;
        }
        // What an attribute says stands before the value that it belongs to, and is none.
        let is_top = self.reply.sort == 0 && self.wanted == 1 && self.streamed == 0 && *sort != b'|';
        let is_element = self.reply.elements > 0 && std::mem::take(&mut self.is_first);
        if is_top {
            self.reply.sort = *sort;
        }
        match sort {
            b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => {
                if is_top || is_element {
                    self.reply.first = Text::of(value);
                }
                if *sort == b':' {
                    self.reply.integer = number(value).ok_or(Malformed)?;
                }
                self.wanted -= 1;
                Ok(())
            }
            b'$' | b'=' | b'!' => {
                self.is_first = is_element || (is_top && *sort == b'!');
                self.on_string(value)
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => self.on_aggregate(*sort, value, is_top),
            b'.' if self.wanted == 0 && self.streamed > 0 && value.is_empty() => {
                self.streamed -= 1;
                self.wanted = self.around[self.streamed];
                Ok(())
            }
            _ => Err(Malformed),
        }
    }

    fn on_string(&mut self, length: &[u8]) -> Result<(), Malformed> {
        if length == b"?" {
            self.is_chunked = true;
            return Ok(());
        }
        match number(length) {
            Some(-1) => self.wanted -= 1,
            Some(length @ 0..=MAX_BULK) => self.state = State::Body(length.unsigned_abs()),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn on_chunk(&mut self, sort: u8, length: &[u8]) -> Result<(), Malformed> {
        match number(length) {
            Some(0) if sort == b';' => {
                self.is_chunked = false;
                self.wanted -= 1;
            }
            Some(length @ 1..=MAX_BULK) if sort == b';' => self.state = State::Body(length.unsigned_abs()),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn on_aggregate(&mut self, sort: u8, count: &[u8], is_top: bool) -> Result<(), Malformed> {
        if count == b"?" && sort != b'|' {
            *self.around.get_mut(self.streamed).ok_or(Malformed)? = self.wanted - 1;
            self.streamed += 1;
            self.wanted = 0;
            return Ok(());
        }
        let elements = match number(count) {
            // A null array is a value of its own.
            Some(-1) if sort == b'*' => 0,
            Some(count @ 0..=MAX_ELEMENTS) => count.unsigned_abs(),
            _ => return Err(Malformed),
        };
        if is_top {
            self.reply.elements = elements;
            self.is_first = elements > 0;
        }
        let values = if matches!(sort, b'%' | b'|') { elements * 2 } else { elements };
        self.wanted = self.wanted.saturating_add(values);
        if sort != b'|' {
            self.wanted -= 1;
        }
        Ok(())
    }

    /// Begins anew where the piece begins like a reply, or leaves it out.
    fn resume(&mut self, cursor: &mut Cursor<'_>) {
        if is_reply(cursor.rest()) {
            self.state = State::Between;
        } else {
            cursor.skip_all();
        }
    }
}
