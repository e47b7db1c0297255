//! What was typed for `tcpkit peek` and `tcpkit peekstat`: tcpeek's options and tcpeekstat's, and ours beside them.
//!
//! Where tcpeek's manual and its binary disagree, the manual counts: sessions time out after 60 seconds, checksums are
//! not looked at unless asked, and `-l` sets the level.

use std::{ffi::OsString, net::IpAddr, path::PathBuf};

use super::{
    args::{BackendChoice, LogLevel},
    failure::Failure,
    getopt::{self, Grammar, Long, text},
};
use crate::time::Span;

/// Where tcpeek listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/tcpeek/tcpeek.sock";

/// What was typed for `tcpkit peek`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekArgs {
    /// `-u`: name or number of the user to become.
    pub user: Option<String>,
    /// `-i`.
    pub interface: Option<String>,
    /// `-U`; `None` is [`DEFAULT_SOCKET`] when live.
    pub socket: Option<PathBuf>,
    /// `-c`.
    pub checksums: Checksums,
    /// `-t`: silence after which a session has failed.
    pub timeout: Span,
    /// `-B`: mebibytes of the buffer between kernel and analysis, `1..=1024`.
    pub buffer_mib: u32,
    /// `-l`.
    pub log: LogLevel,
    /// `-q`: no line for each session.
    pub quiet: bool,
    /// `--promisc`.
    pub promiscuous: bool,
    /// `--icmp`: an ICMP error decides a session.
    pub icmp: bool,
    /// `-r`: files in place of an interface.
    pub read: Vec<PathBuf>,
    /// `--self`: addresses that count as the host's own; empty for those of the interface.
    pub own: Vec<IpAddr>,
    /// `--json`: each session as a JSON object on standard output.
    pub json: bool,
    /// `--backend`.
    pub backend: BackendChoice,
    /// Filter expressions.
    pub expressions: Vec<String>,
}

/// Which checksums are looked at; a frame with a wrong one does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// That of the IPv4 header.
    pub ip: bool,
    /// Those of TCP and ICMP.
    pub transport: bool,
}

/// What was typed for `tcpkit peekstat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeekStatArgs {
    /// `-g`: hand the differences to Ganglia.
    pub gmetric: bool,
    /// `-j`.
    pub json: bool,
    /// `-U`.
    pub socket: PathBuf,
}

/// What one of them is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<T> {
    /// Run.
    Run(Box<T>),
    /// Print the usage.
    Help,
    /// Print the version.
    Version,
}

impl Default for PeekArgs {
    fn default() -> Self {
        Self {
            user: None,
            interface: None,
            socket: None,
            checksums: Checksums::default(),
            timeout: Span::from_secs(60),
            buffer_mib: 2,
            log: LogLevel::Warn,
            quiet: false,
            promiscuous: false,
            icmp: false,
            read: Vec::new(),
            own: Vec::new(),
            json: false,
            backend: BackendChoice::Auto,
            expressions: Vec::new(),
        }
    }
}

