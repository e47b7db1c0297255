//! Where the time of real requests went: each fault is injected, and has to be blamed.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tcpkit_tests::{
    judge::{
        bed::{Bed, Between, SERVER},
        relay::Line,
    },
    left_out::{Need, can_run},
    live::Live,
};

use super::stall::connect_with_little_room;

const PORT: u16 = 7310;
/// A frame with these octets is lost, once.
const MARK: &[u8] = b"@LOSE@";
/// Octets of a full segment: 1,500 less both headers and the timestamps.
const SEGMENT: usize = 1_448;
/// How often each fault is tried.
const TIMES: usize = 12;
/// How long a server sleeps, a reader does not read, and an upload pauses each time.
const SLEEP: Duration = Duration::from_millis(80);
const DEAF: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(25);

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The server thinks.
    Sleep,
    /// A segment of the response is lost, and those behind it tell.
    LostResponse,
    /// Its last segment is lost, and nothing tells.
    LostTail,
    /// A segment of the request is lost.
    LostRequest,
    /// The client does not read.
    Deaf,
    /// The client takes its time to send.
    SlowUpload,
}

impl Fault {
    const ALL: [(Self, &str); 7] = [
        (Self::None, "none"),
        (Self::Sleep, "sleep"),
        (Self::LostResponse, "response"),
        (Self::LostTail, "tail"),
        (Self::LostRequest, "request"),
        (Self::Deaf, "deaf"),
        (Self::SlowUpload, "upload"),
    ];

    fn of(path: &str) -> Result<Self> {
        let name = path.split('/').nth(1).context("no fault")?;
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        Ok(known.with_context(|| format!("unknown fault {name}"))?.0)
    }

    /// Octets of the answer behind its head, and where the mark is in all of it.
    const fn answer(self) -> (usize, Option<usize>) {
        match self {
            Self::LostResponse => (20 * SEGMENT, Some(3 * SEGMENT + 100)),
            Self::LostTail => (8 * SEGMENT, Some(8 * SEGMENT + 20)),
            Self::Deaf => (400_000, None),
            _ => (500, None),
        }
    }

    /// The same of the question.
    const fn question(self) -> (usize, Option<usize>) {
        match self {
            Self::LostRequest => (15 * SEGMENT, Some(4 * SEGMENT + 100)),
            Self::SlowUpload => (6_000, None),
            _ => (0, None),
        }
    }

    /// Whether the capture at this end can see it: what the relay loses, only its sender has sent.
    const fn shows_at(self, server: bool) -> bool {
        match self {
            Self::LostResponse | Self::LostTail => server,
            Self::LostRequest => !server,
            _ => true,
        }
    }

    /// Whether a record blames it.
    fn is_blamed(self, record: &Value) -> bool {
        let spent = &record["where"];
        let us = |name: &str| spent[name].as_f64().unwrap_or(-1.0);
        let culprit = &spent["culprit"];
        let is = |message: &str, segment: usize, causes: &[&str]| {
            culprit["message"] == message
                && culprit["segment"] == segment + 1
                && causes.iter().any(|cause| culprit["cause"] == *cause)
        };
        let most = us("total_us") / 2.0;
        match self {
            Self::None => culprit.is_null(),
            Self::Sleep => us("server_us") > most && culprit.is_null(),
            // On a busy machine the timer may be faster than the acknowledgements.
            Self::LostResponse => {
                is("response", 3, &["fast", "rto"]) && us("fast_us") + us("rto_us") > 1_000.0
            }
            Self::LostTail => is("response", 8, &["rto"]) && us("rto_us") > most,
            Self::LostRequest => is("request", 4, &["fast", "rto"]) && us("fast_us") + us("rto_us") > 1_000.0,
            Self::Deaf => culprit["cause"] == "zero_window" && us("zero_window_us") > most,
            Self::SlowUpload => us("request_us") > most && us("server_us") < most,
        }
    }
}

/// Head and body, with the mark at its place in all of it.
fn message(head: &str, (len, mark): (usize, Option<usize>), name: &str) -> Vec<u8> {
    let mut message = format!("{head}Content-Length: {len}\r\n\r\n").into_bytes();
    message.resize(message.len() + len, b'x');
    if let Some(place) = mark {
        let words = [MARK, format!("{name:>16}").as_bytes()].concat();
        message[place..place + words.len()].copy_from_slice(&words);
    }
    message
}

/// Reads one message, and gives its first line.
fn read_message(stream: &mut TcpStream) -> Result<String> {
    let mut octets = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        if let Some(head) = octets.windows(4).position(|end| end == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&octets[..head]).into_owned();
            let len = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
            if octets.len() >= head + 4 + len.parse::<usize>()? {
                return Ok(text.lines().next().unwrap_or_default().to_owned());
            }
        }
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "the other side closed");
        octets.extend_from_slice(&buffer[..read]);
    }
}

