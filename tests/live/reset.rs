//! Connections that real sockets reset, each in its own way, and what tcpkit says was cut off.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    time::Duration,
};

use serde_json::{Value, json};
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::Pair,
    tcp_info::TcpInfo,
    wait::{patience, until},
};

use super::mix::nft;

const SERVER: &str = "10.77.0.2";

/// `TCP_FIN_WAIT2` (include/net/tcp_states.h).
const FIN_WAIT2: u8 = 5;

/// Both ends of a connection to a port of the server.
fn connect(pair: &Pair, port: u16) -> [TcpStream; 2] {
    let address: SocketAddr = format!("{SERVER}:{port}").parse().unwrap();
    let listener = pair.server.enter(|| TcpListener::bind(address)).unwrap().unwrap();
    let client = pair.client.enter(|| TcpStream::connect(address)).unwrap().unwrap();
    let (server, _) = listener.accept().unwrap();
    let both = [client, server];
    for one in &both {
        one.set_read_timeout(Some(patience(20))).unwrap();
        one.set_nodelay(true).unwrap();
    }
    both
}

/// Closes a socket by a RST (socket(7): `SO_LINGER` with no time).
fn abort(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: value and length belong together, and the descriptor is open.
    let result = unsafe {
        let (value, len) = ((&raw const linger).cast(), size_of_val(&linger) as u32);
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, len)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    drop(stream);
}

/// Waits until the kernel says this of a socket.
fn wait(stream: &TcpStream, what: &str, holds: impl Fn(&TcpInfo) -> bool) {
    let is_there = || TcpInfo::of(stream).is_ok_and(|info| holds(&info));
    assert!(until(patience(20), is_there), "{what}: {:?}", TcpInfo::of(stream));
}

fn is_reset(info: &TcpInfo) -> bool {
    info.state == TcpInfo::CLOSED
}

/// Data that has arrived, read by nobody.
fn send(from: &mut TcpStream, len: usize) {
    from.write_all(&vec![b'x'; len]).unwrap();
    wait(from, "data is not acknowledged", |info| info.unacked == 0);
}

/// Data that has arrived and was read.
fn transfer(from: &mut TcpStream, to: &mut TcpStream, len: usize) {
    from.write_all(&vec![b'x'; len]).unwrap();
    to.read_exact(&mut vec![0; len]).unwrap();
    wait(from, "data is not acknowledged", |info| info.unacked == 0);
}

/// A port where nobody listens.
fn refused(pair: &Pair, port: u16) {
    let address: SocketAddr = format!("{SERVER}:{port}").parse().unwrap();
    let connected = pair.client.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(20)));
    assert_eq!(connected.unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Request and response, and then a RST in the place of a FIN.
fn quiet(pair: &Pair, port: u16) {
    let [mut client, mut server] = connect(pair, port);
    transfer(&mut client, &mut server, 100);
    transfer(&mut server, &mut client, 100);
    abort(server);
    wait(&client, "no RST arrives", is_reset);
}

/// The server closes with the request unread.
fn unanswered(pair: &Pair, port: u16) {
    let [mut client, server] = connect(pair, port);
    send(&mut client, 100);
    drop(server);
    wait(&client, "no RST arrives", is_reset);
}

/// The client aborts while its data is not acknowledged: it does not even arrive.
fn in_flight(pair: &Pair, port: u16) {
    let [mut client, server] = connect(pair, port);
    nft(&pair.server, "input", &format!("tcp dport {port} drop")).unwrap();
    client.write_all(&[b'x'; 100]).unwrap();
    wait(&client, "nothing is sent", |info| info.unacked > 0);
    abort(client);
    drop(server);
}

/// The client has closed; the server does not look and sends on.
fn data_after_fin(pair: &Pair, port: u16) {
    let [client, mut server] = connect(pair, port);
    let other = client.try_clone().unwrap();
    drop(client);
    other.shutdown(Shutdown::Write).unwrap();
    wait(&other, "the FIN is not acknowledged", |info| info.state == FIN_WAIT2);
    drop(other);
    server.write_all(&[b'x'; 100]).unwrap();
    wait(&server, "no RST arrives", is_reset);
}

/// The client has finished; the server aborts.
fn half_closed(pair: &Pair, port: u16) {
    let [mut client, mut server] = connect(pair, port);
    transfer(&mut client, &mut server, 100);
    client.shutdown(Shutdown::Write).unwrap();
    wait(&client, "the FIN is not acknowledged", |info| info.state == FIN_WAIT2);
    abort(server);
    wait(&client, "no RST arrives", is_reset);
}

/// The client has finished, and aborts before the server has.
fn after_fin(pair: &Pair, port: u16) {
    let [mut client, mut server] = connect(pair, port);
    transfer(&mut client, &mut server, 100);
    client.shutdown(Shutdown::Write).unwrap();
    wait(&client, "the FIN is not acknowledged", |info| info.state == FIN_WAIT2);
    abort(client);
    wait(&server, "no RST arrives", is_reset);
}

/// What is done at a port; how its flow is closed, of what kind its RST is, and whether that answers.
type Story = (fn(&Pair, u16), &'static str, &'static str, bool);

const STORIES: [Story; 7] = [
    (refused, "rst_server", "refused", true),
    (quiet, "rst_server", "quiet", false),
    (unanswered, "rst_server", "unanswered", false),
    (in_flight, "rst_client", "in_flight", false),
    (data_after_fin, "rst_client", "data_after_fin", true),
    (half_closed, "rst_server", "half_closed", false),
    (after_fin, "rst_client", "after_fin", false),
];

#[test]
fn a_reset_tells_what_it_cut_off() {
    if !can_run("connections that are reset", &[Need::Ebpf, Need::Program("nft")]) {
        return;
    }
    let pair = Pair::new("reset").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("flows").display().to_string();
    let live = Live::start(&pair.client, &["-i", "veth0", "--json", "--quiet", "--flow-log", &log]);
    for (port, (story, ..)) in (7301..).zip(STORIES) {
        story(&pair, port);
    }
    let report = live.end(libc::SIGINT).success().json();
    let text = fs::read_to_string(&log).unwrap();
    let flows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (port, (_, close, kind, answers)) in (7301..).zip(STORIES) {
        let flow = flows.iter().find(|flow| flow["server_port"] == port);
        let flow = flow.unwrap_or_else(|| panic!("no flow for {kind}: {text}"));
        let told = (flow["close"].as_str().unwrap(), &flow["rst"]);
        assert_eq!(told, (close, &json!({ "kind": kind, "answers": answers })), "{flow}");
        let whose = if close == "rst_client" { [1, 0] } else { [0, 1] };
        let counted = &report["totals"]["resets"][kind];
        assert_eq!(*counted, json!({ "client": whose[0], "server": whose[1] }), "{kind}");
    }
}
