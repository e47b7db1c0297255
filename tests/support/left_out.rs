//! What a test needs of the machine; one that cannot run says so.

use std::{env, path::Path};

pub use crate::leave_out::leave_out;

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