impl PeekArgs {
    /// Reads the words behind the name that the program was called by.
    ///
    /// # Errors
    /// What is wrong, as getopt says it, with the usage below; status 1, as tcpeek has it.
    pub fn parse(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Asked<Self>, Failure> {
        let refused = |reason: String| Failure::legacy(format!("{program}: {reason}")).detail(PEEK_USAGE);
        let (options, operands) =
            getopt::parse(&PEEK, words).map_err(|mistake| refused(mistake.to_string()))?;
        let mut args = Self::default();
        for (letter, argument) in options {
            match letter {
                'h' => return Ok(Asked::Help),
                'v' => return Ok(Asked::Version),
                _ => args.take(letter, &argument).map_err(refused)?,
            }
        }
        args.expressions = operands.iter().map(|word| text(word)).collect();
        args.agree().map_err(refused)?;
        Ok(Asked::Run(Box::new(args)))
    }

    fn take(&mut self, letter: char, argument: &OsString) -> Result<(), String> {
        let word = text(argument);
        match letter {
            'u' => self.user = Some(word),
            'i' => self.interface = Some(word),
            'U' => self.socket = Some(argument.into()),
            'c' => self.checksums = checksums(&word)?,
            't' => self.timeout = Span::from_secs(number(&word, "-t", "seconds", MAX_SECONDS)?),
            'B' => self.buffer_mib = u32::try_from(number(&word, "-B", "MB", 1024)?).unwrap_or(u32::MAX),
            'l' => self.log = level(&word)?,
            'q' => self.quiet = true,
            PROMISC => self.promiscuous = true,
            ICMP => self.icmp = true,
            'r' => self.read.push(argument.into()),
            SELF => self.own.extend(addresses(&word)?),
            JSON => self.json = true,
            BACKEND => self.backend = backend(&word)?,
            _ => {}
        }
        Ok(())
    }

    fn agree(&self) -> Result<(), String> {
        if self.read.is_empty() {
            return Ok(());
        }
        let live = [
            ("-i", self.interface.is_some()),
            ("--promisc", self.promiscuous),
            ("--backend", self.backend != BackendChoice::Auto),
        ];
        match live.iter().find(|(_, given)| *given) {
            Some((option, _)) => {
                Err(format!("{option} and -r: a file is not captured; give one of them only"))
            }
            None => Ok(()),
        }
    }
}

impl PeekStatArgs {
    /// Reads the words behind the name that the program was called by.
    ///
    /// # Errors
    /// What is wrong; status 2, as tcpeekstat has it.
    pub fn parse(program: &str, words: impl IntoIterator<Item = OsString>) -> Result<Asked<Self>, Failure> {
        let refused = |reason: String| {
            Failure::legacy(format!("{program}: {reason}")).detail(PEEKSTAT_USAGE).with_usage_status()
        };
        let (options, operands) =
            getopt::parse(&PEEKSTAT, words).map_err(|mistake| refused(mistake.to_string()))?;
        let mut args = Self { gmetric: false, json: false, socket: DEFAULT_SOCKET.into() };
        for (letter, argument) in options {
            match letter {
                'h' => return Ok(Asked::Help),
                'v' => return Ok(Asked::Version),
                'g' => args.gmetric = true,
                'j' => args.json = true,
                _ => args.socket = argument.into(),
            }
        }
        if args.gmetric && args.json {
            return Err(refused("-j is not allowed with -g: give one of them only".to_owned()));
        }
        match operands.first() {
            Some(word) => Err(refused(format!("unrecognized argument '{}'", text(word)))),
            None => Ok(Asked::Run(Box::new(args))),
        }
    }
}

fn checksums(word: &str) -> Result<Checksums, String> {
    match word {
        "0" => Ok(Checksums::default()),
        "1" => Ok(Checksums { ip: true, transport: false }),
        "2" => Ok(Checksums { ip: true, transport: true }),
        _ => Err(format!("-c '{word}': give 0 (none), 1 (IP) or 2 (IP and TCP)")),
    }
}

/// Digits, and not zero.
fn number(word: &str, option: &str, unit: &str, most: u64) -> Result<u64, String> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse()
        .ok()
        .filter(|number| digits && (1..=most).contains(number))
        .ok_or_else(|| format!("{option} '{word}': give whole {unit} from 1 to {most}"))
}

/// A level of syslog(3), by name or number.
fn level(word: &str) -> Result<LogLevel, String> {
    let name = word.to_ascii_uppercase();
    match name.strip_prefix("LOG_").unwrap_or(&name) {
        "EMERG" | "ALERT" | "CRIT" | "ERR" | "0" | "1" | "2" | "3" => Ok(LogLevel::Error),
        "WARNING" | "NOTICE" | "4" | "5" => Ok(LogLevel::Warn),
        "INFO" | "6" => Ok(LogLevel::Info),
        "DEBUG" | "7" => Ok(LogLevel::Debug),
        _ => Err(format!("-l '{word}': give a level of syslog, from LOG_EMERG (0) to LOG_DEBUG (7)")),
    }
}

