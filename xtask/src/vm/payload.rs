//! What every guest gets, whatever its kernel: our binaries, the host's tools that tests call, and their libraries.
//!
//! The repository's captures lie at the path that they have on the host, because tests know them by it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::initramfs::Archive;
use crate::{
    build::{self, Profile, Warnings},
    setup::{self, Scope},
    shell::{cargo, find_program, read, say, workspace},
};

/// Without these no guest works.
///
/// A shell of the host's, because busybox's prefers its own `ip` and `tc` to those that tests mean.
const REQUIRED_TOOLS: [(&str, &str); 4] = [
    ("/usr/bin/sh", "dash"),
    ("/usr/sbin/busybox", "busybox-static"),
    ("/usr/sbin/modprobe", "kmod"),
    ("/usr/sbin/ip", "iproute2"),
];

/// Tools that guests get where the host has them.
const TOOLS: [&str; 19] = [
    "tc", "bridge", "ss", "ethtool", "nft", "bpftool", "tcpdump", "curl", "iperf3", "setpriv", "unshare",
    "nsenter", "capsh", "strace", "lsmod", "timeout", "sysctl", "ping", "setcap",
];

/// What the guest runs first.
const INIT: &str = include_str!("init.sh");

/// Where a guest has the test binary; `tcpkit` lies beside it.
pub(super) const SCENARIOS: &str = "/usr/bin/scenarios";

/// Files of the host that tools read.
const TABLES: [&str; 6] = [
    "/etc/services",
    "/etc/protocols",
    "/etc/iproute2/rt_tables",
    "/etc/iproute2/rt_protos",
    "/etc/iproute2/rt_dsfield",
    "/etc/iproute2/group",
];

/// The binaries under test.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    /// `tcpkit`, with the eBPF object in it.
    pub agent: PathBuf,
    /// The scenarios of `tests`.
    pub scenarios: PathBuf,
}

/// Builds what guests run.
///
/// # Errors
/// If something needed is missing, or a build fails.
pub(super) fn build() -> Result<Binaries> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "guests are amd64 machines, and this one is {}",
        std::env::consts::ARCH
    );
    setup::ensure(Scope::Ebpf)?;
    build::object(Warnings::Shown)?;
    Ok(Binaries { agent: build::agent(Profile::Debug)?, scenarios: scenarios()? })
}

/// Builds the test binary and asks cargo where it is.
fn scenarios() -> Result<PathBuf> {
    let mut build = cargo();
    // The whole workspace's features, so that nothing is built twice for guests and for the host.
    build.args([
        "test",
        "--workspace",
        "--test",
        "scenarios",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]);
    build.stderr(Stdio::inherit());
    let output = build.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cannot build the scenarios");
    let messages = String::from_utf8_lossy(&output.stdout);
    let found = messages.lines().filter_map(executable).next_back();
    found.context("cargo does not say where it put the scenarios")
}

/// The executable of one of cargo's messages, if it is the test binary's.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let of_scenarios = message["target"]["name"] == "scenarios";
    message["executable"].as_str().filter(|_| of_scenarios).map(PathBuf::from)
}

/// The part of a guest's file system that does not depend on its kernel.
///
/// # Errors
/// If a tool that every guest needs is missing, a library is, or a file cannot be read.
pub(super) fn archive(binaries: &Binaries) -> Result<Archive<Vec<u8>>> {
    let mut payload = Payload { archive: Archive::new(Vec::new())?, libraries: BTreeSet::new() };
    for (path, package) in REQUIRED_TOOLS {
        let tool = path.rsplit('/').next().unwrap_or(path);
        let Some(file) = find_program(tool) else {
            bail!("guests need {tool}: install the package {package} (`cargo xtask setup --tests` does)");
        };
        payload.program(path, &file)?;
    }
    for tool in TOOLS {
        if let Some(file) = find_program(tool) {
            payload.program(&format!("/usr/sbin/{tool}"), &file)?;
        }
    }
    payload.stripped("/usr/bin/tcpkit", &binaries.agent)?;
    payload.stripped(SCENARIOS, &binaries.scenarios)?;
    payload.tables()?;
    payload.tree(&workspace().join("tests/captures"))?;
    payload.archive.file("/init", true, INIT.as_bytes())?;
    Ok(payload.archive)
}

