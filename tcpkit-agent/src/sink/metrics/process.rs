//! What the agent itself costs, from /proc (linux/Documentation/filesystems/proc.rst); what cannot be read is left out.

use std::fs;

use super::sample::number;

/// The agent as a process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Seconds of processors, in user space and in the kernel.
    pub(super) cpu_seconds: Option<f64>,
    /// Memory that is there.
    pub(super) resident_bytes: Option<u64>,
    /// Descriptors that are open.
    pub(super) open_fds: Option<u64>,
    /// Seconds since the epoch.
    pub(super) start_seconds: Option<f64>,
}

impl Process {
    /// As it is now.
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            cpu_seconds: field(&stat, UTIME).zip(field(&stat, STIME)).map(|(user, own)| user + own),
            resident_bytes: line(&status, "VmRSS:").map(|kibibytes| kibibytes * 1_024),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|folder| folder.count() as u64),
            start_seconds: line(&boot, "btime")
                .zip(field(&stat, STARTTIME))
                .map(|(boot, start)| number(boot) + start),
        }
    }
}

/// A time of /proc/self/stat in seconds; the name before the fields may have blanks and parentheses in it.
fn field(stat: &str, field: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(field - FIRST)?.parse().ok()?;
    Some(number(ticks) / USER_HZ)
}

/// The number behind a word at the beginning of a line.
fn line(text: &str, word: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Number of the field behind the name (proc_pid_stat(5)).
const FIRST: usize = 3;
const UTIME: usize = 14;
const STIME: usize = 15;
const STARTTIME: usize = 22;

/// Ticks in a second, as the kernel tells times to everyone (linux/include/asm-generic/param.h).
const USER_HZ: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let now = Process::now();
        assert!(now.cpu_seconds.unwrap() < 100_000.0);
        assert!(now.resident_bytes.unwrap() > 1 << 20);
        assert!(now.open_fds.unwrap() >= 3);
        assert!(now.start_seconds.unwrap() > 1.7e9);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) (c) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 12345 0 0";
        assert_eq!((field(stat, UTIME), field(stat, STIME)), (Some(2.5), Some(0.5)));
        assert_eq!(field(stat, STARTTIME), Some(123.45));
        assert_eq!(field("", UTIME), None);
    }
}
