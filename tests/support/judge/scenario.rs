//! Networks and traffic on which the engine is judged, and a run of one.

use std::{path::Path, thread, time::Duration};

use anyhow::{Result, bail, ensure};

use super::{
    bed::{Bed, Between},
    capture::Capturing,
    counters::Counters,
    observed::Observed,
    relay::Line,
    sockets::{Compared, compare},
    truth::{Recorder, Retransmission, Trigger, Truth},
    verdict::{Verdict, judge},
    workload::{Congestion, Workload},
};

/// One network, and what goes over it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// A word or two.
    pub name: &'static str,
    /// What lies between the ends.
    pub between: Between,
    /// Settings of `net.ipv4` at both ends.
    pub settings: &'static [&'static str],
    /// What goes over it.
    pub workload: Workload,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The kernel's record, held against its own counters.
    pub truth: Truth,
    /// What both ends' kernels counted.
    pub counters: Counters,
    /// The engine beside it.
    pub verdict: Verdict,
    /// The flow log beside the sockets of both ends.
    pub sockets: Vec<Compared>,
}

impl Scenario {
    /// Runs it; captures come into this folder, and stay there.
    ///
    /// A run whose record is not what the kernel counted is no judge, and is done again.
    ///
    /// # Errors
    /// When the network or the traffic fails, or the record is never whole.
    ///
    /// # Panics
    /// If tcpkit fails.
    pub fn run(&self, folder: &Path) -> Result<Run> {
        let mut whys = Vec::new();
        while whys.len() < ATTEMPTS {
            let (run, whole) = self.attempt(folder)?;
            match whole {
                Ok(()) => return Ok(run),
                Err(why) => whys.push(format!("{why:#}")),
            }
        }
        bail!("the record was never whole: {}", whys.join("; "))
    }

    /// One run, and whether its record is whole.
    fn attempt(&self, folder: &Path) -> Result<(Run, Result<()>)> {
        let bed = Bed::new("judge", &self.between, self.settings)?;
        let before = counters(&bed)?;
        let recorder = Recorder::start(&[&bed.client, &bed.server])?;
        let capturing = Capturing::start(&bed, folder);
        let offset_ns = realtime_offset_ns();
        let ran = self.workload.run(&bed)?;
        // What was under way arrives, and what is sent again for it.
        thread::sleep(Duration::from_millis(400));
        let captured = capturing.stop()?;
        let truth = recorder.stop()?;
        let counters = counters(&bed)?.since(&before);
        let whole = hold_against(&truth, &counters);
        let [client, server] = [Observed::of(&captured[0].file)?, Observed::of(&captured[1].file)?];
        let verdict = judge(&truth, [&client, &server], ran.server_port, offset_ns);
        let [at_client, at_server] = [captured[0].flow_log()?, captured[1].flow_log()?];
        let sockets = compare(&ran.sockets, ran.server_port, [&at_client, &at_server]);
        Ok((Run { truth, counters, verdict, sockets }, whole))
    }
}

/// Runs until one is whole.
const ATTEMPTS: usize = 3;

fn counters(bed: &Bed) -> Result<Counters> {
    Ok(Counters::of(&bed.client)?.plus(&Counters::of(&bed.server)?))
}

/// The record is whole, and its causes are those that the kernel counted.
fn hold_against(truth: &Truth, counters: &Counters) -> Result<()> {
    let sum = |wanted: &dyn Fn(&Retransmission) -> bool| -> u64 {
        truth.retransmissions.iter().filter(|one| wanted(one)).map(|one| u64::from(one.segments)).sum()
    };
    let recorded = sum(&|_| true) + truth.synacks;
    let counted = counters.get("Tcp.RetransSegs");
    ensure!(
        recorded == counted,
        "{recorded} segments recorded, {counted} counted by the kernel: {counters:?}"
    );
    let fast = sum(&|one| one.trigger == Trigger::Fast && one.was_sent && !one.is_syn);
    let counted = counters.get("TcpExt.TCPFastRetrans");
    ensure!(fast == counted, "{fast} fast retransmissions recorded, {counted} counted by the kernel");
    let probes = sum(&|one| one.trigger == Trigger::Tlp);
    let counted = counters.get("TcpExt.TCPLossProbes");
    ensure!(probes <= counted, "{probes} loss probes recorded, {counted} counted by the kernel");
    Ok(())
}

