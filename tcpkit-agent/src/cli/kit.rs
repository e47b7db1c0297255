//! What git-hulk/tcpkit's command line has beside ours, and what of it the agent does.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
};

use clap::{Args as ClapArgs, ValueEnum};

use super::{
    args::AgentArgs,
    config::{Listen, Live, Stream, View, ports},
    failure::Failure,
    value::{self, ListenAt},
};
use crate::time::Span;

/// Options of git-hulk/tcpkit.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "As git-hulk/tcpkit")]
pub struct KitArgs {
    /// With -m, append the lines and statistics to this file in place of standard output.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub lines: Option<PathBuf>,
    /// Run in the background from when the capture runs; until then errors are told here, afterwards in the file of -o.
    #[arg(short = 'd', long)]
    pub daemon: bool,
    /// Write the number of the process to this file, and remove it at the end.
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Serve statistics on this port of 127.0.0.1, also while a file is read; a bare connection gets them as JSON, and so
    /// does /stats by HTTP (?v=1.0.1 and ?v=1.1 for those versions' shapes).
    #[arg(short = 'P', long, value_name = "PORT", value_parser = value::port, conflicts_with = "stats_listen")]
    pub stats_port: Option<NonZeroU16>,
    /// Kibibytes of memory for frames between kernel and agent, in place of --ring-bytes.
    #[arg(short = 'B', long = "buffer", value_name = "KIB", value_parser = value::kibibytes, conflicts_with = "ring_bytes")]
    pub buffer_kib: Option<NonZeroU32>,
    /// Print a line for each packet, with its payload; alone it is -p raw -A.
    #[arg(short = 'A', long)]
    pub ascii: bool,
    /// Print a line for each packet (`-m raw`, `-p raw`).
    #[arg(long, hide = true, conflicts_with = "mode")]
    pub raw: bool,
    /// Whose words are printed: those of the version whose command line this is.
    #[arg(long, hide = true, value_enum, default_value_t)]
    pub dialect: Dialect,
    /// Bytes to keep of each frame (`-s` of 1.1.0).
    #[arg(long, hide = true, value_parser = value::snarf, conflicts_with = "snaplen")]
    pub snarf: Option<u32>,
}

/// A version of git-hulk/tcpkit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Dialect {
    /// 1.0.1 and its document.
    #[default]
    #[value(name = "1.0")]
    V10,
    /// 1.1.0.
    #[value(name = "1.1")]
    V11,
}

/// git-hulk/tcpkit's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kit {
    /// In whose words.
    pub dialect: Dialect,
    /// Of what.
    pub lines: KitLines,
    /// Where to; `None` is nowhere: the statistics are served only.
    pub target: Option<Stream>,
    /// Ports of the servers, in the order of the command line.
    pub ports: Vec<u16>,
    /// The servers.
    pub servers: Vec<IpAddr>,
}

/// What lines are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KitLines {
    /// Requests that took at least this long.
    Requests {
        /// Zero is all of them.
        threshold: Span,
    },
    /// Packets.
    Packets {
        /// With their payload.
        ascii: bool,
    },
}

impl KitLines {
    /// Least latency of a request that is shown.
    #[must_use]
    pub const fn threshold(self) -> Span {
        match self {
            Self::Requests { threshold } => threshold,
            Self::Packets { .. } => Span(0),
        }
    }
}

/// How the process lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// `-d`.
    pub daemon: bool,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// Where messages of a daemon go; nowhere without.
    pub messages: Option<Stream>,
}

