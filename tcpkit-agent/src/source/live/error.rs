//! Why a live capture cannot begin: what, where, and what to do.

use std::io;

use tcpkit_common::{record::Hook, settings::MAX_INTERFACES};

use super::sys;

/// Why a live capture cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No interface was named.
    #[error("no interface was named: give one with -i")]
    NoInterface,
    /// There is none of this name.
    #[error("interface {name} does not exist; there are {}", .known.join(", "))]
    UnknownInterface {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The counters have room for fewer.
    #[error(
        "{len} interfaces are more than the {MAX_INTERFACES} that one agent can capture; start a second one"
    )]
    TooManyInterfaces {
        /// What was asked for.
        len: usize,
    },
    /// The kernel does not describe it.
    #[error("interface {name} cannot be examined: {source}")]
    Interface {
        /// Which.
        name: String,
        /// The kernel's words.
        source: io::Error,
    },
    /// The programs cannot read its frames.
    #[error(
        "interface {name} has a link layer (ARPHRD {hardware}) that eBPF capture cannot read; try --backend pcap"
    )]
    LinkLayer {
        /// Which.
        name: String,
        /// Its `ARPHRD_` type.
        hardware: u16,
    },
    /// It came back as something else.
    #[error("interface {name} has another link layer than this capture; end it and start it again")]
    OtherLinkLayer {
        /// Which.
        name: String,
    },
    /// This process may not.
    #[error(
        "live eBPF capture is not permitted: {} missing; run as root, or allow it with \
         `setcap cap_bpf,cap_net_admin,cap_perfmon+ep` on the program, or try --backend pcap",
        .missing.join(", ")
    )]
    Privileges {
        /// Names of capabilities.
        missing: Vec<&'static str>,
    },
    /// Capabilities are there, and all the same bpf(2) is refused.
    #[error(
        "live eBPF capture is not permitted: bpf(2) is refused ({refusal}) although the capabilities are there, by a \
         container's seccomp profile or user namespace, or by a kernel built without it; allow bpf in the profile and \
         give the host's CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or try --backend pcap"
    )]
    Forbidden {
        /// The kernel's words.
        refusal: io::Error,
    },
    /// No ring buffers.
    #[error(
        "{kernel} has no BPF ring buffer ({refusal}): live eBPF capture needs Linux 5.10 or later, or try --backend pcap"
    )]
    OldKernel {
        /// Its name and release.
        kernel: String,
        /// The kernel's words.
        refusal: io::Error,
    },
    /// Maps count as locked memory (before Linux 5.11), and too little is allowed.
    #[error(
        "this kernel counts eBPF maps as locked memory, and no more than {limit} bytes are allowed ({message}): raise \
         `ulimit -l`, allow cap_sys_resource, ask for smaller rings (--ring-bytes), or try --backend pcap"
    )]
    LockedMemory {
        /// `RLIMIT_MEMLOCK`.
        limit: u64,
        /// What did not fit.
        message: String,
    },
    /// The program was built without it.
    #[error("this tcpkit was built without its eBPF object: run `cargo xtask build`, or try --backend pcap")]
    NoObject,
    /// The object and the agent, or the kernel, do not fit together.
    #[error("the eBPF object cannot be used: {0}")]
    Object(String),
    /// The filter cannot be placed.
    #[error("{0}")]
    Filter(String),
    /// The verifier said no.
    #[error("the kernel refuses the {hook:?} program: {message}")]
    Load {
        /// Whose program.
        hook: Hook,
        /// The kernel's words.
        message: String,
    },
    /// No BTF of the kernel itself, by which the verifier knows the context of our global functions.
    #[error(
        "{kernel} was built without its types (CONFIG_DEBUG_INFO_BTF), which live eBPF capture needs; try --backend pcap"
    )]
    NoTypes {
        /// Its name and release.
        kernel: String,
    },
    /// The filter is more than this kernel's verifier examines.
    #[error(
        "the filter is too long for this kernel's verifier ({message}); shorten the expression (networks instead of \
         hosts), or filter by libpcap (--backend pcap)"
    )]
    FilterTooComplex {
        /// The kernel's words.
        message: String,
    },
    /// No room for a ring.
    #[error("no ring of {bytes} bytes: {source}; ask for smaller or fewer ones")]
    Ring {
        /// How large.
        bytes: u32,
        /// The kernel's words.
        source: io::Error,
    },
    /// A map cannot be shared.
    #[error("the {what} cannot be shared with the kernel: {source}")]
    Map {
        /// Which.
        what: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// No link events.
    #[error("interfaces cannot be watched: {source}")]
    Netlink {
        /// The kernel's words.
        source: io::Error,
    },
    /// A clsact filter would outlive us.
    #[error("no process could be started to remove the clsact filter when tcpkit ends: {source}")]
    Watcher {
        /// The kernel's words.
        source: io::Error,
    },
    /// The kernel does not attach the program.
    #[error("cannot attach {hook:?} to {name}: {message}")]
    Attach {
        /// The interface.
        name: String,
        /// The hook.
        hook: Hook,
        /// The kernel's words.
        message: String,
    },
}

