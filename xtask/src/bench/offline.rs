//! A large file: `tcpkit -r` with everything analysed beside `tcpdump`, which only copies.
//!
//! CPU time is that of one worker and its reader; wall time that of as many workers as tcpkit would take itself.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    Limit, Options, Verdict,
    measure::{Cost, cost_of, median},
    template::Template,
};
use crate::{
    privilege::Privilege,
    shell::{answer, find_program, say, workspace},
};

/// The pattern of the large file.
const TEMPLATE: &str = "tests/captures/traffic-mix.pcap";

/// 2023-11-14 22:13:20 UTC: when the large file begins.
const BEGIN_US: u64 = 1_700_000_000_000_000;

/// Runs both in turn and compares the medians.
///
/// # Errors
/// If the file cannot be made or one of the programs fails.
pub(super) fn run(tcpkit: &Path, options: &Options) -> Result<Vec<Verdict>> {
    let file = match &options.file {
        Some(file) => file.clone(),
        None => generated(options.size)?,
    };
    let tcpdump =
        find_program("tcpdump").context("tcpdump is not installed: run `cargo xtask setup --tests`")?;
    // Also reads the file once, so that the first run does not pay for the disk.
    let frames = frames_of(tcpkit, &file)?;
    let mut turns = Vec::new();
    for run in 1..=options.runs.max(1) {
        let analysis = ["--json", "--quiet"];
        let one = cost_of(preferred(tcpkit).arg("-r").arg(&file).args(analysis).args(["--shards", "1"]))?;
        let all = cost_of(preferred(tcpkit).arg("-r").arg(&file).args(analysis))?;
        let requests = ["-m", "redis", "-p", "6379", "--quiet", "--shards", "1"];
        let requests = cost_of(preferred(tcpkit).arg("-r").arg(&file).args(requests))?;
        let tcpdump = cost_of(preferred(&tcpdump).arg("-r").arg(&file).args(["-w", "/dev/null"]))?;
        say(format_args!(
            "run {run}: one worker {}, all workers {}, requests {}, tcpdump {}",
            line(one),
            line(all),
            line(requests),
            line(tcpdump)
        ));
        turns.push(Turn { one, all, requests, tcpdump });
    }
    Ok(compare(&file, &turns, frames))
}

/// What ran one after the other, on the same machine.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// tcpkit with one worker.
    one: Cost,
    /// tcpkit with as many as it takes itself.
    all: Cost,
    /// tcpkit with one worker, and every request to Redis measured.
    requests: Cost,
    tcpdump: Cost,
}

fn compare(file: &Path, turns: &[Turn], frames: f64) -> Vec<Verdict> {
    // Neighbouring runs had the same machine, so their ratios say more than the ratio of medians.
    let of = |part: fn(&Turn) -> f64| median(turns.iter().map(part));
    let cpu = of(|turn| turn.one.cpu);
    answer(format_args!("{}: medians of {} runs", file.display(), turns.len()));
    for (name, part) in [
        ("one worker", (|turn: &Turn| turn.one) as fn(&Turn) -> Cost),
        ("all workers", |turn| turn.all),
        ("requests", |turn| turn.requests),
        ("tcpdump", |turn| turn.tcpdump),
    ] {
        let of = |figure: fn(&Cost) -> f64| median(turns.iter().map(|turn| figure(&part(turn))));
        let memory = turns.iter().map(|turn| part(turn).peak_memory).max().unwrap_or_default();
        answer(format_args!(
            "  {name:11}  cpu {:7.2} s  wall {:7.2} s  peak memory {} MiB",
            of(|cost| cost.cpu),
            of(|cost| cost.wall),
            memory >> 20
        ));
    }
    answer(format_args!(
        "  {:.0} ns of CPU time per frame on one worker, its reader included",
        cpu * 1e9 / frames
    ));
    vec![
        Verdict {
            name: "offline: CPU time, one worker / tcpdump",
            ratio: of(|turn| turn.one.cpu / turn.tcpdump.cpu),
            limit: Limit::AtMost(2.0),
        },
        Verdict {
            name: "offline: CPU time with requests / tcpdump",
            ratio: of(|turn| turn.requests.cpu / turn.tcpdump.cpu),
            limit: Limit::AtMost(2.5),
        },
        Verdict {
            name: "offline: wall time, tcpkit / tcpdump",
            ratio: of(|turn| turn.all.wall / turn.tcpdump.wall),
            limit: Limit::AtMost(1.0),
        },
    ]
}

