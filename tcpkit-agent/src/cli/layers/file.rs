//! Options from a TOML file.

use std::{ffi::OsString, fs, path::Path};

use clap::{Arg, ArgAction, Command};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Given, is_flag, key, options, refusal};
use crate::cli::{failure::Failure, usage};

/// What the file gives, in the order of its lines.
///
/// # Errors
/// It cannot be read, is no TOML, or a key or value of it is no option's: with the number of the line.
pub(super) fn read(command: &Command, path: &Path) -> Result<Vec<Given>, Failure> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("--config {name}"))
            .because(error)
            .hint("give the name of a TOML file; tcpkit config default prints one")
    })?;
    parse(command, &name, &text)
}

/// The same of a text.
pub(super) fn parse(command: &Command, name: &str, text: &str) -> Result<Vec<Given>, Failure> {
    let at = |offset: usize| format!("{name}:{}", line(text, offset));
    let table = DeTable::parse(text).map_err(|error| {
        Failure::usage(at(error.span().map_or(0, |span| span.start))).because(error.message())
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut all = Vec::new();
    for (key, value) in entries {
        let place = || at(key.span().start);
        all.push(
            given(command, key.get_ref(), value)
                .map_err(|reason| Failure::usage(place()).because(key.get_ref()).because(reason))?,
        );
    }
    Ok(all)
}

fn given(command: &Command, word: &str, value: &Spanned<DeValue<'_>>) -> Result<Given, String> {
    let Some(option) = options(command).find(|option| key(option) == word) else {
        return Err(unknown(command, word));
    };
    let words = words(option, value.get_ref())?;
    match refusal(command, &words) {
        Some(error) => Err(usage::reason(&error)),
        None => Ok(Given { id: option.get_id().to_string(), words }),
    }
}

/// clap knows which option is spelt nearly so.
fn unknown(command: &Command, word: &str) -> String {
    let tip = refusal(command, &[OsString::from(format!("--{word}"))])
        .and_then(|error| error.get(clap::error::ContextKind::SuggestedArg).map(ToString::to_string))
        .map(|option| format!(": perhaps {}", option.trim_start_matches('-')));
    format!(
        "no option has this name{}",
        tip.as_deref().unwrap_or(": tcpkit config default lists all of them")
    )
}

fn words(option: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    if is_flag(option.get_action()) {
        let DeValue::Boolean(is_set) = value else { return Err("is true or false".to_owned()) };
        return Ok(option
            .get_long()
            .filter(|_| *is_set)
            .map(|long| format!("--{long}").into())
            .into_iter()
            .collect());
    }
    match value {
        DeValue::Array(values) if matches!(option.get_action(), ArgAction::Append) => {
            values.iter().map(|value| word(option, value.get_ref())).collect()
        }
        DeValue::Array(_) => Err("takes one value, not a list".to_owned()),
        value => word(option, value).map(|word| vec![word]),
    }
}

fn word(option: &Arg, value: &DeValue<'_>) -> Result<OsString, String> {
    let value = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(_) => return Err("takes a value, not true or false".to_owned()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return Err("takes a text or a number".to_owned());
        }
    };
    Ok(option.get_long().map_or_else(|| value.clone().into(), |long| format!("--{long}={value}").into()))
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