impl LiveError {
    /// A program that the kernel does not take; `words` are all of the kernel's.
    pub(super) fn load(hook: Hook, words: &str, message: String) -> Self {
        if words.contains(WITHOUT_TYPES) {
            Self::NoTypes { kernel: sys::kernel() }
        } else {
            Self::Load { hook, message }
        }
    }

    /// The same where the kernel may have meant the limit of locked memory, which could not be lifted.
    pub(super) fn about_locked_memory(self, limit: Option<u64>) -> Self {
        match (limit, self.to_string()) {
            (Some(limit), message) if message.contains(NOT_PERMITTED) => {
                Self::LockedMemory { limit, message }
            }
            _ => self,
        }
    }

    /// The same of a program with a filter: where the verifier has had enough, that is the filter's length.
    pub(super) fn about_filter(self) -> Self {
        match self {
            Self::Load { message, .. } if LIMITS.iter().any(|limit| message.contains(limit)) => {
                let reason = message.rsplit('…').next().unwrap_or_default();
                Self::FilterTooComplex { message: reason.trim().trim_end_matches('.').to_owned() }
            }
            other => other,
        }
    }
}

/// What the verifier says of a global function's context when the kernel has no types (linux/kernel/bpf/btf.c).
const WITHOUT_TYPES: &str = "btf_vmlinux is malformed";

/// EPERM, in the words of the system.
const NOT_PERMITTED: &str = "Operation not permitted";

/// What the verifier says when it reaches one of its limits (linux/kernel/bpf/verifier.c).
const LIMITS: [&str; 2] = ["jumps is too complex", "BPF program is too large"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_that_has_had_enough_means_the_filter() {
        let error = |message: &str| {
            let error = LiveError::Load { hook: Hook::TcIngress, message: message.to_owned() };
            error.about_filter().to_string()
        };
        let text = error("BPF_PROG_LOAD failed … The sequence of 8193 jumps is too complex.");
        assert!(text.starts_with("the filter is too long"), "{text}");
        assert!(text.contains("(The sequence of 8193 jumps is too complex); shorten"), "{text}");
        assert!(error("R1 is not a scalar").starts_with("the kernel refuses the TcIngress program"));
    }

    #[test]
    fn a_kernel_without_types_is_told_from_a_program_that_is_wrong() {
        let text = |words: &str| LiveError::load(Hook::TcEgress, words, words.to_owned()).to_string();
        let log = "func#1 @59\nbtf_vmlinux is malformed\nArg#0 type PTR in filter_tc() is not supported yet.";
        assert!(text(log).contains("CONFIG_DEBUG_INFO_BTF"), "{}", text(log));
        assert!(text("R1 is not a scalar").starts_with("the kernel refuses the TcEgress program"));
    }

    #[test]
    fn locked_memory_is_meant_only_where_it_is_limited() {
        let error =
            || LiveError::Object("failed to create map: Operation not permitted (os error 1)".to_owned());
        assert!(error().about_locked_memory(Some(65_536)).to_string().contains("`ulimit -l`"));
        assert!(matches!(error().about_locked_memory(None), LiveError::Object(_)));
        let other = LiveError::Object("no such map".to_owned());
        assert!(matches!(other.about_locked_memory(Some(65_536)), LiveError::Object(_)));
    }
}
