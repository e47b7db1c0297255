//! Live: the kernel's counters are read where an interval ends; packets are looked at only for what those do not tell.
//!
//! The grid begins when the capture does. Signals and the end of `-s` are obeyed at once, and the line that they cut
//! short is of the time that it took.

use std::{
    io,
    time::{Duration, Instant},
};

use caps::Capability;

use super::{
    Run,
    counted::{Sums, link_len},
    engine::Engine,
    output::Output,
    records::Packets,
    signals::{Told, Waiter},
};
use crate::{
    agent::{live, peek::first_interface, sources::clock},
    cli::{BackendChoice, Failure, FlowCounters, HookChoice, Live, StatArgs, System},
    sink::write_stderr,
    source::live::{LiveCapture, privilege},
    view::stat::{Counted, Decoder, Link, Sample, Stat, StatOptions, Stopped},
};

/// Captures until the seconds are over or the user says so.
///
/// # Errors
/// What cannot be captured or written.
pub(super) fn capture(
    args: &StatArgs,
    options: StatOptions,
    name: Option<&str>,
    system: &System,
) -> anyhow::Result<()> {
    let out = Output::new(&options.format, true);
    let interface = wanted_interface(name, system)?;
    let stat = Stat::new(options.clone());
    let decoder = Decoder::new(Link::Other, args.counts_link);
    let run = Run { stat, decoder, engine: None, out };
    let reason = match needs_packets(args, &options, &interface) {
        Some(reason) => reason,
        None => match open_counters(args, &interface) {
            Ok(capture) => return by_counters(run, args, &options, capture),
            Err(error) => error,
        },
    };
    if args.backend == BackendChoice::Ebpf {
        return Err(Failure::run("--backend ebpf").because(reason).into());
    }
    if args.backend == BackendChoice::Auto && interface != Live::EVERY_INTERFACE {
        write_stderr(&format!("tcpkit: note: captured by libpcap: {reason}"));
    }
    by_packets(run, args, &options, &interface)
}

/// The interface that was asked for, or the one that tcpdump would take, which is told.
///
/// # Errors
/// There is none, or none of that name.
pub(in crate::agent) fn wanted_interface(name: Option<&str>, system: &System) -> anyhow::Result<String> {
    let Some(name) = name else {
        let first = first_interface()?;
        write_stderr(&format!("Listening on {first}"));
        return Ok(first);
    };
    system.require(name)?;
    Ok(name.to_owned())
}

/// Why counters are not enough.
fn needs_packets(args: &StatArgs, options: &StatOptions, interface: &str) -> Option<String> {
    let reason = match () {
        () if args.backend == BackendChoice::Pcap => "it was asked for",
        () if interface == Live::EVERY_INTERFACE => "only libpcap has the device any",
        () if options.format.asks_extremes() => "%m and %M need the size of each packet",
        () if options.format.asks_engine() => "%f, %g, %x and %c need each packet",
        () => return None,
    };
    Some(reason.to_owned())
}

fn open_counters(args: &StatArgs, interface: &str) -> Result<LiveCapture, String> {
    let plan = Live {
        // TC changes nothing on the host, as tcpstat did not.
        hook: HookChoice::Tc,
        promiscuous: Some(args.promiscuous),
        flow_counters: FlowCounters::Off,
        ..Live::on(vec![interface.to_owned()], args.backend)
    };
    let filter = Some(args.filter.trim()).filter(|filter| !filter.is_empty());
    live::open_counters(filter, &plan).map_err(|error| live::without_advice(&error).to_owned())
}

/// When lines are due.
struct Timetable {
    begun: Instant,
    /// Seconds since the epoch at the beginning.
    epoch: f64,
    interval: Option<Duration>,
    next: Option<Duration>,
    end: Option<Duration>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// A line is due.
    Line,
    /// The user wants one.
    Asked,
    /// The seconds are over, or the user says so.
    End,
    /// Nothing.
    Nothing,
}

