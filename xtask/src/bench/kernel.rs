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

/// Share of the generator's most at which the search begins, and what each step multiplies it by.
const FIRST_SHARE: f64 = 1.0 / 64.0;
const STEP: f64 = 1.25;

/// Which ingress hook is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// Native XDP.
    Xdp,
    /// TC.
    Tc,
}

/// What one run gave.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Passage {
    /// Frames per second that arrived.
    rate: f64,
    /// Frames that the program under test lost.
    lost: u64,
}

/// Compares the highest rates without loss.
///
/// # Errors
/// If this is not root, or a program fails.
pub(super) fn rate(tcpkit: &Path, hook: Hook, options: &Options) -> Result<Vec<Verdict>> {
    let generator = Generator::build()?;
    let bed = Bed { network: Network::build()?, generator, seconds: options.seconds, taskset: taskset()? };
    bed.network.like_a_nic()?;
    let tcpdump =
        find_program("tcpdump").context("tcpdump is not installed: run `cargo xtask setup --tests`")?;
    let theirs = highest("tcpdump", |share| bed.tcpdump(&tcpdump, share))?;
    let ours = highest("tcpkit", |share| bed.tcpkit(tcpkit, hook, share))?;
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
    fn tcpdump(&self, tcpdump: &Path, share: f64) -> Result<Passage> {
        let mut command = self.network.near(&self.taskset)?;
        command.args(["-c", "1"]).arg(tcpdump).args(["-i", NEAR_INTERFACE, "-Z", "root"]);
        command.args(["-w", "/dev/null", "-s", "128", "-B", "65536"]).stderr(Stdio::piped());
        let (rate, output) = self.watch(Background::start(&mut command)?, share)?;
        let text = String::from_utf8_lossy(&output.stderr);
        let lost =
            tcpdump_lost(&text).with_context(|| format!("tcpdump does not say what it lost: {text}"))?;
        Ok(Passage { rate, lost })
    }

    fn tcpkit(&self, tcpkit: &Path, hook: Hook, share: f64) -> Result<Passage> {
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
        let (rate, output) = self.watch(Background::start(command.stdout(Stdio::piped()))?, share)?;
        let report: Value = serde_json::from_slice(&output.stdout).context("tcpkit's report is not JSON")?;
        Ok(Passage { rate, lost: ledger_lost(&report)? })
    }

    /// Traffic past a program that runs; what was sent, and what the program printed.
    fn watch(&self, mut program: Background, share: f64) -> Result<(f64, std::process::Output)> {
        thread::sleep(ATTACH);
        if !program.is_running() {
            bail!("the program under test did not stay: its own message stands above");
        }
        let rate = self.generator.send(&self.network, share, self.seconds)?;
        // What stands in buffers still belongs to the run.
        thread::sleep(Duration::from_secs(1));
        Ok((rate, program.finish()?))
    }
}

/// Steps the load up until frames are lost or the generator gives no more; the last rate without loss.
fn highest(name: &str, mut run: impl FnMut(f64) -> Result<Passage>) -> Result<f64> {
    let mut best = 0.0;
    let mut share = FIRST_SHARE;
    loop {
        let mut passage = run(share)?;
        // One loss may be another process's doing; two in a row are not.
        if passage.lost > 0 {
            passage = run(share)?;
        }
        say(format_args!("{name}: {:.0} frames per second, {} lost", passage.rate, passage.lost));
        if passage.lost > 0 && best == 0.0 {
            bail!("{name} loses frames at {:.0} per second already", passage.rate);
        }
        if passage.lost > 0 {
            return Ok(best);
        }
        best = passage.rate;
        if share >= 1.0 {
            say(format_args!("{name}: the generator gives no more"));
            return Ok(best);
        }
        share = (share * STEP).min(1.0);
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

    /// A program that takes this many of the million frames per second that the generator can make.
    fn takes(limit: f64) -> impl FnMut(f64) -> Result<Passage> {
        move |share| Ok(Passage { rate: share * 1e6, lost: u64::from(share * 1e6 > limit) })
    }

    #[test]
    fn the_search_ends_below_the_first_loss() {
        let best = highest("x", takes(300_000.0)).unwrap();
        assert!(best <= 300_000.0 && best * STEP > 300_000.0, "{best}");
        assert!(highest("x", takes(10.0)).is_err());
    }

    #[test]
    fn the_search_ends_with_the_generator() {
        let best = highest("x", takes(2e6)).unwrap();
        assert!((best - 1e6).abs() < 1.0, "{best}");
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
