//! Two network namespaces and the cable between them, gone again whatever happens.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::measure::cpu_of;
use crate::{privilege, shell};

/// Two namespaces joined by a veth pair; taken down when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Network {
    near: String,
    far: String,
}

/// The near end's interface, address and the far end's.
pub(super) const NEAR_INTERFACE: &str = "bench0";
/// The far end's interface.
pub(super) const FAR_INTERFACE: &str = "bench1";
/// The far end's address.
pub(super) const FAR_ADDRESS: &str = "10.199.0.2";

impl Network {
    /// Builds it; namespaces are named after this process, so that two runs do not meet.
    ///
    /// # Errors
    /// If this is not root, or `ip` fails.
    pub(super) fn build() -> Result<Self> {
        Self::between(NEAR_INTERFACE, FAR_INTERFACE)
    }

    /// The same with other names for both ends of the cable.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub(crate) fn between(near_interface: &str, far_interface: &str) -> Result<Self> {
        let id = std::process::id();
        let network = Self { near: format!("xtask-near-{id}"), far: format!("xtask-far-{id}") };
        for name in [&network.near, &network.far] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        let (near, far) = (network.near.as_str(), network.far.as_str());
        let cable = ["type", "veth", "peer", "name", far_interface, "netns", far];
        ip(&[&["link", "add", near_interface, "netns", near][..], &cable].concat())?;
        for (name, interface, address) in
            [(near, near_interface, "10.199.0.1/24"), (far, far_interface, "10.199.0.2/24")]
        {
            ip(&["-n", name, "address", "add", address, "dev", interface])?;
            ip(&["-n", name, "link", "set", interface, "up"])?;
        }
        Ok(network)
    }

    /// Names of both namespaces, the near one first.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.near, &self.far]
    }

    /// Lets the near end take frames without an skb's detour: a veth does so with GRO, as a NIC's driver would.
    ///
    /// # Errors
    /// If `ethtool` fails.
    pub(super) fn like_a_nic(&self) -> Result<()> {
        let ethtool = shell::find_program("ethtool").context("ethtool is not installed")?;
        shell::read(self.near(&ethtool)?.args(["-K", NEAR_INTERFACE, "gro", "on"])).map(drop)
    }

    /// Frames that the near end has received so far.
    ///
    /// # Errors
    /// If the kernel's statistics cannot be read.
    pub(super) fn arrived(&self) -> Result<u64> {
        let mut cat = self.near(Path::new("cat"))?;
        cat.arg(format!("/sys/class/net/{NEAR_INTERFACE}/statistics/rx_packets"));
        shell::read(&mut cat)?.trim().parse().context("the interface's statistics are no number")
    }

    /// A command at the near end.
    ///
    /// # Errors
    /// If root is out of reach.
    pub(crate) fn near(&self, program: &Path) -> Result<Command> {
        within(&self.near, program)
    }

    /// A command at the far end.
    ///
    /// # Errors
    /// If root is out of reach.
    pub(crate) fn far(&self, program: &Path) -> Result<Command> {
        within(&self.far, program)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.near, &self.far] {
            end_all(name);
            if let Err(error) = ip(&["netns", "delete", name]) {
                shell::say(format_args!("xtask: namespace {name} is left: {error:#}"));
            }
        }
    }
}

/// A process in the background, ended when it goes out of scope.
#[derive(Debug)]
pub(crate) struct Background(Option<Child>);

impl Background {
    /// Starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child =
            command.stdin(Stdio::null()).spawn().context("cannot start a process in the background")?;
        Ok(Self(Some(child)))
    }

    /// Asks it to finish (SIGINT) and returns what it printed.
    ///
    /// # Errors
    /// If it cannot be waited for.
    pub(super) fn finish(mut self) -> Result<std::process::Output> {
        let child = self.0.take().context("it was finished before")?;
        interrupt(child.id())?;
        child.wait_with_output().context("cannot wait for a process in the background")
    }

    /// CPU time that it took so far, in seconds; none when it has ended.
    pub(super) fn cpu(&mut self) -> Option<f64> {
        self.is_running().then(|| cpu_of(self.0.as_ref()?.id())).flatten()
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // What ended before needs no end; what cannot be ended will be said by the namespace that stays.
            let _ = interrupt(child.id());
            thread::sleep(Duration::from_millis(200));
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whatever still runs in a namespace of ours: children of what was started, too.
fn end_all(namespace: &str) {
    let listed =
        privilege::as_root("ip").and_then(|mut ip| shell::read(ip.args(["netns", "pids", namespace])));
    for id in listed.unwrap_or_default().split_whitespace() {
        // It may have ended meanwhile; what cannot be ended keeps the namespace, which is said.
        let _ = privilege::as_root("kill").and_then(|mut kill| shell::read(kill.args(["-KILL", id])));
    }
}

fn interrupt(id: u32) -> Result<()> {
    shell::run(privilege::as_root("kill")?.arg("-INT").arg(id.to_string()))
}

fn within(namespace: &str, program: &Path) -> Result<Command> {
    let mut command = privilege::as_root("ip")?;
    command.args(["netns", "exec", namespace]).arg(program);
    Ok(command)
}

fn ip(arguments: &[&str]) -> Result<()> {
    shell::read(privilege::as_root("ip")?.args(arguments)).map(drop)
}
