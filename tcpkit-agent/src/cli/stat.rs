//! What was typed for `tcpkit stat`: tcpstat's options, and ours beside them.

use std::{ffi::OsString, path::PathBuf};

use super::{
    args::BackendChoice,
    failure::Failure,
    getopt::{self, Grammar, Long, text},
};

/// What was typed for `tcpkit stat`.
#[derive(Clone, Debug, PartialEq)]
pub struct StatArgs {
    /// Where packets come from.
    pub input: StatInput,
    /// `-f`: a tcpdump expression; blank for none.
    pub filter: String,
    /// Seconds; -1 is the whole capture.
    pub interval: f64,
    /// `-s`; -1 is without end.
    pub seconds: f64,
    /// `-R`.
    pub relative_to: f64,
    /// `-o`, as typed; `None` for the usual line.
    pub format: Option<Vec<u8>>,
    /// The last of `-a`, `-b`, `-B`.
    pub action: StatAction,
    /// Bits per second of the last `-b` or `-B`; 0 without.
    pub limit: f64,
    /// `-b` was given at some time.
    pub carries: bool,
    /// `-e`.
    pub skips_empty: bool,
    /// `-F`.
    pub flushes: bool,
    /// `-l`.
    pub counts_link: bool,
    /// Not `-p`.
    pub promiscuous: bool,
    /// `--strict`.
    pub strict: bool,
    /// `--backend`.
    pub backend: BackendChoice,
}

/// What tcpstat prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatAction {
    /// A line for each interval.
    Lines,
    /// `-b`, `-B`.
    Bandwidth,
    /// `-a`.
    Account,
}

/// Where packets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatInput {
    /// An interface; `None` is the first one.
    Live(Option<String>),
    /// A file; `-` is standard input.
    File(PathBuf),
}

impl StatInput {
    /// The name that was given last; `-r` and `-i` share one place, and the later one says what it is.
    pub(super) fn new(name: Option<OsString>, is_live: bool) -> Self {
        match name {
            Some(name) if !is_live => Self::File(name.into()),
            Some(name) if name != "auto" => Self::Live(Some(text(&name))),
            _ => Self::Live(None),
        }
    }
}

impl Default for StatArgs {
    fn default() -> Self {
        Self {
            input: StatInput::Live(None),
            filter: String::new(),
            interval: 5.0,
            seconds: -1.0,
            relative_to: 0.0,
            format: None,
            action: StatAction::Lines,
            limit: 0.0,
            carries: false,
            skips_empty: false,
            flushes: false,
            counts_link: false,
            promiscuous: true,
            strict: false,
            backend: BackendChoice::Auto,
        }
    }
}

/// What stands between the words and [`StatArgs`].
struct Reading {
    args: StatArgs,
    program: String,
    /// `-1`.
    is_whole: bool,
    name: Option<OsString>,
    is_live: bool,
}

impl StatArgs {
    /// Reads the words behind the name that the program was called by.
    ///
    /// # Errors
    /// The usage, below what is wrong with the words; status 1, or 255 for `-p` with `-r`, as tcpstat has it.
    pub fn parse(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let (options, operands) = getopt::parse(&STAT, words)
            .map_err(|mistake| usage(program, Some(&format!("{program}: {mistake}"))))?;
        let mut reading = Reading {
            args: Self::default(),
            program: program.to_owned(),
            is_whole: false,
            name: None,
            is_live: true,
        };
        for (letter, argument) in options {
            reading.take(letter, argument)?;
        }
        reading.finish(operands.first())
    }
}

