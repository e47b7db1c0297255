//! The kernel side: the highest rate without loss beside tcpdump's, and nanoseconds per packet of each program.
//!
//! Generator and kernel have the first core, the program under test has the second; both are preferred to whatever
//! else runs on the machine.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Limit, Options, Verdict,
    generator::Generator,
    measure::median,
    network::{Background, NEAR_INTERFACE, Network},
};
use crate::shell::{answer, find_program, say};

/// Time for a program to attach before traffic begins.
const ATTACH: Duration = Duration::from_millis(1_500);

/// Length of a run in the search, in seconds.
const SEARCH_SECONDS: f64 = 1.5;

/// Halvings of the span in which the highest rate is searched.
const STEPS: u32 = 5;

/// The smallest share of the generator's most that is tried.
const LEAST_SHARE: f64 = 1.0 / 64.0;

/// Runs of each side that are compared.
const PAIRS: usize = 3;

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
    /// What it took of its own core, in nanoseconds for each frame.
    cpu_ns: f64,
}

/// Compares the highest rates without loss.
///
/// # Errors
/// If this is not root, or a program fails.
pub(super) fn rates(tcpkit: &Path, hooks: &[Hook], options: &Options) -> Result<Vec<Verdict>> {
    let bed = Bed::new(tcpkit)?;
    let seconds = f64::from(options.seconds);
    let theirs = highest("tcpdump", |share| bed.tcpdump(share, SEARCH_SECONDS))?;
    let mut verdicts = Vec::new();
    for hook in hooks {
        let name = hook.name();
        let ours =
            highest(&format!("tcpkit --hook {name}"), |share| bed.tcpkit(*hook, share, SEARCH_SECONDS))?;
        let (mut their_runs, mut our_runs) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            their_runs.push(bed.tcpdump(theirs, seconds)?);
            our_runs.push(bed.tcpkit(*hook, ours, seconds)?);
        }
        verdicts.extend(compare(*hook, &our_runs, &their_runs));
    }
    Ok(verdicts)
}

fn compare(hook: Hook, ours: &[Passage], theirs: &[Passage]) -> [Verdict; 2] {
    for (who, runs) in [("tcpkit", ours), ("tcpdump", theirs)] {
        let of = |part: fn(&Passage) -> f64| median(runs.iter().map(part));
        answer(format_args!(
            "{:3}: {who:8} {:9.0} frames per second, {} lost in {} runs, {:4.0} ns of its core per frame",
            hook.name(),
            of(|run| run.rate),
            runs.iter().map(|run| run.lost).sum::<u64>(),
            runs.len(),
            of(|run| run.cpu_ns),
        ));
    }
    let rate = |runs: &[Passage]| median(runs.iter().map(|run| run.rate));
    // What runs beside the benchmark may cost either side a run, so the middle one counts.
    let lost = median(ours.iter().map(|run| run.lost as f64));
    let (rate_name, lost_name) = match hook {
        Hook::Xdp => ("xdp: rate without loss, tcpkit / tcpdump", "xdp: frames lost at that rate"),
        Hook::Tc => ("tc: rate without loss, tcpkit / tcpdump", "tc: frames lost at that rate"),
    };
    [
        Verdict { name: rate_name, ratio: rate(ours) / rate(theirs), limit: Limit::AtLeast(1.0) },
        Verdict { name: lost_name, ratio: lost, limit: Limit::AtMost(0.0) },
    ]
}

/// Prints what each program costs per packet, by kind of filter; a promise is only that loading takes no second.
///
/// # Errors
/// If this is not root, or the helper fails.
pub(super) fn programs() -> Result<Vec<Verdict>> {
    let mut longest = 0.0_f64;
    answer(format_args!(
        "{:26} {:>10} {:>10} {:>10}   loading, verified",
        "ns per frame", "xdp", "tc in", "tc out"
    ));
    let (mut plain, mut counted) = ([0.0; 3], [0.0; 3]);
    for (filter, measured) in Generator::build()?.programs()? {
        let number =
            |program: &str, what: &str| measured["programs"][program][what].as_f64().unwrap_or(f64::NAN);
        let seconds =
            measured["load_seconds"].as_f64().context("the helper does not say how long loading took")?;
        longest = longest.max(seconds);
        let costs = ["xdp_ingress", "tc_ingress", "tc_egress"].map(|program| number(program, "ns"));
        match filter.as_str() {
            "no filter" => plain = costs,
            "flows and bursts counted" => counted = costs,
            _ => {}
        }
        answer(format_args!(
            "{filter:26} {:10.0} {:10.0} {:10.0}   {seconds:5.2} s, {:.0} instructions",
            number("xdp_ingress", "ns"),
            number("tc_ingress", "ns"),
            number("tc_egress", "ns"),
            number("xdp_ingress", "verified"),
        ));
    }
    let name = "program: seconds to load all three, at most";
    let added = plain.iter().zip(counted).map(|(plain, counted)| counted - plain).fold(0.0, f64::max);
    Ok(vec![
        Verdict { name, ratio: longest, limit: Limit::AtMost(2.0) },
        Verdict {
            name: "program: ns that counting flows and bursts adds to a frame",
            ratio: added,
            limit: Limit::AtMost(40.0),
        },
    ])
}

impl Hook {
    const fn name(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Tc => "tc",
        }
    }
}

