//! Bulk TCP between two namespaces: what is left of its throughput while tcpkit watches.

use std::{path::Path, process::Stdio, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Limit, Options, Verdict,
    measure::median,
    network::{Background, FAR_ADDRESS, NEAR_INTERFACE, Network},
};
use crate::shell::{answer, find_program, read, say};

/// Time for tcpkit to attach before traffic begins.
const ATTACH: Duration = Duration::from_millis(1_500);

/// Runs iperf3 with and without tcpkit in turn; what counts is the median of the ratios of neighbouring runs, because a
/// busy machine changes more from minute to minute than from one run to the next.
///
/// # Errors
/// If this is not root, or a program fails.
pub(super) fn run(tcpkit: &Path, options: &Options) -> Result<Vec<Verdict>> {
    let iperf = find_program("iperf3").context("iperf3 is not installed: run `cargo xtask setup --tests`")?;
    let network = Network::build()?;
    let mut server = network.far(&iperf)?;
    let mut server = Background::start(server.arg("-s").stdout(Stdio::null()).stderr(Stdio::null()))?;
    thread::sleep(Duration::from_millis(500));
    if !server.is_running() {
        bail!("iperf3 cannot listen in its namespace");
    }
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=options.runs.max(1) {
        let alone = || throughput(&network, &iperf, options.seconds);
        let watched = || watched(&network, tcpkit, &iperf, options.seconds);
        // Each side goes first in turn, so that a machine that warms up or tires favours neither.
        let (alone, (watched, completeness)) = if run % 2 == 1 {
            (alone()?, watched()?)
        } else {
            let watched = watched()?;
            (alone()?, watched)
        };
        say(format_args!(
            "run {run}: {:.2} Gbit/s alone, {:.2} Gbit/s watched (completeness {completeness:.6})",
            alone / 1e9,
            watched / 1e9
        ));
        without.push(alone);
        with.push(watched);
        ratios.push(watched / alone);
    }
    let (with, without) = (median(with), median(without));
    answer(format_args!("bulk: {:.2} Gbit/s alone, {:.2} Gbit/s watched", without / 1e9, with / 1e9));
    let name = "bulk: throughput, watched / alone";
    Ok(vec![Verdict { name, ratio: median(ratios), limit: Limit::AtLeast(0.97) }])
}

/// Throughput while tcpkit watches, and what share of the frames its report rests on.
fn watched(network: &Network, tcpkit: &Path, iperf: &Path, seconds: u32) -> Result<(f64, f64)> {
    let mut agent = network.near(tcpkit)?;
    agent.args(["-i", NEAR_INTERFACE, "--json", "--quiet"]).stdout(Stdio::piped());
    let mut agent = Background::start(&mut agent)?;
    thread::sleep(ATTACH);
    if !agent.is_running() {
        bail!("tcpkit did not stay: its own message stands above");
    }
    let throughput = throughput(network, iperf, seconds)?;
    let output = agent.finish()?;
    let report: Value = serde_json::from_slice(&output.stdout).context("tcpkit's report is not JSON")?;
    // A run in which nothing was seen measured nothing.
    if report["ledger"]["total"]["seen"].as_u64().unwrap_or(0) == 0 {
        bail!("tcpkit saw no frame: it was not attached");
    }
    Ok((throughput, report["completeness"].as_f64().unwrap_or(0.0)))
}

/// Bits per second that arrived.
fn throughput(network: &Network, iperf: &Path, seconds: u32) -> Result<f64> {
    let mut client = network.near(iperf)?;
    client.args(["-J", "-c", FAR_ADDRESS, "-t", &seconds.to_string()]);
    let result: Value = serde_json::from_str(&read(&mut client)?).context("iperf3's result is not JSON")?;
    result["end"]["sum_received"]["bits_per_second"].as_f64().context("iperf3's result has no throughput")
}
