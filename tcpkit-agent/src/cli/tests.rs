//! The command line as a user knows it: defaults, refusals, help.

use std::time::Duration;

use super::*;
use crate::time::Span;

fn system() -> System {
    System { interfaces: vec!["eth0".into(), "lo".into()], cores: 4, stderr_is_terminal: true }
}

fn config(words: &str) -> Result<Config, Failure> {
    let words = std::iter::once("tcpkit").chain(words.split(' ').filter(|word| !word.is_empty()));
    match parse(words)? {
        Parsed::Run(args) => Config::new(&args.agent, &system()),
        other => panic!("not a run: {other:?}"),
    }
}

fn refused(words: &str) -> String {
    match config(words) {
        Ok(config) => panic!("{words} was taken: {config:?}"),
        Err(failure) => format!("{} {failure}", failure.exit().code()),
    }
}

fn text(words: &[&str]) -> String {
    match parse(std::iter::once(&"tcpkit").chain(words)).unwrap() {
        Parsed::Text(text) => text,
        other => panic!("runs: {other:?}"),
    }
}

/// Compares with a file beside the sources; `UPDATE_EXPECT=1` writes it anew.
fn expect_file(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; UPDATE_EXPECT=1 writes it anew:\n{actual}", path.display());
}

#[test]
fn the_definition_of_the_command_line_is_consistent() {
    <Args as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn help_is_a_reviewed_text() {
    // The width follows the terminal; without one (and without COLUMNS) it is clap's own.
    let mut command = <Args as clap::CommandFactory>::command().term_width(100);
    command.build();
    expect_file("help.txt", &command.render_help().to_string());
    let filter = command.find_subcommand_mut("filter").unwrap();
    expect_file("help_filter.txt", &filter.render_help().to_string());
}

#[test]
fn each_option_is_one_sentence() {
    for argument in <Args as clap::CommandFactory>::command().get_arguments() {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        assert!(!help.is_empty(), "{} says nothing", argument.get_id());
        assert!(!help.contains(". "), "{}: {help}", argument.get_id());
    }
}

#[test]
fn version_is_known_by_its_new_and_its_old_letter() {
    for word in ["-V", "-v", "--version"] {
        assert_eq!(text(&[word]), format!("tcpkit {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn live_capture_has_the_defaults_of_the_manual() {
    let config = config("-i lo").unwrap();
    let Input::Live(live) = &config.input else { panic!("not live") };
    assert_eq!(
        *live,
        Live {
            reattach: false,
            interfaces: vec!["lo".into()],
            hook: HookChoice::Auto,
            backend: BackendChoice::Auto,
            snaplen: 256,
            ring_bytes: 32 << 20,
            pcap_bytes: 32 << 20,
            promiscuous: None,
            flow_counters: FlowCounters::Auto,
            counters_only: false,
            kernel_log: LogLevel::Off,
            duration: None,
        }
    );
    assert_eq!(config.shards, 4);
    assert_eq!(
        config.limits,
        Limits {
            max_flows: 1_000_000,
            max_half_open: 262_144,
            idle_timeout: Some(Span::from_secs(3_600)),
            handshake_timeout: Span::from_secs(60),
        }
    );
    assert_eq!(config.output.listen, Some(Listen { address: config::DEFAULT_LISTEN, asked: false }));
    assert!(config.output.text && !config.output.json && !config.output.progress);
    assert!(config.decapsulate && !config.strict_filter && config.expression.is_none());
}

#[test]
fn a_replay_has_no_idle_time_out_and_does_not_listen_unless_asked() {
    let replay = config("-r a.pcap -r -").unwrap();
    assert_eq!(replay.input, Input::Files(vec![Stream::File("a.pcap".into()), Stream::Standard]));
    assert_eq!(replay.limits.idle_timeout, None);
    assert_eq!(replay.output.listen, None);
    assert!(replay.output.progress);
    let asked = config("-r a.pcap --idle-timeout 1.5 --stats-listen [::1]:9000").unwrap();
    assert_eq!(asked.limits.idle_timeout, Some(Span::from_millis(1_500)));
    assert_eq!(
        asked.output.listen,
        Some(Listen { address: ListenAt::Tcp("[::1]:9000".parse().unwrap()), asked: true })
    );
}

#[test]
fn options_reach_what_they_name() {
    let config = config(
        "-i lo -i eth0 -i lo --hook xdp --backend ebpf --snaplen 0 --ring-bytes 1M --kernel-log debug --duration 2.5 \
         --count 7 --shards 3 --max-flows 100 --max-half-open 70 --idle-timeout 0 --handshake-timeout 5 --no-decap --strict-filter \
         -w x.pcapng -C 2 -G 60 --flow-log f --request-log q --event-log - --stats-listen off --log trace",
    )
    .unwrap();
    let Input::Live(live) = &config.input else { panic!("not live") };
    assert_eq!(live.interfaces, ["lo", "eth0"]);
    assert_eq!((live.hook, live.backend), (HookChoice::Xdp, BackendChoice::Ebpf));
    assert_eq!((live.snaplen, live.ring_bytes), (262_144, 1 << 20));
    assert_eq!(live.kernel_log.number(), 4);
    assert_eq!(live.duration, Some(Duration::from_millis(2_500)));
    assert_eq!(config.count.map(std::num::NonZeroU64::get), Some(7));
    assert_eq!((config.shards, config.limits.max_flows, config.limits.idle_timeout), (3, 100, None));
    assert_eq!((config.limits.max_half_open, config.limits.handshake_timeout), (70, Span::from_secs(5)));
    assert!(!config.decapsulate && config.strict_filter);
    let capture = config.output.capture.unwrap();
    assert_eq!(capture.target, Stream::File("x.pcapng".into()));
    assert_eq!(capture.rotate_bytes, Some(2_000_000));
    assert_eq!(capture.rotate_after, Some(Span::from_secs(60)));
    assert_eq!(config.output.flow_log, Some(Stream::File("f".into())));
    assert_eq!(config.output.request_log, Some(Stream::File("q".into())));
    assert_eq!(config.output.event_log, Some(Stream::Standard));
    assert!(config.output.listen.is_none() && !config.output.text);
    assert_eq!(config.output.log, LogLevel::Trace);
}

#[test]
fn requests_are_measured_when_somebody_asks() {
    assert_eq!(config("-i lo -p 6379").unwrap().requests, None);
    let one = config("-i lo -p 6379,6380 -s 10.0.0.1 -m redis -t 2.5").unwrap().requests.unwrap();
    assert_eq!((one.mode, one.ports, one.udp), (Mode::Redis, vec![6379, 6380], false));
    assert_eq!(one.servers, [std::net::IpAddr::from([10, 0, 0, 1])]);
    assert_eq!(one.slower_than, Span(2_500_000));
    let logged = config("-r a --request-log - --event-after 3").unwrap().requests.unwrap();
    assert_eq!((logged.mode, logged.udp, logged.slower_than), (Mode::Auto, true, Span::from_secs(3)));
    assert_eq!(config("-r a -t 0").unwrap().requests.map(|all| all.slower_than), Some(Span(0)));
    let words = ["auto", "redis", "memcached", "http", "dns", "mysql", "postgresql", "tls"];
    assert!(words.iter().all(|word| config(&format!("-r a -m {word}")).is_ok()));
    assert!(refused("-r a -m telnet").contains("postgresql"));
}

#[test]
fn text_gives_way_to_data_on_standard_output() {
    assert!(config("-i lo --flow-log f.jsonl").unwrap().output.text);
    for words in ["--json", "--flow-log -", "--request-log -", "--event-log -", "-w -", "--quiet"] {
        assert!(!config(&format!("-i lo {words}")).unwrap().output.text, "{words}");
    }
}

#[test]
fn nothing_to_capture_from_names_the_interfaces() {
    let said = refused("");
    assert!(said.starts_with("2 nothing to capture from: give -i INTERFACE or -r FILE"), "{said}");
    assert!(said.ends_with("Interfaces: eth0, lo"), "{said}");
    assert!(refused("tcp port 80").starts_with("2 nothing to capture from"));
}

#[test]
fn an_unknown_interface_names_those_there_are() {
    assert_eq!(refused("-i eth7"), "1 interface eth7: does not exist: there are: eth0, lo");
    assert!(config("-i any --backend pcap").is_ok(), "libpcap knows its own devices");
}

#[test]
fn bad_usage_is_one_line_that_names_the_word() {
    for (words, name) in [
        ("-i lo -r a.pcap", "--read"),
        ("-r a.pcap --snaplen 100", "--snaplen"),
        ("-r a.pcap --hook tc", "--hook"),
        ("-r a.pcap --duration 3", "--duration"),
        ("-i lo --jsn", "--jsn"),
        ("-i", "--interface"),
        ("-i lo -p 0", "--port"),
        ("-i lo -p 65536", "--port"),
        ("-i lo -p telnet", "--port"),
        ("-i lo -s server", "--server"),
        ("-i lo -u", "--port"),
        ("-i lo --icmp", "--port"),
        ("-i lo --snaplen 1", "--snaplen"),
        ("-i lo --hook tcx", "--hook"),
        ("-i lo --shards 65", "--shards"),
        ("-i lo --shards 0", "--shards"),
        ("-i lo --count 0", "--count"),
        ("-i lo --max-flows 1", "--max-flows"),
        ("-i lo --max-half-open 1", "--max-half-open"),
        ("-i lo -C 5", "--write"),
        ("-i lo --stats-listen 80", "--stats-listen"),
        ("-i lo --handshake-timeout 0", "--handshake-timeout"),
    ] {
        let said = refused(words);
        assert!(said.starts_with("2 ") && said.contains(name), "{words}: {said}");
        assert_eq!(said.lines().count(), 1, "{words}: {said}");
        assert!(said.ends_with("see tcpkit --help"), "{words}: {said}");
    }
}

#[test]
fn two_outputs_cannot_share_standard_output() {
    let said = refused("-r a --json --flow-log -");
    assert_eq!(said, "2 --flow-log - and --json: both write to standard output: give one of them a file");
    assert!(refused("-r a -w - -C 1").contains("cannot be rotated"));
    assert!(refused("-r - -r -").contains("once only"));
}

#[test]
fn wishes_about_ebpf_are_no_wishes_to_libpcap() {
    let said = refused("-i lo --backend pcap --hook xdp");
    assert_eq!(said, "2 --hook and --backend pcap: libpcap runs no eBPF program: give one of them only");
    assert!(refused("-i lo --backend pcap --kernel-log debug").starts_with("2 --kernel-log"));
    assert!(config("-i lo --backend pcap --hook auto").is_ok());
}

#[test]
fn numbers_that_are_none_are_refused_in_the_users_words() {
    for (words, hint) in [
        ("-i lo -p 0", "from 1 to 65535"),
        ("-i lo -p telnet", "from 1 to 65535"),
        ("-i lo -s example.com", "numeric addresses"),
        ("-i lo --duration soon", "give seconds"),
    ] {
        assert!(refused(words).contains(hint), "{words}: {}", refused(words));
    }
}

#[test]
fn parentheses_must_match_within_the_users_words() {
    let said = refused("-i lo -p 80 host 10.0.0.1) or (host 10.0.0.2");
    let place = "  host 10.0.0.1) or (host 10.0.0.2\n               ^";
    assert_eq!(said, format!("2 filter expression: this ) has no (\n{place}"));
    assert_eq!(refused("-i lo (tcp"), "2 filter expression: this ( has no )\n  (tcp\n  ^");
    assert!(config("-i lo (tcp or udp) and (port 80)").is_ok());
}

#[test]
fn filter_is_a_command_only_as_the_first_word() {
    let Parsed::Run(args) = parse(["tcpkit", "filter", "tcp", "port", "80", "-r", "x"]).unwrap() else {
        panic!("text")
    };
    let Some(Command::Filter(filter)) = args.command else { panic!("no command") };
    assert_eq!(filter.expression.join(" "), "tcp port 80");
    assert_eq!(filter.read.as_deref(), Some(std::path::Path::new("x")));
    assert_eq!(parse(["tcpkit", "filter"]).unwrap_err().exit(), Exit::Usage);
    assert!(parse(["tcpkit", "filter", "tcp", "-r", "x", "--link-type", "RAW"]).is_err());
    let config = config("-i lo host filter").unwrap();
    assert_eq!(config.expression.as_deref(), Some("host filter"));
}
