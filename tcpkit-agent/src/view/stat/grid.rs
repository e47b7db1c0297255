//! The grid of intervals: it begins at the first packet and has no gaps.

use super::{
    Action, StatOptions,
    format::{self, Line},
    sample::{Counted, Sample},
    summary::Summary,
};

/// Interval statistics of one capture.
#[derive(Clone, Debug)]
pub struct Stat {
    options: StatOptions,
    /// Length of an interval; negative is the whole capture.
    interval: f64,
    sample: Sample,
    /// Time of the first packet; 0 before it.
    first: f64,
    has_begun: bool,
    /// Beginning of the interval at hand.
    begin: f64,
    /// Time of the latest packet that counted.
    latest: f64,
    load: Load,
    summary: Summary,
    out: Vec<(u32, Vec<u8>)>,
}

/// The capture's end would print intervals of no length for ever, as tcpstat does; one of them was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endless;

/// Exponentially weighted mean of the bandwidth over a minute, and the peak.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    mean: Option<f64>,
    peak: f64,
}

impl Stat {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: StatOptions) -> Self {
        let interval =
            if options.seconds > 0.0 && options.seconds < options.interval { -1.0 } else { options.interval };
        Self {
            interval,
            sample: Sample::default(),
            first: 0.0,
            has_begun: false,
            begin: 0.0,
            latest: 0.0,
            load: Load::default(),
            summary: Summary::default(),
            out: Vec::new(),
            options,
        }
    }

    /// Takes a packet.
    #[inline]
    pub fn on_packet(&mut self, packet: &Counted) {
        let now = seconds(packet);
        if !self.has_begun {
            self.has_begun = true;
            self.first = now;
            self.begin = now;
        }
        if self.options.seconds > 0.0 && now - self.first > self.options.seconds {
            return;
        }
        self.latest = now;
        if self.interval > 0.0 && now - self.begin > self.interval {
            self.turn(now);
        }
        self.sample.add(packet);
    }

    /// What was printed since the last call, in pieces for each file descriptor.
    pub fn take_output(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.out)
    }

    /// Bytes that wait for [`take_output`](Self::take_output).
    #[must_use]
    pub fn pending(&self) -> usize {
        self.out.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// The capture has ended.
    ///
    /// # Errors
    /// tcpstat would go on for ever; the caller says so.
    pub fn finish(&mut self) -> Result<(), Endless> {
        let length = match self.interval {
            interval if interval >= 0.0 => interval,
            // Nothing came: tcpstat divides by something that is not quite nothing.
            _ if !self.has_begun => f64::MIN_POSITIVE,
            _ => self.latest - self.begin,
        };
        self.print(self.begin, length);
        self.sample = Sample::default();
        let pads = self.options.seconds > 0.0 && self.options.action == Action::Lines;
        let padded = if pads { self.pad(length) } else { Ok(()) };
        self.close(length);
        padded
    }

    /// The packet at `now` lies beyond the interval at hand: that one is printed, and the empty ones up to now.
    fn turn(&mut self, now: f64) {
        let length = self.interval;
        self.print(self.begin, length);
        self.sample = Sample::default();
        self.begin += length;
        while self.begin + length < now {
            self.print_empty(self.begin, length);
            self.begin += length;
        }
    }

    /// Empty intervals until as many seconds are full as were asked for.
    fn pad(&mut self, length: f64) -> Result<(), Endless> {
        let is_whole = self.interval < 0.0;
        let (mut begin, shown) = if is_whole { (self.latest, 0.0) } else { (self.begin + length, length) };
        let mut reached = self.latest + length;
        while reached - self.first < self.options.seconds {
            self.load.decay(length);
            self.tell(&Sample::default(), begin, shown);
            begin += length;
            reached += length;
            if length <= f64::MIN_POSITIVE {
                return Err(Endless);
            }
        }
        Ok(())
    }

    fn print(&mut self, begin: f64, length: f64) {
        let sample = self.sample;
        self.load.on_interval(sample.sum * 8.0 / length, length);
        self.tell(&sample, begin, length);
    }

    fn print_empty(&mut self, begin: f64, length: f64) {
        self.load.decay(length);
        self.tell(&Sample::default(), begin, length);
    }

    fn tell(&mut self, sample: &Sample, begin: f64, length: f64) {
        if self.options.skips_empty && sample.packets == 0 && self.options.action == Action::Lines {
            return;
        }
        match self.options.action {
            Action::Lines => {
                let line = Line {
                    sample,
                    middle: begin + length / 2.0,
                    length,
                    first: self.first,
                    relative_to: self.options.relative_to,
                    load: self.load.shown(),
                };
                self.options.format.render(&line, &mut self.out);
            }
            Action::Bandwidth { limit, carries, .. } => {
                self.summary.on_interval(sample, length, limit, carries);
            }
            Action::Account => self.summary.on_interval(sample, length, f64::INFINITY, false),
        }
    }

    fn close(&mut self, length: f64) {
        let strict = self.options.strict;
        let text = match self.options.action {
            Action::Lines => return,
            Action::Bandwidth { limit, is_raw, .. } => {
                self.summary.bandwidth(limit, is_raw, self.elapsed(length, strict))
            }
            Action::Account => self.summary.account(self.elapsed(length, strict)),
        };
        format::push(&mut self.out, 1, text.as_bytes());
    }

    /// Seconds of the capture; the last interval counts twice in tcpstat.
    fn elapsed(&self, length: f64, strict: bool) -> f64 {
        let whole = self.begin - self.first + length;
        if strict { whole } else { whole + length }
    }
}

impl Load {
    fn on_interval(&mut self, bandwidth: f64, length: f64) {
        self.mean = Some(match self.mean {
            None => bandwidth,
            Some(mean) => mean + (bandwidth - mean) * weight(length),
        });
        if bandwidth > self.peak {
            self.peak = bandwidth;
        }
    }

    fn decay(&mut self, length: f64) {
        let mean = self.mean.unwrap_or(0.0);
        self.mean = Some(mean - mean * weight(length));
    }

    /// Share of the peak; 1 before there is any.
    fn shown(&self) -> f64 {
        if self.peak == 0.0 { 1.0 } else { self.mean.unwrap_or(0.0) / self.peak }
    }
}

/// How much an interval of this length counts against the minute.
fn weight(length: f64) -> f64 {
    1.0 - (-length / 60.0).exp()
}

#[expect(clippy::cast_precision_loss, reason = "tcpstat's times are doubles")]
fn seconds(packet: &Counted) -> f64 {
    packet.seconds as f64 + f64::from(packet.micros) / 1e6
}
