//! `cargo xtask accuracy`: tcpkit's causes and round trips beside what the kernel itself did.
//!
//! The helper `tcpkit-accuracy` of the tests' package makes the networks and the traffic, and prints for each and for
//! all a confusion matrix at the sender's end, the sockets' own word, and another matrix at the receiver's end. That
//! takes three minutes on two idle processors, and twice that on busy ones. `--write` puts its table into
//! ARCHITECTURE.md, between two comments that name it.

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Profile, Warnings},
    privilege,
    setup::{self, Scope},
    shell::{cargo, foreign, read, read_text, run, say, workspace},
};

/// What `accuracy` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Parts of the names of scenarios; all of them without.
    scenarios: Vec<String>,
    /// Keep captures and every single verdict in this folder.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<std::path::PathBuf>,
    /// Put the figures into ARCHITECTURE.md.
    #[arg(long, conflicts_with = "scenarios")]
    write: bool,
}

/// `cargo xtask accuracy`. Status 1 when a target does not hold.
///
/// # Errors
/// If something needed is missing, or a scenario cannot be run.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    setup::ensure(Scope::Tests)?;
    build::object(Warnings::Shown)?;
    let tcpkit = build::agent(Profile::Debug)?;
    let mut helper = cargo();
    helper.args(["build", "--package", "tcpkit-tests", "--bin", "tcpkit-accuracy"]);
    run(&mut helper).context("cannot build the helper")?;
    let folder = tempfile::tempdir().context("no folder for the table")?;
    let table = folder.path().join("table");
    let mut judge = privilege::as_root("env")?;
    judge.arg(format!("TCPKIT_BIN={}", tcpkit.display()));
    judge.arg(tcpkit.with_file_name("tcpkit-accuracy")).arg("--table").arg(&table);
    if let Some(keep) = &options.keep {
        judge.arg("--keep").arg(keep);
    }
    let status = judge.args(&options.scenarios).status().context("cannot run the helper")?;
    match status.code() {
        Some(0) => {}
        // It has said which target does not hold.
        Some(1) => return Ok(ExitCode::FAILURE),
        _ => bail!("the judge ended with {status}"),
    }
    if options.write {
        write(&read_text(&table)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Around the figures in ARCHITECTURE.md.
const MARKS: [&str; 2] = ["<!-- cargo xtask accuracy --write -->\n", "<!-- end of accuracy -->"];

fn write(table: &str) -> Result<()> {
    let path = workspace().join("ARCHITECTURE.md");
    let date = read(foreign("date").args(["-u", "+%-d %B %Y"]))?;
    let kernel = read(foreign("uname").arg("-r"))?;
    let release = kernel.split(['-', '\n']).next().unwrap_or_default();
    let figures = format!("By `cargo xtask accuracy`, {}, Linux {release}:\n\n{table}", date.trim());
    let text = placed(&read_text(&path)?, &figures).context("ARCHITECTURE.md has no place for figures")?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!("accuracy: figures of {} in ARCHITECTURE.md", date.trim()));
    Ok(())
}

fn placed(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKS[0])?;
    let (_, behind) = rest.split_once(MARKS[1])?;
    Some(format!("{before}{}{figures}{}{behind}", MARKS[0], MARKS[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_the_old_ones() {
        let text = format!("a\n{}old\n{}\nb\n", MARKS[0], MARKS[1]);
        let once = placed(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{}new\n{}\nb\n", MARKS[0], MARKS[1]));
        assert_eq!(placed(&once, "new\n").unwrap(), once);
        assert!(placed("no marks", "new\n").is_none());
    }
}
