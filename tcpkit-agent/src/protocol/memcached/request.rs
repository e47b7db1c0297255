//! What a client of memcached asks in text: a line, and for the commands that store, a data block.

use super::{
    super::{
        cursor::{Cursor, Read},
        exchange::{DialogueCounts, Draft, Extent, Request},
        line::{Line, number},
        text::Text,
        turns::Step,
    },
    command::Kind,
};

/// A longer data block is refused by the server, and none follows.
pub(super) const MAX_BODY: i64 = i32::MAX as i64 - 2;
/// A longer line is none: `get` may name many keys.
const MAX_LINE: u64 = 1 << 20;
/// As much of a line as is looked at: a key of 250 octets, and all options of the commands that have but one key.
const SHOWN_LINE: usize = 512;

/// A request, and what its answer depends on.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) manner: Manner,
}

/// What the answer to a request depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    pub(super) kind: Kind,
    /// Nothing is answered (`noreply`, `quit`).
    pub(super) is_silent: bool,
    /// Only some outcomes are answered (`q`).
    pub(super) is_quiet: bool,
    /// What the client wants to find in the answer (`O`).
    pub(super) opaque: Text<32>,
}

/// Reads what a client sends.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    line: Line,
    draft: Draft,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Line,
    /// In the data block, with so many octets to come.
    Body(u64),
    /// In the CR LF after it.
    End(Ending),
    Lost,
}

/// What is known of the two octets after a data block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ending {
    octets: u8,
    is_bad: bool,
}

impl Requests {
    /// Reads until a request is complete, the thread is lost, or the piece is used up.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'_>, counts: &mut DialogueCounts) -> Step<Asked> {
        while !cursor.is_empty() {
            let step = match self.state {
                State::Between => self.begin(cursor),
                State::Line => self.line(cursor, counts),
                State::Body(mut octets) => {
                    let is_whole = cursor.skip(&mut octets);
                    self.state = if is_whole { State::End(Ending::default()) } else { State::Body(octets) };
                    Read::More
                }
                State::End(ending) => self.end(cursor, ending, counts),
                State::Lost => {
                    self.resume(cursor);
                    Read::More
                }
            };
            match step {
                Read::More => {}
                Read::Ready(()) => {
                    self.state = State::Between;
                    let extent = &mut self.draft.extent;
                    extent.end = cursor.at();
                    extent.len = cursor.offset() - extent.offset;
                    return Step::Message(Asked { request: self.draft.request(), manner: self.manner });
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

    /// `TooLong` stands for whatever contradicts the protocol.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        match cursor.rest() {
            [] => Read::Missing,
            [b'\r' | b'\n' | b' ', ..] => {
                cursor.skip(&mut 1);
                Read::More
            }
            [0x21..=0x7e, ..] => {
                let (at, offset) = (cursor.at(), cursor.offset());
                self.draft.begin(Extent { start: at, end: at, offset, len: 0 });
                self.manner = Manner::default();
                self.state = State::Line;
                Read::More
            }
            _ => Read::TooLong,
        }
    }

    fn line(&mut self, cursor: &mut Cursor<'_>, counts: &mut DialogueCounts) -> Read<()> {
        let body = match self.line.read(cursor, SHOWN_LINE, MAX_LINE) {
            Read::Ready(line) => self.manner.on_line(line, &mut self.draft),
            Read::More => return Read::More,
            Read::Missing => return Read::Missing,
            Read::TooLong => return Read::TooLong,
        };
        match body {
            Body::None => Read::Ready(()),
            Body::Octets(octets) => {
                self.state = State::Body(octets);
                Read::More
            }
            // The server answers the line with an error; no block belongs to it.
            Body::Malformed => {
                counts.malformed += 1;
                self.manner.is_silent = false;
                Read::Ready(())
            }
        }
    }

    /// A block of the wrong length is answered with an error, and the server goes on after it.
    fn end(&mut self, cursor: &mut Cursor<'_>, mut ending: Ending, counts: &mut DialogueCounts) -> Read<()> {
        let expected = if ending.octets == 0 { b'\r' } else { b'\n' };
        ending.is_bad |= cursor.rest().first().is_some_and(|octet| *octet != expected);
        ending.octets += 1;
        cursor.skip(&mut 1);
        if ending.octets < 2 {
            self.state = State::End(ending);
            return Read::More;
        }
        counts.malformed += u64::from(ending.is_bad);
        Read::Ready(())
    }

    /// Begins anew where the piece begins like a request, or leaves it out.
    fn resume(&mut self, cursor: &mut Cursor<'_>) {
        if is_request(cursor.rest()) {
            self.state = State::Between;
        } else {
            cursor.skip_all();
        }
    }
}

/// What follows a line.
enum Body {
    None,
    Octets(u64),
    /// Something should, but how much is not said.
    Malformed,
}

impl Body {
    fn of(length: Option<&[u8]>) -> Self {
        match length.and_then(number) {
            Some(octets @ 0..=MAX_BODY) => Self::Octets(octets.unsigned_abs()),
            _ => Self::Malformed,
        }
    }
}

impl Manner {
    fn on_line(&mut self, line: &[u8], draft: &mut Draft) -> Body {
        let mut words = words(line);
        let name = words.next().unwrap_or_default();
        draft.label = Text::of(line);
        draft.command = Text::upper(name);
        self.kind = Kind::of(name).unwrap_or_default();
        if self.kind.is_meta() {
            return self.on_meta(words, draft);
        }
        let key = match self.kind {
            // `gat` and `gats` have the time first.
            Kind::Values if name.starts_with(b"gat") => words.nth(1),
            Kind::Values | Kind::Store | Kind::Count | Kind::Delete | Kind::Touch | Kind::Stats => {
                words.next()
            }
            _ => None,
        };
        draft.key = Text::of(key.unwrap_or_default());
        let body = if self.kind == Kind::Store { Body::of(words.nth(2)) } else { Body::None };
        self.is_silent = match self.kind {
            Kind::Quit => true,
            Kind::Values | Kind::Stats | Kind::Version | Kind::Watch | Kind::Dump => false,
            _ => words.last() == Some(b"noreply"),
        };
        body
    }

