//! What memcached answers in text: one line, or values, statistics and dumps with a line that ends them.

use super::{
    super::{
        cursor::{Cursor, Read},
        exchange::{DialogueCounts, Extent},
        line::{Line, number},
        text::Text,
        turns::Step,
    },
    request::{MAX_BODY, words},
};

/// A longer line is no answer.
const MAX_LINE: u64 = 64 << 10;
/// As much of a line as is looked at: a key of 250 octets, and all that is said of it.
const SHOWN_LINE: usize = 512;

/// Answers, as far as they differ in what they may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// `VALUE` and its block, any number of times, and `END`.
    Values,
    /// `STAT` or `ITEM` lines, and `END`.
    Statistics,
    /// `key=` lines, and `END`.
    Dump,
    /// `STORED`, `NOT_STORED`.
    Stored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Number,
    Ok,
    Reset,
    Version,
    /// `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR`.
    Error,
    /// `HD`.
    MetaDone,
    /// `VA` and its block.
    MetaValue,
    /// `EN`.
    MetaMiss,
    /// `NF`.
    MetaNotFound,
    /// `NS`.
    MetaNotStored,
    /// `EX`.
    MetaExists,
    /// `MN`.
    MetaNoop,
    /// `ME`.
    MetaDebug,
    /// A line of what is watched.
    Log,
    /// `BUSY`, `NOSPARE` and the like.
    #[default]
    Other,
}

impl Sort {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"VALUE" | b"END" => Self::Values,
            b"STAT" | b"ITEM" => Self::Statistics,
            b"STORED" | b"NOT_STORED" => Self::Stored,
            b"EXISTS" => Self::Exists,
            b"NOT_FOUND" => Self::NotFound,
            b"DELETED" => Self::Deleted,
            b"TOUCHED" => Self::Touched,
            b"OK" => Self::Ok,
            b"RESET" => Self::Reset,
            b"VERSION" => Self::Version,
            b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR" => Self::Error,
            b"HD" => Self::MetaDone,
            b"VA" => Self::MetaValue,
            b"EN" => Self::MetaMiss,
            b"NF" => Self::MetaNotFound,
            b"NS" => Self::MetaNotStored,
            b"EX" => Self::MetaExists,
            b"MN" => Self::MetaNoop,
            b"ME" => Self::MetaDebug,
            _ if word.starts_with(b"key=") => Self::Dump,
            _ if word.starts_with(b"ts=") => Self::Log,
            _ if number(word).is_some() => Self::Number,
            [b'A'..=b'Z', rest @ ..]
                if rest.iter().all(|octet| octet.is_ascii_uppercase() || *octet == b'_') =>
            {
                Self::Other
            }
            _ => return None,
        })
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer {
    pub(super) extent: Extent,
    pub(super) sort: Sort,
    /// There is a value in it.
    pub(super) has_values: bool,
    /// `HIT` or `MISS` where values were asked for, else the answer's first word; empty for a number.
    pub(super) status: Text<24>,
    /// What the client gave to be found here (`O`), and the key where it asked for it (`k`).
    pub(super) opaque: Text<32>,
    pub(super) key: Text<64>,
}

/// Reads what a server sends.
#[derive(Debug, Default)]
pub(super) struct Answers {
    state: State,
    line: Line,
    answer: Answer,
    /// Some lines of the answer were read.
    is_open: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Line,
    /// In a data block, CR LF included, with so many octets to come.
    Body(u64),
    /// In an answer of which octets that are needed were not captured.
    Cut,
    Lost,
}

/// What a line says of the answer.
enum Progress {
    /// It is complete.
    Last,
    /// Another line follows.
    More,
    /// A block of so many octets follows.
    Block(u64),
}

/// What is no answer.
struct Malformed;

