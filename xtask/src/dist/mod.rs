//! `cargo xtask dist`: a Debian package from a release build.
//!
//! Everything in it is made from the project: the man pages, the completions and the configuration file by the binary
//! itself, the dependencies by what it is linked with.

mod check;
mod stage;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    build::{self, Profile, Warnings},
    setup::{self, Scope},
    shell::{answer, find_program, now, read, read_text, run, say, seconds, workspace},
};

/// What `dist` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Put the package into this folder.
    #[arg(long, value_name = "FOLDER", default_value = "target/dist")]
    output: PathBuf,
    /// Install the package in a fresh Debian, run it there, and remove it again.
    #[arg(long)]
    check: bool,
}

/// `cargo xtask dist`.
///
/// # Errors
/// A tool is missing, a build fails, or the package does not do what it should.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    needed(FOR_PACKAGES)?;
    setup::ensure(Scope::Ebpf)?;
    let begin = now();
    build::object(Warnings::Denied)?;
    let binary = build::agent(Profile::Release)?;
    let package = package(&binary, &workspace().join(&options.output))?;
    say(format_args!("dist: {} ({})", package.display(), seconds(begin.elapsed())));
    answer(package.display());
    if options.check {
        needed(FOR_TRIALS)?;
        check::check(&package)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The same package around the binary that the tests use, tried in a fresh Debian; a step of the gate.
///
/// # Errors
/// A tool is missing, or the package does not do what it should.
pub(crate) fn trial() -> Result<()> {
    needed(FOR_PACKAGES)?;
    needed(FOR_TRIALS)?;
    let folder = workspace().join("target/dist/trial");
    check::check(&package(&build::binary(Profile::Debug), &folder)?)
}

/// Each program, and the Debian package that has it.
fn needed(programs: &[(&str, &str)]) -> Result<()> {
    match programs.iter().find(|(program, _)| find_program(program).is_none()) {
        Some((program, package)) => bail!("{program} is not installed: apt-get install {package}"),
        None => Ok(()),
    }
}

fn package(binary: &Path, output: &Path) -> Result<PathBuf> {
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let root =
        tempfile::Builder::new().prefix("package.").tempdir_in(output).context("cannot make a folder")?;
    let tree = root.path().join("tcpkit");
    stage::stage(binary, &tree)?;
    let control = control(binary, &tree)?;
    let version = field(&control, "Version")?;
    let architecture = field(&control, "Architecture")?;
    stage::control(&tree, &control)?;
    let package = output.join(format!("tcpkit_{version}_{architecture}.deb"));
    run(Command::new("dpkg-deb").args(["--root-owner-group", "--build", "-Zxz"]).arg(&tree).arg(&package))?;
    Ok(package)
}

fn field<'a>(control: &'a str, name: &str) -> Result<&'a str> {
    let value = control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.with_context(|| format!("the control file has no {name}"))
}

fn control(binary: &Path, tree: &Path) -> Result<String> {
    let architecture = read(Command::new("dpkg").arg("--print-architecture"))?;
    let version = read(Command::new(binary).arg("--version"))?;
    let version = version.split_whitespace().nth(1).context("the binary does not tell its version")?;
    let names = stage::OLDER_TOOLS.join(", ");
    Ok(format!(
        "Package: tcpkit\nVersion: {version}\nArchitecture: {}\nMaintainer: the authors of tcpkit <tcpkit@localhost>\n\
         Section: net\nPriority: optional\nInstalled-Size: {}\nDepends: {}\nConflicts: {names}\nReplaces: {names}\n\
         Provides: {names}\nHomepage: https://github.com/tcpkit/tcpkit\nDescription: {DESCRIPTION}",
        architecture.trim(),
        stage::kibibytes(tree)?,
        dependencies(binary)?,
    ))
}

/// What the binary is linked with, as packages with their least versions.
fn dependencies(binary: &Path) -> Result<String> {
    // dpkg-shlibdeps works where a source package lies.
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    fs::create_dir(folder.path().join("debian"))?;
    fs::write(
        folder.path().join("debian/control"),
        "Source: tcpkit\n\nPackage: tcpkit\nArchitecture: any\n",
    )?;
    let mut ask = Command::new("dpkg-shlibdeps");
    let text = read(ask.current_dir(folder.path()).arg("-O").arg("-e").arg(fs::canonicalize(binary)?))?;
    let line = text.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(line.context("dpkg-shlibdeps named no packages")?.to_owned())
}

const FOR_PACKAGES: &[(&str, &str)] =
    &[("dpkg-deb", "dpkg"), ("dpkg-shlibdeps", "dpkg-dev"), ("gzip", "gzip")];
const FOR_TRIALS: &[(&str, &str)] =
    &[("debootstrap", "debootstrap"), ("setpriv", "util-linux"), ("ip", "iproute2")];

const DESCRIPTION: &str = "\
what TCP does on an interface or in a capture file
 Captures by eBPF or libpcap, follows every flow, and says which handshakes
 fail, what was sent again and why, how long round trips and requests take and
 where their time went, and how far its numbers may be off. Takes the command
 lines of tcpeek, tcptrack, tcpstat and of git-hulk's tcpkit too.
";

/// A licence or other text of the project.
fn text(name: &str) -> Result<String> {
    read_text(&workspace().join(name))
}