impl Timetable {
    #[expect(clippy::cast_precision_loss, reason = "tcpstat's times are doubles")]
    #[expect(clippy::disallowed_methods, reason = "a live source is where time enters")]
    fn new(options: &StatOptions) -> Self {
        let seconds = |seconds: f64| {
            (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        };
        let is_short = options.seconds > 0.0 && options.seconds < options.interval;
        let interval = if is_short { None } else { seconds(options.interval) };
        Self {
            begun: Instant::now(),
            epoch: clock().0 as f64 / 1e9,
            interval,
            next: interval,
            end: seconds(options.seconds),
        }
    }

    /// Seconds since the epoch.
    fn now(&self) -> f64 {
        self.epoch + self.begun.elapsed().as_secs_f64()
    }

    /// Waits for a signal or the next moment, at most so long.
    fn wait(&mut self, waiter: &Waiter, limit: Duration) -> Moment {
        let due = [self.next, self.end].into_iter().flatten().min().unwrap_or(Duration::MAX);
        let told = waiter.wait(due.saturating_sub(self.begun.elapsed()).min(limit));
        let now = self.begun.elapsed();
        match told {
            Some(Told::End) => Moment::End,
            Some(Told::Print) => {
                self.next = self.interval.map(|interval| now.saturating_add(interval));
                Moment::Asked
            }
            None if self.end.is_some_and(|end| now >= end) => Moment::End,
            None if self.next.is_some_and(|next| now >= next) => {
                self.skip(now);
                Moment::Line
            }
            None => Moment::Nothing,
        }
    }

    /// The next line on the grid; those that were slept through are part of this one.
    fn skip(&mut self, now: Duration) {
        let Some((next, interval)) = self.next.zip(self.interval) else { return };
        let behind = (now - next).as_secs_f64() / interval.as_secs_f64();
        let steps = interval.mul_f64((behind.floor() + 1.0).min(1e9));
        self.next = Some(next.saturating_add(steps));
    }
}

/// Whether a last line of so many seconds is one at all.
fn is_worth_a_line(open: Option<f64>) -> bool {
    open.is_none_or(|seconds| seconds > SHORTEST)
}

/// The end comes a moment after the last line when both are due at once.
const SHORTEST: f64 = 0.002;

fn by_counters(
    mut run: Run,
    args: &StatArgs,
    options: &StatOptions,
    mut capture: LiveCapture,
) -> anyhow::Result<()> {
    let waiter = Waiter::new();
    capture.notes().iter().for_each(|note| write_stderr(&format!("tcpkit: note: {note}")));
    let keep: &[Capability] = if capture.has_to_restore() { &[Capability::CAP_NET_ADMIN] } else { &[] };
    if let Err(refusal) = privilege::keep_only(keep) {
        write_stderr(&format!("tcpkit: warning: {refusal}"));
    }
    let link_len = link_len(capture.interfaces()[0].link_type, args.counts_link);
    // What passed since the programs were attached counts.
    let mut before = Sums::default();
    let mut times = Timetable::new(options);
    run.stat.begin_at(times.epoch);
    let is_gone = loop {
        let moment = times.wait(&waiter, LOOK_EVERY);
        capture.changes();
        if moment == Moment::End || capture.is_over() {
            break capture.is_over();
        }
        if moment != Moment::Nothing {
            let now = Sums::of(&capture);
            let told = run.stat.on_sample(now.since(&before, link_len), times.now(), &mut run.out);
            before = now;
            if let Err(stopped) = told {
                return run.stop(stopped);
            }
        }
    };
    let end = times.now();
    for problem in capture.detach() {
        write_stderr(&format!("tcpkit: warning: {problem}"));
    }
    let last = Sums::of(&capture).since(&before, link_len);
    run.conclude(end, Some(last))?;
    if is_gone { Err(Failure::run("interface").because("it disappeared").into()) } else { Ok(()) }
}

fn by_packets(mut run: Run, args: &StatArgs, options: &StatOptions, interface: &str) -> anyhow::Result<()> {
    let mut packets = Packets::open(interface, &args.filter, args.promiscuous)?;
    let waiter = Waiter::new();
    let dlt = i32::from(packets.link_type().0);
    run.decoder = Decoder::new(Link::of_dlt(dlt), args.counts_link);
    run.engine = options.format.asks_engine().then(|| Engine::new(dlt));
    let mut times = Timetable::new(options);
    run.stat.begin_at(times.epoch);
    loop {
        let taken = packets.take(SLICE, |frame| run.on_frame(frame));
        if let Err(error) = taken {
            return run.broken(error, &mut packets, times.now());
        }
        let moment = times.wait(&waiter, Duration::ZERO);
        let now = times.now();
        if moment == Moment::End {
            break;
        }
        // A packet may be handed over some milliseconds after its time.
        run.note_loss(&mut packets);
        let told = if moment == Moment::Asked {
            run.note_engine();
            run.stat.tell_now(now, &mut run.out)
        } else {
            if run.stat.is_over(now - SLACK) {
                run.note_engine();
            }
            run.stat.advance(now - SLACK, &mut run.out)
        };
        if let Err(stopped) = told {
            return run.stop(stopped);
        }
    }
    let end = times.now();
    packets.take(SLICE, |frame| run.on_frame(frame))?;
    run.note_loss(&mut packets);
    run.note_engine();
    run.conclude(end, None)?;
    packets.loss().iter().for_each(|line| write_stderr(line));
    Ok(())
}

impl Run {
    fn on_frame(&mut self, frame: &crate::wire::Frame<'_>) -> anyhow::Result<()> {
        self.decoder.take(frame.bytes);
        let network = self.decoder.network();
        let micros = frame.timestamp.0.div_euclid(1_000);
        let packet = Counted {
            seconds: micros.div_euclid(1_000_000),
            micros: micros.rem_euclid(1_000_000),
            size: self.decoder.size(frame.frame_len),
            network,
            transport: self.decoder.transport(network),
        };
        if let Some(engine) = &mut self.engine {
            if self.stat.is_due(&packet) {
                self.stat.set_extra(engine.take());
            }
            engine.on_frame(frame);
        }
        match self.stat.on_packet(&packet, &mut self.out) {
            Ok(()) => Ok(()),
            Err(stopped) => self.stop(stopped),
        }
    }

