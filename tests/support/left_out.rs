//! What a test needs of the machine, and how a test that cannot run says so.
//!
//! A test that is left out prints a line that begins with `LEFT OUT: `, appends it to the file that `TCPKIT_LEFT_OUT`
//! names, and with `CI=true` it fails: there, leaving it out would hide a defect.

use std::{env, fs::OpenOptions, io::Write as _, path::Path};

/// Something that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To be root: namespaces, links, raw sockets.
    Root,
    /// To be root, and the eBPF object built in: live capture by eBPF.
    Ebpf,
    /// A program that can be found by `PATH`.
    Program(&'static str),
}

/// Whether a test can run here; says loudly when not.
///
/// # Panics
/// With `CI=true`, when something is missing.
#[must_use]
pub fn can_run(test: &str, needs: &[Need]) -> bool {
    let reasons: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    if !reasons.is_empty() {
        leave_out(test, &reasons.join(", "));
    }
    reasons.is_empty()
}

/// Says that a test, or a part of one, is left out.
///
/// # Panics
/// With `CI=true`.
pub fn leave_out(test: &str, reason: &str) {
    let line = format!("LEFT OUT: {test}: {reason}");
    #[expect(clippy::print_stdout, reason = "a test that was left out must be seen")]
    {
        println!("{line}");
    }
    if let Some(path) = env::var_os("TCPKIT_LEFT_OUT") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("cannot append to {}: {error}", path.display()));
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "{line} (CI=true forbids that)");
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root if !is_root() => Some("not root".to_owned()),
            Self::Ebpf if !is_root() => Some("not root".to_owned()),
            Self::Ebpf if tcpkit_agent::source::live::embedded().is_err() => {
                Some("no eBPF object is built in".to_owned())
            }
            Self::Program(name) if !is_installed(name) => Some(format!("{name} is not installed")),
            _ => None,
        }
    }
}

fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers stand where only root's PATH leads.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| Path::new(&folder).join(program).is_file())
}
