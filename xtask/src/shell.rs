//! Commands as xtask runs them, and the one place where it speaks.
//!
//! A child that uses another toolchain must not inherit what rustup and cargo set for xtask itself
//! (`RUSTUP_TOOLCHAIN`, `CARGO`, a library path into the toolchain): [`foreign`] removes these, [`cargo`] keeps the
//! toolchain that the contributor chose.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Display,
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// The top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// One line to the person at the terminal; a closed standard error is no reason to stop.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// One line of a result, on standard output.
pub(crate) fn answer(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Whether somebody can be asked.
pub(crate) fn at_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether this is a run that must not leave anything out (`CI=true`).
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

/// The clock of the machine, for timing steps and measurements.
#[expect(clippy::disallowed_methods, reason = "xtask measures; the rule protects the analysis core")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Cargo as the contributor called it, for the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    for (name, _) in env::vars_os() {
        if is_package_variable(&name) {
            command.env_remove(&name);
        }
    }
    command
}

/// A command of another toolchain: none of cargo's and rustup's settings for this one reach it.
pub(crate) fn foreign(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace());
    for (name, _) in env::vars_os() {
        if is_toolchain_variable(&name) {
            command.env_remove(&name);
        }
    }
    command
}

/// Where the file system has this program: `PATH`, then where administrators' tools live, then cargo's own folder.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let extra = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin"), cargo_bin()];
    env::split_paths(&path).chain(extra).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Where `cargo install` puts programs.
pub(crate) fn cargo_bin() -> PathBuf {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    home.unwrap_or_default().join("bin")
}

/// Runs a command to its end, with our terminal.
///
/// # Errors
/// If it cannot be started or ends with another status than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", name_of(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line_of(command));
    }
    Ok(())
}

/// Runs a command silently and returns what it printed on standard output.
///
/// # Errors
/// If it cannot be started or ends with another status than 0: with the last line of its standard error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", name_of(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("`{}` ended with {}: {}", line_of(command), output.status, last.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads a whole text file; the error names it.
///
/// # Errors
/// If it cannot be read or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A duration for people.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What cargo sets to describe the package that it runs; another build must not see it.
fn is_package_variable(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name == "CARGO"
        || name == "CARGO_BIN_NAME"
}

/// Whatever could steer a build of another toolchain, except where cargo and rustup live and how they reach the net.
fn is_toolchain_variable(name: &OsStr) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "RUSTUP_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_TERM_",
        "CARGO_BUILD_JOBS",
    ];
    let name = name.to_string_lossy();
    let steers = name.starts_with("CARGO") || name.starts_with("RUST") || name == "LD_LIBRARY_PATH";
    steers && !KEPT.iter().any(|kept| name.starts_with(kept))
}

fn name_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line_of(command: &Command) -> String {
    let words: Vec<OsString> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(OsStr::to_os_string).collect();
    words.join(OsStr::new(" ")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_toolchain_inherits_homes_and_proxies_but_no_settings() {
        for steering in
            ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH"]
        {
            assert!(is_toolchain_variable(OsStr::new(steering)), "{steering}");
        }
        for kept in
            ["CARGO_HOME", "RUSTUP_HOME", "CARGO_HTTP_PROXY", "CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "PATH"]
        {
            assert!(!is_toolchain_variable(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn a_failed_command_is_named_with_its_last_complaint() {
        let error =
            read(Command::new("sh").args(["-c", "echo first >&2; echo last >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 3") && text.ends_with("last"), "{text}");
    }
}
