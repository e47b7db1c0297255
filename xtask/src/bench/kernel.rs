//! The kernel side: the highest rate without loss beside tcpdump's, and nanoseconds per packet of each program.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Limit, Options, Verdict,
    generator::Generator,
    network::{Background, NEAR_INTERFACE, Network},
};
use crate::shell::{answer, find_program, say};

/// Time for a program to attach before traffic begins.
const ATTACH: Duration = Duration::from_secs(2);

/// Where the search for a rate begins, and what part of itself each step adds.
const FIRST_RATE: u64 = 100_000;
const STEP: u64 = 4;

/// A generator that stays this far below the rate asked for is at its end.
const REACHED: f64 = 0.95;

/// Which ingress hook is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// Native XDP.
    Xdp,
    /// TC.
    Tc,
}

/// What one run at one rate gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passage {
    sent: u64,
    lost: u64,
}

/// Compares the highest rates without loss.
///
/// # Errors
/// If this is not root, or a program fails.
pub(super) fn rate(tcpkit: &Path, hook: Hook, options: &Options) -> Result<Vec<Verdict>> {
    let generator = Generator::build()?;
    let bed = Bed { network: Network::build()?, generator, seconds: options.seconds, taskset: taskset()? };
    let tcpdump =
        find_program("tcpdump").context("tcpdump is not installed: run `cargo xtask setup --tests`")?;
    let theirs = highest("tcpdump", options.seconds, |rate| bed.tcpdump(&tcpdump, rate))?;
    let ours = highest("tcpkit", options.seconds, |rate| bed.tcpkit(tcpkit, hook, rate))?;
    answer(format_args!("{hook:?}: without loss tcpdump {theirs:.0}, tcpkit {ours:.0} frames per second"));
    let name = match hook {
        Hook::Xdp => "xdp: highest lossless rate, tcpkit / tcpdump",
        Hook::Tc => "tc: highest lossless rate, tcpkit / tcpdump",
    };
    Ok(vec![Verdict { name, ratio: ours / theirs, limit: Limit::AtLeast(1.0) }])
}

/// Prints what each program costs per packet; these are figures, not promises.
///
/// # Errors
/// If this is not root, or the helper fails.
pub(super) fn programs() -> Result<Vec<Verdict>> {
    for (program, nanoseconds) in Generator::build()?.programs()? {
        answer(format_args!("{program:24} {nanoseconds:8.1} ns per packet"));
    }
    Ok(Vec::new())
}

/// Where the frames run.
struct Bed {
    network: Network,
    generator: Generator,
    seconds: u32,
    taskset: PathBuf,
}

impl Bed {
    fn tcpdump(&self, tcpdump: &Path, rate: u64) -> Result<Passage> {
        let mut command = self.network.near(&self.taskset)?;
        command.args(["-c", "1"]).arg(tcpdump).args(["-i", NEAR_INTERFACE, "-Z", "root"]);
        command.args(["-w", "/dev/null", "-s", "128", "-B", "65536"]).stderr(Stdio::piped());
        let (sent, output) = self.watch(Background::start(&mut command)?, rate)?;
        let text = String::from_utf8_lossy(&output.stderr);
        let lost =
            tcpdump_lost(&text).with_context(|| format!("tcpdump does not say what it lost: {text}"))?;
        Ok(Passage { sent, lost })
    }

    fn tcpkit(&self, tcpkit: &Path, hook: Hook, rate: u64) -> Result<Passage> {
        let hook = if hook == Hook::Xdp { "xdp" } else { "tc" };
        let mut command = self.network.near(&self.taskset)?;
        command.args(["-c", "1"]).arg(tcpkit).args([
            "-i",
            NEAR_INTERFACE,
            "--hook",
            hook,
            "--json",
            "--quiet",
        ]);
        let (sent, output) = self.watch(Background::start(command.stdout(Stdio::piped()))?, rate)?;
        let report: Value = serde_json::from_slice(&output.stdout).context("tcpkit's report is not JSON")?;
        Ok(Passage { sent, lost: ledger_lost(&report)? })
    }

