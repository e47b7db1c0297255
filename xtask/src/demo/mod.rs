//! `cargo xtask demo`: real servers, real faults, and tcpkit beside them.
//!
//! Two namespaces and a cable; nginx and Redis at one end, their clients at the other. Segments and acknowledgements are
//! lost, a reader is slow, a query is slow, ports are closed, forbidden or silent: in a minute tcpkit tells of each of
//! them. Whatever ends the demo, nothing of it is left.

mod guard;
mod scene;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};
use clap::Args;
use tempfile::TempDir;

use crate::{
    bench::network::Network,
    build::{self, Profile, Warnings},
    setup::{self, Scope},
    shell::{answer, say},
};
use guard::{Heir, Signals};

/// What `demo` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long it takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=86_400))]
    seconds: u32,
    /// Show this tcpkit, in place of one that is built for release.
    #[arg(long, value_name = "FILE")]
    tcpkit: Option<PathBuf>,
    /// Other words for tcpkit, after `--`; then it runs until it is interrupted.
    #[arg(last = true, value_name = "TCPKIT ARGUMENTS")]
    words: Vec<String>,
}

/// `cargo xtask demo`.
///
/// # Errors
/// A server is not installed, a build fails, or root is out of reach.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    scene::check()?;
    let binary = options.tcpkit.clone().map_or_else(release, Ok)?;
    let signals = Signals::caught().context("cannot take signals over")?;
    let stage = Stage::build()?;
    let _servers = scene::servers(&stage.network, stage.folder.path(), &signals)?;
    scene::faults(&stage.network, stage.folder.path())?;
    say(SCENE);
    let _clients = scene::clients(&stage.network)?;
    let mut tcpkit = tcpkit(&stage.network, &binary, options)?.spawn().context("cannot start tcpkit")?;
    let status = signals.wait(&mut tcpkit)?;
    if !status.success() {
        return Ok(ExitCode::FAILURE);
    }
    answer(if options.words.is_empty() { WHAT_TO_LOOK_FOR } else { WHAT_ELSE });
    Ok(ExitCode::SUCCESS)
}

/// What must not outlast the demo; it is taken down in this order, and by the heir where nobody else does.
struct Stage {
    network: Network,
    folder: TempDir,
    _heir: Heir,
}

impl Stage {
    fn build() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let network = Network::between(scene::INTERFACE, "demo1")?;
        let heir = Heir::of(&network, folder.path())?;
        Ok(Self { network, folder, _heir: heir })
    }
}

fn release() -> Result<PathBuf> {
    setup::ensure(Scope::Ebpf)?;
    build::object(Warnings::Shown)?;
    build::agent(Profile::Release)
}

fn tcpkit(network: &Network, binary: &Path, options: &Options) -> Result<Command> {
    let mut tcpkit = network.near(binary)?;
    // Whoever has words of their own may name a subcommand, which comes first.
    if options.words.is_empty() {
        tcpkit.args(USUAL).arg("--duration").arg(options.seconds.to_string());
    } else {
        tcpkit.args(&options.words);
    }
    tcpkit.args(["-i", scene::INTERFACE]);
    Ok(tcpkit)
}

/// What it is called with: tell of what cost some tenths of a second, and do not wait a minute for an answer to a SYN.
const USUAL: [&str; 3] = ["--slower-than=250", "--event-after=0.2", "--handshake-timeout=3"];

const SCENE: &str = "\
demo: nginx and Redis at 10.199.0.1, their clients at 10.199.0.2, tcpkit between them
demo: segments and acknowledgements of nginx are lost, one client reads slowly,
demo: a Redis function takes 300 ms, and some ports are closed, forbidden or silent
demo: a line tells of what costs somebody time; the report comes at the end (Ctrl-C: now)
";

const WHAT_TO_LOOK_FOR: &str = "
What there was to be found, and where it stands above:
  nothing lost    COMPLETENESS: every frame was analysed, or it says how many were not
  closed port     HANDSHAKES: reject, 10.199.0.1:9998
  firewall        HANDSHAKES: unreachable, 10.199.0.1:9997, and the ICMP error
  silent port     HANDSHAKES: timeout, 10.199.0.1:9999
  rude client     HANDSHAKES: aborted, 10.199.0.1:9996 (a RST for the SYN/ACK)
  lossy network   RETRANSMISSIONS: fast, rto (after a time-out), tlp (a probe)
  lost ACKs       RETRANSMISSIONS: spurious, which had arrived
  slow query      REQUESTS: FCALL monthly_report, 300 ms, all of it server
  slow network    REQUESTS: GET /big, all of it network, with the segment to blame
  slow reader     STALLS: receiver's window, towards the client that reads 300 kB/s
  who uses what   BANDWIDTH, with the busiest second and millisecond; TALKERS
Other views:      cargo xtask demo -- latency     cargo xtask demo -- track     cargo xtask demo -- peek
As a page:        cargo xtask demo -- report --html demo.html --duration 30
Read on:          docs/tour.md";

const WHAT_ELSE: &str = "demo: over, and nothing of it is left";
