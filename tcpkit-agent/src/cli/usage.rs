//! The words of the command line to [`Args`], help, or one line about what is wrong with them.

use std::{ffi::OsString, path::Path};

use clap::{Parser as _, error::ErrorKind};

use super::{
    args::Args,
    dialect,
    failure::Failure,
    peek::{Asked, PEEK_USAGE, PEEKSTAT_USAGE, PeekArgs, PeekStatArgs},
    track::{TRACK_USAGE, TrackArgs},
};

/// What the words were.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Run(Box<Args>),
    /// tcpeek.
    Peek(Box<PeekArgs>),
    /// tcpeekstat.
    PeekStat(Box<PeekStatArgs>),
    /// tcptrack.
    Track(Box<TrackArgs>),
    /// The version of tcpeek, which names that of libpcap too.
    PeekVersion,
    /// The user asked for this text, which belongs on standard output.
    Text(String),
}

/// Reads the words, the name of the program first.
///
/// # Errors
/// A usage [`Failure`] that names the word and says what would do.
pub fn parse<I, T>(words: I) -> Result<Parsed, Failure>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    if let Some((personality, program, rest)) = personality(&words) {
        return personality.parse(&program, rest);
    }
    match Args::try_parse_from(translated(words.into_iter())) {
        Ok(args) => Ok(Parsed::Run(Box::new(args))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(failure(&error)),
        },
    }
}

/// The program's name, and its words as we understand them.
fn translated(mut words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let name = words.next();
    name.into_iter().chain(dialect::translate(words)).collect()
}

/// An older tool that we stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Personality {
    Peek,
    PeekStat,
    Track,
}

impl Personality {
    /// The older tools: their names as programs, and as words behind `tcpkit`.
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Peek, "tcpeek", "peek"),
        (Self::PeekStat, "tcpeekstat", "peekstat"),
        (Self::Track, "tcptrack", "track"),
    ];

    fn parse(self, program: &str, words: &[OsString]) -> Result<Parsed, Failure> {
        let words = words.iter().cloned();
        Ok(match self {
            Self::Peek => match PeekArgs::parse(program, words)? {
                Asked::Run(args) => Parsed::Peek(args),
                Asked::Help => Parsed::Text(PEEK_USAGE.to_owned()),
                Asked::Version => Parsed::PeekVersion,
            },
            Self::PeekStat => match PeekStatArgs::parse(program, words)? {
                Asked::Run(args) => Parsed::PeekStat(args),
                Asked::Help => Parsed::Text(PEEKSTAT_USAGE.to_owned()),
                Asked::Version => Parsed::Text(format!("tcpeekstat {}\n", env!("CARGO_PKG_VERSION"))),
            },
            Self::Track => match TrackArgs::parse(program, words)? {
                Asked::Run(args) => Parsed::Track(args),
                Asked::Help => Parsed::Text(TRACK_USAGE.to_owned()),
                // The version that this stands for, as scripts look for it.
                Asked::Version => {
                    Parsed::Text(format!("tcptrack v1.4.3 (tcpkit {})\n", env!("CARGO_PKG_VERSION")))
                }
            },
        })
    }
}

/// The older tool that is meant, by the program's name or by the first word; the name for its messages; its words.
fn personality(words: &[OsString]) -> Option<(Personality, String, &[OsString])> {
    let (name, rest) = words.split_first()?;
    let name = Path::new(name).file_name()?;
    let called = |(personality, program, _): &(Personality, &str, &str)| {
        (name == *program).then(|| (*personality, (*program).to_owned(), rest))
    };
    let asked = |(personality, _, word): &(Personality, &str, &str)| {
        let (first, rest) = rest.split_first()?;
        (first == word).then(|| (*personality, format!("tcpkit {word}"), rest))
    };
    let all = Personality::ALL;
    all.iter().find_map(called).or_else(|| all.iter().find_map(asked))
}

/// clap writes a paragraph about what is wrong, perhaps a tip, then the usage; the first two make one line.
fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or(&text);
    let said = said.split("\n\nFor more information").next().unwrap_or(said);
    let mut paragraphs = said.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let what = paragraphs.next().unwrap_or("bad usage");
    let failure = Failure::usage(what.strip_prefix("error: ").unwrap_or(what));
    let failure = paragraphs.fold(failure, |failure, paragraph| failure.hint(paragraph));
    failure.hint("see tcpkit --help")
}
