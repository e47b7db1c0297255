//! Private network namespaces, joined by veth pairs, that vanish with their guards.

use std::{
    fs::File,
    os::fd::AsRawFd,
    path::Path,
    process::{Command, Output},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, ensure};

use crate::left_out::{Need, can_run};

/// A network namespace of this test's own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new one, with its loopback up.
    ///
    /// # Errors
    /// When `ip` fails, as it does without root.
    pub fn new(label: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static SWEPT: Once = Once::new();
        SWEPT.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tcpkit-{label}-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, for `ip netns exec`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `ip` inside.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn ip(&self, arguments: &[&str]) -> Result<Output> {
        run("ip", &[&["-n", &self.name], arguments].concat())
    }

    /// A program inside, not yet started.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a closure with the calling thread inside; sockets and threads made there stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// If the thread cannot come back: nothing after that could be trusted.
    pub fn enter<T>(&self, inside: impl FnOnce() -> T) -> Result<T> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let there = File::open(format!("/run/netns/{}", self.name))?;
        set_namespace(&there)?;
        let result = inside();
        set_namespace(&home).expect("the namespace that the thread came from exists");
        Ok(result)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its interfaces go with it; a failure leaves it for `ip netns` to show.
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

/// Removes what a run that was killed left behind: no guard of it can do that any more.
fn sweep() {
    let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
        if maker(&name).is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another run may have swept it at the same moment.
            let _ = run("ip", &["netns", "del", &name]);
        }
    }
}

/// The process that made a namespace of this name, if it was one of ours: `tcpkit-LABEL-PROCESS-NUMBER`.
fn maker(name: &str) -> Option<&str> {
    let (rest, _number) = name.strip_prefix("tcpkit-")?.rsplit_once('-')?;
    let (_label, process) = rest.rsplit_once('-')?;
    process.bytes().all(|digit| digit.is_ascii_digit()).then_some(process)
}

/// Two namespaces with a veth between them: `10.77.0.1` and `fd77::1` on `veth0` of the client's, `.2` and `::2` on
/// `veth0` of the server's.
#[derive(Debug)]
pub struct Pair {
    /// One end.
    pub client: Namespace,
    /// The other.
    pub server: Namespace,
}

impl Pair {
    /// A pair that is up and answers pings.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn new(label: &str) -> Result<Self> {
        let pair = Self::without_addresses(label)?;
        for (namespace, number) in [(&pair.client, 1), (&pair.server, 2)] {
            let v4 = format!("10.77.0.{number}/24");
            let v6 = format!("fd77::{number}/64");
            namespace.ip(&["addr", "add", &v4, "dev", "veth0"])?;
            namespace.ip(&["addr", "add", &v6, "dev", "veth0", "nodad"])?;
        }
        Ok(pair)
    }

    /// A pair that is up and silent: no addresses, not even link-local ones.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn without_addresses(label: &str) -> Result<Self> {
        let pair = Self { client: Namespace::new(label)?, server: Namespace::new(label)? };
        pair.client.ip(&[
            "link",
            "add",
            "veth0",
            "type",
            "veth",
            "peer",
            "name",
            "veth0",
            "netns",
            pair.server.name(),
        ])?;
        for namespace in [&pair.client, &pair.server] {
            namespace.ip(&["link", "set", "veth0", "addrgenmode", "none"])?;
            namespace.ip(&["link", "set", "veth0", "up"])?;
        }
        Ok(pair)
    }
}

/// Whether tests that need root and the eBPF object can run here; says loudly when not.
///
/// # Panics
/// With `CI=true`, where leaving them out would hide a failure.
#[must_use]
pub fn has_root(test: &str) -> bool {
    can_run(test, &[Need::Ebpf])
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or fails, with what it wrote to standard error.
pub fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {} failed: {}", arguments.join(" "), stderr.trim());
    Ok(output)
}

fn set_namespace(file: &File) -> Result<()> {
    // SAFETY: no memory is touched.
    let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    ensure!(result == 0, "setns: {}", std::io::Error::last_os_error());
    Ok(())
}
