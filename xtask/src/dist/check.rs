//! The package in a fresh Debian: installed, run as its service would run it, scraped, and removed without a trace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::stage;
use crate::shell::{answer, find_program, read, run, say, workspace};

/// Installs and tries the package.
///
/// # Errors
/// Debian cannot be fetched, we are not root, or something of the package is not as it should be.
pub(super) fn check(package: &Path) -> Result<()> {
    if read(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("a fresh Debian can be entered by root only: sudo cargo xtask dist --check");
    }
    let base = base()?;
    let folder = tempfile::Builder::new().prefix("root.").tempdir_in(base.parent().unwrap_or(&base))?;
    let root = folder.path().join("debian");
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(&base).arg(&root))?;
    fs::copy(package, root.join("tcpkit.deb")).context("cannot copy the package")?;
    let before = files(&root)?;
    run(inside(&root).args(["dpkg", "--install", "/tcpkit.deb"]))?;
    programs(&root)?;
    service(&root)?;
    run(inside(&root).args(["dpkg", "--purge", "tcpkit"]))?;
    let after = files(&root)?;
    let left: Vec<_> = after.iter().filter(|file| !before.contains(file)).map(String::as_str).collect();
    if !left.is_empty() {
        bail!("purged, the package leaves behind: {}", left.join(", "));
    }
    answer("dist: installed, started, scraped and purged in a fresh Debian");
    Ok(())
}

/// A Debian with what the package depends on and what the trial needs, made once.
fn base() -> Result<PathBuf> {
    let base = workspace().join("target/dist/debian-bookworm");
    if base.join("usr/bin/curl").exists() {
        return Ok(base);
    }
    say("dist: debootstrap fetches a Debian");
    let unfinished = base.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).context("cannot remove what an earlier debootstrap left")?;
    }
    fs::create_dir_all(&unfinished)?;
    let mut debootstrap = Command::new(find_program("debootstrap").context("debootstrap is not installed")?);
    run(debootstrap
        .args(["--variant=minbase", "--include=libpcap0.8,curl,iproute2,systemd", "bookworm"])
        .arg(&unfinished))?;
    fs::rename(&unfinished, &base).context("cannot name the new Debian")?;
    Ok(base)
}

fn inside(root: &Path) -> Command {
    let mut command = Command::new(find_program("chroot").unwrap_or_else(|| "chroot".into()));
    command.arg(root).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C");
    command
}

/// Every file but those that dpkg, its triggers and systemd keep for themselves.
fn files(root: &Path) -> Result<Vec<String>> {
    let mut find = Command::new("find");
    let of_others = ["(", "-path", "./var", "-o", "-path", "./run/systemd", ")", "-prune"];
    let listed = read(find.current_dir(root).args([".", "-xdev"]).args(of_others).args(["-o", "-print"]))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn programs(root: &Path) -> Result<()> {
    let version = read(inside(root).args(["tcpkit", "--version"]))?;
    if !version.starts_with("tcpkit ") {
        bail!("the installed binary calls itself {version}");
    }
    for name in stage::OLDER_TOOLS {
        let called = read(inside(root).args(["sh", "-c", &format!("{name} -h 2>&1 || test $? -lt 3")]))?;
        if !called.contains(name) {
            bail!("called as {name}, the binary says: {called}");
        }
    }
    run(inside(root).args(["tcpkit", "config", "check", "/etc/tcpkit/tcpkit.toml"]))?;
    run(inside(root).args(["systemd-analyze", "verify", "--man=no", "tcpkit@lo.service"]))
}

/// The service's own command with its capabilities and no others, on the loopback of a namespace.
fn service(root: &Path) -> Result<()> {
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/tcpkit@.service")).context("no unit")?;
    let value = |name: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.with_context(|| format!("the unit has no {name}"))
    };
    let command = value("ExecStart")?.replace("%i", "lo");
    let capabilities = value("AmbientCapabilities")?.to_ascii_lowercase();
    let capabilities: Vec<_> =
        capabilities.split(' ').map(|name| format!("+{}", name.trim_start_matches("cap_"))).collect();
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", TRIAL, "trial"]);
    run(trial.arg(root).arg(capabilities.join(",")).arg(command)).context("the service does not run")
}

const TRIAL: &str = include_str!("trial.sh");