    /// How much the engine did not get to see.
    fn note_loss(&mut self, packets: &mut Packets) {
        if let Some(engine) = &mut self.engine {
            let (lost, received) = packets.lost();
            engine.set_completeness(if received == 0 { 1.0 } else { 1.0 - ratio(lost, received) });
        }
    }

    /// The last line, unless it was told already, and the sums.
    fn conclude(&mut self, end: f64, sample: Option<Sample>) -> anyhow::Result<()> {
        let told = match sample {
            _ if !is_worth_a_line(self.stat.open_seconds(end)) => Ok(()),
            Some(sample) => self.stat.on_sample(sample, end, &mut self.out),
            None => self.stat.tell_now(end, &mut self.out),
        };
        let told: Result<(), Stopped<io::Error>> = told.and_then(|()| self.stat.conclude(&mut self.out));
        match told {
            Ok(()) => Ok(self.out.flush()?),
            Err(stopped) => self.stop(stopped),
        }
    }

    /// The interface has gone: what came before counts.
    fn broken(&mut self, error: anyhow::Error, packets: &mut Packets, now: f64) -> anyhow::Result<()> {
        self.note_loss(packets);
        self.note_engine();
        self.conclude(now, None)?;
        Err(error)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// How often it is looked whether the interface is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long packets are waited for before signals and the time are looked at.
const SLICE: Duration = Duration::from_millis(20);

/// Seconds after which no packet of an interval comes any more.
const SLACK: f64 = 0.1;
