//! A cable between two taps that delays, loses, reorders and duplicates what passes, the same for the same seed.
//!
//! Each direction has its [`Line`]. Frames wait in a bounded queue, in order of the time at which they are due; what
//! finds no room is lost, and counted. Address resolution passes at once and unharmed.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;

use super::tap::Tap;

/// What one direction does to frames.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// How long each takes.
    pub delay: Duration,
    /// Each takes up to so much longer, at random, and stays in order.
    pub jitter: Duration,
    /// Share that is lost.
    pub loss: f64,
    /// After one that was lost, share that is lost: bursts.
    pub loss_after_loss: f64,
    /// Share that arrives twice, the second time a little later.
    pub duplicated: f64,
    /// Share that comes late, and by how long: reordering.
    pub late: (f64, Duration),
    /// Bits per second; 0 for no limit.
    pub rate: u64,
    /// How long a frame may wait for the rate before it is lost.
    pub queue: Duration,
    /// Periods since the first frame in which everything is lost.
    pub outages: Vec<(Duration, Duration)>,
    /// Frames with these octets in them are lost, those with the same sixteen behind them only once.
    pub lost_once: Option<&'static [u8]>,
    /// Periods since the first frame in which everything takes so much longer.
    pub spikes: Vec<(Duration, Duration, Duration)>,
}

/// What became of the frames of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Arrived, copies included.
    pub delivered: u64,
    /// Lost by chance, in an outage or for want of room.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
}

/// A relay at work; dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Tally>>,
}

impl Relay {
    /// Joins two taps: `lines[0]` takes what the first one sends.
    #[must_use]
    pub fn start(taps: [Tap; 2], lines: [Line; 2], seed: u64) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&stop);
        let thread = thread::spawn(move || Works::new(taps, lines, seed).run(&flag));
        Self { stop, thread: Some(thread) }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it failed.
    pub fn stop(mut self) -> Result<Tally> {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().expect("it is taken once");
        thread.join().map_err(|_| anyhow::anyhow!("the relay failed"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _failed_already = thread.join();
        }
    }
}

/// Frames under way at one time, both directions.
const CAPACITY: usize = 50_000;

/// How long it sleeps at most, so that it ends when it is told.
const NAP: Duration = Duration::from_millis(20);

/// A frame that waits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    /// Those due together leave as they came.
    number: u64,
    to: usize,
    frame: Vec<u8>,
}

struct Works {
    taps: [Tap; 2],
    lines: [Line; 2],
    states: [State; 2],
    waiting: BinaryHeap<Reverse<Waiting>>,
    random: Random,
    tally: Tally,
    number: u64,
    begun: Option<Instant>,
    /// What was behind the octets of [`Line::lost_once`].
    lost_once: HashSet<Vec<u8>>,
}

/// What a line remembers.
#[derive(Clone, Copy, Default)]
struct State {
    lost_last: bool,
    /// When the line has sent what it took so far.
    idle_from: Option<Instant>,
    /// Nothing in order arrives before.
    last_due: Option<Instant>,
}

impl Works {
    fn new(taps: [Tap; 2], lines: [Line; 2], seed: u64) -> Self {
        Self {
            taps,
            lines,
            states: [State::default(); 2],
            waiting: BinaryHeap::new(),
            random: Random(seed),
            tally: Tally::default(),
            number: 0,
            begun: None,
            lost_once: HashSet::new(),
        }
    }

    fn run(mut self, stop: &AtomicBool) -> Tally {
        let mut buffer = vec![0; 1 << 16];
        while !stop.load(Relaxed) {
            self.sleep();
            for from in [0, 1] {
                // A few at a time, so that neither side starves the other or the queue.
                for _ in 0..64 {
                    let frame = self.taps[from].receive(&mut buffer).expect("the tap is there");
                    let Some(frame) = frame.map(<[u8]>::to_vec) else { break };
                    self.take(from, frame, now());
                }
            }
            self.deliver(now());
        }
        self.tally
    }

