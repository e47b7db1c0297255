//! The Unix socket: the same by HTTP, and tcpeek's lines.

use std::os::unix::net::UnixStream;

use super::*;
use crate::sink::socket;

struct UnixBed {
    folder: tempfile::TempDir,
    serving: Option<Serving>,
}

impl UnixBed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, requests) = report_channel();
        thread::spawn(move || requests.iter().for_each(|request| request.answer(sample::report())));
        let health = Health::starting();
        health.set_capturing();
        let place = Place::Unix(folder.path().join("s"));
        let serving = Some(serve(&place, source, &health, &EventHub::default()));
        Self { folder, serving }
    }

    fn send(&self, octets: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("s")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(octets).unwrap();
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer);
        answer
    }
}

#[test]
fn http_and_lines_are_told_apart_by_the_first_line() {
    let bed = UnixBed::new();
    let seen = sample::report().ledger.total.seen;
    let http = bed.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(status(&http) == 200 && http.ends_with("ok\n"), "{http}");
    assert_eq!(bed.send(b"GET\r\n"), format!("Get {seen}"));
    assert_eq!(bed.send(b"REFRESH\r\n"), format!("Refresh {seen}"));
    assert_eq!(bed.send(b""), format!("Get {seen}"), "silence");
    assert_eq!(bed.send(&[b'x'; 5_000]), "", "a line without end");
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "x".repeat(3_000));
    assert_eq!(status(&bed.send(long.as_bytes())), 404);
}

#[test]
fn peekstat_gets_its_answer_and_the_file_goes_with_the_endpoint() {
    let mut bed = UnixBed::new();
    let path = bed.folder.path().join("s");
    let seen = sample::report().ledger.total.seen;
    assert_eq!(socket::ask(&path, socket::Request::Refresh).unwrap(), format!("Refresh {seen}"));
    assert!(Endpoint::bind(&Place::Unix(path.clone())).unwrap_err().is_busy());
    bed.serving = None;
    assert!(!path.exists());
    let error = Endpoint::bind(&Place::Unix("/nowhere/at/all".into())).unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on unix:/nowhere/at/all");
}
