//! Builds the eBPF object with the compiler that can, then the agent that embeds it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    setup::{self, Scope, Toolchain},
    shell::{cargo, foreign, now, run, say, seconds, workspace},
};

/// The kernel side's own target.
const TARGET: &str = "bpfel-unknown-none";

/// Name of its binary.
const BINARY: &str = "tcpkit-ebpf";

/// What `build` was asked for.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// With optimizations.
    #[arg(long)]
    release: bool,
}

/// What becomes of the compiler's warnings about the eBPF programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warnings {
    /// They are shown.
    Shown,
    /// They are errors.
    Denied,
}

/// The agent's build profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build.
    Debug,
    /// Quick to run.
    Release,
}

/// `cargo xtask build`.
///
/// # Errors
/// If something needed is missing, or a build fails.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    let profile = if options.release { Profile::Release } else { Profile::Debug };
    setup::ensure(Scope::Ebpf)?;
    let begin = now();
    object(Warnings::Shown)?;
    let binary = agent(profile)?;
    say(format_args!("build: {} ({})", binary.display(), seconds(begin.elapsed())));
    Ok(ExitCode::SUCCESS)
}

/// Builds the eBPF object and puts it where the agent's build finds it; an unchanged one stays untouched, so that
/// the agent is not built again for nothing.
///
/// # Errors
/// If no toolchain works or the build fails.
pub(crate) fn object(warnings: Warnings) -> Result<PathBuf> {
    let Some(toolchain) = setup::toolchain()? else {
        bail!("no compiler and bpf-linker that work together: run `cargo xtask setup`");
    };
    compile(&toolchain, warnings)?;
    let built = workspace().join("target/ebpf-build").join(TARGET).join("release").join(BINARY);
    let placed = object_path();
    place(&built, &placed)?;
    Ok(placed)
}

/// Builds the agent and returns its binary.
///
/// # Errors
/// If the build fails.
pub(crate) fn agent(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "tcpkit-agent"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    run(&mut build).context("cannot build the agent")?;
    Ok(binary(profile))
}

/// Where a build leaves the agent.
pub(crate) fn binary(profile: Profile) -> PathBuf {
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    };
    target_folder().join(folder).join("tcpkit")
}

/// Where the agent's build script looks for the object.
pub(crate) fn object_path() -> PathBuf {
    workspace().join("target/ebpf/tcpkit-ebpf.o")
}

/// Cargo's target folder for the workspace; the eBPF object stays in `target/` wherever that is.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |folder| workspace().join(folder))
}

fn compile(toolchain: &Toolchain, warnings: Warnings) -> Result<()> {
    let package = workspace().join("tcpkit-ebpf");
    if !package.join("Cargo.toml").is_file() {
        bail!("{} is not there: the eBPF programs are part of the project", package.display());
    }
    let mut build = foreign(&toolchain.compiler.cargo);
    build.current_dir(&package);
    build.env("RUSTC", &toolchain.compiler.rustc).env("RUSTC_BOOTSTRAP", "1");
    build.env("PATH", path_with(&toolchain.linker)?);
    build.args(["build", "--release", "--target", TARGET, "-Z", "build-std=core", "--target-dir"]);
    build.arg(workspace().join("target/ebpf-build"));
    if warnings == Warnings::Denied {
        build.args(["-Z", "warnings", "--config", "build.warnings=\"deny\""]);
    }
    run(&mut build).with_context(|| {
        let compiler = &toolchain.compiler;
        format!("cannot build the eBPF programs with {} and {}", compiler.version, toolchain.linker.display())
    })
}

/// `PATH` with the linker's folder in front, for a linker that only cargo's own folder has.
fn path_with(linker: &Path) -> Result<std::ffi::OsString> {
    let folder = linker.parent().map(Path::to_path_buf);
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folder.into_iter().chain(env::split_paths(&path))).context("PATH cannot be extended")
}

fn place(built: &Path, placed: &Path) -> Result<()> {
    let new = fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    if fs::read(placed).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let folder = placed.parent().context("the object's path has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(placed, new).with_context(|| format!("cannot write {}", placed.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_object_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (built, placed) = (folder.path().join("built"), folder.path().join("ebpf/placed"));
        fs::write(&built, b"one").unwrap();
        place(&built, &placed).unwrap();
        let first = fs::metadata(&placed).unwrap().modified().unwrap();
        place(&built, &placed).unwrap();
        assert_eq!(fs::metadata(&placed).unwrap().modified().unwrap(), first);
        fs::write(&built, b"two").unwrap();
        place(&built, &placed).unwrap();
        assert_eq!(fs::read(&placed).unwrap(), b"two");
    }

    #[test]
    fn a_linker_outside_the_path_is_found_first() {
        let path = path_with(Path::new("/somewhere/bin/bpf-linker")).unwrap();
        assert_eq!(env::split_paths(&path).next().unwrap(), Path::new("/somewhere/bin"));
    }
}