fn serve(mut stream: TcpStream) -> Result<()> {
    let line = read_message(&mut stream)?;
    let path = line.split(' ').nth(1).context("no path")?;
    let fault = Fault::of(path)?;
    if fault == Fault::Sleep {
        thread::sleep(SLEEP);
    }
    stream.write_all(&message("HTTP/1.1 200 OK\r\n", fault.answer(), path))?;
    // Until the client has closed: nothing that was sent may be lost with the connection.
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn ask(fault: Fault, name: &str, number: usize) -> Result<()> {
    let address: SocketAddr = format!("{SERVER}:{PORT}").parse()?;
    let mut stream =
        if fault == Fault::Deaf { connect_with_little_room(address)? } else { TcpStream::connect(address)? };
    let path = format!("/{name}/{number}");
    let question = message(&format!("POST {path} HTTP/1.1\r\n"), fault.question(), &path);
    if fault == Fault::SlowUpload {
        for part in question.chunks(question.len() / 5) {
            stream.write_all(part)?;
            thread::sleep(PAUSE);
        }
    } else {
        stream.write_all(&question)?;
    }
    if fault == Fault::Deaf {
        thread::sleep(DEAF);
    }
    read_message(&mut stream)?;
    Ok(())
}

/// All faults, each many times, those of one kind one after the other.
fn inject(bed: &Bed) -> Result<()> {
    let listener = bed.server.enter(|| TcpListener::bind((SERVER, PORT)))??;
    let servers = thread::spawn(move || -> Result<()> {
        let accepted = (0..TIMES * Fault::ALL.len()).map(|_| Ok(listener.accept()?.0));
        let threads: Vec<_> = accepted
            .map(|stream: Result<TcpStream>| stream.map(|stream| thread::spawn(move || serve(stream))))
            .collect::<Result<_>>()?;
        threads.into_iter().try_for_each(|thread| thread.join().expect("a server does not panic"))
    });
    let clients: Vec<_> = bed.client.enter(|| {
        let begin = |(fault, name): (Fault, &'static str)| {
            thread::spawn(move || (0..TIMES).try_for_each(|number| ask(fault, name, number)))
        };
        Fault::ALL.map(begin).into_iter().collect()
    })?;
    clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))?;
    servers.join().expect("the server does not panic")
}

/// How many of each fault were blamed, of how many, and what the others' records said.
fn blamed(log: &Path, at_server: bool, wrong: &mut Vec<String>) -> BTreeMap<&'static str, (usize, usize)> {
    let text = fs::read_to_string(log).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut tally = BTreeMap::new();
    for (fault, name) in Fault::ALL.into_iter().filter(|(fault, _)| fault.shows_at(at_server)) {
        let (right, all): &mut (usize, usize) = tally.entry(name).or_default();
        for number in 0..TIMES {
            *all += 1;
            let key = format!("/{name}/{number}");
            let record = records.iter().find(|record| record["key"] == *key);
            if record.is_some_and(|record| fault.is_blamed(record)) {
                *right += 1;
            } else {
                wrong.push(format!("{name}, at the server {at_server}: {record:?}"));
            }
        }
    }
    tally
}

#[test]
fn each_fault_is_blamed_on_what_made_it() {
    if !can_run("each_fault_is_blamed_on_what_made_it", &[Need::Ebpf]) {
        return;
    }
    let line = Line { delay: Duration::from_millis(5), lost_once: Some(MARK), ..Line::default() };
    let between = Between::Relay { lines: Box::new([line.clone(), line]), seed: 1 };
    // Without tail loss probes, a lost tail waits for the retransmission timer.
    let bed = Bed::new("blame", &between, &["tcp_early_retrans=0"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let logs = ["client", "server"].map(|name| folder.path().join(name));
    let port = PORT.to_string();
    let live = [&bed.client, &bed.server].into_iter().zip(&logs).map(|(place, log)| {
        let log = log.display().to_string();
        let words = ["-i", "eth0", "-m", "http", "-p", &port, "--quiet", "--request-log", &log];
        Live::start(place, &words)
    });
    let live: Vec<_> = live.collect();
    inject(&bed).unwrap();
    live.into_iter().for_each(|live| live.end(libc::SIGINT).success());
    let mut wrong = Vec::new();
    let tallies = [blamed(&logs[0], false, &mut wrong), blamed(&logs[1], true, &mut wrong)];
    let sums =
        tallies.iter().flat_map(BTreeMap::values).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let (right, all) = sums;
    assert!(right * 100 >= all * 95, "{right} of {all}: {tallies:?}\n{}", wrong.join("\n"));
}
