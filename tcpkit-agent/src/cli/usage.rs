//! The words of the command line to [`Args`], help, or one line about what is wrong with them.

use std::{ffi::OsString, path::Path};

use clap::{Parser as _, error::ErrorKind};

use super::{
    args::Args,
    dialect,
    failure::Failure,
    layers,
    peek::{Asked, PEEK_USAGE, PEEKSTAT_USAGE, PeekArgs, PeekStatArgs},
    prof::ProfArgs,
    stat::StatArgs,
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
    /// tcpstat.
    Stat(Box<StatArgs>),
    /// tcpprof.
    Prof(Box<ProfArgs>),
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
    let words = layers::complete(translated(words.into_iter()), &|name| std::env::var_os(name))?;
    match Args::try_parse_from(words) {
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
    Stat,
    Prof,
}

impl Personality {
    /// The older tools: their names as programs, and as words behind `tcpkit`.
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Peek, "tcpeek", "peek"),
        (Self::PeekStat, "tcpeekstat", "peekstat"),
        (Self::Stat, "tcpstat", "stat"),
        (Self::Prof, "tcpprof", "prof"),
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
            Self::Stat => Parsed::Stat(Box::new(StatArgs::parse(program, words)?)),
            Self::Prof => Parsed::Prof(Box::new(ProfArgs::parse(program, words)?)),
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

/// What clap has against the words, and what it would do instead.
fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Of all commands this one alone has others behind it.
        return Failure::usage("config").because("what to do is missing").hint("give check FILE, or default");
    }
    paragraphs(error)
        .into_iter()
        .fold(None, |failure: Option<Failure>, paragraph| {
            Some(match failure {
                Some(failure) => failure.hint(paragraph),
                None => Failure::usage(paragraph),
            })
        })
        .unwrap_or_else(|| Failure::usage("bad usage"))
        .hint("see tcpkit --help")
}

/// The same as a reason beside a place that is told otherwise.
pub(super) fn reason(error: &clap::Error) -> String {
    paragraphs(error).join(": ")
}

/// clap writes a paragraph about what is wrong, perhaps a tip, then the usage; we want the first two.
fn paragraphs(error: &clap::Error) -> Vec<String> {
    let text = error.render().to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or(&text);
    let said = said.split("\n\nFor more information").next().unwrap_or(said);
    let said = said.strip_prefix("error: ").unwrap_or(said);
    said.split("\n\n")
        .map(|paragraph| paragraph.trim().to_owned())
        .filter(|paragraph| !paragraph.is_empty())
        .collect()
}