    /// Until a frame comes or one is due.
    fn sleep(&self) {
        let due =
            self.waiting.peek().map_or(NAP, |Reverse(first)| first.due.saturating_duration_since(now()));
        let nap = due.min(NAP);
        let mut polled = self.taps.each_ref().map(|tap| libc::pollfd {
            fd: tap.descriptor(),
            events: libc::POLLIN,
            revents: 0,
        });
        let time = libc::timespec { tv_sec: 0, tv_nsec: nap.subsec_nanos().into() };
        // SAFETY: both structures live through the call, and there are two descriptors.
        unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &raw const time, std::ptr::null()) };
    }

    fn take(&mut self, from: usize, frame: Vec<u8>, at: Instant) {
        if !is_ip(&frame) {
            self.put(from, frame, at);
            return;
        }
        let since = at.duration_since(*self.begun.get_or_insert(at));
        if self.is_marked(from, &frame) {
            self.tally.lost += 1;
            return;
        }
        let Some(sent) = self.pass(from, frame.len(), at, since) else {
            self.tally.lost += 1;
            return;
        };
        let line = &self.lines[from];
        let spike: Duration = line
            .spikes
            .iter()
            .filter(|(start, end, _)| (*start..*end).contains(&since))
            .map(|spike| spike.2)
            .sum();
        let jitter = line.jitter.mul_f64(self.random.unit());
        let in_order = (sent + line.delay + jitter + spike).max(self.states[from].last_due.unwrap_or(at));
        let is_late = self.random.happens(line.late.0);
        let due = if is_late { in_order + line.late.1 } else { in_order };
        if !is_late {
            self.states[from].last_due = Some(due);
        }
        if self.random.happens(self.lines[from].duplicated) {
            self.tally.duplicated += 1;
            self.put(from, frame.clone(), due + Duration::from_micros(300));
        }
        self.put(from, frame, due);
    }

    /// Whether a frame is one that is to be lost, and has not been so far.
    fn is_marked(&mut self, from: usize, frame: &[u8]) -> bool {
        let Some(mark) = self.lines[from].lost_once else { return false };
        let place = frame.windows(mark.len()).position(|octets| octets == mark);
        let named = place.and_then(|place| frame[place + mark.len()..].get(..16));
        named.is_some_and(|name| self.lost_once.insert(name.to_vec()))
    }

    /// When the line has sent the frame; `None` where it is lost.
    fn pass(&mut self, from: usize, len: usize, at: Instant, since: Duration) -> Option<Instant> {
        let (line, state) = (&self.lines[from], &mut self.states[from]);
        let share =
            if state.lost_last && line.loss_after_loss > 0.0 { line.loss_after_loss } else { line.loss };
        state.lost_last = self.random.happens(share);
        let is_out = line.outages.iter().any(|(start, end)| (*start..*end).contains(&since));
        if state.lost_last || is_out || self.waiting.len() >= CAPACITY {
            return None;
        }
        if line.rate == 0 {
            return Some(at);
        }
        let start = state.idle_from.unwrap_or(at).max(at);
        if start.duration_since(at) > line.queue {
            return None;
        }
        let sent = start + Duration::from_secs_f64(len as f64 * 8.0 / line.rate as f64);
        state.idle_from = Some(sent);
        Some(sent)
    }

    fn put(&mut self, from: usize, frame: Vec<u8>, due: Instant) {
        self.number += 1;
        self.waiting.push(Reverse(Waiting { due, number: self.number, to: 1 - from, frame }));
    }

    fn deliver(&mut self, at: Instant) {
        while self.waiting.peek().is_some_and(|Reverse(first)| first.due <= at) {
            let Some(Reverse(first)) = self.waiting.pop() else { return };
            // An interface that is going down takes no more; that is the end of the run.
            if self.taps[first.to].send(&first.frame).is_ok() {
                self.tally.delivered += 1;
            }
        }
    }
}

/// Whether it is IPv4 or IPv6.
fn is_ip(frame: &[u8]) -> bool {
    matches!(frame.get(12..14), Some([0x08, 0x00] | [0x86, 0xdd]))
}

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// At least 0, below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }
}

#[expect(clippy::disallowed_methods, reason = "a cable's delays are wall time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_happens_of_it() {
        let mut random = Random(7);
        let happened = (0..100_000).filter(|_| random.happens(0.02)).count();
        assert!((1_900..2_100).contains(&happened), "{happened}");
        assert!((0..1_000).all(|_| !random.happens(0.0)));
    }
}
