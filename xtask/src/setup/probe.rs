//! What this machine has: each thing is tried, not only looked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{Scope, python};
use crate::shell::{find_program, foreign, read};

/// One thing that tcpkit needs.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What people call it.
    pub name: String,
    /// What it is for, or why what is there will not do.
    pub purpose: String,
    /// Where it is; `None` when it is missing or does not work.
    pub found: Option<String>,
    /// What would bring it.
    pub part: Part,
}

/// How a missing thing is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A Debian package.
    Package(&'static str),
    /// A compiler for eBPF with its library sources.
    Compiler,
    /// bpf-linker, built against an LLVM that is not older than the compiler's.
    Linker,
    /// schemathesis, from PyPI.
    Schemathesis,
}

/// What builds the eBPF object.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// The compiler and its cargo.
    pub compiler: Compiler,
    /// bpf-linker.
    pub linker: PathBuf,
}

/// A Rust compiler and what matters of it here.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    /// Its own words: `rustc 1.96.0 (…)`.
    pub version: String,
    /// `rustc`.
    pub rustc: PathBuf,
    /// `cargo` of the same toolchain.
    pub cargo: PathBuf,
    /// Major version of its LLVM.
    pub llvm: u32,
    /// Whether the sources of its library are there (`-Z build-std` compiles `core` from them).
    pub has_sources: bool,
}

/// Programs that tests and benchmarks run, and the Debian packages that hold them.
const TEST_PROGRAMS: [(&str, &str); 26] = [
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("tcptrace", "tcptrace"),
    ("nginx", "nginx-light"),
    ("redis-server", "redis-server"),
    ("memcached", "memcached"),
    ("mariadbd", "mariadb-server-core"),
    ("mariadb-slap", "mariadb-client"),
    // The server's own programs stand on no path; this one comes with them.
    ("pgbench", "postgresql"),
    ("curl", "curl"),
    ("chromium", "chromium"),
    ("dnsmasq", "dnsmasq-base"),
    ("openssl", "openssl"),
    ("iperf3", "iperf3"),
    // Only the programs are used: its service is not started.
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("debootstrap", "debootstrap"),
    ("dpkg-shlibdeps", "dpkg-dev"),
    ("setpriv", "util-linux"),
];

/// Looks at everything in `scope`.
///
/// # Errors
/// If the probes cannot be written.
pub(crate) fn survey(scope: Scope) -> Result<Vec<Finding>> {
    let mut findings = vec![c_compiler(), libpcap()?];
    if scope >= Scope::Ebpf {
        findings.extend(ebpf()?);
    }
    if scope >= Scope::Tests {
        findings.extend(TEST_PROGRAMS.iter().map(|&(program, package)| Finding {
            name: program.to_owned(),
            purpose: format!("the tests use it (package {package})"),
            found: find_program(program).map(|file| file.display().to_string()),
            part: Part::Package(package),
        }));
        findings.extend(python::findings());
    }
    Ok(findings)
}

/// The first compiler whose output an installed bpf-linker can link.
///
/// # Errors
/// If the probe cannot be written.
pub(crate) fn toolchain() -> Result<Option<Toolchain>> {
    let Some(linker) = find_program("bpf-linker") else { return Ok(None) };
    for compiler in compilers() {
        if links(&compiler, &linker)? {
            return Ok(Some(Toolchain { compiler, linker }));
        }
    }
    Ok(None)
}

/// Compilers that could build the object: a rustup nightly before Debian's.
pub(super) fn compilers() -> Vec<Compiler> {
    [nightly(), debian()].into_iter().flatten().filter(|compiler| compiler.has_sources).collect()
}

/// Rustup's nightly, with or without sources.
pub(super) fn nightly() -> Option<Compiler> {
    let mut which = foreign("rustup");
    // A look must not turn into an installation.
    which.env("RUSTUP_AUTO_INSTALL", "0").args(["which", "--toolchain", "nightly", "rustc"]);
    let rustc = PathBuf::from(read(&mut which).ok()?.trim());
    let cargo = rustc.with_file_name("cargo");
    Compiler::examine(rustc, cargo)
}

fn debian() -> Option<Compiler> {
    Compiler::examine("/usr/bin/rustc".into(), "/usr/bin/cargo".into())
}

