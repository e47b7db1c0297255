//! `tcpkit config`: whether a configuration file can be used, and a file to begin with.

use std::{ffi::OsString, path::Path};

use crate::{
    cli::{self, Args, Config, ConfigAction, ConfigCommandArgs, Failure, Parsed, System},
    filter,
    sink::write_stdout,
    wire::LinkType,
};

/// Says whether a file can be used on this system, or prints one.
///
/// # Errors
/// The file cannot be read or used: the line and the reason.
pub fn config(args: &ConfigCommandArgs, system: &System) -> anyhow::Result<()> {
    let text = match &args.action {
        ConfigAction::Default => cli::template(),
        ConfigAction::Check { file } => check(file, system)?,
    };
    Ok(write_stdout(&text)?)
}

fn check(file: &Path, system: &System) -> Result<String, Failure> {
    let args = parse(file, &[])?;
    // A file may leave the interface to the command line, as that of the service does.
    let has_input = !args.agent.input.interface.is_empty() || !args.agent.input.read.is_empty();
    let (args, system) = if has_input {
        (args, system.clone())
    } else {
        let mut system = system.clone();
        system.interfaces.push(SOME_INTERFACE.to_owned());
        (parse(file, &["-i", SOME_INTERFACE])?, system)
    };
    let config = Config::new(&args.agent, &system)
        .map_err(|failure| Failure::usage(file.display().to_string()).because(failure))?;
    if let Some(expression) = &config.expression {
        filter::compile(expression, LinkType::ETHERNET, WHOLE_FRAMES)
            .map_err(|error| Failure::filter(format!("{}: {error}", file.display())))?;
    }
    Ok(format!("{}: can be used\n", file.display()))
}

fn parse(file: &Path, more: &[&str]) -> Result<Args, Failure> {
    let mut words = vec![OsString::from("tcpkit"), "--config".into(), file.into()];
    words.extend(more.iter().map(OsString::from));
    match cli::parse(words)? {
        Parsed::Run(args) => Ok(*args),
        _ => Err(Failure::usage(file.display().to_string()).because("is no configuration of a capture")),
    }
}

/// Stands for the interface that the command line will name.
const SOME_INTERFACE: &str = "INTERFACE";

/// So that no part of an expression looks beyond what would be captured.
const WHOLE_FRAMES: u32 = 262_144;