/// What is to be shown, when `taken` is the option that has standard output.
///
/// # Errors
/// `-o` without anything to write there.
pub(super) fn view(args: &AgentArgs, taken: bool) -> Result<View, Failure> {
    let kit = &args.kit;
    // What a script prints has standard output, and takes the place of packet lines.
    let has_script = args.script.script.is_some();
    let to_stdout = !(taken || args.output.quiet || kit.daemon || has_script);
    let target = kit.lines.clone().map(Stream::from_path).or(to_stdout.then_some(Stream::Standard));
    let target = target.filter(|_| !(has_script && shows_packets(args)));
    // Packets with their payload are 1.1.0's.
    let (lines, dialect) = match args.requests.mode {
        None if kit.raw => (KitLines::Packets { ascii: kit.ascii }, kit.dialect),
        None if kit.ascii => (KitLines::Packets { ascii: true }, Dialect::V11),
        None if kit.lines.is_none() => return Ok(View::Agent),
        None => {
            return Err(Failure::usage("-o")
                .because("there are no lines of requests or packets to write")
                .hint("say by -m PROTOCOL of which, or -m raw"));
        }
        Some(_) => (KitLines::Requests { threshold: threshold(args) }, kit.dialect),
    };
    let servers = args.filter.servers.clone();
    Ok(View::Kit(Box::new(Kit { dialect, lines, target, ports: ports(args), servers })))
}

/// The document has it so: every request, unless asked otherwise.
fn threshold(args: &AgentArgs) -> Span {
    args.requests
        .slower_than
        .map_or(Span(0), |least| Span(u64::try_from(least.as_nanos()).unwrap_or(u64::MAX)))
}

/// Where `-P` has statistics served.
pub(super) fn listen(args: &KitArgs) -> Option<Listen> {
    let port = args.stats_port?.get();
    let address = ListenAt::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    Some(Listen { address, asked: true })
}

/// How the process is to live; `taken` is the option that has standard output.
///
/// # Errors
/// Something needs a standard stream, which there is none in the background.
pub(super) fn background(args: &AgentArgs, taken: Option<&str>) -> Result<Background, Failure> {
    let KitArgs { daemon, pid_file, lines, .. } = &args.kit;
    let lines = lines.clone().map(Stream::from_path);
    let stdin = args.input.read.iter().any(|file| file.as_os_str() == "-").then_some("-r -");
    let stdout = taken.or((lines == Some(Stream::Standard)).then_some("-o -"));
    if let Some(option) = stdin.or(stdout).filter(|_| *daemon) {
        return Err(Failure::usage(format!("-d and {option}"))
            .because("in the background there are no standard streams")
            .hint("name a file"));
    }
    Ok(Background { daemon: *daemon, pid_file: pid_file.clone(), messages: lines.filter(|_| *daemon) })
}

/// Options that older scripts have and that do nothing here; they are told of.
pub(super) fn without_effect(args: &AgentArgs) -> Vec<String> {
    let is_file = !args.input.read.is_empty();
    let packets = args.requests.mode.is_none();
    let told = [
        (is_file && args.kit.buffer_kib.is_some(), "-B has no effect on a file"),
        (is_file && args.kit.snarf.is_some(), "-s BYTES has no effect on a file"),
        (
            !packets && args.kit.ascii,
            "-A has no effect with a protocol: payload is shown with -m raw or -p raw",
        ),
        (
            packets && args.kit.ascii && args.kit.raw && args.kit.dialect == Dialect::V10,
            "-A has no effect with -m raw, which shows payload by itself",
        ),
    ];
    told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned()).collect()
}

/// Bytes of each shard's ring, and of libpcap's buffer: what was asked for in all, at least.
pub(super) fn buffers(args: &AgentArgs, shards: u32) -> (u32, u32) {
    let Some(kib) = args.kit.buffer_kib else { return (args.capture.ring_bytes, args.capture.ring_bytes) };
    let total = kib.get().saturating_mul(1024);
    let ring = total.div_ceil(shards).clamp(value::MIN_RING_BYTES, value::MAX_RING_BYTES).next_power_of_two();
    (ring, total)
}

/// The interfaces to capture on; who wants lines and names none gets all, as git-hulk/tcpkit has it.
pub(super) fn interfaces(args: &AgentArgs) -> Vec<String> {
    let has_lines = args.requests.mode.is_some() || shows_packets(args) || args.script.script.is_some();
    if args.input.interface.is_empty() && has_lines {
        return vec![Live::EVERY_INTERFACE.to_owned()];
    }
    args.input.interface.clone()
}

