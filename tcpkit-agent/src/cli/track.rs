//! What was typed for `tcpkit track`: tcptrack's options, and ours beside them.
//!
//! An option that tcptrack does not have is an error here; tcptrack says so and goes on without it.

use std::{ffi::OsString, path::PathBuf};

use super::{
    args::BackendChoice,
    failure::Failure,
    getopt::{self, Grammar, Long, text},
    peek::Asked,
};
use crate::time::Span;

/// What was typed for `tcpkit track`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackArgs {
    /// `-i`.
    pub interfaces: Vec<String>,
    /// `-T`: files in place of an interface.
    pub files: Vec<PathBuf>,
    /// `-d`: only connections whose SYN was seen.
    pub only_from_syn: bool,
    /// `-f`: new figures four times a second instead of once.
    pub is_fast: bool,
    /// `-p` turns it off.
    pub promiscuous: bool,
    /// `-r`: how long a closed connection stays on the screen.
    pub closed_stay: Span,
    /// `--classic`: tcptrack's own screen.
    pub is_classic: bool,
    /// `--interval`: tables in place of a screen.
    pub interval: Option<Span>,
    /// `--sort`: a column's name, with `-` before it for the least first; checked by the view.
    pub sort: Option<String>,
    /// `--rows`: rows of a table.
    pub rows: Option<usize>,
    /// `--backend`.
    pub backend: BackendChoice,
    /// `--counters`: by the kernel's counters alone.
    pub counters_only: bool,
    /// Everything else: a tcpdump expression.
    pub expression: Option<String>,
}

impl Default for TrackArgs {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            files: Vec::new(),
            only_from_syn: false,
            is_fast: false,
            promiscuous: true,
            closed_stay: Span::from_secs(2),
            is_classic: false,
            interval: None,
            sort: None,
            rows: None,
            backend: BackendChoice::Auto,
            counters_only: false,
            expression: None,
        }
    }
}

impl TrackArgs {
    /// Reads the words behind the name that the program was called by.
    ///
    /// # Errors
    /// What is wrong, as getopt says it, with the usage below; status 1, as tcptrack has it.
    pub fn parse(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Asked<Self>, Failure> {
        let refused = |reason: String| Failure::legacy(format!("{program}: {reason}")).detail(TRACK_USAGE);
        let (options, operands) =
            getopt::parse(&TRACK, words).map_err(|mistake| refused(mistake.to_string()))?;
        let mut args = Self::default();
        for (letter, argument) in options {
            match letter {
                'h' => return Ok(Asked::Help),
                'v' => return Ok(Asked::Version),
                _ => args.take(letter, &argument).map_err(refused)?,
            }
        }
        let words: Vec<_> = operands.iter().map(|word| text(word)).collect();
        args.expression = Some(words.join(" ")).filter(|expression| !expression.trim().is_empty());
        args.agree().map_err(refused)?;
        Ok(Asked::Run(Box::new(args)))
    }

    fn take(&mut self, letter: char, argument: &OsString) -> Result<(), String> {
        let word = text(argument);
        match letter {
            'd' => self.only_from_syn = true,
            'f' => self.is_fast = true,
            'i' => self.interfaces.push(word),
            'p' => self.promiscuous = false,
            'r' => self.closed_stay = seconds(&word, "-r", 0.0)?,
            'T' => self.files.push(argument.into()),
            CLASSIC => self.is_classic = true,
            INTERVAL => self.interval = Some(seconds(&word, "--interval", 0.001)?),
            SORT => self.sort = Some(word),
            ROWS => self.rows = Some(rows(&word)?),
            BACKEND => self.backend = backend(&word)?,
            COUNTERS => self.counters_only = true,
            _ => {}
        }
        Ok(())
    }

    /// What the kernel's counters cannot tell is not to be had together with them.
    fn agree_on_counters(&self) -> Result<(), String> {
        let others = [
            ("-T", !self.files.is_empty(), "no kernel has counted a file"),
            ("-d", self.only_from_syn, "the kernel does not note who sent a SYN"),
            (
                "--classic",
                self.is_classic,
                "that screen shows states and payload, which the kernel does not note",
            ),
            ("--interval", self.interval.is_some(), "the kernel's speeds are those of the last second"),
            ("--backend pcap", self.backend == BackendChoice::Pcap, "the kernel counts by eBPF"),
        ];
        match others.iter().find(|(_, is_given, _)| *is_given && self.counters_only) {
            Some((option, _, why)) => Err(format!("{option} and --counters: {why}; give one of them only")),
            None => Ok(()),
        }
    }

    fn agree(&self) -> Result<(), String> {
        if self.interfaces.is_empty() && self.files.is_empty() {
            return Err("nothing to watch: give -i INTERFACE or -T FILE".to_owned());
        }
        self.agree_on_counters()?;
        if self.files.is_empty() {
            return Ok(());
        }
        let live = [
            ("-i", !self.interfaces.is_empty()),
            ("--classic", self.is_classic),
            ("--backend", self.backend != BackendChoice::Auto),
        ];
        match live.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(format!(
                "{option} and -T: a file is not captured, and gives a table; give one of them only"
            )),
            None => Ok(()),
        }
    }
}