fn addresses(word: &str) -> Result<Vec<IpAddr>, String> {
    let refused = |_| format!("--self '{word}': give numeric addresses, as 192.0.2.1,2001:db8::1");
    word.split(',').map(str::parse).collect::<Result<_, _>>().map_err(refused)
}

fn backend(word: &str) -> Result<BackendChoice, String> {
    match word {
        "auto" => Ok(BackendChoice::Auto),
        "ebpf" => Ok(BackendChoice::Ebpf),
        "pcap" => Ok(BackendChoice::Pcap),
        _ => Err(format!("--backend '{word}': give auto, ebpf or pcap")),
    }
}

/// Options without a letter.
const PROMISC: char = '\u{1}';
const ICMP: char = '\u{2}';
const SELF: char = '\u{3}';
const JSON: char = '\u{4}';
const BACKEND: char = '\u{5}';

/// Seventy years, so that no time-out lies beyond what a time stamp holds.
const MAX_SECONDS: u64 = 70 * 366 * 86_400;

const fn long(name: &'static str, takes_argument: bool, stands_for: char) -> Long {
    Long { name, takes_argument, stands_for }
}

const PEEK: Grammar = Grammar {
    short: "u:i:c:U:t:B:l:qhvr:",
    long: &[
        long("user", true, 'u'),
        long("interface", true, 'i'),
        long("socket", true, 'U'),
        long("checksum", true, 'c'),
        long("timeout", true, 't'),
        long("buffer", true, 'B'),
        long("loglevel", true, 'l'),
        long("quiet", false, 'q'),
        long("promisc", false, PROMISC),
        long("icmp", false, ICMP),
        long("help", false, 'h'),
        long("version", false, 'v'),
        long("read", true, 'r'),
        long("self", true, SELF),
        long("json", false, JSON),
        long("backend", true, BACKEND),
    ],
    long_only: true,
};

const PEEKSTAT: Grammar = Grammar {
    short: "gjU:vh",
    long: &[
        long("gmetric", false, 'g'),
        long("json", false, 'j'),
        long("socket", true, 'U'),
        long("version", false, 'v'),
        long("help", false, 'h'),
    ],
    long_only: false,
};

/// tcpeek's own, to the letter, and what it has not.
pub const PEEK_USAGE: &str = "\
usage: tcpeek [option]... [expression]...
  option:
    -u --user=uid         # set uid
    -i --interface=dev    # network device (ex: eth0)
    -U --socket=path      # unix domain socket (default: /var/run/tcpeek/tcpeek.sock)
    -c --checksum=[0|1|2] # ckecksum lookup mode 0=none 1=ip 2=tcp (default: 0)
    -t --timeout=sec      # session timeout (default: 60)
    -B --buffer=MB        # libpcap buffer size (default: 2)
    -l --loglevel=LEVEL   # see man syslog (default: LOG_NOTICE)
    -q --quiet            # quiet mode
       --promisc          # enable promiscuous capture
       --icmp             # enable icmp port unreachable lookup
    -h --help             # help
    -v --version          # version
  expression:
    filter:dir@addr:port[,port...]
  example) '%' is the same as wildcard '*'
    tcpeek -i eth0 filter:RX@%:80:443
    tcpeek -i eth0 filter:TX@192.168.0.0/24:%
    tcpeek -i eth0 inbound-filter:RX@%:% outbound-filter:TX@192.168.0.100:%,192.168.0.200:%

  added by tcpkit:
    -r --read=file        # capture file instead of a device; repeat for several, - is standard input
       --self=addr[,...]  # own addresses (default: those of the device; with -r all, so that RX and TX both match)
       --json             # each session as a JSON object on standard output
       --backend=how      # auto, ebpf or pcap (default: auto)
    filter:TX@[2001:db8::/32]:443   # IPv6 stands in brackets
    :RX@*:22                        # without a name: sessions that match are left out of every filter
";

/// tcpeekstat's, as its manual has it, and `-j`, which it had without saying so.
pub const PEEKSTAT_USAGE: &str = "\
usage: tcpeekstat [OPTION]
  [OPTION]
    -g  --gmetric      # exec gmetric
    -j  --json         # print statistics with json format
    -U  --socket=path  # unix domain socket (default: /var/run/tcpeek/tcpeek.sock)
    -v  --version      # version
    -h  --help         # help
