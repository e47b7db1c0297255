//! What real connections wait for: a server that thinks, a client that thinks, a reader that does not read.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::Pair,
};

const ADDRESS: &str = "10.77.0.2:7202";

/// How late a busy machine may wake somebody up, in microseconds.
const LATE: f64 = 60_000.0;

/// Captures at one end while a client talks to a server; the stalls of the one flow.
fn stalls(
    at_server: bool,
    serve: impl FnOnce(TcpStream) -> Result<()> + Send + 'static,
    ask: impl FnOnce(TcpStream) -> Result<()>,
    connect: impl FnOnce() -> Result<TcpStream>,
) -> Value {
    let pair = Pair::new("stall").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("flows").display().to_string();
    let place = if at_server { &pair.server } else { &pair.client };
    let live = Live::start(place, &["-i", "veth0", "--quiet", "--flow-log", &log, "tcp port 7202"]);
    let listener = pair.server.enter(|| TcpListener::bind(ADDRESS)).unwrap().unwrap();
    let server = thread::spawn(move || serve(listener.accept()?.0));
    ask(pair.client.enter(connect).unwrap().unwrap()).unwrap();
    server.join().expect("the server does not panic").unwrap();
    live.end(libc::SIGINT).success();
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["stalls"].clone()
}

fn plain() -> Result<TcpStream> {
    Ok(TcpStream::connect(ADDRESS)?)
}

fn is_about(stall: &Value, count: u64, each_us: f64) -> bool {
    let took = stall["us"].as_f64().unwrap();
    let expected = each_us * count as f64;
    stall["count"] == count && (expected * 0.99..expected + LATE * count as f64).contains(&took)
}

#[test]
fn a_server_that_sleeps_thinks_and_so_does_its_client() {
    if !can_run("a_server_that_sleeps_thinks_and_so_does_its_client", &[Need::Ebpf]) {
        return;
    }
    for at_server in [false, true] {
        let serve = |mut stream: TcpStream| -> Result<()> {
            for _ in 0..4 {
                stream.read_exact(&mut [0; 100])?;
                thread::sleep(Duration::from_millis(200));
                stream.write_all(&[b'a'; 1000])?;
            }
            Ok(())
        };
        let ask = |mut stream: TcpStream| -> Result<()> {
            for _ in 0..4 {
                stream.write_all(&[b'q'; 100])?;
                stream.read_exact(&mut [0; 1000])?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        };
        let stalls = stalls(at_server, serve, ask, plain);
        assert!(is_about(&stalls["server_thinking"], 4, 200_000.0), "{stalls}");
        // It may also be slow to ask for the first time.
        let client = &stalls["client_thinking"];
        assert!(client["count"] == 3 || client["count"] == 4, "{stalls}");
        let took = client["us"].as_f64().unwrap();
        assert!((297_000.0..300_000.0 + 4.0 * LATE).contains(&took), "{stalls}");
        for kind in ["zero_window", "rto", "sender_idle"] {
            assert_eq!(stalls[kind]["count"], 0, "{stalls}");
        }
    }
}

#[test]
fn a_reader_that_does_not_read_shuts_its_window() {
    if !can_run("a_reader_that_does_not_read_shuts_its_window", &[Need::Ebpf]) {
        return;
    }
    const BYTES: usize = 2_000_000;
    for at_server in [false, true] {
        let serve = |mut stream: TcpStream| Ok(stream.write_all(&vec![b'a'; BYTES])?);
        let ask = |mut stream: TcpStream| -> Result<()> {
            thread::sleep(Duration::from_millis(900));
            let mut all = Vec::new();
            stream.read_to_end(&mut all)?;
            ensure!(all.len() == BYTES, "{} octets came", all.len());
            Ok(())
        };
        let stalls = stalls(at_server, serve, ask, || connect_with_little_room(ADDRESS.parse()?));
        let zero_window = &stalls["zero_window"];
        let took = zero_window["us"].as_f64().unwrap();
        assert!(zero_window["count"].as_u64().unwrap() >= 1, "{stalls}");
        assert!((700_000.0..900_000.0 + 5.0 * LATE).contains(&took), "{stalls}");
        // A receiver without room may drop a segment before its window is shut, but no time-out waits for that.
        assert!(stalls["rto"]["us"].as_f64().unwrap() < 2.0 * LATE, "{stalls}");
    }
}

#[test]
fn a_server_that_pauses_in_the_middle_of_its_answer_was_idle() {
    if !can_run("a_server_that_pauses_in_the_middle_of_its_answer_was_idle", &[Need::Ebpf]) {
        return;
    }
    let serve = |mut stream: TcpStream| -> Result<()> {
        stream.read_exact(&mut [0; 100])?;
        for _ in 0..3 {
            stream.write_all(&[b'a'; 1000])?;
            thread::sleep(Duration::from_millis(150));
        }
        Ok(())
    };
    let ask = |mut stream: TcpStream| -> Result<()> {
        stream.write_all(&[b'q'; 100])?;
        Ok(stream.read_exact(&mut [0; 3000])?)
    };
    let stalls = stalls(true, serve, ask, plain);
    assert!(is_about(&stalls["sender_idle"], 2, 150_000.0), "{stalls}");
    assert_eq!(stalls["rto"]["count"], 0, "{stalls}");
}

/// A connection whose receive buffer is small from the first SYN on.
pub(super) fn connect_with_little_room(address: SocketAddr) -> Result<TcpStream> {
    let SocketAddr::V4(v4) = address else { anyhow::bail!("IPv4 only") };
    // SAFETY: three integers; the result is checked.
    let descriptor = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    ensure!(descriptor >= 0, "socket: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    let room: libc::c_int = 16_384;
    let name = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET)?,
        sin_port: v4.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
        sin_zero: [0; 8],
    };
    let (room_len, name_len) = (size_of_val(&room), size_of_val(&name));
    // SAFETY: values and lengths belong together, and the descriptor is open.
    let result = unsafe {
        let value = (&raw const room).cast();
        let len = libc::socklen_t::try_from(room_len)?;
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, value, len)
            | libc::connect(
                stream.as_raw_fd(),
                (&raw const name).cast(),
                libc::socklen_t::try_from(name_len)?,
            )
    };
    ensure!(result == 0, "connect: {}", std::io::Error::last_os_error());
    Ok(stream)
}
