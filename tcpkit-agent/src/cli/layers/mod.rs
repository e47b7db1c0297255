//! Options from below the command line: the environment, and the file of `--config`.
//!
//! Whatever has a long name on the command line may stand in either: `--ring-bytes 64M` is `ring-bytes = "64M"` in the
//! file and `TCPKIT_RING_BYTES=64M` in the environment. What was typed goes before the environment, and that before the
//! file; what a lower one says against a higher one (`interface` in the file, `-r` typed) gives way to it.
//! All of them become words of one command line, so that there is one set of rules for values, and one of refusals.

mod environment;
mod file;
mod reload;
mod template;

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, ArgMatches, Args as ClapArgs, Command, CommandFactory as _, parser::ValueSource};

use super::{args::Args, failure::Failure};

pub use reload::{Difference, Origin, Reach};
pub use template::template;

/// Where options come from that were not typed.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFileArgs {
    /// Take what is not given here from this TOML file, whose keys are the long names of these options; so does
    /// the environment (TCPKIT_RING_BYTES for --ring-bytes), which goes before the file; SIGHUP has the file read again
    /// while a capture goes on (docs/configuration.md).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `tcpkit config`.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct ConfigCommandArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What `tcpkit config` does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ConfigAction {
    /// Say whether a file can be used, or which line of it cannot.
    #[command(disable_help_flag = true)]
    Check {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a file with every option, its meaning and its default.
    #[command(disable_help_flag = true)]
    Default,
}

/// An option that a layer gives, as words of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    /// clap's name of it.
    id: String,
    words: Vec<OsString>,
}

/// The level of the command line whose options these are.
struct Level<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
    /// How many words stand before the options.
    place: usize,
}

/// The words with what environment and file add to them. Words that cannot be understood stay as they are: whoever
/// reads them next says what is wrong.
///
/// # Errors
/// The file cannot be read, is no TOML, or has a key or value that is no option's; a variable likewise.
pub(super) fn complete(
    words: Vec<OsString>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, Failure> {
    let mut command = Args::command();
    command.build();
    let Ok(matches) = command.clone().try_get_matches_from(&words) else { return Ok(words) };
    let Some(level) = level(&command, &matches) else { return Ok(words) };
    let from_environment = environment::read(level.command, variable)?;
    let typed = level.matches.get_one::<PathBuf>("config").cloned();
    let from_file = match path(typed, variable) {
        Some(path) => file::read(level.command, &path)?,
        None => Vec::new(),
    };
    Ok(joined(&level, words, from_file, from_environment))
}

/// The agent's own options, or those of a command that has them.
fn level<'a>(command: &'a Command, matches: &'a ArgMatches) -> Option<Level<'a>> {
    match matches.subcommand() {
        None => Some(Level { command, matches, place: 1 }),
        Some((name, matches)) => {
            let command = command.find_subcommand(name)?;
            has(command, "config").then_some(Level { command, matches, place: 2 })
        }
    }
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|option| option.get_id() == id)
}

/// The file that was named, by the words or by the environment.
fn path(typed: Option<PathBuf>, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    typed.or_else(|| variable("TCPKIT_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// Options that may stand in a layer: each that is shown and has a long name, and the filter expression.
fn options(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    const NEVER: [&str; 3] = ["help", "version", "config"];
    command.get_arguments().filter(|option| {
        let is_shown = !option.is_hide_set() && !NEVER.contains(&option.get_id().as_str());
        is_shown && (option.get_long().is_some() || option.get_id() == EXPRESSION)
    })
}

/// The name of an option in a layer.
fn key(option: &clap::Arg) -> &str {
    option.get_long().unwrap_or(EXPRESSION)
}

fn is_flag(action: &ArgAction) -> bool {
    !action.takes_values()
}

/// The words of all layers, the weakest first; an expression stands last, where words without a dash belong.
fn joined(
    level: &Level<'_>,
    words: Vec<OsString>,
    from_file: Vec<Given>,
    from_environment: Vec<Given>,
) -> Vec<OsString> {
    let is_typed = |id: &&str| level.matches.value_source(id) == Some(ValueSource::CommandLine);
    let ids = level.command.get_arguments().map(|option| option.get_id().as_str());
    let mut stronger: Vec<String> = ids.filter(is_typed).map(str::to_owned).collect();
    let mut taken: Vec<Vec<Given>> = Vec::new();
    for layer in [from_environment, from_file] {
        let layer: Vec<_> =
            layer.into_iter().filter(|given| !gives_way(level.command, &given.id, &stronger)).collect();
        stronger.extend(layer.iter().map(|given| given.id.clone()));
        taken.push(layer);
    }
    let (expressions, options): (Vec<_>, Vec<_>) =
        taken.into_iter().rev().flatten().partition(|given| given.id == EXPRESSION);
    let mut words = words.into_iter();
    let mut all: Vec<OsString> = words.by_ref().take(level.place).collect();
    all.extend(options.into_iter().flat_map(|given| given.words));
    all.extend(words);
    all.extend(expressions.into_iter().flat_map(|given| given.words));
    all
}

/// Whether a stronger layer gave the same option, or one that cannot stand beside it.
fn gives_way(command: &Command, id: &str, stronger: &[String]) -> bool {
    let find = |id: &str| command.get_arguments().find(|option| option.get_id() == id);
    let excludes = |a: &str, b: &str| {
        find(a).is_some_and(|option| {
            command.get_arg_conflicts_with(option).iter().any(|other| other.get_id() == b)
        })
    };
    stronger.iter().any(|other| other == id || excludes(id, other) || excludes(other, id))
}

/// What clap says against these words where they stand alone; what they need or exclude beside them is judged with the
/// whole command line.
fn refusal(command: &Command, words: &[OsString]) -> Option<clap::Error> {
    use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument, MissingSubcommand};
    let name = OsString::from("tcpkit");
    let all = std::iter::once(&name).chain(words);
    let error = command.clone().try_get_matches_from(all).err()?;
    (!matches!(error.kind(), ArgumentConflict | MissingRequiredArgument | MissingSubcommand)).then_some(error)
}

/// The filter expression, which has no long name on the command line.
const EXPRESSION: &str = "expression";

#[cfg(test)]
mod tests;
