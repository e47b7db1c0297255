//! Options from variables of the environment.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::{Given, is_flag, key, options, refusal};
use crate::cli::{failure::Failure, usage};

/// What the environment gives; variables that name no option are not ours.
///
/// # Errors
/// A value that the option does not take.
pub(super) fn read(
    command: &Command,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Given>, Failure> {
    let mut all = Vec::new();
    for option in options(command) {
        let name = name(option);
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        let words = words(option, &name, value)?;
        if let Some(error) = refusal(command, &words) {
            return Err(Failure::usage(name).because(usage::reason(&error)));
        }
        all.push(Given { id: option.get_id().to_string(), words });
    }
    Ok(all)
}

/// `TCPKIT_RING_BYTES` for `--ring-bytes`.
pub(super) fn name(option: &Arg) -> String {
    format!("TCPKIT_{}", key(option).to_ascii_uppercase().replace('-', "_"))
}

fn words(option: &Arg, name: &str, value: OsString) -> Result<Vec<OsString>, Failure> {
    let Some(long) = option.get_long() else { return Ok(vec![value]) };
    if is_flag(option.get_action()) {
        return match value.to_str().map(str::to_ascii_lowercase).as_deref() {
            Some("1" | "true" | "yes" | "on") => Ok(vec![format!("--{long}").into()]),
            Some("0" | "false" | "no" | "off") => Ok(Vec::new()),
            _ => Err(Failure::usage(name).because("is true or false").hint(format!("as in {name}=true"))),
        };
    }
    let mut word = OsString::from(format!("--{long}="));
    word.push(value);
    Ok(vec![word])
}