/// How many frames a file has, by tcpkit's own report.
fn frames_of(tcpkit: &Path, file: &Path) -> Result<f64> {
    let run = Command::new(tcpkit)
        .arg("-r")
        .arg(file)
        .args(["--json", "--quiet"])
        .output()
        .with_context(|| format!("cannot run {}", tcpkit.display()))?;
    let report: serde_json::Value = serde_json::from_slice(&run.stdout)
        .with_context(|| format!("tcpkit has no report of {}", file.display()))?;
    report["totals"]["frames"].as_f64().context("the report says nothing of frames")
}

fn line(cost: Cost) -> String {
    format!("cpu {:.2} s wall {:.2} s", cost.cpu, cost.wall)
}

/// A program that goes before whatever else the machine does, where this user may say so.
fn preferred(program: &Path) -> Command {
    let is_root = Privilege::current().is_ok_and(Privilege::is_root);
    let mut command = Command::new("nice");
    command.args(["-n", if is_root { "-20" } else { "0" }]).arg(program);
    command
}

/// The large file; one of the right size from an earlier run is used again.
fn generated(size: u64) -> Result<PathBuf> {
    let path = workspace().join("target/bench").join(format!("mix-{size}.pcap"));
    if path.is_file() {
        return Ok(path);
    }
    say(format_args!("bench: writing {} ({} MB)", path.display(), size / 1_000_000));
    let folder = path.parent().context("the file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let unfinished = path.with_extension("part");
    write(&unfinished, size).with_context(|| format!("cannot write {}", unfinished.display()))?;
    std::fs::rename(&unfinished, &path).with_context(|| format!("cannot name {}", path.display()))?;
    Ok(path)
}

/// Loops the pattern, each time with a client of its own, one loop after the other in time.
fn write(path: &Path, size: u64) -> Result<()> {
    let template =
        std::fs::read(workspace().join(TEMPLATE)).with_context(|| format!("cannot read {TEMPLATE}"))?;
    let template = Template::parse(&template)?;
    let mut output = BufWriter::with_capacity(1 << 20, File::create(path)?);
    output.write_all(template.header())?;
    let mut written = 0;
    let mut buffer = Vec::new();
    for turn in 0.. {
        if written >= size {
            break;
        }
        template.instance(client(turn), BEGIN_US + turn * template.span_us(), &mut buffer);
        output.write_all(&buffer)?;
        written += buffer.len() as u64;
    }
    output.flush()?;
    Ok(())
}

/// 62,500 clients in turn, 10.99.1.1 to 10.99.250.250.
fn client(turn: u64) -> [u8; 4] {
    let octet = |value: u64| u8::try_from(1 + value % 250).unwrap_or(1);
    [10, 99, octet(turn / 250), octet(turn)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_has_a_client_of_its_own() {
        assert_eq!(client(0), [10, 99, 1, 1]);
        assert_eq!(client(249), [10, 99, 1, 250]);
        assert_eq!(client(250), [10, 99, 2, 1]);
        assert_eq!(client(62_499), [10, 99, 250, 250]);
    }

    #[test]
    fn the_pattern_makes_a_file_of_the_size_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mix.pcap");
        write(&path, 2_000_000).unwrap();
        let length = path.metadata().unwrap().len();
        assert!((2_000_000..3_000_000).contains(&length), "{length}");
    }
}