struct Payload {
    archive: Archive<Vec<u8>>,
    libraries: BTreeSet<PathBuf>,
}

impl Payload {
    /// A program of the host, and its libraries.
    fn program(&mut self, path: &str, file: &Path) -> Result<()> {
        self.archive.file(path, true, &bytes(file)?)?;
        self.libraries_of(file)
    }

    /// One of our own programs, without the debugging information that would fill the guest's memory.
    fn stripped(&mut self, path: &str, file: &Path) -> Result<()> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let small = folder.path().join("stripped");
        let stripped = read(Command::new("strip").arg("--strip-debug").arg("-o").arg(&small).arg(file));
        if let Err(error) = &stripped {
            say(format_args!("vm: {} keeps its debugging information: {error:#}", file.display()));
        }
        self.archive.file(path, true, &bytes(if stripped.is_ok() { &small } else { file })?)?;
        self.libraries_of(file)
    }

    fn libraries_of(&mut self, program: &Path) -> Result<()> {
        // A static program has none, and `ldd` says so by its status.
        let Ok(list) = read(Command::new("ldd").arg(program).env("LC_ALL", "C")) else { return Ok(()) };
        for library in libraries(&list).with_context(|| format!("{} cannot run here", program.display()))? {
            if self.libraries.insert(library.clone()) {
                let path = library.to_str().context("a library's path is text")?;
                self.archive.file(path, true, &bytes(&library)?)?;
            }
        }
        Ok(())
    }

    /// Users, names and numbers that tools look up.
    fn tables(&mut self) -> Result<()> {
        // tcpdump gives up root for a user of its own.
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n\
                      tcpdump:x:998:998::/:/bin/false\n";
        self.archive.file("/etc/passwd", false, passwd.as_bytes())?;
        self.archive.file("/etc/group", false, b"root:x:0:\ntcpdump:x:998:\nnogroup:x:65534:\n")?;
        // As systemd has it: what a module makes is what somebody asked for.
        let modprobe = b"options bonding max_bonds=0\noptions dummy numdummies=0\noptions ifb numifbs=0\n";
        self.archive.file("/etc/modprobe.d/guest.conf", false, modprobe)?;
        self.archive.file("/etc/hosts", false, b"127.0.0.1 localhost\n::1 localhost\n")?;
        for table in TABLES {
            if let Ok(text) = fs::read(table) {
                self.archive.file(table, false, &text)?;
            }
        }
        Ok(())
    }

    /// A folder of the host, at the same path.
    fn tree(&mut self, folder: &Path) -> Result<()> {
        let list = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in list {
            let path = entry.context("cannot list a folder")?.path();
            if path.is_dir() {
                self.tree(&path)?;
            } else {
                let name = path.to_str().context("a capture's path is text")?;
                self.archive.file(name, false, &bytes(&path)?)?;
            }
        }
        Ok(())
    }
}

/// Files that `ldd` names: the loader too.
fn libraries(list: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(!line.contains("=> not found"), "its library {} is missing", words.first().unwrap_or(&""));
        files.extend(words.iter().find(|word| word.starts_with('/')).map(PathBuf::from));
    }
    Ok(files)
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_a_library_and_the_kernels_page_is_none() {
        let list = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld.so.2 (0x3)\n";
        assert_eq!(
            libraries(list).unwrap(),
            [PathBuf::from("/lib/libc.so.6"), PathBuf::from("/lib64/ld.so.2")]
        );
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = libraries("\tlibodd.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libodd.so.1"), "{error}");
    }

    #[test]
    fn the_test_binary_is_found_among_cargos_messages() {
        let message =
            r#"{"reason":"compiler-artifact","target":{"name":"scenarios"},"executable":"/x/scenarios-1"}"#;
        assert_eq!(executable(message), Some(PathBuf::from("/x/scenarios-1")));
        assert_eq!(executable(r#"{"target":{"name":"tcpkit"},"executable":"/x/tcpkit"}"#), None);
        assert_eq!(executable("not JSON"), None);
    }
}