impl Answers {
    /// Reads until an answer is complete, the thread is lost, or the piece is used up; `is_only` when one request waits
    /// for it, and the client sends none before it has its answer.
    pub(super) fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        is_only: bool,
        counts: &mut DialogueCounts,
    ) -> Step<Answer> {
        while !cursor.is_empty() {
            let step = match self.state {
                State::Between => self.begin(cursor),
                State::Line => self.line(cursor),
                State::Body(octets) => self.body(cursor, octets),
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
                    self.answer.extent.end = cursor.at();
                    self.answer.extent.len = cursor.offset() - self.answer.extent.offset;
                    return Step::Message(self.answer);
                }
                Read::Missing => {
                    counts.desynchronised += 1;
                    if is_only && self.state == State::Line && self.is_open {
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
    pub(super) fn finish(&mut self) -> Option<Answer> {
        (self.state == State::Cut).then(|| {
            self.state = State::Lost;
            self.answer
        })
    }

    /// The answer goes on to the end of the piece at least: its client has nothing else to wait for.
    fn cut(&mut self, cursor: &mut Cursor<'_>) {
        cursor.skip_all();
        self.answer.extent.end = cursor.at();
        self.answer.extent.len = cursor.offset() - self.answer.extent.offset;
        self.state = State::Cut;
        self.line.clear();
    }

    fn lose(&mut self) -> Step<Answer> {
        self.state = State::Lost;
        self.line.clear();
        Step::Lost
    }

    /// `TooLong` stands for whatever contradicts the protocol.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        match cursor.rest() {
            [] => Read::Missing,
            [b'\r' | b'\n', ..] => {
                cursor.skip(&mut 1);
                Read::More
            }
            _ => {
                self.answer = Answer::default();
                self.answer.extent =
                    Extent { start: cursor.at(), end: cursor.at(), offset: cursor.offset(), len: 0 };
                self.is_open = false;
                self.state = State::Line;
                Read::More
            }
        }
    }

    fn line(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let progress = match self.line.read(cursor, SHOWN_LINE, MAX_LINE) {
            Read::Ready(line) => on_line(&mut self.answer, self.is_open, line),
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
            Read::TooLong => return Read::TooLong,
        };
        self.is_open = true;
        match progress {
            Ok(Progress::Last) => Read::Ready(()),
            Ok(Progress::More) => Read::More,
            Ok(Progress::Block(octets)) => {
                self.state = State::Body(octets + 2);
                Read::More
            }
            Err(Malformed) => Read::TooLong,
        }
    }

    fn body(&mut self, cursor: &mut Cursor<'_>, mut octets: u64) -> Read<()> {
        if !cursor.skip(&mut octets) {
            self.state = State::Body(octets);
            return Read::More;
        }
        self.state = State::Line;
        if self.answer.sort == Sort::MetaValue { Read::Ready(()) } else { Read::More }
    }

    /// Begins anew where the piece begins like an answer, or leaves it out.
    fn resume(&mut self, cursor: &mut Cursor<'_>) {
        if is_answer(cursor.rest()) {
            self.state = State::Between;
        } else {
            cursor.skip_all();
        }
    }
}

fn on_line(answer: &mut Answer, is_open: bool, line: &[u8]) -> Result<Progress, Malformed> {
    let mut words = words(line);
    let word = words.next().ok_or(Malformed)?;
    let sort = Sort::of(word).ok_or(Malformed)?;
    if !is_open || sort == Sort::Error {
        answer.sort = sort;
        answer.status = status(sort, word);
    }
    match sort {
        Sort::Values if word == b"VALUE" => {
            answer.has_values = true;
            answer.status = Text::of(b"HIT");
            words.nth(2).and_then(length).map(Progress::Block).ok_or(Malformed)
        }
        Sort::Statistics | Sort::Dump => Ok(Progress::More),
        Sort::MetaValue => {
            let octets = words.next().and_then(length).ok_or(Malformed)?;
            on_flags(answer, words);
            Ok(Progress::Block(octets))
        }
        Sort::MetaDone | Sort::MetaNotFound | Sort::MetaNotStored | Sort::MetaExists => {
            on_flags(answer, words);
            Ok(Progress::Last)
        }
        _ => Ok(Progress::Last),
    }
}

fn status(sort: Sort, word: &[u8]) -> Text<24> {
    match sort {
        Sort::Values => Text::of(b"MISS"),
        Sort::Number | Sort::Statistics | Sort::Dump | Sort::Version => Text::new(),
        _ => Text::of(word),
    }
}

fn length(word: &[u8]) -> Option<u64> {
    number(word).filter(|octets| (0..=MAX_BODY).contains(octets)).map(i64::unsigned_abs)
}

fn on_flags<'a>(answer: &mut Answer, flags: impl Iterator<Item = &'a [u8]>) {
    for flag in flags {
        match flag {
            [b'O', opaque @ ..] => answer.opaque = Text::of(opaque),
            [b'k', key @ ..] => answer.key = Text::of(key),
            _ => {}
        }
    }
}

/// Whether an answer begins like this beyond doubt: a whole line with a word of memcached's.
pub(super) fn is_answer(octets: &[u8]) -> bool {
    first_line(octets).is_some_and(|answer| !matches!(answer.sort, Sort::Number | Sort::Other | Sort::Log))
}

/// What the first line says, where there is one.
pub(super) fn first_line(octets: &[u8]) -> Option<Answer> {
    let end = memchr::memchr(b'\n', octets)?;
    let mut answer = Answer::default();
    on_line(&mut answer, false, octets[..end].strip_suffix(b"\r")?).ok()?;
    Some(answer)
}
