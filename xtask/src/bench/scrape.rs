//! How long a scrape takes while a million flows are followed, and how long a worker is kept from its frames by it.
//!
//! The flows come by a pipe that stays open, so the agent answers as it does live, over a Unix socket.

use std::{
    io::{BufWriter, Read as _, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{Limit, Verdict, measure::median};
use crate::shell::{answer, now};

/// Flows that are open at one time.
const FLOWS: u32 = 1_000_000;

/// Answers that are timed, of each kind.
const SCRAPES: usize = 51;

/// The report before is used again within a tenth of a second.
const APART: Duration = Duration::from_millis(150);

/// Looks at how many flows there are, a tenth of a second apart.
const PATIENCE: u32 = 1_200;

/// What is promised: a scrape in 50 ms, a worker's pause of a millisecond (in microseconds).
const PROMISED: (f64, f64) = (0.050, 1_000.0);

/// Measures both.
///
/// # Errors
/// If tcpkit fails, or does not answer.
pub(super) fn run(tcpkit: &Path) -> Result<Vec<Verdict>> {
    let mut agent = Agent::start(tcpkit)?;
    let mut verdicts = Vec::new();
    for (path, name) in
        [("/metrics", "scrape: /metrics, of 50 ms"), ("/api/v1/report", "scrape: /api/v1/report, of 50 ms")]
    {
        let mut times = Vec::new();
        for _ in 0..SCRAPES {
            let begin = now();
            let octets = agent.get(path)?.len();
            ensure!(octets > 1_000, "{path} answers {octets} octets");
            times.push(begin.elapsed().as_secs_f64());
            thread::sleep(APART);
        }
        let longest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times);
        answer(format_args!("{path:16} {:6.2} ms, at most {:6.2} ms", middle * 1e3, longest * 1e3));
        verdicts.push(Verdict { name, ratio: middle / PROMISED.0, limit: Limit::AtMost(1.0) });
    }
    let pause = agent.report()?["agent"]["pause_us"].clone();
    let p99 = pause["p99"].as_f64().context("the report says nothing of pauses")?;
    answer(format_args!("a worker's pauses {:.0} µs in 99 of 100, at most {:.0} µs", p99, pause["max"]));
    verdicts.push(Verdict {
        name: "scrape: a worker's pause, of 1 ms",
        ratio: p99 / PROMISED.1,
        limit: Limit::AtMost(1.0),
    });
    agent.finish()?;
    Ok(verdicts)
}

/// A replay that waits for more.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Agent {
    /// Starts it, and waits until it has all flows.
    fn start(tcpkit: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let socket = folder.path().join("socket");
        let mut command = Command::new(tcpkit);
        command.args(["-r", "-", "--quiet", "--max-flows", "1200000", "--stats-listen"]);
        command.arg(format!("unix:{}", socket.display()));
        let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start tcpkit")?;
        let input = child.stdin.take();
        let mut agent = Self { child, input, socket, _folder: folder };
        write_flows(agent.input.as_mut().context("there is no pipe")?)?;
        for _ in 0..PATIENCE {
            if agent.report().is_ok_and(|report| report["totals"]["open_flows"] == FLOWS) {
                return Ok(agent);
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("tcpkit does not get to know all flows")
    }

    fn report(&mut self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get("/api/v1/report")?)?)
    }

    /// The body of an answer.
    fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).context("tcpkit does not listen")?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{path} is not answered");
        let head =
            answer.windows(4).position(|window| window == b"\r\n\r\n").context("an answer has no body")?;
        Ok(answer.split_off(head + 4))
    }

    fn finish(&mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.child.wait().context("cannot wait for tcpkit")?;
        ensure!(status.success(), "tcpkit ended with {status}");
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended, or something else went wrong before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pcap file of flows with a handshake and a message each way, 2 µs from frame to frame.
fn write_flows(pipe: &mut ChildStdin) -> Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, pipe);
    // `struct pcap_file_header` (pcap/pcap.h) with nanoseconds; Ethernet.
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 65_535, 1] {
        file.write_all(&u32::to_le_bytes(word))?;
    }
    let mut number = 0;
    for flow in 0..FLOWS {
        let client = (0x0a00_0001 + flow / 50_000, u16::try_from(1_025 + flow % 50_000)?);
        let server = (0x0b00_0001 + flow % 1_000, [443, 80, 8_080, 9_000][(flow % 4) as usize]);
        let (isn, irs) = (1_000, 5_000);
        for frame in [
            frame(client, server, [isn, 0], SYN, 0),
            frame(server, client, [irs, isn + 1], SYN | ACK, 0),
            frame(client, server, [isn + 1, irs + 1], ACK, MESSAGE),
            frame(server, client, [irs + 1, isn + 21], ACK, MESSAGE),
        ] {
            number += 1;
            let length = u32::try_from(frame.len())?;
            for word in [1_700_000_000 + number / 500_000, number % 500_000 * 2_000, length, length] {
                file.write_all(&u32::to_le_bytes(word))?;
            }
            file.write_all(&frame)?;
        }
    }
    file.flush().context("tcpkit does not read")
}

/// Ethernet, IPv4 (RFC 791 §3.1), TCP (RFC 9293 §3.1) without options, and zeroes.
fn frame(from: (u32, u16), to: (u32, u16), numbers: [u32; 2], flags: u8, payload: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend((40 + payload).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.0.to_be_bytes());
    frame.extend(to.0.to_be_bytes());
    frame.extend(from.1.to_be_bytes());
    frame.extend(to.1.to_be_bytes());
    numbers.iter().for_each(|number| frame.extend(number.to_be_bytes()));
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(frame.len() + usize::from(payload), 0);
    frame
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Octets of a message.
const MESSAGE: u16 = 20;