/// Where the frames run.
struct Bed {
    network: Network,
    generator: Generator,
    tcpkit: PathBuf,
    tcpdump: PathBuf,
    nice: PathBuf,
}

impl Bed {
    fn new(tcpkit: &Path) -> Result<Self> {
        let generator = Generator::build()?;
        let network = Network::build()?;
        network.like_a_nic()?;
        let tcpdump =
            find_program("tcpdump").context("tcpdump is not installed: run `cargo xtask setup --tests`")?;
        let nice = find_program("nice").context("nice (package coreutils) is missing")?;
        Ok(Self { network, generator, tcpkit: tcpkit.to_owned(), tcpdump, nice })
    }

    fn tcpdump(&self, share: f64, seconds: f64) -> Result<Passage> {
        let mut command = self.on_second_core(&self.tcpdump)?;
        command.args(["-i", NEAR_INTERFACE, "-Z", "root", "-w", "/dev/null", "-s", "128", "-B", "65536"]);
        let program = Background::start(command.stderr(Stdio::piped()))?;
        self.watch(program, share, seconds, |output| {
            let text = String::from_utf8_lossy(&output.stderr);
            tcpdump_lost(&text).with_context(|| format!("tcpdump does not say what it lost: {text}"))
        })
    }

    fn tcpkit(&self, hook: Hook, share: f64, seconds: f64) -> Result<Passage> {
        let mut command = self.on_second_core(&self.tcpkit)?;
        command.args(["-i", NEAR_INTERFACE, "--hook", hook.name(), "--json", "--quiet"]);
        let program = Background::start(command.stdout(Stdio::piped()))?;
        self.watch(program, share, seconds, |output| {
            let report: Value =
                serde_json::from_slice(&output.stdout).context("tcpkit's report is not JSON")?;
            ledger_lost(&report)
        })
    }

    fn on_second_core(&self, program: &Path) -> Result<Command> {
        let mut command = self.network.near(&self.nice)?;
        command.args(["-n", "-20", "taskset", "-c", "1"]).arg(program);
        Ok(command)
    }

    /// Traffic past a program that runs.
    fn watch(
        &self,
        mut program: Background,
        share: f64,
        seconds: f64,
        lost: impl FnOnce(&std::process::Output) -> Result<u64>,
    ) -> Result<Passage> {
        thread::sleep(ATTACH);
        let Some(cpu_before) = program.cpu() else {
            bail!("the program under test did not stay: its own message stands above");
        };
        let (frames, took) = self.generator.send(&self.network, share, seconds)?;
        // What stands in buffers still belongs to the run.
        thread::sleep(Duration::from_millis(500));
        let cpu = program.cpu().context("the program under test ended too early")? - cpu_before;
        let lost = lost(&program.finish()?)?;
        Ok(Passage { rate: frames as f64 / took, lost, cpu_ns: cpu * 1e9 / frames.max(1) as f64 })
    }
}

/// The highest share of the generator's most at which nothing is lost.
fn highest(name: &str, mut run: impl FnMut(f64) -> Result<Passage>) -> Result<f64> {
    let mut holds = |share: f64| -> Result<bool> {
        // One loss may be another process's doing; two in a row are not.
        let passage = match run(share)? {
            passage if passage.lost == 0 => passage,
            _ => run(share)?,
        };
        say(format_args!(
            "{name}: {:.0} frames per second (share {share:.3}), {} lost",
            passage.rate, passage.lost
        ));
        Ok(passage.lost == 0)
    };
    if holds(1.0)? {
        return Ok(1.0);
    }
    if !holds(LEAST_SHARE)? {
        bail!("{name} loses frames at a {:.0}th of the load already", 1.0 / LEAST_SHARE);
    }
    let (mut low, mut high) = (LEAST_SHARE, 1.0);
    for _ in 0..STEPS {
        // Halfway between logarithms: what counts is the ratio.
        let middle = f64::sqrt(low * high);
        if holds(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that takes this many of the million frames per second that the generator can make.
    fn takes(limit: f64) -> impl FnMut(f64) -> Result<Passage> {
        move |share| {
            let rate = share * 1e6;
            Ok(Passage { rate, lost: u64::from(rate > limit), cpu_ns: 100.0 })
        }
    }

    #[test]
    fn the_search_ends_below_the_first_loss() {
        let best = highest("x", takes(300_000.0)).unwrap();
        assert!((0.25..=0.3).contains(&best), "{best}");
        assert!(highest("x", takes(10.0)).is_err());
    }

    #[test]
    fn a_program_that_takes_everything_is_asked_once() {
        let mut runs = 0;
        let mut run = takes(2e6);
        let best = highest("x", |share| {
            runs += 1;
            run(share)
        });
        assert!((best.unwrap() - 1.0).abs() < 1e-9 && runs == 1);
    }

    #[test]
    fn one_lossy_run_of_three_is_another_process() {
        let passage = |lost| Passage { rate: 2e6, lost, cpu_ns: 100.0 };
        let theirs = [passage(0); 3];
        let [rate, lost] = compare(Hook::Xdp, &[passage(0), passage(7), passage(0)], &theirs);
        assert!(rate.limit.holds(rate.ratio) && lost.limit.holds(lost.ratio));
        let [_, lost] = compare(Hook::Tc, &[passage(5), passage(7), passage(0)], &theirs);
        assert!(!lost.limit.holds(lost.ratio));
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
