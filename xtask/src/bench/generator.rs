//! Frames made inside the kernel, by a helper binary of the tests' package.
//!
//! Loading programs is no business of xtask, so `tcpkit-bench` does it:
//! `tcpkit-bench generate --interface NAME --share 0..1 --seconds N --flows N` sends 64-byte frames out of an interface,
//! at a share of the most that the kernel can, and prints `{"seconds": N}`; `tcpkit-bench programs` prints what each
//! program costs, by kind of filter.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::network::{FAR_INTERFACE, Network};
use crate::{
    privilege,
    shell::{cargo, find_program, read, run, workspace},
};

/// Flows of the generated traffic.
const FLOWS: u32 = 4096;

/// The helper, built for release.
#[derive(Debug)]
pub(super) struct Generator {
    binary: PathBuf,
    nice: PathBuf,
}

impl Generator {
    /// Builds the helper.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(super) fn build() -> Result<Self> {
        let mut build = cargo();
        build.args(["build", "--release", "--package", "tcpkit-tests", "--bin", "tcpkit-bench"]);
        run(&mut build).context("cannot build the packet generator")?;
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let binary = workspace().join(target).join("release/tcpkit-bench");
        let nice = find_program("nice").context("nice (package coreutils) is missing")?;
        Ok(Self { binary, nice })
    }

    /// Sends from the far end, on the first core; returns how many frames arrived at the near end in how many seconds.
    ///
    /// # Errors
    /// If the helper fails.
    pub(super) fn send(&self, network: &Network, share: f64, seconds: f64) -> Result<(u64, f64)> {
        let before = network.arrived()?;
        let mut command = network.far(&self.nice)?;
        command.args(["-n", "-20", "taskset", "-c", "0"]).arg(&self.binary).args([
            "generate",
            "--interface",
            FAR_INTERFACE,
        ]);
        command.args(["--share", &share.to_string(), "--seconds", &seconds.to_string()]);
        command.args(["--flows", &FLOWS.to_string()]);
        let reply: Value =
            serde_json::from_str(&read(&mut command)?).context("the generator's reply is not JSON")?;
        let took = reply["seconds"].as_f64().context("the generator does not say how long it took")?;
        Ok((network.arrived()?.saturating_sub(before), took))
    }

    /// Octets of memory for each flow, by kind.
    ///
    /// # Errors
    /// If the helper fails.
    pub(super) fn memory(&self) -> Result<BTreeMap<String, f64>> {
        let reply = read(Command::new(&self.binary).arg("memory"))?;
        serde_json::from_str(&reply).context("the helper's reply is not JSON")
    }

    /// What each eBPF program costs, by kind of filter.
    ///
    /// # Errors
    /// If the helper fails.
    pub(super) fn programs(&self) -> Result<BTreeMap<String, Value>> {
        let mut command: Command = privilege::as_root(&self.nice)?;
        let reply = read(command.args(["-n", "-20"]).arg(&self.binary).arg("programs"))?;
        serde_json::from_str(&reply).context("the helper's reply is not JSON")
    }
}
