//! What a run of a program costs: wall time, CPU time, memory.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::shell::now;

/// Ticks per second of the times in `/proc/*/stat` (`USER_HZ`, fixed at 100 on Linux for every architecture we run on).
const TICKS_PER_SECOND: f64 = 100.0;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// From start to end, in seconds.
    pub wall: f64,
    /// User and system time, in seconds.
    pub cpu: f64,
    /// Largest resident set, in bytes (sampled every 20 ms).
    pub peak_memory: u64,
}

/// Runs a command to its end, silently.
///
/// # Errors
/// If it cannot be started, or does not end with status 0.
pub(super) fn cost_of(command: &mut Command) -> Result<Cost> {
    let program = command.get_program().to_string_lossy().into_owned();
    let cpu_before = children_cpu()?;
    let begin = now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let watch = thread::spawn({
        let id = child.id();
        move || watch_memory(id)
    });
    let status = child.wait().with_context(|| format!("cannot wait for {program}"))?;
    let wall = begin.elapsed().as_secs_f64();
    let cpu = children_cpu()? - cpu_before;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(Cost { wall, cpu, peak_memory: watch.join().unwrap_or_default() })
}

/// The middle value; with an even number of values the mean of the two in the middle.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// CPU time of every child that has ended, in seconds.
fn children_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    children_ticks(&stat)
        .map(|ticks| ticks / TICKS_PER_SECOND)
        .context("/proc/self/stat is not as proc(5) says")
}

/// CPU time of a process so far, in seconds.
pub(super) fn cpu_of(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    ticks(&stat, 14).map(|ticks| ticks / TICKS_PER_SECOND)
}

/// Fields 16 and 17: cutime, cstime.
fn children_ticks(stat: &str) -> Option<f64> {
    ticks(stat, 16)
}

/// The field with this number (proc(5)) and the one behind it; the name before them may hold spaces and parentheses.
fn ticks(stat: &str, first: usize) -> Option<f64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(field(first)? + field(first + 1)?)
}

fn watch_memory(id: u32) -> u64 {
    let mut peak = 0;
    while let Some(memory) =
        fs::read_to_string(format!("/proc/{id}/status")).ok().and_then(|text| resident(&text))
    {
        peak = peak.max(memory);
        thread::sleep(Duration::from_millis(20));
    }
    peak
}

/// `VmHWM`, in bytes; none once the process has ended.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
    }

    #[test]
    fn ticks_are_read_behind_any_name() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 130 20 21 22";
        assert_eq!(children_ticks(stat), Some(150.0));
    }

    #[test]
    fn a_failed_command_is_no_measurement() {
        assert!(cost_of(Command::new("sh").args(["-c", "exit 1"])).is_err());
        let cost = cost_of(Command::new("sh").args(["-c", "sleep 0.1"])).unwrap();
        assert!(cost.wall >= 0.1 && cost.cpu < cost.wall && cost.peak_memory > 0, "{cost:?}");
    }
}
