//! What was typed for `tcpkit prof`: tcpprof's options, and ours beside them.

use std::ffi::OsString;

use super::{
    args::BackendChoice,
    failure::Failure,
    getopt::{self, Grammar, Long, text},
    stat::{StatInput, backend, double, is_length},
};

/// What was typed for `tcpkit prof`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfArgs {
    /// Where packets come from.
    pub input: StatInput,
    /// `-f`: a tcpdump expression; blank for none.
    pub filter: String,
    /// `-S`, its letters without `a`.
    pub sections: String,
    /// `-d`.
    pub splits: bool,
    /// `-n`.
    pub numbers_only: bool,
    /// `-P`, `-R`: ports from here on are left out.
    pub ports_below: Option<u32>,
    /// `-t`: rows of each table.
    pub rows: Option<usize>,
    /// `-s`: seconds of a live capture; -1 is without end.
    pub seconds: f64,
    /// Not `-p`.
    pub promiscuous: bool,
    /// `-6`.
    pub ipv6: bool,
    /// `--strict`.
    pub strict: bool,
    /// `--backend`.
    pub backend: BackendChoice,
}

impl Default for ProfArgs {
    fn default() -> Self {
        Self {
            input: StatInput::Live(None),
            filter: String::new(),
            sections: String::new(),
            splits: false,
            numbers_only: false,
            ports_below: None,
            rows: None,
            seconds: -1.0,
            promiscuous: true,
            ipv6: false,
            strict: false,
            backend: BackendChoice::Auto,
        }
    }
}

impl ProfArgs {
    /// Reads the words behind the name that the program was called by.
    ///
    /// # Errors
    /// The usage, below what is wrong with the words; status 1, as tcpprof has it.
    pub fn parse(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let (options, _) = getopt::parse(&PROF, words)
            .map_err(|mistake| usage(program, Some(&format!("{program}: {mistake}"))))?;
        let mut args = Self::default();
        let (mut name, mut is_live, mut ports) = (None, true, REGISTERED);
        for (letter, argument) in options {
            match letter {
                'i' | 'r' => {
                    is_live = letter == 'i';
                    name = Some(argument);
                }
                'P' => {
                    ports = integer(&text(&argument));
                    args.ports_below = Some(ports);
                }
                'R' => args.ports_below = Some(ports),
                _ => args.take(letter, &argument, program)?,
            }
        }
        let name = name.filter(|name| !name.is_empty());
        args.input = StatInput::new(name, is_live);
        Ok(args)
    }

    fn take(&mut self, letter: char, argument: &OsString, program: &str) -> Result<(), Failure> {
        match letter {
            'd' => self.splits = true,
            'f' => self.filter = text(argument),
            'n' => self.numbers_only = true,
            'p' => self.promiscuous = false,
            's' => {
                self.seconds = double(&text(argument));
                if !is_length(self.seconds) {
                    return Err(usage(program, None));
                }
            }
            'S' => self.sections.push_str(&text(argument).replace('a', "liphn")),
            // A negative number is all rows.
            't' => self.rows = usize::try_from(integer(&text(argument)).cast_signed()).ok(),
            '6' => self.ipv6 = true,
            STRICT => self.strict = true,
            BACKEND => self.backend = backend(&text(argument), program)?,
            _ => return Err(usage(program, None)),
        }
        Ok(())
    }
}

/// `(int) strtol(word, NULL, 10)`, whose bits tcpprof takes for an unsigned number.
fn integer(word: &str) -> u32 {
    let word = word.trim_start();
    let is_negative = word.starts_with('-');
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word).bytes().take_while(u8::is_ascii_digit);
    let push = |number: i64, digit: u8| number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    let number = digits.fold(0, push);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as C converts it")]
    let number = if is_negative { -number } else { number } as u32;
    number
}

