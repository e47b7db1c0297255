//! `tcpkit track` on a live interface: a screen that people use, and figures that others count too.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use anyhow::{Context as _, Result};
use tcpkit_tests::{
    left_out::{Need, can_run},
    live,
    netns::{Pair, run},
    terminal::Terminal,
    wait::{patience, until},
};

/// A connection from the client of a pair to its server, both ends of it.
fn connect(pair: &Pair, listener: &TcpListener) -> Result<[TcpStream; 2]> {
    let address = listener.local_addr()?;
    let client = pair.client.enter(|| TcpStream::connect(address))??;
    Ok([client, listener.accept()?.0])
}

fn has(screen: &[String], line: usize, text: &str) -> bool {
    screen.get(line).is_some_and(|line| line.contains(text))
}

fn line_of<'a>(screen: &'a [String], text: &str) -> Option<&'a str> {
    screen.iter().map(String::as_str).find(|line| line.contains(text))
}

#[test]
fn a_screen_is_used_by_keys_and_mouse_and_left_as_it_was_found() {
    if !can_run("a_screen_is_used_by_keys_and_mouse_and_left_as_it_was_found", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("screen").unwrap();
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:7301")).unwrap().unwrap();
    let words = ["track", "-i", "veth0", "tcp port 7301"];
    let mut terminal = Terminal::start(&pair.client, &words, 80, 24).unwrap();
    terminal.until("a screen", |screen| has(screen, 2, "no connection yet"));
    assert!(!terminal.is_as_a_shell_wants_it());
    let first = connect(&pair, &listener).unwrap();
    let second = connect(&pair, &listener).unwrap();
    let ends = [&first, &second].map(|ends| ends[0].local_addr().unwrap());
    let names = ends.map(|end| end.to_string());
    let both = |screen: &[String]| names.iter().all(|end| line_of(screen, end).is_some());
    let screen = terminal.until("both connections", both);
    assert!(screen[0].starts_with("tcpkit track veth0  2 connections, 2 open"), "{screen:#?}");
    assert_eq!(screen[1], "CLIENT            SERVER            STATE   IDLE → B/s ← B/s BYTES    RTT  RETR");
    let row = line_of(&screen, &names[0]).unwrap();
    assert!(row.contains(" 10.77.0.2:7301    estab ") && row.ends_with(" 0"), "{row}");
    assert!(
        screen[22].starts_with("TOTAL ") && screen[23].contains("1-2 of 2  completeness 100.000 %  by rate▼")
    );

    filter(&mut terminal, ends[0].port(), &names);
    sort_and_open(&mut terminal);
    play_tcptrack(&mut terminal, &names[0]);
    terminal.resize(60, 20);
    terminal.until("too narrow", |screen| has(screen, 0, "80 columns and 6 lines are needed, here are 60"));
    terminal.resize(160, 30);
    terminal.until("wide", |screen| has(screen, 1, "LAST MINUTE"));
    drop(first);
    let is_closed =
        |screen: &[String]| line_of(screen, &names[0]).is_some_and(|row| row.contains(" closed "));
    terminal.until("one is closed", is_closed);
    terminal.until("and goes", |screen| line_of(screen, &names[0]).is_none());

    terminal.press("q");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(terminal.is_as_a_shell_wants_it());
    let octets = String::from_utf8_lossy(&terminal.octets()).into_owned();
    for undone in ["\x1b[?1049l", "\x1b[?1006l", "\x1b[?25h"] {
        assert!(octets.contains(undone), "{undone:?}");
    }
}

fn filter(terminal: &mut Terminal, port: u16, names: &[String; 2]) {
    terminal.press("/port ");
    terminal.until("what is wrong", |screen| has(screen, 23, "/port █  'port' needs a number"));
    terminal.press(&format!("{port}\r"));
    let screen = terminal.until("one of them", |screen| has(screen, 0, "1 connections, 1 open (of 2)"));
    assert!(line_of(&screen, &names[0]).is_some() && line_of(&screen, &names[1]).is_none(), "{screen:#?}");
    terminal.press("\x1b");
    terminal.until("both again", |screen| names.iter().all(|end| line_of(screen, end).is_some()));
}

fn sort_and_open(terminal: &mut Terminal) {
    terminal.press("s");
    terminal.until("sorted by client", |screen| has(screen, 1, "CLIENT▲"));
    // The first button at column 40 of line 2, as xterm's mouse protocol 1006 tells it.
    terminal.press("\x1b[<0;40;2M");
    terminal.until("sorted by state", |screen| has(screen, 1, "STATE▲"));
    terminal.press("\r");
    let screen = terminal.until("details", |screen| has(screen, 1, "connection"));
    assert!(line_of(&screen, "established   on veth0").is_some(), "{screen:#?}");
    terminal.press("\r?");
    terminal.until("help", |screen| line_of(screen, "this help").is_some());
}

fn play_tcptrack(terminal: &mut Terminal, name: &str) {
    terminal.press("?c");
    let classic = " Client                Server                State        Idle A Speed";
    let screen = terminal.until("the classic screen", |screen| screen[0] == classic);
    assert!(line_of(&screen, name).unwrap().contains("ESTABLISHED"), "{screen:#?}");
    assert!(
        screen[23].starts_with(" Connections 1-2 of 2                         Unpaused  "),
        "{screen:#?}"
    );
    terminal.press("p");
    terminal.until("paused", |screen| has(screen, 23, " Paused "));
    terminal.press("pc");
    terminal.until("back", |screen| has(screen, 0, "tcpkit track veth0"));
}

#[test]
fn a_terminal_that_is_gone_ends_the_run() {
    if !can_run("a_terminal_that_is_gone_ends_the_run", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("gone").unwrap();
    let mut terminal = Terminal::start(&pair.client, &["track", "-i", "veth0"], 80, 24).unwrap();
    terminal.until("a screen", |screen| has(screen, 0, "tcpkit track veth0"));
    terminal.hang_up();
    assert!(terminal.wait().code().is_some(), "it ends by itself");
}

#[test]
fn a_terminal_of_no_use_is_refused() {
    if !can_run("a_terminal_of_no_use_is_refused", &[Need::Root]) {
        return;
    }
    let pair = Pair::new("narrow").unwrap();
    let mut terminal = Terminal::start(&pair.client, &["track", "-i", "veth0"], 79, 24).unwrap();
    assert_eq!(terminal.wait().code(), Some(1));
    let line = "tcptrack requires a screen at least 80 columns wide to run.";
    terminal.until("one line", |screen| screen.concat() == line);
    assert!(terminal.is_as_a_shell_wants_it());
}

/// Of the tables that were printed, the last line of the connection that carried most.
fn biggest(text: &str) -> Option<Vec<u64>> {
    let lines = text.lines().filter(|line| line.contains("10.77.0.2:5201"));
    let figures = lines.map(|line| {
        let cells = line.split_whitespace().skip(4).take(4);
        cells.map(|cell| cell.replace(',', "").parse().unwrap_or(0)).collect::<Vec<u64>>()
    });
    figures.max_by_key(|figures| figures.get(2).copied())
}

/// What `ip -s link` says was sent.
fn sent(pair: &Pair) -> Result<u64> {
    let output = pair.client.ip(&["-j", "-s", "link", "show", "dev", "veth0"])?;
    let links: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    links[0]["stats64"]["tx"]["bytes"].as_u64().context("no such count")
}

#[test]
fn figures_are_those_of_iperf3_and_of_the_link() {
    let needs = [Need::Ebpf, Need::Program("iperf3"), Need::Program("ethtool")];
    if !can_run("figures_are_those_of_iperf3_and_of_the_link", &needs) {
        return;
    }
    let pair = Pair::new("iperf").unwrap();
    // The link counts the octets of a super-segment without the headers of its packets; without them both count alike.
    for namespace in [&pair.client, &pair.server] {
        let off = ["netns", "exec", namespace.name(), "ethtool", "-K", "veth0", "tso", "off", "gso", "off"];
        run("ip", &off).unwrap();
    }
    let mut server = pair.server.command("iperf3").args(["-s", "-1"]).stdout(Stdio::null()).spawn().unwrap();
    let before = sent(&pair).unwrap();
    let words = ["track", "-i", "veth0", "--interval", "0.5"];
    let mut tracking = live::inside(&pair.client, words).start();
    // It prints a table as soon as it captures.
    assert!(until(patience(20), || tracking.stdout_so_far().contains("TOTAL")), "no table");
    let mut client = pair.client.command("iperf3");
    client.args(["-c", "10.77.0.2", "-b", "16M", "-t", "3", "-J"]);
    let mut output = client.output().unwrap();
    for _ in 0..50 {
        if output.status.success() {
            break;
        }
        // The server may not listen yet.
        std::thread::sleep(std::time::Duration::from_millis(100));
        output = client.output().unwrap();
    }
    server.wait().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = |text: &str| {
        text.lines().filter(|line| line.contains("10.77.0.2:5201") && line.contains(" closed ")).count() > 0
    };
    assert!(until(patience(20), || ended(&tracking.stdout_so_far())), "{}", tracking.stdout_so_far());
    tracking.signal(libc::SIGINT);
    let text = tracking.wait().success().stdout;
    let figures = biggest(&text).unwrap();
    let (packets, bytes) = (figures[0], figures[2]);
    // Ethernet, IPv4, TCP with its time stamps: 66 octets before the payload of each packet but SYN's 74.
    let payload = bytes - 66 * packets - 8;
    let sent_by_iperf = report["end"]["sum_sent"]["bytes"].as_u64().unwrap();
    let again = report["end"]["sum_sent"]["retransmits"].as_u64().unwrap();
    // iperf3 does not count the 37 octets of its cookie.
    let more = payload.checked_sub(sent_by_iperf + 37).unwrap_or_else(|| panic!("{payload} {report}"));
    assert!(more <= again * 1_448, "{more} octets more than {sent_by_iperf}, {again} segments sent again");
    let link = sent(&pair).unwrap() - before;
    // The link has the control connection, address resolution and neighbour discovery too.
    assert!(bytes <= link && link - bytes < 20_000, "{bytes} of {link}");
}

#[test]
fn the_kernel_s_counters_alone_show_all_traffic() {
    if !can_run("the_kernel_s_counters_alone_show_all_traffic", &[Need::Ebpf, Need::Program("ethtool")]) {
        return;
    }
    const OCTETS: usize = 100_000;
    let pair = Pair::new("counters").unwrap();
    let off = ["netns", "exec", pair.client.name(), "ethtool", "-K", "veth0", "tso", "off", "gso", "off"];
    run("ip", &off).unwrap();
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:7302")).unwrap().unwrap();
    let words = ["track", "-i", "veth0", "--counters", "tcp port 7302"];
    let mut terminal = Terminal::start(&pair.client, &words, 80, 24).unwrap();
    terminal.until("a screen", |screen| has(screen, 2, "no connection yet"));
    let [mut client, mut server] = connect(&pair, &listener).unwrap();
    client.write_all(&vec![b'x'; OCTETS]).unwrap();
    server.read_exact(&mut vec![0; OCTETS]).unwrap();
    let name = client.local_addr().unwrap().to_string();
    let screen = terminal.until("the connection", |screen| line_of(screen, &name).is_some());
    assert!(screen[0].ends_with("track veth0  1 connections"), "{screen:#?}");
    assert!(screen[22].contains("payload -") && screen[23].contains("the kernel's counters"), "{screen:#?}");
    let row = line_of(&screen, &name).unwrap();
    assert!(row.contains(" 10.77.0.2:7302    -  ") && row.ends_with("      -     -"), "{row}");
    terminal.press("\r");
    let figure = |screen: &[String], name: &str| -> Option<usize> {
        let line = screen.iter().find(|line| line.trim_start_matches('│').starts_with(name))?;
        line.trim_start_matches('│')[name.len()..].split_whitespace().next()?.replace(',', "").parse().ok()
    };
    // Ethernet, IPv4, TCP with its time stamps: 66 octets before the payload of each packet but SYN's 74.
    let payload = |screen: &[String]| {
        Some(figure(screen, "bytes ")?.saturating_sub(66 * figure(screen, "packets ")? + 8))
    };
    let screen = terminal.until("all of it", |screen| payload(screen).is_some_and(|all| all >= OCTETS));
    let again = payload(&screen).unwrap() - OCTETS;
    assert!(again < OCTETS / 10, "nothing is lost on the way, so little is sent again: {screen:#?}");
    terminal.press("q");
    assert_eq!(terminal.wait().code(), Some(0));
    let octets = String::from_utf8_lossy(&terminal.octets()).into_owned();
    assert!(!octets.contains("were lost") && !octets.contains("completeness"), "nothing was to be analysed");
}
