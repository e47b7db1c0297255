//! The words of the command line to [`Args`], help, or one line about what is wrong with them.

use std::ffi::OsString;

use clap::{Parser as _, error::ErrorKind};

use super::{args::Args, failure::Failure};

/// What the words were.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Run(Box<Args>),
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