fn usage(program: &str, line: Option<&str>) -> Failure {
    let usage = PROF_USAGE.replace("%s", program);
    match line {
        Some(line) => Failure::legacy(line).detail(usage),
        None => {
            let (first, rest) = usage.split_once('\n').unwrap_or((&usage, ""));
            Failure::legacy(first).detail(rest)
        }
    }
}

/// Ports below are registered (`IPPORT_RESERVED`, netinet/in.h).
const REGISTERED: u32 = 1024;

/// Options without a letter.
const STRICT: char = '\u{1}';
const BACKEND: char = '\u{2}';

const PROF: Grammar = Grammar {
    short: "h?ndpP:Rf:i:s:S:r:t:6",
    long: &[
        Long { name: "help", takes_argument: false, stands_for: 'h' },
        Long { name: "strict", takes_argument: false, stands_for: STRICT },
        Long { name: "backend", takes_argument: true, stands_for: BACKEND },
    ],
    long_only: false,
};

/// tcpprof's own, to the letter, and what it has not; `%s` is the program.
pub const PROF_USAGE: &str = "\
Usage: %s [-?hnpR] [-f filter expr] [-i interface] [-P port]\t\t
\t\t[-r file] [-s seconds] [-S letters] [-t lines]\t\t
\t-?, -h \t\t- display this help\t\t\t\t
\t-d\t\t- show source/dest statistics\t\t\t
\t-f filter expr\t- tcpdump(1) filter expression\t\t\t
\t-i interface\t- do live capture on [interface], not from file\x20
\t-n\t\t- don't resolve network numbers\t\t\t
\t-p\t\t- non-promiscuous mode when doing live capture\t
\t-P port\t\t- ignore port numbers >= port\t\t\t
\t-r file\t\t- read tcpdump data from file\t\t\t
\t-R\t\t- display only registered ports\t\t\t
\t-s seconds\t- capture only [seconds] long\t\t\t
\t-S letters\t- collect stats\t\t\t\t\t
\t\ta\t\t- collect ALL stats\t\t\t
\t\tl\t\t- collect link stats\t\t\t
\t\ti\t\t- collect ip stats\t\t\t
\t\tp\t\t- collect port stats\t\t\t
\t\th\t\t- collect host stats\t\t\t
\t\tn\t\t- collect network stats\t\t\t
\t-t lines\t- show at most [lines] lines for each stat\t
\t\t\t\t\t\t\t\t\t
Example: %s -S ph -r data.dump\t\t\t\t\t
\tDisplays port and host statistics from the file 'data.dump'\t

  added by tcpkit:
\t-6\t\t- IPv6 hosts, ports and /64 networks as well
\t--strict\t- ports behind IP options, networks in their order
\t--backend how\t- live: auto or pcap (default: auto)
";

#[cfg(test)]
mod tests {
    use super::*;

    fn prof(words: &str) -> Result<ProfArgs, Failure> {
        let words = words.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        ProfArgs::parse("tcpprof", words)
    }

    #[test]
    fn options_are_tcpprofs() {
        let args = prof("-S a -S h -r x -t 3 -P 80 -dn").unwrap();
        assert_eq!((args.sections.as_str(), args.rows, args.ports_below), ("liphnh", Some(3), Some(80)));
        assert!(args.splits && args.numbers_only);
        assert_eq!(prof("-R").unwrap().ports_below, Some(1024));
        assert_eq!((prof("-t -1").unwrap().rows, prof("-t x").unwrap().rows), (None, Some(0)));
        assert_eq!(prof("-r x").unwrap().input, StatInput::File("x".into()));
        assert_eq!(prof("").unwrap().input, StatInput::Live(None));
    }

    #[test]
    fn help_is_the_usage_with_status_1() {
        let failure = prof("-h").unwrap_err();
        assert!(failure.to_string().starts_with("Usage: tcpprof [-?hnpR]"), "{failure}");
        assert_eq!((failure.exit().code(), prof("-s 0").unwrap_err().exit().code()), (1, 1));
    }
}