    fn on_meta<'a>(&mut self, mut words: impl Iterator<Item = &'a [u8]>, draft: &mut Draft) -> Body {
        if self.kind != Kind::MetaNoop {
            draft.key = Text::of(words.next().unwrap_or_default());
        }
        let length = if self.kind == Kind::MetaSet { words.next() } else { None };
        for option in words {
            match option {
                [b'q', ..] => self.is_quiet = true,
                [b'O', opaque @ ..] => self.opaque = Text::of(opaque),
                _ => {}
            }
        }
        if self.kind == Kind::MetaSet { Body::of(length) } else { Body::None }
    }
}

/// The words of a line.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|octet| *octet == b' ').filter(|word| !word.is_empty())
}

/// Whether a request begins like this beyond doubt: the whole line of a command that there is, with its parameters.
pub(super) fn is_request(octets: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', octets) else { return false };
    let line = octets[..end].strip_suffix(b"\r").unwrap_or(&octets[..end]);
    let mut words = words(line);
    let Some(kind) = words.next().and_then(Kind::of) else { return false };
    let parameters: Vec<_> = words.take(8).collect();
    let is_number = |place: usize| parameters.get(place).is_some_and(|word| number(word).is_some());
    match kind {
        Kind::Store => is_number(1) && is_number(2) && is_number(3),
        Kind::MetaSet => is_number(1),
        Kind::Values | Kind::Delete | Kind::MetaGet | Kind::MetaDelete | Kind::MetaArithmetic => {
            !parameters.is_empty() && !line.ends_with(b"HTTP/1.1") && !line.ends_with(b"HTTP/1.0")
        }
        Kind::Count | Kind::Touch => is_number(1),
        Kind::Quit => false,
        Kind::Version | Kind::MetaNoop => parameters.is_empty(),
        _ => true,
    }
}
