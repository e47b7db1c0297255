//! Finds what tcpkit needs on this machine, and installs what is missing.
//!
//! With everything there it says so and ends at once. System packages are installed after one question at a
//! terminal (`--yes` answers it) and without one elsewhere; servers that come with them are not started.

mod install;
mod probe;
mod python;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::shell::say;

use probe::{Finding, survey};
pub(crate) use probe::{Toolchain, toolchain};
pub(crate) use python::folder as python_programs;

/// What `setup` was asked for.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Look only; status 1 when something is missing.
    #[arg(long)]
    check: bool,
    /// Install system packages without asking.
    #[arg(long)]
    yes: bool,
    /// Also what the tests and benchmarks talk to and compare with (servers, tcpdump, tshark, …).
    #[arg(long)]
    tests: bool,
}

/// How much of the machine a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// The agent: a C toolchain and libpcap.
    Agent,
    /// Also live capture by eBPF: a compiler with its library sources, and bpf-linker.
    Ebpf,
    /// Also the peers and oracles of the tests.
    Tests,
}

/// `cargo xtask setup`.
///
/// # Errors
/// If something is missing and cannot be installed; the error says what to do.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let scope = if options.tests { Scope::Tests } else { Scope::Ebpf };
    let findings = survey(scope)?;
    tell(&findings);
    let missing = missing(&findings);
    if missing.is_empty() {
        say("setup: all there");
        return Ok(ExitCode::SUCCESS);
    }
    if options.check {
        let flag = if options.tests { " --tests" } else { "" };
        say(format_args!("setup: {} missing; `cargo xtask setup{flag}` installs it", missing.join(", ")));
        return Ok(ExitCode::FAILURE);
    }
    fix(scope, &findings, options.yes)?;
    Ok(ExitCode::SUCCESS)
}

/// Sees to it that everything in `scope` is there; silent when it is.
///
/// # Errors
/// As [`command`].
pub(crate) fn ensure(scope: Scope) -> Result<()> {
    let findings = survey(scope)?;
    if missing(&findings).is_empty() {
        return Ok(());
    }
    tell(&findings);
    fix(scope, &findings, false)
}

/// Installs, and then looks again: what an installer says is no proof.
fn fix(scope: Scope, findings: &[Finding], yes: bool) -> Result<()> {
    install::install(findings, yes)?;
    let after = survey(scope)?;
    let still = missing(&after);
    if !still.is_empty() {
        tell(&after);
        bail!("still missing after the installation: {}", still.join(", "));
    }
    say("setup: all there now");
    Ok(())
}

fn tell(findings: &[Finding]) {
    for finding in findings {
        let state = if finding.found.is_some() { "found" } else { "missing" };
        let detail = finding.found.as_deref().unwrap_or(&finding.purpose);
        say(format_args!("  {state:8} {:22} {detail}", finding.name));
    }
}

fn missing(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.found.is_none()).map(|finding| finding.name.as_str()).collect()
}