/// Whether every packet is shown, in the order of the capture.
pub(super) const fn shows_packets(args: &AgentArgs) -> bool {
    args.kit.raw || (args.kit.ascii && args.requests.mode.is_none())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Config, Input, Mode, Parsed, System, parse},
        *,
    };

    fn config(words: &str) -> Result<Config, Failure> {
        let system = System { interfaces: vec!["eth0".into()], cores: 4, stderr_is_terminal: false };
        match parse(std::iter::once("tcpkit").chain(words.split_whitespace()))? {
            Parsed::Run(args) => Config::new(&args.agent, &system),
            other => panic!("not a run: {other:?}"),
        }
    }

    fn kit(words: &str) -> Kit {
        match config(words).unwrap_or_else(|error| panic!("{words}: {error}")).view {
            View::Kit(kit) => *kit,
            other => panic!("{words}: {other:?}"),
        }
    }

    fn refused(words: &str) -> String {
        config(words).map_or_else(|error| error.to_string(), |config| panic!("{words}: {config:?}"))
    }

    #[test]
    fn the_document_s_command_line_is_1_0_s() {
        let words = "-i eth0 -s 192.168.1.2 -p 6379,6380,6381 -t 10 -m redis";
        let expected = Kit {
            dialect: Dialect::V10,
            lines: KitLines::Requests { threshold: Span::from_millis(10) },
            target: Some(Stream::Standard),
            ports: vec![6379, 6380, 6381],
            servers: vec!["192.168.1.2".parse().unwrap()],
        };
        assert_eq!(kit(words), expected);
        let config = config(words).unwrap();
        assert_eq!(config.requests.map(|requests| requests.mode), Some(Mode::Redis));
        assert!(!config.output.text, "standard output is the lines'");
        let every = kit("-r a -m redis -p 6379");
        assert_eq!(every.lines.threshold(), Span(0), "all requests, as the document has it");
    }

    #[test]
    fn today_s_readme_is_1_1_s() {
        let words = "-i eth0 tcp port 6379 -p redis -w 6379.pcap -s 1500 -B 1024";
        let run = config(words).unwrap();
        assert_eq!(run.expression.as_deref(), Some("tcp port 6379"));
        let Input::Live(live) = &run.input else { panic!("not live") };
        assert_eq!((live.snaplen, live.ring_bytes, live.pcap_bytes), (1_500, 256 << 10, 1 << 20));
        assert!(run.output.capture.is_some() && run.requests.is_some());
        let kit = kit(words);
        assert_eq!((kit.dialect, kit.ports.len()), (Dialect::V11, 0));
        let Input::Live(live) = config("-i eth0 -p redis -s 1").unwrap().input else { panic!() };
        assert_eq!(live.snaplen, 64);
    }

    #[test]
    fn packets_are_asked_for_in_three_ways() {
        for (words, dialect, ascii) in [
            ("-r a -m raw -p 6379", Dialect::V10, false),
            ("-r a -p raw", Dialect::V11, false),
            ("-r a -p raw -A", Dialect::V11, true),
            ("-r a -A tcp port 80", Dialect::V11, true),
        ] {
            let kit = kit(words);
            assert_eq!((kit.dialect, kit.lines), (dialect, KitLines::Packets { ascii }), "{words}");
            let config = config(words).unwrap();
            assert!(config.shards == 1 && config.requests.is_none(), "{words}");
        }
        assert_eq!(config("-r a -p raw --shards 3").unwrap().shards, 3);
    }

    #[test]
    fn lines_give_standard_output_up_to_data_and_leave_it_free_with_a_file() {
        let target = |words: &str| kit(&format!("-r a -m redis {words}")).target;
        for words in ["--json", "--flow-log -", "--quiet", "-d"] {
            assert_eq!(target(words), None, "{words}");
        }
        assert_eq!(target("--json -o x"), Some(Stream::File("x".into())));
        assert!(config("-i eth0 -m redis -o x").unwrap().output.text);
        assert!(!config("-i eth0 -m redis -o x -d").unwrap().output.text);
        for words in ["-m redis -S s.lua", "-m raw -S s.lua", "-p raw -S s.lua -o x"] {
            assert_eq!(
                kit(&format!("-r a {words}")).target,
                None,
                "{words}: standard output is the script's"
            );
        }
        assert_eq!(config("-r a").unwrap().view, View::Agent);
        assert_eq!(config("-r a -t 5").unwrap().view, View::Agent);
    }

    #[test]
    fn lines_without_an_interface_are_of_all_of_them() {
        for words in ["-m redis -p 6379", "-p redis", "-p raw", "-A", "-S s.lua"] {
            let Input::Live(live) = config(words).unwrap().input else { panic!("{words}") };
            assert_eq!(live.interfaces, ["any"], "{words}");
        }
        assert!(refused("-p 6379").starts_with("nothing to capture from"));
    }

    #[test]
    fn a_port_of_statistics_is_taken_as_asked() {
        let listen = config("-r a -m redis -P 4000").unwrap().output.listen.unwrap();
        assert_eq!((listen.address.to_string().as_str(), listen.asked), ("127.0.0.1:4000", true));
        assert!(refused("-i eth0 -P 4000 --stats-listen off").contains("--stats-listen"));
        assert!(refused("-i eth0 -P 0").contains("65535"));
    }

    #[test]
    fn a_buffer_is_at_least_as_large_as_asked() {
        let bytes = |words: &str| match config(&format!("-i eth0 {words}")).unwrap().input {
            Input::Live(live) => (live.ring_bytes, live.pcap_bytes),
            Input::Files(_) => panic!("live"),
        };
        assert_eq!(bytes(""), (32 << 20, 32 << 20));
        assert_eq!(bytes("-B 1"), (64 << 10, 1 << 10));
        assert_eq!(bytes("-B 3000 --shards 1"), (4 << 20, 3_000 << 10));
        assert_eq!(bytes("-B 2097151 --shards 1"), (1 << 30, 2_097_151 << 10));
        for words in ["-B 0", "-B 2097152", "-B 1M", "-B 64 --ring-bytes 1M"] {
            assert!(!refused(&format!("-i eth0 {words}")).is_empty());
        }
    }

    #[test]
    fn the_background_has_no_standard_streams() {
        let background = config("-i eth0 -m redis -d -o x --pid-file y").unwrap().background;
        let expected =
            Background { daemon: true, pid_file: Some("y".into()), messages: Some(Stream::File("x".into())) };
        assert_eq!(background, expected);
        assert_eq!(config("-i eth0 -m redis -o x").unwrap().background, Background::default());
        for words in ["-i eth0 -d --json", "-i eth0 -d -m redis -o -", "-r - -d", "-i eth0 -d -w -"] {
            assert!(refused(words).starts_with("-d and "), "{words}");
        }
    }

    #[test]
    fn what_does_nothing_is_said_and_what_cannot_be_is_refused() {
        let told = |words: &str| config(words).unwrap().without_effect.join("; ");
        assert_eq!(
            told("-r a -p redis -s 256 -B 64"),
            "-B has no effect on a file; -s BYTES has no effect on a file"
        );
        assert!(told("-r a -p redis -A").starts_with("-A has no effect with a protocol"));
        assert!(told("-r a -m raw -A").contains("by itself"));
        assert_eq!(told("-r a -p raw -A"), "");
        assert!(refused("-r a -o x").starts_with("-o: there are no lines"));
        assert!(refused("-r a -m raw -p redis").contains("--mode"));
        assert!(refused("-r a -p telnet").contains("a protocol as -m takes it"));
    }

    #[test]
    fn of_repeated_options_the_last_counts() {
        assert_eq!(kit("-r a -m redis -t 5 -t 7 -o x -o y").lines.threshold(), Span::from_millis(7));
        assert_eq!(config("-r a -m redis -m http").unwrap().requests.unwrap().mode, Mode::Http);
    }
}
