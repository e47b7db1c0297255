//! The requests of a client of Redis: arrays of bulk strings, and inline commands.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, "Sending commands to a Redis server", and
//! "Inline commands". Arguments are stepped over by their lengths; of each no more is kept than is shown.

use super::{
    super::{
        cursor::{Cursor, Read},
        exchange::{DialogueCounts, Extent, Request},
        line::{Line, number},
        text::Text,
        turns::Step,
    },
    command::{Effect, Habit, KeyPlace, Secret, is_before_secret, is_known},
};

/// A longer string is no string: what the protocol allows by default (`proto-max-bulk-len`).
pub(super) const MAX_BULK: i64 = 512 << 20;
/// More arguments are refused by the server (`processMultibulkBuffer`).
const MAX_ARGUMENTS: i64 = i32::MAX as i64;
/// A longer inline command is refused by the server (`PROTO_INLINE_MAX_SIZE`).
const MAX_LINE: u64 = 64 << 10;
/// As much of an inline command as is looked at.
const SHOWN_LINE: usize = 192;

/// A request, and what it means for the conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) effect: Effect,
    /// Arguments after the command's name.
    pub(super) arguments: u32,
}

/// Reads what a client sends.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    line: Line,
    request: Request,
    habit: Habit,
    /// Which argument is read; the command's name is 0.
    argument: u32,
    /// The beginning of the argument, where it must be understood.
    word: Text<32>,
    /// Which argument the key is, as far as it is known.
    key_at: Option<u32>,
    /// The arguments that follow are secret.
    is_secret: bool,
    /// Octets of a word that must be understood were not captured.
    is_blind: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// In the first line of an array.
    Count,
    /// In an inline command.
    Inline,
    /// So many arguments are to come.
    Arguments(u32),
    /// In an argument, before so many others, with so many octets to come.
    Body(u32, u64),
    /// In the CR LF after it, of which so many octets are to come.
    End(u32, u8),
    Lost,
}

impl Default for Habit {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Requests {
    /// Reads until a request is complete, the thread is lost, or the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, counts: &mut DialogueCounts) -> Step<Asked> {
        while !cursor.is_empty() {
            let step = match self.state {
                State::Between => self.begin(cursor),
                State::Count => self.count(cursor),
                State::Inline => self.inline(cursor),
                State::Arguments(left) => self.length(cursor, left),
                State::Body(left, octets) => self.body(cursor, left, octets),
                State::End(left, octets) => self.end(cursor, left, octets),
                State::Lost => {
                    self.resume(cursor);
                    Read::More
                }
            };
            match step {
                Read::More => {}
                Read::Ready(()) => {
                    self.state = State::Between;
                    self.request.extent.end = cursor.at();
                    self.request.extent.len = cursor.offset() - self.request.extent.offset;
                    return Step::Message(self.asked());
                }
                Read::Missing => {
                    counts.desynchronised += 1;
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

    fn lose(&mut self) -> Step<Asked> {
        self.state = State::Lost;
        self.line.clear();
        Step::Lost
    }

    fn asked(&self) -> Asked {
        Asked { request: self.request, effect: self.habit.effect, arguments: self.argument.saturating_sub(1) }
    }

    /// `TooLong` stands for whatever contradicts the protocol.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        match cursor.rest() {
            [] => Read::Missing,
            // Empty lines between inline commands are none.
            [b'\r' | b'\n', ..] => {
                cursor.skip(&mut 1);
                Read::More
            }
            [first @ (b'*' | b'A'..=b'Z' | b'a'..=b'z'), ..] => {
                self.request = Request {
                    extent: Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 },
                    ..Request::default()
                };
                self.habit = Habit::UNKNOWN;
                (self.argument, self.key_at) = (0, None);
                (self.is_secret, self.is_blind) = (false, false);
                self.state = if *first == b'*' { State::Count } else { State::Inline };
                Read::More
            }
            _ => Read::TooLong,
        }
    }

    fn count(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let count = match self.line.read(cursor, 32, 64) {
            Read::Ready(line) => number(&line[1..]),
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
            Read::TooLong => return Read::TooLong,
        };
        match count {
            // The server steps over requests without arguments.
            Some(..=0) => self.state = State::Between,
            Some(count @ ..=MAX_ARGUMENTS) => {
                self.state = State::Arguments(u32::try_from(count).unwrap_or(u32::MAX));
            }
            _ => return Read::TooLong,
        }
        Read::More
    }

    fn inline(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let mut line = std::mem::take(&mut self.line);
        let read = match line.read(cursor, SHOWN_LINE, MAX_LINE) {
            Read::Ready(line) => self.on_inline(line),
            Read::More => Read::More,
            Read::Missing => Read::Missing,
            Read::TooLong => Read::TooLong,
        };
        self.line = line;
        read
    }

    fn on_inline(&mut self, line: &[u8]) -> Read<()> {
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        if !line[..end].iter().all(|octet| octet.is_ascii_alphanumeric() || b"._|-".contains(octet)) {
            return Read::TooLong;
        }
        let mut rest = line;
        while let Some(argument) = split_argument(&mut rest) {
            self.begin_argument();
            self.on_octets(argument);
            self.end_argument();
        }
        Read::Ready(())
    }

