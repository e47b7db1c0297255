//! The socket against real clients.
#![expect(clippy::disallowed_methods, reason = "how long a client waits is wall time")]

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::sink::{http::report_channel, text::sample};

/// A socket whose answers say what was asked, and how often something was.
struct Bed {
    folder: tempfile::TempDir,
    serving: Option<Serving>,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (reports, requests) = report_channel();
        // Ends when the last source of requests is gone, with the socket.
        thread::spawn(move || {
            while let Ok(request) = requests.recv() {
                request.answer(sample::report());
            }
        });
        let count = AtomicU32::new(0);
        let answer: Answer = Box::new(move |request, report| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            format!("{request:?} {number} {}", report.ledger.total.matched)
        });
        let socket = Socket::bind(&folder.path().join("s")).unwrap();
        let serving = Some(socket.spawn(reports, answer).unwrap());
        Self { folder, serving }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.path().join("s")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn ask(&self, words: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(words).unwrap();
        answer(stream)
    }
}

fn answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_line_is_answered_and_the_connection_ends() {
    let bed = Bed::new();
    assert_eq!(bed.ask(b"GET\r\n"), "Get 0 1000000");
    assert_eq!(bed.ask(b"REFRESH\r\n"), "Refresh 1 1000000");
    assert_eq!(bed.ask(b"  REFRESH \n"), "Refresh 2 1000000");
    assert_eq!(bed.ask(b"whatever\r\n"), "Get 3 1000000");
    assert_eq!(bed.ask(b"refresh\r\n"), "Get 4 1000000");
    assert_eq!(bed.ask(b"GET\r\nREFRESH\r\n"), "Get 5 1000000");
}

#[test]
fn closing_ones_side_ends_the_line_too() {
    let bed = Bed::new();
    for (words, expected) in [(&b"REFRESH"[..], "Refresh 0 1000000"), (b"", "Get 1 1000000")] {
        let mut stream = bed.connect();
        stream.write_all(words).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(answer(stream), expected);
    }
}

#[test]
fn a_line_in_pieces_is_one_line_and_an_unfinished_one_gets_no_answer() {
    let bed = Bed::new();
    let mut stream = bed.connect();
    for piece in [&b"REF"[..], b"RESH", b"\r", b"\n"] {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(answer(stream), "Refresh 0 1000000");
    let begun = Instant::now();
    assert_eq!(bed.ask(b"GET"), "");
    let waited = begun.elapsed();
    assert!(waited >= PATIENCE && waited < PATIENCE + Duration::from_secs(4), "{waited:?}");
    assert_eq!(bed.ask(b"GET\r\n"), "Get 1 1000000");
}

#[test]
fn a_line_without_end_is_given_up() {
    let bed = Bed::new();
    let mut stream = bed.connect();
    let _refused_at_some_point = stream.write_all(&[b'x'; 100_000]);
    let mut text = String::new();
    let _reset_or_closed = stream.read_to_string(&mut text);
    assert_eq!(text, "");
    assert_eq!(bed.ask(b"GET\r\n"), "Get 0 1000000");
}

#[test]
fn the_file_goes_with_the_socket_and_a_stale_one_is_replaced() {
    let mut bed = Bed::new();
    let path = bed.folder.path().join("s");
    let refused = Socket::bind(&path).unwrap_err().to_string();
    assert!(refused.contains("something is there already"), "{refused}");
    bed.serving = None;
    assert!(!path.exists());
    let refused = ask(&path, Request::Get).unwrap_err().to_string();
    assert!(refused.contains("is tcpeek running"), "{refused}");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "nobody listens any more, and the file is still there");
    drop(Socket::bind(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(Socket::bind(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_directory_that_is_missing_is_said() {
    let refused = Socket::bind(Path::new("/nowhere/at/all")).unwrap_err().to_string();
    assert!(refused.starts_with("socket /nowhere/at/all: No such file"), "{refused}");
    assert!(refused.contains("make its directory first"), "{refused}");
}

#[test]
fn peekstat_gets_the_answer() {
    let bed = Bed::new();
    let path = bed.folder.path().join("s");
    assert_eq!(ask(&path, Request::Refresh).unwrap(), "Refresh 0 1000000");
    assert_eq!(ask(&path, Request::Get).unwrap(), "Get 1 1000000");
}
