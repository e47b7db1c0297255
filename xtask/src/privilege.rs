//! Who we are, what we may do, and how to become root when a task must.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Capability numbers of linux/include/uapi/linux/capability.h.
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// The effective user and capabilities of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Privilege {
    root: bool,
    capabilities: u64,
}

/// How a command can be run as root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Escalation {
    /// We are root.
    NotNeeded,
    /// `sudo` will do it, after a question for the password at most.
    Sudo,
    /// Neither; the sentence says why.
    Impossible(&'static str),
}

impl Privilege {
    /// As the kernel tells it in `/proc/self/status`.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub(crate) fn current() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
        Self::parse(&status).context("/proc/self/status has no Uid or CapEff line")
    }

    /// Whether this is the root user.
    pub(crate) const fn is_root(self) -> bool {
        self.root
    }

    /// Whether a live capture by eBPF can be started without more rights.
    pub(crate) const fn can_attach(self) -> bool {
        let modern = self.has(BPF) && self.has(PERFMON) && self.has(NET_ADMIN);
        modern || (self.has(SYS_ADMIN) && self.has(NET_ADMIN))
    }

    /// Whether a live capture by libpcap can be started without more rights.
    pub(crate) const fn can_open_packet_socket(self) -> bool {
        self.has(NET_RAW)
    }

    const fn has(self, capability: u32) -> bool {
        self.capabilities & (1 << capability) != 0
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        // Real, effective, saved and file-system user: the second one counts.
        let effective = field("Uid:")?.split_whitespace().nth(1)?;
        let capabilities = u64::from_str_radix(field("CapEff:")?.trim(), 16).ok()?;
        Some(Self { root: effective == "0", capabilities })
    }
}

/// How to become root now; asks nothing yet.
///
/// # Errors
/// If `/proc` cannot be read.
pub(crate) fn escalation() -> Result<Escalation> {
    if Privilege::current()?.is_root() {
        return Ok(Escalation::NotNeeded);
    }
    if shell::find_program("sudo").is_none() {
        return Ok(Escalation::Impossible("this is not root and there is no sudo"));
    }
    let silent =
        Command::new("sudo").args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if silent.is_ok_and(|status| status.success()) || shell::at_terminal() {
        return Ok(Escalation::Sudo);
    }
    Ok(Escalation::Impossible("sudo wants a password and there is no terminal to ask for it"))
}

/// A command that runs as root.
///
/// # Errors
/// If there is no way to become root; the error says what to do.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    match escalation()? {
        Escalation::NotNeeded => Ok(Command::new(program)),
        Escalation::Sudo => {
            let mut command = Command::new("sudo");
            command.arg("--").arg(program);
            Ok(command)
        }
        Escalation::Impossible(why) => bail!("{why}: run this as root, or let this user use sudo"),
    }
}

/// Becomes a test binary run as root. `sudo` empties the environment, so what tests know is passed by name.
///
/// # Errors
/// If root is out of reach or the binary cannot be started.
pub(crate) fn exec_as_root(command: &[OsString]) -> Result<ExitCode> {
    let mut root = as_root("env")?;
    for (name, value) in env::vars_os() {
        if is_known_to_tests(&name) {
            let mut pair = name;
            pair.push("=");
            pair.push(value);
            root.arg(pair);
        }
    }
    root.args(command);
    Err(root.exec()).context("cannot become root")
}

fn is_known_to_tests(name: &OsStr) -> bool {
    const PREFIXES: [&str; 4] = ["TCPKIT_", "CARGO", "RUST", "PROPTEST_"];
    let name = name.to_string_lossy();
    matches!(name.as_ref(), "CI" | "PATH" | "UPDATE_EXPECT" | "LD_LIBRARY_PATH" | "TMPDIR")
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privilege(uid: &str, capabilities: &str) -> Privilege {
        Privilege::parse(&format!("Name:\tx\nUid:\t1000\t{uid}\t0\t0\nCapEff:\t{capabilities}\n")).unwrap()
    }

    #[test]
    fn root_is_the_effective_user() {
        assert!(privilege("0", "0").is_root());
        assert!(!privilege("1000", "0").is_root());
    }

    #[test]
    fn attaching_needs_bpf_perfmon_and_net_admin_or_the_old_sys_admin() {
        assert!(privilege("1000", "000000c000001000").can_attach());
        assert!(!privilege("1000", "000000c000000000").can_attach());
        assert!(!privilege("1000", "0000008000001000").can_attach());
        assert!(privilege("1000", "0000000000201000").can_attach());
    }

    #[test]
    fn a_packet_socket_needs_net_raw_alone() {
        assert!(privilege("1000", "0000000000002000").can_open_packet_socket());
        assert!(!privilege("1000", "0000000000001000").can_open_packet_socket());
    }

    #[test]
    fn a_status_without_the_lines_is_refused() {
        assert_eq!(Privilege::parse("Name:\tx\n"), None);
    }
}
