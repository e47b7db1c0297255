//! The requests of a client of Redis: arrays of bulk strings, and inline commands.
//!
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>, "Sending commands to a Redis server", and
//! "Inline commands". Arguments are stepped over by their lengths; of each no more is kept than is shown.

use super::{
    super::{
        cursor::{Cursor, Read},
        exchange::{DialogueCounts, Draft, Extent, Request},
        line::{Line, number},
        text::Text,
        turns::Step,
    },
    command::{Effect, Habit, KeyPlace, Latest, Secret, is_before_secret},
    plausible::{find_request, is_request},
    whole,
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
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) effect: Effect,
    /// Arguments after the command's name.
    pub(super) arguments: u32,
    /// Its end was not captured: it is taken to end where another request or an answer begins.
    pub(super) is_cut: bool,
}

/// Reads what a client sends.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    latest: Latest,
    line: Line,
    draft: Draft,
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
    /// In a request of which octets that are needed were not captured.
    Cut,
    Lost,
}

impl Default for Habit {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Requests {
    /// Reads a request that lies within the piece, where none has begun.
    #[inline]
    pub(super) fn whole(&mut self, cursor: &mut Cursor<'_>) -> Option<Asked> {
        if self.state == State::Between { whole::request(cursor, &mut self.latest) } else { None }
    }

    /// Reads until a request is complete, the thread is lost, or the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, counts: &mut DialogueCounts) -> Step<Asked> {
        while !cursor.is_empty() {
            if let Some(asked) = self.whole(cursor) {
                return Step::Message(asked);
            }
            let step = match self.state {
                State::Between => self.begin(cursor),
                State::Count => self.count(cursor),
                State::Inline => self.inline(cursor),
                State::Arguments(left) => self.length(cursor, left),
                State::Body(left, octets) => self.body(cursor, left, octets),
                State::End(left, octets) => self.end(cursor, left, octets),
                State::Cut if is_request(cursor.rest()) => {
                    self.state = State::Between;
                    return Step::Message(self.asked(true));
                }
                State::Cut => {
                    self.cut(cursor);
                    Read::More
                }
                State::Lost => {
                    self.resume(cursor);
                    Read::More
                }
            };
            match step {
                Read::More => {}
                Read::Ready(()) => {
                    self.state = State::Between;
                    self.end_draft(cursor);
                    return Step::Message(self.asked(false));
                }
                Read::Missing => {
                    counts.desynchronised += 1;
                    if self.is_named() {
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

    fn lose(&mut self) -> Step<Asked> {
        self.state = State::Lost;
        self.line.clear();
        Step::Lost
    }

    /// An answer begins: what was cut is complete.
    pub(super) fn finish(&mut self) -> Option<Asked> {
        (self.state == State::Cut).then(|| {
            self.state = State::Lost;
            self.asked(true)
        })
    }

    fn asked(&self, is_cut: bool) -> Asked {
        let arguments = self.argument.saturating_sub(1);
        Asked { request: self.draft.request(), effect: self.habit.effect, arguments, is_cut }
    }

    fn end_draft(&mut self, cursor: &Cursor<'_>) {
        let extent = &mut self.draft.extent;
        extent.end = cursor.at();
        extent.len = cursor.offset() - extent.offset;
    }

    /// Whether it is known what the request asks for, though not all of it was captured.
    const fn is_named(&self) -> bool {
        matches!(self.state, State::Arguments(_)) && self.argument > 0 && !self.draft.command.is_empty()
    }

    /// The request goes on to the end of the piece, if nothing says that it ends before.
    fn cut(&mut self, cursor: &mut Cursor<'_>) {
        cursor.skip_all();
        self.end_draft(cursor);
        self.state = State::Cut;
        self.line.clear();
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
                let (at, offset) = (cursor.at(), cursor.offset());
                self.draft.begin(Extent { start: at, end: at, offset, len: 0 });
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
        let count = match self.number(cursor, b'*') {
            Read::Ready(count) => count,
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
        let length = match self.number(cursor, b'$') {
            Read::Ready(length) => length,
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
            Read::TooLong => return Read::TooLong,
        };
        let Some(length @ 0..=MAX_BULK) = length else { return Read::TooLong };
        self.state = State::Body(left - 1, length.unsigned_abs());
        self.begin_argument();
        Read::More
    }

    /// Reads a line that is a sign and a number; `None` where it is not.
    fn number(&mut self, cursor: &mut Cursor<'_>, sign: u8) -> Read<Option<i64>> {
        // Nearly all of them are this short.
        let digit = |octet: u8| i64::from(octet - b'0');
        if !self.line.has_begun() {
            match cursor.rest() {
                [first, one @ b'0'..=b'9', b'\r', b'\n', ..] if *first == sign => {
                    cursor.skip(&mut 4);
                    return Read::Ready(Some(digit(*one)));
                }
                [first, ten @ b'0'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ..] if *first == sign => {
                    cursor.skip(&mut 5);
                    return Read::Ready(Some(digit(*ten) * 10 + digit(*one)));
                }
                _ => {}
            }
        }
        match self.line.read(cursor, 32, 64) {
            Read::Ready([first, digits @ ..]) if *first == sign => Read::Ready(number(digits)),
            Read::Ready(_) => Read::Ready(None),
            Read::More => Read::More,
            Read::Missing => Read::Missing,
            Read::TooLong => Read::TooLong,
        }
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
        self.word.clear();
        self.is_blind = false;
        if self.argument > 0 && !self.is_secret {
            self.draft.label.push(b" ");
        }
    }

    fn on_octets(&mut self, octets: &[u8]) {
        if self.argument == 0 || self.is_watched() {
            self.word.push(octets);
        }
        if self.is_secret {
            return;
        }
        self.draft.label.push(octets);
        if self.key_at == Some(self.argument) {
            self.draft.key.push(octets);
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
                self.draft.is_blocking |= is(b"BLOCK");
                self.key_at = is(b"STREAMS").then_some(argument + 1);
            }
            _ => {}
        }
    }

    fn on_name(&mut self) {
        if !self.is_blind {
            self.draft.command = Text::upper(self.word.octets());
        }
        self.habit = Habit::of(self.draft.command.octets());
        self.draft.is_blocking = self.habit.is_blocking;
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
