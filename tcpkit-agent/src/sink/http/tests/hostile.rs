//! Clients that want nothing good.

use super::*;

#[test]
fn a_client_that_dribbles_its_header_is_closed_and_blocks_nobody() {
    let bed = bed();
    let mut slow = bed.connect();
    let dribble = thread::spawn(move || {
        let header = b"GET /healthz HTTP/1.1\r\nhost: abcdefghijklmnopqrstuvwxyz";
        header.iter().position(|byte| {
            thread::sleep(Duration::from_millis(250));
            slow.write_all(&[*byte]).is_err()
        })
    });
    let mut silent = bed.connect();
    assert_eq!(bed.get("/healthz").0, 503, "others are answered meanwhile");
    assert_ne!(status(&read_all(&mut silent)), 200, "who asks nothing gets nothing");
    assert!(dribble.join().unwrap().is_some(), "closed before the header was whole, 12 s later");
}

#[test]
fn an_oversize_or_senseless_request_is_refused() {
    let bed = bed();
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(limits::HEADER_BYTES));
    assert_eq!(status(&bed.send(long.as_bytes())), 431);
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(limits::HEADERS + 1));
    assert_eq!(status(&bed.send(many.as_bytes())), 431);
    assert_eq!(status(&bed.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")), 400);
}

#[test]
fn a_thousand_connections_are_bounded_and_forgotten() {
    let bed = bed();
    bed.health.set_capturing();
    // Each begins to ask: who says nothing is answered and gone within a second.
    let begin = |_| {
        let mut stream = bed.connect();
        let _refused_before = stream.write_all(b"G");
        stream
    };
    let crowd: Vec<TcpStream> = (0..1_000).map(begin).collect();
    let mut refused = 0;
    for stream in &crowd {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    }
    let (code, _) = bed.get_even_when_full();
    assert_eq!(code, 503, "no room beyond the limit");
    for mut stream in &crowd {
        let mut chunk = [0; 256];
        refused += usize::from(matches!(stream.read(&mut chunk), Ok(read) if read > 0));
    }
    // On a slow machine some of the crowd lose their place to others, because they ask for nothing for too long.
    let kept = 1_000 - refused;
    assert!((limits::CONNECTIONS..=4 * limits::CONNECTIONS).contains(&kept), "{kept} of 1,000 were let in");
    drop(crowd);
    let recovered = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(20));
        bed.get_even_when_full().0 == 200
    });
    assert!(recovered, "places are free again when their holders went away");
}

impl Bed {
    fn get_even_when_full(&self) -> (u16, String) {
        let mut stream = self.connect();
        let _refused_before =
            stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = read_all(&mut stream);
        (status(&answer), answer)
    }
}

/// Lets the process open as many files as it may; gives how many those are.
fn raise_the_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is written to, and read from, a structure that lives through the calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    limit.rlim_cur
}

#[test]
fn ten_thousand_connections_cost_neither_memory_nor_the_capture() {
    // Both ends are ours.
    let room = usize::try_from(raise_the_limit()).unwrap_or(usize::MAX) / 2;
    let crowd = 10_000.min(room.saturating_sub(200));
    assert!(crowd >= 400, "too few files may be open for this test: {room}");
    let bed = bed();
    bed.health.set_capturing();
    let before = resident();
    let clients: Vec<TcpStream> = (0..crowd)
        .map(|_| {
            let mut stream = bed.connect();
            let _refused_before = stream.write_all(b"GET /api/v1/rep");
            stream
        })
        .collect();
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "{crowd} connections took {} MiB", grown >> 20);
    assert!(bed.asked.load(Ordering::Relaxed) < 5, "nobody has asked for anything yet");
    drop(clients);
    let recovered = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        bed.get_even_when_full().0 == 200
    });
    assert!(recovered, "others are served again");
}

/// Memory of this process that is there.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn who_goes_away_in_the_middle_of_an_answer_leaves_nothing_behind() {
    let bed = bed();
    bed.health.set_capturing();
    for _ in 0..3 * limits::CONNECTIONS {
        let mut stream = bed.connect();
        stream.write_all(b"GET /api/v1/report?pretty HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let _some = stream.read(&mut [0; 16]).unwrap();
    }
    assert_eq!(bed.get_even_when_full().0, 200);
}

#[test]
fn queries_and_paths_without_end_are_answered_shortly() {
    let bed = bed();
    for path in [
        format!("/{}", "x".repeat(8_000)),
        format!("/api/v1/flows?filter={}", "(".repeat(8_000)),
        format!("/api/v1/flows?{}", "a=b&".repeat(2_000)),
        "/api/v1/flows?cursor=%ff%00".to_owned(),
        "/%00/../..//api".to_owned(),
    ] {
        let (code, body) = bed.get(&path);
        assert!((400..500).contains(&code) && body.len() < 2_000, "{code}: {body}");
        serde_json::from_str::<serde_json::Value>(&body).unwrap();
    }
    let answer = bed.send(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)).as_bytes());
    assert!(matches!(status(&answer), 0 | 414 | 431), "{answer}");
}
