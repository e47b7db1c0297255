//! redis-benchmark between two namespaces: what is left of the server's throughput while every request is measured, and
//! whether every request was.

use std::{path::Path, process::Stdio, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Limit, Options, Verdict,
    measure::median,
    network::{Background, FAR_ADDRESS, FAR_INTERFACE, Network},
};
use crate::shell::{answer, find_program, read, say};

/// How often tcpkit is asked whether it captures, ten times in a second.
const ATTEMPTS: u32 = 300;

/// Time for a server to listen.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Requests that a connection has on its way at once, and as many of them as take about a second.
const DEPTHS: [(&str, u64); 2] = [("1", 60_000), ("16", 600_000)];

/// Runs redis-benchmark with and without tcpkit at the server in turn; what counts is the median of the ratios of
/// neighbouring runs, and the share of the requests that the server counted.
///
/// # Errors
/// If this is not root, or a program fails.
pub(super) fn run(tcpkit: &Path, options: &Options) -> Result<Vec<Verdict>> {
    let bed = Bed::build(tcpkit)?;
    let mut verdicts = Vec::new();
    for ((depth, per_second), names) in DEPTHS.into_iter().zip(NAMES) {
        let requests = (per_second * u64::from(options.seconds.max(1))).to_string();
        let (mut ratios, mut shares) = (Vec::new(), Vec::new());
        for run in 1..=options.runs.max(1) {
            let (alone, watched) = if run % 2 == 1 {
                (bed.throughput(depth, &requests)?, bed.watched(depth, &requests)?)
            } else {
                let watched = bed.watched(depth, &requests)?;
                (bed.throughput(depth, &requests)?, watched)
            };
            say(format_args!(
                "run {run}, pipelines of {depth}: {alone:.0} requests/s alone, {:.0} watched; {} of {} requests measured",
                watched.per_second, watched.measured, watched.counted
            ));
            ratios.push(watched.per_second / alone);
            shares.push(watched.measured as f64 / watched.counted as f64);
        }
        let share = shares.iter().copied().fold(f64::INFINITY, f64::min);
        answer(format_args!(
            "redis, pipelines of {depth}: the worst run measured {:.4} % of all requests",
            share * 100.0
        ));
        let [throughput, measured] = names;
        verdicts.push(Verdict { name: throughput, ratio: median(ratios), limit: Limit::AtLeast(0.95) });
        verdicts.push(Verdict { name: measured, ratio: share, limit: Limit::AtLeast(1.0) });
    }
    Ok(verdicts)
}

const NAMES: [[&str; 2]; 2] = [
    ["redis: requests/s, watched / alone", "redis: requests, measured / counted"],
    ["redis -P 16: requests/s, watched / alone", "redis -P 16: requests, measured / counted"],
];

/// A redis-server at the far end, and who asks it.
struct Bed<'a> {
    tcpkit: &'a Path,
    network: Network,
    client: std::path::PathBuf,
    benchmark: std::path::PathBuf,
    _server: Background,
}

/// A run that tcpkit watched.
#[derive(Clone, Copy, Debug)]
struct Watched {
    per_second: f64,
    /// Requests in tcpkit's report.
    measured: u64,
    /// Requests that the server counted meanwhile.
    counted: u64,
}

impl<'a> Bed<'a> {
    fn build(tcpkit: &'a Path) -> Result<Self> {
        let program = |name: &str| {
            find_program(name)
                .with_context(|| format!("{name} is not installed: run `cargo xtask setup --tests`"))
        };
        let network = Network::build()?;
        let mut server = network.far(&program("redis-server")?)?;
        server.args(["--save", "", "--protected-mode", "no", "--bind", "*"]);
        let mut server = Background::start(server.stdout(Stdio::null()).stderr(Stdio::null()))?;
        thread::sleep(SETTLE);
        if !server.is_running() {
            bail!("redis-server cannot listen in its namespace");
        }
        let (client, benchmark) = (program("redis-cli")?, program("redis-benchmark")?);
        Ok(Self { tcpkit, network, client, benchmark, _server: server })
    }

    /// Requests in a second, as redis-benchmark tells it.
    fn throughput(&self, depth: &str, requests: &str) -> Result<f64> {
        let mut benchmark = self.network.near(&self.benchmark)?;
        benchmark.args(["-h", FAR_ADDRESS, "-t", "get", "-c", "50", "--csv", "-P", depth, "-n", requests]);
        let table = read(&mut benchmark)?;
        // "GET","57142.86", and columns of latencies.
        let line = table.lines().find(|line| line.starts_with("\"GET\"")).context("no line for GET")?;
        let figure = line.split(',').nth(1).context("no figure for GET")?;
        figure.trim_matches('"').parse().with_context(|| format!("redis-benchmark said {line}"))
    }

    fn watched(&self, depth: &str, requests: &str) -> Result<Watched> {
        let mut agent = self.network.far(self.tcpkit)?;
        // Whole frames: a pipeline is longer than the usual captured length.
        agent.args(["-i", FAR_INTERFACE, "-m", "redis", "-p", "6379", "--snaplen", "0", "--json", "--quiet"]);
        let mut agent = Background::start(agent.stdout(Stdio::piped()))?;
        self.wait_for(&mut agent)?;
        let before = self.counted()?;
        let per_second = self.throughput(depth, requests)?;
        let counted = self.counted()? - before;
        let output = agent.finish()?;
        let report: Value = serde_json::from_slice(&output.stdout).context("tcpkit's report is not JSON")?;
        let measured =
            report["latency"]["requests"]["requests"].as_u64().context("no requests in the report")?;
        Ok(Watched { per_second, measured, counted })
    }

    /// Until tcpkit captures, which its endpoint tells: on a busy machine that takes its time.
    fn wait_for(&self, agent: &mut Background) -> Result<()> {
        let bash = find_program("bash").context("bash is not installed")?;
        for _ in 0..ATTEMPTS {
            if !agent.is_running() {
                bail!("tcpkit did not stay: its own message stands above");
            }
            let mut connect = self.network.far(&bash)?;
            connect.args(["-c", ": < /dev/tcp/127.0.0.1/33333"]).stderr(Stdio::null());
            if connect.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("tcpkit does not answer at its endpoint")
    }

    /// Commands that the server has carried out, those left out that ask for this: they come by its loopback.
    fn counted(&self) -> Result<u64> {
        let info = read(self.network.far(&self.client)?.args(["INFO", "commandstats"]))?;
        let calls = |line: &str| -> Option<u64> {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            (name != "info").then(|| figures.split(',').next()?.parse().ok())?
        };
        Ok(info.lines().filter_map(calls).sum())
    }
}
