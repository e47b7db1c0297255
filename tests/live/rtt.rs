//! Round trips of a real connection through a real queue, beside what the sending kernel itself measured.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    left_out::{Need, can_run},
    live::Live,
    netns::{Pair, run},
    tcp_info::TcpInfo,
    wait::until,
};

/// Sends this much, waits until it is acknowledged, and resets the connection, so that no FIN is measured.
fn send(pair: &Pair, bytes: usize) -> Result<TcpInfo> {
    let listener = pair.server.enter(|| TcpListener::bind("10.77.0.2:7201"))??;
    let server = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; 1 << 16];
        // The client's reset is the end.
        while let Ok(1..) = stream.read(&mut buffer) {}
        Ok(())
    });
    let mut stream = pair.client.enter(|| TcpStream::connect("10.77.0.2:7201"))??;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    for _ in 0..bytes / 10_000 {
        stream.write_all(&[b'x'; 10_000])?;
    }
    let is_done = || TcpInfo::of(&stream).is_ok_and(|info| info.unacked == 0);
    ensure!(until(Duration::from_secs(10), is_done), "not everything was acknowledged");
    let measured = TcpInfo::of(&stream)?;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let len = libc::socklen_t::try_from(size_of_val(&linger))?;
    // SAFETY: value and length belong together, and the descriptor is open.
    let result = unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, len)
    };
    ensure!(result == 0, "SO_LINGER: {}", std::io::Error::last_os_error());
    drop(stream);
    server.join().expect("the server does not panic")?;
    Ok(measured)
}

/// Captures at the sender while it sends; the client's round trips, and what the kernel says.
fn measure(pair: &Pair, bytes: usize) -> (Value, TcpInfo) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("flows").display().to_string();
    let live = Live::start(&pair.client, &["-i", "veth0", "--quiet", "--flow-log", &log, "tcp port 7201"]);
    let kernel = send(pair, bytes).unwrap();
    live.end(libc::SIGINT).success();
    let text = fs::read_to_string(&log).unwrap();
    let flow: Value = serde_json::from_str(text.lines().next().expect("a flow")).unwrap();
    (flow["client"]["rtt"].clone(), kernel)
}

fn number(rtt: &Value, name: &str) -> f64 {
    rtt[name].as_f64().unwrap_or_else(|| panic!("no {name}: {rtt}"))
}

/// Issue 4: within 5 % or 50 us.
fn is_close(ours: f64, kernel: f64) -> bool {
    (ours - kernel).abs() <= (kernel * 0.05).max(50.0)
}

/// The client's round trips that the kernel agrees with, in one of a few attempts.
///
/// The kernel takes its own when the socket is free, the capture before that: on a busy machine a writer that waits for
/// a processor may hold the socket between them.
fn agreed(pair: &Pair, bytes: usize) -> Value {
    let mut all = Vec::new();
    for _ in 0..5 {
        let (rtt, kernel) = measure(pair, bytes);
        let spans = [("smoothed", kernel.rtt), ("min", kernel.min_rtt)];
        if spans.iter().all(|(name, span)| is_close(number(&rtt, name), f64::from(*span))) {
            return rtt;
        }
        all.push(format!("{rtt} beside {kernel:?}"));
    }
    panic!("{}", all.join("\n"));
}

#[test]
fn round_trips_are_those_that_the_sending_kernel_measured() {
    let name = "round_trips_are_those_that_the_sending_kernel_measured";
    if !can_run(name, &[Need::Ebpf, Need::Program("tc")]) {
        return;
    }
    let pair = Pair::new("rtt").unwrap();
    // 100 kB at 20 Mbit/s are a queue of up to 40 ms, behind the capture point.
    let queue =
        ["qdisc", "add", "dev", "veth0", "root", "tbf", "rate", "20mbit", "burst", "16kb", "limit", "100kb"];
    run("tc", &[&["-n", pair.client.name()], &queue[..]].concat()).unwrap();
    let rtt = agreed(&pair, 3_000_000);
    assert!(number(&rtt, "samples") > 50.0, "{rtt}");
    // What the queue adds is many times the way itself.
    let queueing = number(&rtt, "queueing");
    assert!((5_000.0..60_000.0).contains(&queueing), "{rtt}");
    assert!(number(&rtt, "p50") > number(&rtt, "min") * 2.0, "{rtt}");
    let order = ["min", "p50", "p90", "p99", "max"].map(|name| number(&rtt, name));
    assert!(order.is_sorted(), "{rtt}");
}

#[test]
fn without_a_queue_round_trips_are_the_kernel_s_as_well() {
    if !can_run("without_a_queue_round_trips_are_the_kernel_s_as_well", &[Need::Ebpf]) {
        return;
    }
    let pair = Pair::new("direct").unwrap();
    agreed(&pair, 20_000_000);
}