/// Seconds, decimals allowed; at most seventy years, so that nothing lies beyond what a time stamp holds.
#[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
#[expect(clippy::cast_sign_loss, reason = "the range was looked at")]
fn seconds(word: &str, option: &str, least: f64) -> Result<Span, String> {
    const MOST: f64 = 70.0 * 366.0 * 86_400.0;
    let value: Option<f64> = word.parse().ok();
    match value.filter(|value| (least..=MOST).contains(value)) {
        Some(value) => Ok(Span((value * 1e9) as u64)),
        None => Err(format!("{option} '{word}': give seconds, at least {least}")),
    }
}

fn rows(word: &str) -> Result<usize, String> {
    let number = word.parse().ok().filter(|rows| (1..=MOST_ROWS).contains(rows));
    number.ok_or_else(|| format!("--rows '{word}': give a number from 1 to {MOST_ROWS}"))
}

fn backend(word: &str) -> Result<BackendChoice, String> {
    match word {
        "auto" => Ok(BackendChoice::Auto),
        "ebpf" => Ok(BackendChoice::Ebpf),
        "pcap" => Ok(BackendChoice::Pcap),
        _ => Err(format!("--backend '{word}': give auto, ebpf or pcap")),
    }
}

/// Rows of the table of a whole file, at most: 200 MiB of them.
pub const MOST_ROWS: usize = 1_000_000;

/// Options without a letter.
const CLASSIC: char = '\u{1}';
const INTERVAL: char = '\u{2}';
const SORT: char = '\u{3}';
const ROWS: char = '\u{4}';
const BACKEND: char = '\u{5}';
const COUNTERS: char = '\u{6}';

const fn long(name: &'static str, takes_argument: bool, stands_for: char) -> Long {
    Long { name, takes_argument, stands_for }
}

const TRACK: Grammar = Grammar {
    short: "dhvfi:pr:T:",
    long: &[
        long("classic", false, CLASSIC),
        long("interval", true, INTERVAL),
        long("sort", true, SORT),
        long("rows", true, ROWS),
        long("backend", true, BACKEND),
        long("counters", false, COUNTERS),
        long("help", false, 'h'),
        long("version", false, 'v'),
    ],
    long_only: false,
};