";

#[cfg(test)]
mod tests {
    use super::*;

    fn peek(words: &str) -> Result<PeekArgs, String> {
        let words = words.split(' ').filter(|word| !word.is_empty()).map(OsString::from);
        match PeekArgs::parse("tcpeek", words) {
            Ok(Asked::Run(args)) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => {
                assert_eq!(failure.exit().code(), 1);
                Err(failure.to_string().lines().next().unwrap_or_default().to_owned())
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let args = peek("").unwrap();
        assert_eq!((args.timeout, args.checksums), (Span::from_secs(60), Checksums::default()));
        assert_eq!((args.buffer_mib, args.log), (2, LogLevel::Warn));
        for line in ["(default: 60)", "(default: 0)", "(default: 2)"] {
            assert!(PEEK_USAGE.contains(line), "{line}");
        }
    }

    #[test]
    fn every_option_is_read() {
        let args = peek(
            "-u nobody -i eth0 -U /s -c 2 -t 4 -B 8 -l LOG_DEBUG -q --promisc --icmp --json --self ::1,1.2.3.4 a:RX@%:80",
        );
        let expected = PeekArgs {
            user: Some("nobody".into()),
            interface: Some("eth0".into()),
            socket: Some("/s".into()),
            checksums: Checksums { ip: true, transport: true },
            timeout: Span::from_secs(4),
            buffer_mib: 8,
            log: LogLevel::Debug,
            quiet: true,
            promiscuous: true,
            icmp: true,
            read: Vec::new(),
            own: vec!["::1".parse().unwrap(), "1.2.3.4".parse().unwrap()],
            json: true,
            backend: BackendChoice::Auto,
            expressions: vec!["a:RX@%:80".into()],
        };
        assert_eq!(args, Ok(expected));
        assert_eq!(peek("-read=a -r b").unwrap().read, [PathBuf::from("a"), PathBuf::from("b")]);
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (words, line) in [
            ("-t 1s", "tcpeek: -t '1s': give whole seconds from 1 to 2213568000"),
            ("-t 0", "tcpeek: -t '0': give whole seconds from 1 to 2213568000"),
            ("-c 4", "tcpeek: -c '4': give 0 (none), 1 (IP) or 2 (IP and TCP)"),
            ("-B 1025", "tcpeek: -B '1025': give whole MB from 1 to 1024"),
            ("-l LOUD", "tcpeek: -l 'LOUD': give a level of syslog, from LOG_EMERG (0) to LOG_DEBUG (7)"),
            ("--self a", "tcpeek: --self 'a': give numeric addresses, as 192.0.2.1,2001:db8::1"),
            ("--backend x", "tcpeek: --backend 'x': give auto, ebpf or pcap"),
            ("-i x -r y", "tcpeek: -i and -r: a file is not captured; give one of them only"),
            ("-r y --promisc", "tcpeek: --promisc and -r: a file is not captured; give one of them only"),
            ("--nonsense", "tcpeek: unrecognized option '--nonsense'"),
            ("-t", "tcpeek: option requires an argument -- 't'"),
        ] {
            assert_eq!(peek(words), Err(line.to_owned()), "{words}");
        }
    }

    #[test]
    fn peekstat_prints_or_reports_but_not_both() {
        let parse = |words: &[&str]| PeekStatArgs::parse("tcpeekstat", words.iter().map(OsString::from));
        let expected = PeekStatArgs { gmetric: true, json: false, socket: "/s".into() };
        assert_eq!(parse(&["-g", "--socket=/s"]).unwrap(), Asked::Run(Box::new(expected)));
        assert_eq!(parse(&["-h"]).unwrap(), Asked::Help);
        for words in [&["-g", "-j"][..], &["x"], &["-x"]] {
            let failure = parse(words).unwrap_err();
            assert_eq!(failure.exit().code(), 2, "{words:?}");
            assert!(failure.to_string().contains("usage: tcpeekstat"), "{failure}");
        }
    }
}