    /// Traffic past a program that runs; what was sent, and what the program printed.
    fn watch(&self, mut program: Background, rate: u64) -> Result<(u64, std::process::Output)> {
        thread::sleep(ATTACH);
        if !program.is_running() {
            bail!("the program under test did not stay: its own message stands above");
        }
        let sent = self.generator.send(&self.network, rate, self.seconds)?;
        // What stands in buffers still belongs to the run.
        thread::sleep(Duration::from_secs(1));
        Ok((sent, program.finish()?))
    }
}

/// Steps the rate up until frames are lost or the generator is at its end; the last rate without loss.
fn highest(name: &str, seconds: u32, mut run: impl FnMut(u64) -> Result<Passage>) -> Result<f64> {
    let mut best = 0.0;
    let mut rate = FIRST_RATE;
    loop {
        let mut passage = run(rate)?;
        // One loss may be another process's doing; two in a row are not.
        if passage.lost > 0 {
            passage = run(rate)?;
        }
        let reached = passage.sent as f64 / f64::from(seconds);
        say(format_args!("{name}: {reached:.0} frames per second, {} lost", passage.lost));
        if passage.lost > 0 {
            return if best > 0.0 {
                Ok(best)
            } else {
                bail!("{name} loses frames at {rate} per second already")
            };
        }
        best = reached;
        if reached < rate as f64 * REACHED {
            say(format_args!("{name}: the generator gives no more"));
            return Ok(best);
        }
        rate += rate / STEP;
    }
}

/// `N packets dropped by kernel`, and by the interface, in what tcpdump prints at its end.
fn tcpdump_lost(text: &str) -> Option<u64> {
    let number = |line: &str| line.split_whitespace().next()?.parse::<u64>().ok();
    let kernel = text.lines().find(|line| line.contains("dropped by kernel")).and_then(number)?;
    let interface = text.lines().find(|line| line.contains("dropped by interface")).and_then(number);
    Some(kernel + interface.unwrap_or(0))
}

/// Frames that were wanted and not delivered; a ledger that does not close or saw nothing is no result.
fn ledger_lost(report: &Value) -> Result<u64> {
    let total = &report["ledger"]["total"];
    let count = |name: &str| total[name].as_u64().with_context(|| format!("the ledger has no `{name}`"));
    if report["ledger"]["closes"] != true || count("seen")? == 0 {
        bail!("the ledger does not close, or saw nothing: {}", report["ledger"]);
    }
    Ok(count("matched")? - count("delivered")?.min(count("matched")?))
}

fn taskset() -> Result<PathBuf> {
    find_program("taskset").context("taskset (package util-linux) is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_below_the_first_loss() {
        let lossy_above =
            |limit: u64| move |rate: u64| Ok(Passage { sent: rate, lost: u64::from(rate > limit) });
        let best = highest("x", 1, lossy_above(1_000_000)).unwrap();
        assert!(best <= 1_000_000.0 && best * 1.25 > 1_000_000.0, "{best}");
        assert!(highest("x", 1, lossy_above(10)).is_err());
    }

    #[test]
    fn the_search_ends_with_the_generator() {
        let best = highest("x", 1, |rate| Ok(Passage { sent: rate.min(500_000), lost: 0 })).unwrap();
        assert!((best - 500_000.0).abs() < 1.0, "{best}");
    }

    #[test]
    fn losses_are_read_from_both_programs() {
        let text = "10 packets captured\n12 packets received by filter\n2 packets dropped by kernel\n3 packets dropped by interface\n";
        assert_eq!(tcpdump_lost(text), Some(5));
        assert_eq!(tcpdump_lost("tcpdump: bench0: No such device"), None);
        let report = serde_json::json!({"ledger": {"closes": true, "total": {"seen": 9, "matched": 8, "delivered": 5}}});
        assert_eq!(ledger_lost(&report).unwrap(), 3);
        assert!(ledger_lost(&serde_json::json!({"ledger": {"closes": true, "total": {"seen": 0}}})).is_err());
    }
}