/// tcptrack's own line, and what its letters mean.
pub const TRACK_USAGE: &str = "\
Usage: tcptrack [-dfhvp] [-r <seconds>] -i <interface> [<filter expression>] [-T <pcap file]
  -i INTERFACE    watch this interface; repeat for several
  -T FILE         print a table of the connections in a capture file; - is standard input
  -d              only connections whose SYN is seen
  -f              new figures four times a second
  -p              leave the interface out of promiscuous mode
  -r SECONDS      how long a closed connection stays on the screen (default: 2)
  -h  -v          this help, the version

  added by tcpkit:
  --interval SECONDS   print a table each time so much time has passed: of the capture with -T, else of the clock
  --sort COLUMN        client, server, state, interface, start, idle, rate, client_rate, server_rate, bytes, segments,
                       retransmissions, rtt or stalls; with - before it the least first (default: rate; bytes with -T)
  --rows N             rows of a table
  --classic            tcptrack's own screen
  --backend HOW        auto, ebpf or pcap (default: auto)
  --counters           only what the kernel counts by itself: costs the same at any packet rate; no states, payload,
                       round trips or retransmissions. Needs eBPF

  on the screen ? shows the keys
";

#[cfg(test)]
mod tests {
    use super::*;

    fn track(words: &str) -> Result<TrackArgs, String> {
        match TrackArgs::parse("tcptrack", words.split_whitespace().map(OsString::from)) {
            Ok(Asked::Run(args)) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => {
                assert_eq!(failure.exit().code(), 1);
                Err(failure.to_string().lines().next().unwrap_or_default().to_owned())
            }
        }
    }

    #[test]
    fn tcptrack_s_own_command_lines_mean_what_they_meant() {
        let args = track("-i eth0 -r 5 -d -f -p port 80 or port 443").unwrap();
        assert_eq!(args.interfaces, ["eth0"]);
        assert_eq!(args.closed_stay, Span::from_secs(5));
        assert!(args.only_from_syn && args.is_fast && !args.promiscuous);
        assert_eq!(args.expression.as_deref(), Some("port 80 or port 443"));
        let args = track("port 80 -T file.pcap -r 0").unwrap();
        assert_eq!((args.files.len(), args.closed_stay), (1, Span(0)));
        let defaults = track("-i eth0").unwrap();
        assert_eq!(defaults, TrackArgs { interfaces: vec!["eth0".into()], ..TrackArgs::default() });
        assert!(TRACK_USAGE.contains("(default: 2)"));
    }

    #[test]
    fn what_is_new_is_read() {
        let args = track("-T a --interval 0.5 --sort -rtt --rows 10").unwrap();
        assert_eq!((args.interval, args.rows), (Some(Span::from_millis(500)), Some(10)));
        assert_eq!(args.sort.as_deref(), Some("-rtt"));
        let args = track("-i a -i b --classic --backend pcap").unwrap();
        assert_eq!((args.is_classic, args.backend, args.interfaces.len()), (true, BackendChoice::Pcap, 2));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (words, line) in [
            ("", "tcptrack: nothing to watch: give -i INTERFACE or -T FILE"),
            ("-x", "tcptrack: invalid option -- 'x'"),
            ("-i", "tcptrack: option requires an argument -- 'i'"),
            ("-i a -r x", "tcptrack: -r 'x': give seconds, at least 0"),
            ("-i a -r -1", "tcptrack: -r '-1': give seconds, at least 0"),
            ("-i a -r nan", "tcptrack: -r 'nan': give seconds, at least 0"),
            ("-i a --interval 0", "tcptrack: --interval '0': give seconds, at least 0.001"),
            ("-i a --rows 0", "tcptrack: --rows '0': give a number from 1 to 1000000"),
            ("-i a --backend x", "tcptrack: --backend 'x': give auto, ebpf or pcap"),
            (
                "-i a --counters -d",
                "tcptrack: -d and --counters: the kernel does not note who sent a SYN; give one of them only",
            ),
            (
                "-i a --counters --backend pcap",
                "tcptrack: --backend pcap and --counters: the kernel counts by eBPF; give one of them only",
            ),
            (
                "-i a -T b",
                "tcptrack: -i and -T: a file is not captured, and gives a table; give one of them only",
            ),
        ] {
            assert_eq!(track(words), Err(line.to_owned()), "{words}");
        }
    }
}