impl Compiler {
    fn examine(rustc: PathBuf, cargo: PathBuf) -> Option<Self> {
        if !cargo.is_file() {
            return None;
        }
        let verbose = read(foreign(&rustc).arg("-vV")).ok()?;
        let sysroot = read(foreign(&rustc).args(["--print", "sysroot"])).ok()?;
        let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/Cargo.toml");
        Some(Self {
            version: verbose.lines().next()?.to_owned(),
            rustc,
            cargo,
            llvm: llvm_major(&verbose)?,
            has_sources: sources.is_file(),
        })
    }
}

fn llvm_major(verbose: &str) -> Option<u32> {
    let version = verbose.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

fn c_compiler() -> Finding {
    Finding {
        name: "C compiler".to_owned(),
        purpose: "parts of the agent are C (package build-essential)".to_owned(),
        found: find_program("cc").map(|file| file.display().to_string()),
        part: Part::Package("build-essential"),
    }
}

/// Compiles and links a program against libpcap.
fn libpcap() -> Result<Finding> {
    const PROGRAM: &str = "#include <pcap/pcap.h>\nint main(void) { return pcap_lib_version() == 0; }\n";
    let folder = probe_folder()?;
    let source = folder.path().join("pcap.c");
    write(&source, PROGRAM)?;
    let mut cc = Command::new("cc");
    cc.arg(&source).arg("-o").arg(source.with_extension("bin")).arg("-lpcap");
    Ok(Finding {
        name: "libpcap".to_owned(),
        purpose: "filters and files are read through it (package libpcap-dev)".to_owned(),
        found: succeeds(&mut cc).then(|| "headers and library".to_owned()),
        part: Part::Package("libpcap-dev"),
    })
}

fn ebpf() -> Result<[Finding; 2]> {
    let compilers = compilers();
    let works = toolchain()?;
    let compiler = works.as_ref().map(|works| &works.compiler).or(compilers.first());
    Ok([
        Finding {
            name: "eBPF compiler".to_owned(),
            purpose: "rustc with its library sources, for the programs in the kernel".to_owned(),
            found: compiler
                .map(|found| format!("{} ({}, LLVM {})", found.rustc.display(), found.version, found.llvm)),
            part: Part::Compiler,
        },
        Finding {
            name: "bpf-linker".to_owned(),
            purpose: linker_purpose(compiler),
            found: works.map(|works| works.linker.display().to_string()),
            part: Part::Linker,
        },
    ])
}

fn linker_purpose(compiler: Option<&Compiler>) -> String {
    match (find_program("bpf-linker"), compiler) {
        (Some(linker), Some(compiler)) => {
            format!(
                "{} cannot read what {} writes (LLVM {})",
                linker.display(),
                compiler.rustc.display(),
                compiler.llvm
            )
        }
        _ => "links the programs in the kernel".to_owned(),
    }
}

/// Whether the linker makes an object of this compiler's output: an LLVM older than the compiler's does not.
fn links(compiler: &Compiler, linker: &Path) -> Result<bool> {
    const PROGRAM: &str = "#![no_std]\n#[unsafe(no_mangle)]\npub extern \"C\" fn probe(value: u64) -> u64 { value.rotate_left(7) }\n";
    let folder = probe_folder()?;
    let source = folder.path().join("probe.rs");
    write(&source, PROGRAM)?;
    let bitcode = source.with_extension("bc");
    let mut compile = foreign(&compiler.rustc);
    compile.args(["--edition=2024", "--crate-type=lib", "--emit=llvm-bc", "-o"]).arg(&bitcode).arg(&source);
    let mut link = foreign(linker);
    link.args(["--target=bpfel", "--export=probe", "-o"]).arg(source.with_extension("o")).arg(&bitcode);
    Ok(succeeds(&mut compile) && succeeds(&mut link))
}

/// A folder of its own for each probe: two runs at the same time must not meet.
fn probe_folder() -> Result<TempDir> {
    TempDir::new().context("cannot make a folder for a probe")
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_is_read_from_what_rustc_says_of_itself() {
        let verbose =
            "rustc 1.96.0 (ac68faa20 2026-05-25)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(verbose), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }

    #[test]
    fn a_wider_scope_finds_more() {
        let agent = survey(Scope::Agent).unwrap().len();
        let tests = survey(Scope::Tests).unwrap().len();
        assert_eq!((agent, tests), (2, 4 + TEST_PROGRAMS.len() + python::findings().len()));
    }
}