/// Wall time less `CLOCK_MONOTONIC`, in nanoseconds.
fn realtime_offset_ns() -> i64 {
    let read = |clock| {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure lives through the call.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    read(libc::CLOCK_REALTIME) - read(libc::CLOCK_MONOTONIC)
}

/// All networks and traffics.
#[must_use]
pub fn all() -> Vec<Scenario> {
    routed().into_iter().chain(relayed()).chain(unusual()).collect()
}

/// A few that take little time, for the gate.
#[must_use]
pub fn few() -> Vec<Scenario> {
    const NAMES: [&str; 5] =
        ["bulk, routed", "requests, routed", "bulk, 1 % lost", "thin, 3 % lost", "reordered"];
    all().into_iter().filter(|one| NAMES.contains(&one.name)).collect()
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const BULK: Workload = Workload {
    parallel: 3,
    connections: 1,
    exchanges: 1,
    request: 1_500_000,
    // The client closes only when everything has arrived: `tcp:tcp_probe` shows open connections alone.
    response: 1,
    pause: ms(0),
    congestion: Congestion::Cubic,
};
const REQUESTS: Workload =
    Workload { parallel: 8, exchanges: 40, request: 300, response: 2_500, pause: ms(1), ..BULK };
const THIN: Workload =
    Workload { parallel: 8, exchanges: 120, request: 100, response: 0, pause: ms(20), ..BULK };
const SHORT: Workload = Workload { parallel: 8, connections: 10, request: 300, response: 15_000, ..BULK };

/// Super-segments, round trips of microseconds.
fn routed() -> Vec<Scenario> {
    let router = |name, dropped, queue, workload| Scenario {
        name,
        between: Between::Router { dropped, marked: 0, queue },
        settings: &[],
        workload,
    };
    let marked = Scenario {
        between: Between::Router { dropped: [5, 0], marked: 20, queue: None },
        settings: &["tcp_ecn=1"],
        ..router("marked, routed", [0, 0], None, Workload { parallel: 4, request: 5_000_000, ..BULK })
    };
    const QUEUE: &[&str] = &["tbf", "rate", "60mbit", "burst", "20kb", "limit", "60kb"];
    vec![
        router("bulk, routed", [20, 0], None, Workload { parallel: 4, request: 5_000_000, ..BULK }),
        router(
            "bulk both ways, routed",
            [10, 10],
            None,
            Workload { response: 3_000_000, request: 3_000_000, ..BULK },
        ),
        router("requests, routed", [30, 30], None, Workload { exchanges: 120, ..REQUESTS }),
        router("thin, routed", [40, 10], None, Workload { exchanges: 200, pause: ms(10), ..THIN }),
        router("short, routed", [30, 30], None, Workload { connections: 25, response: 30_000, ..SHORT }),
        router("full queue, routed", [0, 0], Some(QUEUE), Workload { request: 3_000_000, ..BULK }),
        marked,
    ]
}

/// Single segments, round trips of milliseconds.
fn relayed() -> Vec<Scenario> {
    let line = |milliseconds, loss| Line { delay: ms(milliseconds), loss, ..Line::default() };
    let relay = |name, there: Line, back: Line, workload| Scenario {
        name,
        between: Between::Relay { lines: Box::new([there, back]), seed: 7 },
        settings: &[],
        workload,
    };
    let down = Workload { request: 300, response: 1_500_000, ..BULK };
    vec![
        relay("bulk, 1 % lost", line(10, 0.01), line(10, 0.0), BULK),
        relay("download, 2 % lost", line(8, 0.005), line(8, 0.02), down),
        relay("bulk, bursts lost", Line { loss_after_loss: 0.6, ..line(10, 0.007) }, line(10, 0.0), BULK),
        relay("acknowledgements lost", line(10, 0.005), line(10, 0.15), BULK),
        relay("requests, 2 % lost", line(10, 0.02), line(10, 0.02), REQUESTS),
        relay("thin, 3 % lost", line(15, 0.03), line(15, 0.03), THIN),
        relay("short, 4 % lost", line(5, 0.04), line(5, 0.04), SHORT),
        relay("reordered", Line { late: (0.03, ms(4)), ..line(5, 0.003) }, line(5, 0.0), BULK),
        relay("reordered far", Line { late: (0.01, ms(25)), ..line(10, 0.0) }, line(10, 0.0), BULK),
        relay("duplicated", Line { duplicated: 0.03, ..line(5, 0.01) }, line(5, 0.0), BULK),
        relay(
            "jitter",
            Line { jitter: ms(15), ..line(5, 0.01) },
            Line { jitter: ms(5), ..line(5, 0.0) },
            REQUESTS,
        ),
    ]
}

/// Outages, full buffers, and ends without the usual options.
fn unusual() -> Vec<Scenario> {
    let slow = Line { delay: ms(10), rate: 8_000_000, queue: ms(120), ..Line::default() };
    let relay = |name, there: Line, settings, workload| Scenario {
        name,
        between: Between::Relay {
            lines: Box::new([there, Line { delay: ms(10), ..Line::default() }]),
            seed: 11,
        },
        settings,
        workload,
    };
    let lossy = Line { delay: ms(10), loss: 0.01, ..Line::default() };
    let spikes = vec![(ms(600), ms(1_100), ms(450)), (ms(2_200), ms(2_500), ms(700))];
    let outages = vec![(ms(700), ms(1_200)), (ms(2_500), ms(2_900))];
    let once = Workload { request: 900_000, ..BULK };
    vec![
        relay("full buffer", slow.clone(), &[], once),
        relay("delay jumps", Line { spikes, ..slow.clone() }, &[], once),
        relay("outages", Line { outages, ..slow }, &[], once),
        relay("no SACK", lossy.clone(), &["tcp_sack=0"], BULK),
        relay("no timestamps", lossy.clone(), &["tcp_timestamps=0"], BULK),
        relay("no RACK, no probes", lossy.clone(), &["tcp_recovery=0", "tcp_early_retrans=0"], BULK),
        relay("reno", lossy.clone(), &[], Workload { congestion: Congestion::Reno, ..BULK }),
        relay("bbr", lossy, &[], Workload { congestion: Congestion::Bbr, ..BULK }),
    ]
}
