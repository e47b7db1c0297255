//! Measures tcpkit beside its yardsticks in one run, alternating, and prints the ratios.
//!
//! A single figure says as much about the machine as about tcpkit; a ratio of medians, taken in turn on the same
//! machine, says what tcpkit costs.

mod bulk;
mod generator;
mod kernel;
mod measure;
mod memory;
pub(crate) mod network;
mod offline;
mod requests;
mod scrape;
mod template;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    build::{self, Profile, Warnings},
    setup::{self, Scope},
    shell::{answer, say},
};

/// What `bench` was asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Which benchmarks; all of them without a name.
    #[arg(value_enum)]
    benchmarks: Vec<Benchmark>,
    /// Capture file for `offline`, in place of the generated one.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Size of the generated file, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 804_000_000)]
    size: u64,
    /// Runs of each side, of `offline`, `bulk` and `requests`.
    #[arg(long, value_name = "N", default_value_t = 7)]
    runs: usize,
    /// Length of each run with traffic, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u32,
}

/// One benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// `tcpkit -r FILE --json --quiet` beside `tcpdump -r FILE -w /dev/null`: CPU and wall time.
    Offline,
    /// 64-byte frames by native XDP at the highest rate at which tcpdump loses nothing.
    Xdp,
    /// The same by TC.
    Tc,
    /// Bulk TCP between two namespaces with tcpkit attached, beside without.
    Bulk,
    /// redis-benchmark between two namespaces with every request measured, beside without.
    Requests,
    /// Octets of memory for each half-open and each established flow.
    Memory,
    /// How long answers of the endpoint take with a million open flows, and how long a worker pauses for one.
    Scrape,
    /// Nanoseconds per packet of each eBPF program (`BPF_PROG_TEST_RUN`).
    Program,
}

/// What a benchmark found, in comparison with what was promised.
struct Verdict {
    /// What was compared.
    name: &'static str,
    /// tcpkit's median over the yardstick's.
    ratio: f64,
    /// The promise.
    limit: Limit,
}

/// A promise about a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// Cost: no more than this.
    AtMost(f64),
    /// Yield: no less than this.
    AtLeast(f64),
}

impl Limit {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(limit) => ratio <= limit,
            Self::AtLeast(limit) => ratio >= limit,
        }
    }
}

/// `cargo xtask bench`. Status 1 when a promise does not hold.
///
/// # Errors
/// If something needed is missing, or a measurement cannot be made.
pub(crate) fn command(options: &Options) -> Result<ExitCode> {
    setup::ensure(Scope::Tests)?;
    let wanted = wanted(options);
    let is_userland = |benchmark: &Benchmark| {
        matches!(benchmark, Benchmark::Offline | Benchmark::Memory | Benchmark::Scrape)
    };
    if !wanted.iter().all(is_userland) {
        build::object(Warnings::Shown)?;
    }
    let tcpkit = build::agent(Profile::Release)?;
    let mut verdicts = Vec::new();
    for (number, benchmark) in wanted.iter().enumerate() {
        let is_rate = |benchmark: &Benchmark| hook(*benchmark).is_some();
        if is_rate(benchmark) && wanted[..number].iter().any(is_rate) {
            // Both hooks are measured together, beside one search for tcpdump's rate.
            continue;
        }
        say(format_args!("\n== {}", name(*benchmark)));
        verdicts.extend(match benchmark {
            Benchmark::Offline => offline::run(&tcpkit, options)?,
            Benchmark::Bulk => bulk::run(&tcpkit, options)?,
            Benchmark::Requests => requests::run(&tcpkit, options)?,
            Benchmark::Xdp | Benchmark::Tc => {
                let hooks: Vec<_> = wanted.iter().copied().filter_map(hook).collect();
                kernel::rates(&tcpkit, &hooks, options)?
            }
            Benchmark::Memory => memory::flows()?,
            Benchmark::Scrape => scrape::run(&tcpkit)?,
            Benchmark::Program => kernel::programs()?,
        });
    }
    Ok(tell(&verdicts))
}

const fn hook(benchmark: Benchmark) -> Option<kernel::Hook> {
    match benchmark {
        Benchmark::Xdp => Some(kernel::Hook::Xdp),
        Benchmark::Tc => Some(kernel::Hook::Tc),
        Benchmark::Offline
        | Benchmark::Bulk
        | Benchmark::Requests
        | Benchmark::Memory
        | Benchmark::Scrape
        | Benchmark::Program => None,
    }
}

fn wanted(options: &Options) -> Vec<Benchmark> {
    if options.benchmarks.is_empty() {
        Benchmark::value_variants().to_vec()
    } else {
        options.benchmarks.clone()
    }
}

fn name(benchmark: Benchmark) -> String {
    benchmark.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn tell(verdicts: &[Verdict]) -> ExitCode {
    answer("");
    for verdict in verdicts {
        let (word, limit) = match verdict.limit {
            Limit::AtMost(limit) => ("at most", limit),
            Limit::AtLeast(limit) => ("at least", limit),
        };
        let state = if verdict.limit.holds(verdict.ratio) { "holds" } else { "BROKEN" };
        answer(format_args!("{:44} {:7.3}  {word} {limit:5.2}  {state}", verdict.name, verdict.ratio));
    }
    if verdicts.iter().all(|verdict| verdict.limit.holds(verdict.ratio)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_a_ceiling_and_yields_a_floor() {
        assert!(Limit::AtMost(2.0).holds(2.0) && !Limit::AtMost(2.0).holds(2.01));
        assert!(Limit::AtLeast(0.97).holds(0.97) && !Limit::AtLeast(0.97).holds(0.96));
        assert!(!Limit::AtMost(2.0).holds(f64::NAN));
    }
}
