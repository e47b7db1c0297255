//! Installs what the survey missed: by rustup where it can, by Debian's packages, by `cargo install`.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    probe::{Compiler, Finding, Part, compilers, nightly},
    python,
};
use crate::{
    privilege,
    shell::{at_terminal, cargo, find_program, foreign, run, say},
};

/// Debian's compiler with sources, kept new for its browsers.
const DEBIAN_COMPILER: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// The release that was tried; it links against any of [`LINKER_LLVM`].
const BPF_LINKER: &str = "0.13.0";

/// LLVM versions that bpf-linker has a feature for.
const LINKER_LLVM: [u32; 3] = [21, 22, 23];

/// The LLVM that Debian 12 has packaged.
const DEBIAN_LLVM: u32 = 22;

/// Brings everything that is missing among `findings`.
///
/// # Errors
/// If the user says no, there is no package manager that we know, or an installer fails.
pub(super) fn install(findings: &[Finding], yes: bool) -> Result<()> {
    let missing: Vec<Part> = findings.iter().filter(|one| one.found.is_none()).map(|one| one.part).collect();
    let mut packages: BTreeSet<String> = missing.iter().filter_map(package).collect();
    let compiler = missing.contains(&Part::Compiler).then(compiler_from_rustup);
    if compiler == Some(false) {
        packages.extend(DEBIAN_COMPILER.map(str::to_owned));
    }
    let wants_linker = missing.contains(&Part::Linker);
    if wants_linker && installed_llvm(least_llvm()).is_none() {
        packages.insert(format!("llvm-{DEBIAN_LLVM}-dev"));
    }
    install_packages(&packages.into_iter().collect::<Vec<_>>(), yes)?;
    if wants_linker {
        install_linker()?;
    }
    if missing.contains(&Part::Schemathesis) {
        python::install_schemathesis()?;
    }
    Ok(())
}

fn package(part: &Part) -> Option<String> {
    match part {
        Part::Package(name) => Some((*name).to_owned()),
        Part::Compiler | Part::Linker | Part::Schemathesis => None,
    }
}

/// Asks rustup for a nightly with sources; false where there is no rustup, no network, or an LLVM too new for us.
fn compiler_from_rustup() -> bool {
    if find_program("rustup").is_none() {
        return false;
    }
    let mut rustup = foreign("timeout");
    rustup.args(["300", "rustup"]);
    if nightly().is_some() {
        rustup.args(["component", "add", "rust-src", "--toolchain", "nightly"]);
    } else {
        rustup.args(["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"]);
    }
    say("setup: asking rustup for a nightly with rust-src");
    if let Err(error) = run(&mut rustup) {
        say(format_args!("setup: rustup cannot: {error:#}; trying the system's packages"));
        return false;
    }
    let linkable = |found: Compiler| found.llvm <= DEBIAN_LLVM || installed_llvm(found.llvm).is_some();
    nightly().is_some_and(linkable)
}

/// The LLVM that the linker must have at least.
fn least_llvm() -> u32 {
    compilers().iter().map(|compiler| compiler.llvm).min().unwrap_or(DEBIAN_LLVM)
}

/// An installed LLVM with headers that bpf-linker can be built against: its version.
fn installed_llvm(least: u32) -> Option<u32> {
    let has_headers = |version: &u32| Path::new(&prefix(*version)).join("include/llvm-c/Core.h").is_file();
    LINKER_LLVM.into_iter().filter(|version| *version >= least).find(has_headers)
}

fn prefix(version: u32) -> String {
    format!("/usr/lib/llvm-{version}")
}

fn install_packages(packages: &[String], yes: bool) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if find_program("apt-get").is_none() {
        bail!(
            "this is not Debian: install what your system calls {list}, then run `cargo xtask setup --check`"
        );
    }
    if !yes && at_terminal() && !confirmed(&list)? {
        bail!("nothing was installed; missing packages: {list}");
    }
    say(format_args!("setup: installing the system packages {list}"));
    let mut shell = privilege::as_root("sh")?;
    shell.args(["-c", INSTALL_SCRIPT, "setup"]).args(packages);
    run(&mut shell).with_context(|| format!("cannot install {list}"))
}

/// Installs without questions and without starting the servers that come along: `policy-rc.d` is how Debian is told.
const INSTALL_SCRIPT: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  trap 'exit 130' INT TERM
fi
apt-get -q -o DPkg::Lock::Timeout=300 update || echo 'setup: apt-get update failed; trying with the lists that are there' >&2
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
"#;

fn confirmed(list: &str) -> Result<bool> {
    let mut terminal = io::stderr().lock();
    write!(terminal, "Install the system packages {list}? [Y/n] ").context("cannot ask")?;
    terminal.flush().context("cannot ask")?;
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("cannot read the reply")?;
    Ok(matches!(line.trim(), "" | "y" | "Y" | "yes"))
}

/// Builds bpf-linker into cargo's own folder, against an LLVM that reads what the compiler writes.
fn install_linker() -> Result<()> {
    let least = least_llvm();
    let Some(llvm) = installed_llvm(least) else {
        bail!(
            "bpf-linker needs LLVM {least} or newer with headers under {}: install llvm-{least}-dev, then run \
             `cargo xtask setup` again",
            prefix(least)
        );
    };
    say(format_args!("setup: building bpf-linker {BPF_LINKER} against LLVM {llvm} (about a minute)"));
    let mut install: Command = cargo();
    install.env("LLVM_PREFIX", prefix(llvm));
    install.args([
        "install",
        "bpf-linker",
        "--version",
        BPF_LINKER,
        "--locked",
        "--force",
        "--no-default-features",
    ]);
    install.arg("--features").arg(format!("llvm-{llvm}"));
    run(&mut install).context("cannot build bpf-linker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_is_never_built_against_an_older_llvm_than_the_compilers() {
        assert_eq!(installed_llvm(LINKER_LLVM[2] + 1), None);
    }

    #[test]
    fn only_packages_are_named_to_the_package_manager() {
        assert_eq!(package(&Part::Package("tshark")).as_deref(), Some("tshark"));
        assert_eq!(package(&Part::Compiler), None);
    }
}