    fn length(&mut self, cursor: &mut Cursor<'_>, left: u32) -> Read<()> {
        let length = match self.line.read(cursor, 32, 64) {
            Read::Ready([b'$', length @ ..]) => number(length),
            Read::Ready(_) | Read::TooLong => None,
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
        };
        let Some(length @ 0..=MAX_BULK) = length else { return Read::TooLong };
        self.state = State::Body(left - 1, length.unsigned_abs());
        self.begin_argument();
        Read::More
    }

    fn body(&mut self, cursor: &mut Cursor<'_>, left: u32, mut octets: u64) -> Read<()> {
        let rest = cursor.rest();
        let here = usize::try_from(octets).unwrap_or(usize::MAX).min(rest.len());
        self.on_octets(&rest[..here]);
        // What was not captured is stepped over.
        self.is_blind |= (here as u64) < octets.min(u64::from(cursor.left()));
        let is_whole = cursor.skip(&mut octets);
        self.state = if is_whole { State::End(left, 2) } else { State::Body(left, octets) };
        Read::More
    }

    fn end(&mut self, cursor: &mut Cursor<'_>, left: u32, octets: u8) -> Read<()> {
        let expected: &[u8] = if octets == 2 { b"\r\n" } else { b"\n" };
        let Some(octets) = expect(cursor, expected) else { return Read::TooLong };
        if octets > 0 {
            self.state = State::End(left, octets);
            return Read::More;
        }
        self.end_argument();
        self.state = State::Arguments(left);
        if left == 0 { Read::Ready(()) } else { Read::More }
    }

    fn begin_argument(&mut self) {
        self.word = Text::new();
        self.is_blind = false;
        if self.argument > 0 && !self.is_secret {
            self.request.label.push(b" ");
        }
    }

    fn on_octets(&mut self, octets: &[u8]) {
        if self.argument == 0 || self.is_watched() {
            self.word.push(octets);
        }
        if self.is_secret {
            return;
        }
        self.request.label.push(octets);
        if self.key_at == Some(self.argument) {
            self.request.key.push(octets);
        }
    }

    /// Whether what the argument says must be understood.
    const fn is_watched(&self) -> bool {
        matches!(self.habit.secret, Secret::AfterWord)
            || matches!(self.habit.key, KeyPlace::AfterCount(_) | KeyPlace::AfterStreams)
    }

    fn end_argument(&mut self) {
        let argument = self.argument;
        self.argument += 1;
        if argument == 0 {
            return self.on_name();
        }
        if self.habit.secret == Secret::AfterWord {
            self.is_secret |= self.is_blind || is_before_secret(self.word.octets());
        }
        match self.habit.key {
            KeyPlace::AfterCount(count) if count == argument && self.word.octets() != b"0" => {
                self.key_at = Some(argument + 1);
            }
            KeyPlace::AfterStreams if self.key_at.is_none() => {
                let is = |word: &[u8]| self.word.octets().eq_ignore_ascii_case(word);
                self.request.is_blocking |= is(b"BLOCK");
                self.key_at = is(b"STREAMS").then_some(argument + 1);
            }
            _ => {}
        }
    }

    fn on_name(&mut self) {
        self.request.command = Text::upper(self.word.octets());
        self.habit = Habit::of(self.request.command.octets());
        self.request.is_blocking = self.habit.is_blocking;
        // A command whose name was not captured may be any.
        self.is_secret = self.is_blind || self.habit.secret == Secret::All;
        if let KeyPlace::At(place) = self.habit.key {
            self.key_at = Some(place);
        }
    }

    /// Goes to the next plausible beginning of a request, or to the end of the piece.
    fn resume(&mut self, cursor: &mut Cursor<'_>) {
        let rest = cursor.rest();
        let place = if is_request(rest) { Some(0) } else { find_request(rest) };
        match place {
            Some(place) => {
                cursor.skip(&mut (place as u64));
                self.state = State::Between;
            }
            None => cursor.skip_all(),
        }
    }
}

/// Steps over the end of a string; how many octets of it are to come, and `None` when another one stands there.
pub(super) fn expect(cursor: &mut Cursor<'_>, expected: &[u8]) -> Option<u8> {
    let rest = cursor.rest();
    let here = rest.len().min(expected.len());
    if rest[..here] != expected[..here] {
        return None;
    }
    let mut octets = expected.len() as u64;
    cursor.skip(&mut octets);
    u8::try_from(octets).ok()
}

/// Takes the next argument off an inline command. In quotes, spaces are part of it.
fn split_argument<'a>(line: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = line.trim_ascii_start();
    let quote = text.first().copied().filter(|first| b"\"'".contains(first));
    let end = match quote {
        Some(quote) => text[1..].iter().position(|octet| *octet == quote).map(|place| place + 2),
        None => text.iter().position(u8::is_ascii_whitespace),
    };
    let (argument, rest) = text.split_at(end.unwrap_or(text.len()));
    *line = rest;
    (!argument.is_empty()).then_some(argument)
}

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

fn find_request(octets: &[u8]) -> Option<usize> {
    let ends = memchr::memmem::find_iter(octets, b"\r\n*").map(|place| place + 2);
    ends.into_iter().find(|place| is_array_of_strings(&octets[*place..]))
}

/// Whether a connection that begins like this is a client's of Redis. Inline commands that other protocols have as well
/// (`GET x` of memcached, `QUIT` of mail) prove nothing.
pub(super) fn is_recognised(first: &[u8]) -> bool {
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