impl Reading {
    fn take(&mut self, letter: char, argument: OsString) -> Result<(), Failure> {
        let refused = || usage(&self.program, None);
        let args = &mut self.args;
        match letter {
            'a' => args.action = StatAction::Account,
            'b' | 'B' => {
                args.limit = double(&text(&argument));
                args.action = StatAction::Bandwidth;
                args.carries |= letter == 'b';
                if args.limit <= 0.0 {
                    return Err(refused());
                }
            }
            'e' => args.skips_empty = true,
            'F' => args.flushes = true,
            'f' => args.filter = cut(&text(&argument)),
            'i' | 'r' => {
                self.is_live = letter == 'i';
                self.name = Some(argument);
            }
            'l' => args.counts_link = true,
            'o' => args.format = Some(format_words(&argument)),
            'p' => args.promiscuous = false,
            'R' => {
                args.relative_to = double(&text(&argument));
                if args.relative_to < 0.0 {
                    return Err(refused());
                }
            }
            's' => {
                args.seconds = double(&text(&argument));
                if !is_length(args.seconds) {
                    return Err(refused());
                }
            }
            '1' => self.is_whole = true,
            STRICT => args.strict = true,
            BACKEND => args.backend = backend(&text(&argument), &self.program)?,
            _ => return Err(refused()),
        }
        Ok(())
    }

    fn finish(mut self, operand: Option<&OsString>) -> Result<StatArgs, Failure> {
        if self.is_whole {
            self.args.interval = -1.0;
        } else if let Some(word) = operand {
            self.args.interval = double(&text(word));
            if !is_length(self.args.interval) {
                return Err(usage(&self.program, Some("error: Bad interval value")));
            }
        }
        if !self.is_live && !self.args.promiscuous {
            let words = "error: -p option not compatible with -r";
            return Err(usage(&self.program, Some(words)).with_legacy_status(255));
        }
        self.args.input = StatInput::new(self.name, self.is_live);
        Ok(self.args)
    }
}

/// Seconds, or -1 for all of them; what is no number passes, as it does in tcpstat.
#[expect(clippy::float_cmp, reason = "the number itself is the sign")]
pub(super) fn is_length(seconds: f64) -> bool {
    !(seconds <= 0.0 && seconds != -1.0)
}

/// As `--backend` of tcpkit itself.
pub(super) fn backend(word: &str, program: &str) -> Result<BackendChoice, Failure> {
    match word {
        "auto" => Ok(BackendChoice::Auto),
        "ebpf" => Ok(BackendChoice::Ebpf),
        "pcap" => Ok(BackendChoice::Pcap),
        _ => Err(Failure::legacy(format!("{program}: --backend '{word}': give auto, ebpf or pcap"))),
    }
}

/// The usage, as tcpstat prints it on standard error, below a line of what is wrong.
fn usage(program: &str, line: Option<&str>) -> Failure {
    const VERSION: &str = "tcpstat version 1.5";
    let usage = STAT_USAGE.replace("%s", program);
    match line {
        Some(line) => Failure::legacy(line).detail(format!("{VERSION}\n{usage}")),
        None => Failure::legacy(VERSION).detail(usage),
    }
}

/// What tcpstat keeps of a word.
fn cut(word: &str) -> String {
    let end = (0..=MOST_BYTES.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
    word[..end].to_owned()
}

fn format_words(argument: &OsString) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = argument.as_bytes();
    bytes[..bytes.len().min(MOST_BYTES)].to_vec()
}

const MOST_BYTES: usize = 32_768;

/// What `atof` makes of a word: the longest number at its beginning, else zero.
#[must_use]
pub fn double(word: &str) -> f64 {
    let word = word.trim_start();
    let sign = if word.starts_with('-') { -1.0 } else { 1.0 };
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    if let Some(digits) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let end = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let push = |value: f64, digit: char| value * 16.0 + f64::from(digit.to_digit(16).unwrap_or(0));
        return sign * digits[..end].chars().fold(0.0, push);
    }
    let is_number = |end: &usize| word.is_char_boundary(*end) && word[..*end].parse::<f64>().is_ok();
    let longest = (1..=word.len().min(LONGEST_NUMBER)).rev().find(is_number);
    longest.and_then(|end| word[..end].parse().ok()).unwrap_or(0.0)
}

/// Nobody types a longer one.
const LONGEST_NUMBER: usize = 1_000;

/// Options without a letter.
const STRICT: char = '\u{1}';
const BACKEND: char = '\u{2}';

const STAT: Grammar = Grammar {
    short: "h?aeFlp1B:b:f:i:o:R:r:s:",
    long: &[
        Long { name: "help", takes_argument: false, stands_for: 'h' },
        Long { name: "strict", takes_argument: false, stands_for: STRICT },
        Long { name: "backend", takes_argument: true, stands_for: BACKEND },
    ],
    long_only: false,
};

/// tcpstat's own, to the letter, and what it has not; `%s` is the program.
pub const STAT_USAGE: &str = "\
usage: %s [-?haeFlp] [-b bps] [-B bps] [-f filter expr] [-i interface]   \x20
\t    [-o output] [-R seconds] [-r filename] [-s seconds] [interval]\x20
\t-?, -h \t\t- display this help\t\t\t\t
\t-a \t\t- accounting mode\t\t\t\t
\t-b bps\t\t- bandwidth mode, where bps is bits/second\t
\t-B bps\t\t- dumb bandwidth mode, where bps is bits/second\x20
\t-e \t\t- do not print empty intervals\t\t\t
\t-F\t \t- flush stdout after printing each line\t\t
\t-f filter expr \t- packet filter expression (like in tcpdump)\t
\t-i interface\t- do live capture on [interface], not from file\x20
\t-l\t\t- include linklayer in packet size calc\t\t
\t-o output \t- format for the output of stats (see manpage)\t
\t-p\t\t- non-promiscuous mode when doing live capture\t
\t-R seconds \t- display time relative to [seconds]\t\t
\t-r filename \t- read data from [filename]\t\t\t
\t-s seconds \t- capture only [seconds] long (-1 is infinite)\t
\t\t\t\t\t\t\t\t\t
\tinterval\t- time interval (seconds) for taking samples\t

  added by tcpkit:
\t--strict\t- what the manual page promises, where tcpstat differs
\t--backend how\t- live: auto, ebpf or pcap (default: auto)
\t-o: %f new connections, %g goodput in bits/second, %x segments
\t    sent again, %c share of the packets that was analysed
";

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(words: &str) -> Result<StatArgs, Failure> {
        let words = words.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        StatArgs::parse("tcpstat", words)
    }

    #[test]
    fn words_are_read_as_far_as_they_are_numbers() {
        for (word, value) in [
            ("5", 5.0),
            ("3x", 3.0),
            ("abc", 0.0),
            ("", 0.0),
            ("1e1", 10.0),
            (" .5s", 0.5),
            ("-2", -2.0),
            ("1e", 1.0),
            ("0x10", 16.0),
        ] {
            assert!((double(word) - value).abs() < f64::EPSILON, "{word}");
        }
        assert!(double("inf").is_infinite());
        assert!(double("nan").is_nan());
    }

    #[test]
    fn options_are_tcpstats() {
        let file = |name: &str| StatInput::File(name.into());
        let args = stat("-r a 2.5 more words -e -F -l -R 7 -s 9").unwrap();
        assert_eq!((args.input, args.interval, args.seconds), (file("a"), 2.5, 9.0));
        assert_eq!(stat("-i x -r y").unwrap().input, file("y"));
        assert_eq!(stat("-r y -i x").unwrap().input, StatInput::Live(Some("x".to_owned())));
        assert_eq!(stat("-p -r y -i auto").unwrap().input, StatInput::Live(None));
        assert_eq!(stat("-1 3").unwrap().interval, -1.0);
        assert_eq!(stat("-- -1").unwrap().interval, -1.0);
        let both = stat("-b 2000 -B 3000").unwrap();
        assert_eq!((both.limit, both.carries, both.action), (3000.0, true, StatAction::Bandwidth));
        assert_eq!(stat("-b 2000 -a").unwrap().action, StatAction::Account);
    }

    #[test]
    fn what_is_wrong_is_said_in_tcpstats_words() {
        for (words, line, status) in [
            ("-h", "tcpstat version 1.5", 1),
            ("-s 0", "tcpstat version 1.5", 1),
            ("-b x", "tcpstat version 1.5", 1),
            ("-R -1", "tcpstat version 1.5", 1),
            ("0", "error: Bad interval value", 1),
            ("-- -2", "error: Bad interval value", 1),
            ("-Z", "tcpstat: invalid option -- 'Z'", 1),
            ("-r x -p", "error: -p option not compatible with -r", 255),
        ] {
            let failure = stat(words).unwrap_err();
            assert_eq!(failure.to_string().lines().next(), Some(line), "{words}");
            assert_eq!(failure.exit().code(), status, "{words}");
        }
    }
}
