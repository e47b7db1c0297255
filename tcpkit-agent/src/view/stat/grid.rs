//! The grid of intervals: it begins at the first packet and has no gaps.

use super::{
    Action, Counted, StatOptions,
    format::{Extra, Line},
    sample::Sample,
    summary::Totals,
};

/// What takes the lines; each piece belongs to a file descriptor.
pub trait Outlet {
    /// Why nothing more can be taken.
    type Error;

    /// Takes the next piece.
    ///
    /// # Errors
    /// The run is over.
    fn write(&mut self, descriptor: i32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// A line is complete.
    ///
    /// # Errors
    /// The run is over.
    fn end_of_line(&mut self) -> Result<(), Self::Error>;
}

/// Why the statistics end before the capture does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped<E> {
    /// Intervals without packets follow for ever, as tcpstat would print them; [`ENDLESS_BYTES`] of them were.
    Endless,
    /// The outlet takes no more.
    Outlet(E),
}

impl<E> From<E> for Stopped<E> {
    fn from(error: E) -> Self {
        Self::Outlet(error)
    }
}

/// Interval statistics of one capture.
#[derive(Clone, Debug)]
pub struct Stat {
    options: StatOptions,
    /// Length of an interval in seconds; -1 is the whole capture.
    interval: f64,
    sample: Sample,
    /// Time of the first packet; 0 before it.
    first: f64,
    /// Beginning of the interval at hand; 0 before it.
    begin: f64,
    /// Time of the latest packet that counted.
    latest: f64,
    /// Bits per second over the last minute; `None` before the first interval is over.
    load: Option<f64>,
    /// Bytes that exceeded the limit in the interval before (`-b`).
    carried: f64,
    totals: Totals,
    /// SIGUSR1 came.
    is_asked: bool,
    extra: Extra,
}

impl Stat {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: StatOptions) -> Self {
        let is_short = options.seconds > 0.0 && options.seconds < options.interval;
        Self {
            interval: if is_short { WHOLE } else { options.interval },
            sample: Sample::default(),
            first: 0.0,
            begin: 0.0,
            // tcpstat finds something there that is hardly more than nothing.
            latest: f64::MIN_POSITIVE,
            load: None,
            carried: 0.0,
            totals: Totals::default(),
            is_asked: false,
            extra: Extra::default(),
            options,
        }
    }

    /// The grid begins now, not with the first packet.
    pub const fn begin_at(&mut self, now: f64) {
        self.begin = now;
        self.first = now;
        self.latest = now;
    }

    /// Whether a packet of this time ends the interval at hand, so that its line follows.
    #[inline]
    #[must_use]
    pub fn is_due(&self, packet: &Counted) -> bool {
        let now = seconds(packet);
        self.begin != 0.0 && !self.is_late(now) && self.turns_at(now)
    }

    /// What the engine knows of the interval at hand.
    pub const fn set_extra(&mut self, extra: Extra) {
        self.extra = extra;
    }

    /// The line of the interval at hand is wanted now (SIGUSR1): it ends with the next packet.
    pub const fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// See [`Stopped`].
    #[inline]
    pub fn on_packet<O: Outlet>(&mut self, packet: &Counted, out: &mut O) -> Result<(), Stopped<O::Error>> {
        let now = seconds(packet);
        if self.begin == 0.0 {
            self.sample = Sample::default();
            self.begin = now;
            self.first = now;
        }
        if self.is_late(now) {
            return Ok(());
        }
        if self.turns_at(now) {
            self.turn(now - self.begin, now, out)?;
        }
        self.latest = now;
        self.totals.bytes += f64::from(packet.size);
        self.sample.add(packet);
        Ok(())
    }

    /// No packet before `now` will come: intervals that are over are told.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn advance<O: Outlet>(&mut self, now: f64, out: &mut O) -> Result<(), Stopped<O::Error>> {
        if self.is_over(now) { self.turn(now - self.begin, now, out) } else { Ok(()) }
    }

    /// Whether the interval at hand is over by then.
    #[must_use]
    pub fn is_over(&self, now: f64) -> bool {
        !self.is_whole() && now - self.begin > self.interval
    }

    /// The interval at hand is told as it stands, and another one begins `now`.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn tell_now<O: Outlet>(&mut self, now: f64, out: &mut O) -> Result<(), Stopped<O::Error>> {
        self.is_asked = true;
        self.latest = now;
        self.turn(now - self.begin, now, out)
    }

    /// What passed from the interval's beginning until `now`, counted by somebody else, and the line of it.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn on_sample<O: Outlet>(
        &mut self,
        sample: Sample,
        now: f64,
        out: &mut O,
    ) -> Result<(), Stopped<O::Error>> {
        self.totals.bytes += sample.sum;
        self.sample = sample;
        self.tell_now(now, out)
    }

    /// Seconds of the interval at hand, up to `now`; `None` when no line was told yet.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "whether it was moved at all")]
    pub fn open_seconds(&self, now: f64) -> Option<f64> {
        (self.begin != self.first).then_some(now - self.begin)
    }

    /// The capture has ended with a line of its own: the sums.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn conclude<O: Outlet>(&mut self, out: &mut O) -> Result<(), Stopped<O::Error>> {
        let text = match self.options.action {
            Action::Lines => return Ok(()),
            Action::Bandwidth => self.totals.bandwidth(self.options.limit, self.options.carries),
            Action::Account => self.totals.account(self.interval),
        };
        out.write(1, text.as_bytes())?;
        Ok(out.end_of_line()?)
    }

    /// The capture has ended: its last interval, the seconds that are missing, the sums.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn finish<O: Outlet>(&mut self, out: &mut O) -> Result<(), Stopped<O::Error>> {
        let length = if self.interval <= 0.0 { self.latest - self.first } else { self.interval };
        self.totals.time += length;
        self.turn(length, self.latest, out)?;
        if self.options.strict {
            // tcpstat counts the last interval twice.
            self.totals.time -= length;
        }
        if self.options.action == Action::Lines { self.pad(length, out) } else { self.conclude(out) }
    }

    /// Beyond the seconds that were asked for.
    #[inline]
    fn is_late(&self, now: f64) -> bool {
        self.options.seconds > 0.0 && now - self.first > self.options.seconds
    }

    #[inline]
    fn turns_at(&self, now: f64) -> bool {
        let elapsed = now - self.begin;
        (elapsed > self.interval && !self.is_whole()) || (self.is_asked && elapsed > 0.0)
    }

    /// Intervals without packets until as many seconds are full as were asked for.
    #[expect(clippy::float_cmp, reason = "whether adding changes anything")]
    fn pad<O: Outlet>(&mut self, length: f64, out: &mut O) -> Result<(), Stopped<O::Error>> {
        if self.options.seconds <= 0.0 {
            return Ok(());
        }
        let mut out = Counting::new(out);
        while self.latest + length - self.first < self.options.seconds {
            let is_endless = self.latest + length == self.latest;
            self.turn(length, self.latest, &mut out)?;
            self.latest += length;
            out.stop_when(is_endless)?;
        }
        Ok(())
    }

    /// The interval at hand is over after `elapsed` seconds, and so are the empty ones up to `now`.
    #[cold]
    fn turn<O: Outlet>(&mut self, elapsed: f64, now: f64, out: &mut O) -> Result<(), Stopped<O::Error>> {
        let elapsed = if !self.is_asked && self.interval > 0.0 { self.interval } else { elapsed };
        let bandwidth = self.sample.sum / elapsed * 8.0;
        if bandwidth > self.totals.peak {
            self.totals.peak = bandwidth;
        }
        let load = self.load.unwrap_or(bandwidth);
        self.load = Some(load + (bandwidth - load) * weight(elapsed));
        let carried = std::mem::take(&mut self.carried);
        let bandwidth = (self.sample.sum + carried) / elapsed * 8.0;
        let exceeds = bandwidth > self.options.limit;
        if exceeds {
            self.totals.exceeded += elapsed;
        }
        let (sample, extra) = (self.sample, std::mem::take(&mut self.extra));
        self.tell(&sample, self.begin, elapsed, extra, out)?;
        self.begin += elapsed;
        self.totals.time += elapsed;
        self.extra.completeness = extra.completeness;
        self.fill(now, out)?;
        self.sample = Sample::default();
        if self.options.carries && exceeds && self.options.action == Action::Bandwidth {
            self.carried = (bandwidth - self.options.limit) * elapsed / 8.0;
        }
        self.is_asked = false;
        Ok(())
    }

    /// The empty intervals up to `now`.
    #[expect(clippy::float_cmp, reason = "whether adding changes anything")]
    fn fill<O: Outlet>(&mut self, now: f64, out: &mut O) -> Result<(), Stopped<O::Error>> {
        if self.is_whole() {
            return Ok(());
        }
        let mut end = self.begin + self.interval;
        let is_endless = end + self.interval == end || (now - end) / self.interval > MOST_EMPTY;
        let mut out = Counting::new(out);
        let weight = weight(self.interval);
        while end < now {
            self.begin += self.interval;
            self.totals.time += self.interval;
            self.load = self.load.map(|load| load - load * weight);
            self.tell(&Sample::default(), end - self.interval, self.interval, self.extra, &mut out)?;
            end += self.interval;
            out.stop_when(is_endless)?;
        }
        Ok(())
    }

    fn tell<O: Outlet>(
        &self,
        sample: &Sample,
        begin: f64,
        elapsed: f64,
        extra: Extra,
        out: &mut O,
    ) -> Result<(), Stopped<O::Error>> {
        let is_empty = sample.packets == 0;
        if self.options.action != Action::Lines || (is_empty && self.options.skips_empty) {
            return Ok(());
        }
        let length = if self.is_whole() { self.latest - begin } else { elapsed };
        let line = Line {
            sample,
            middle: begin + length / 2.0,
            length,
            first: self.first,
            relative_to: self.options.relative_to,
            load: self.shown_load(),
            extra,
        };
        self.options.format.render(&line, |descriptor, bytes| out.write(descriptor, bytes))?;
        Ok(out.end_of_line()?)
    }

    /// Share of the peak; 1 before there is any.
    fn shown_load(&self) -> f64 {
        if self.totals.peak == 0.0 { 1.0 } else { self.load.unwrap_or(0.0) / self.totals.peak }
    }

    fn is_whole(&self) -> bool {
        self.interval == WHOLE
    }
}

/// An outlet that knows how much it was given.
struct Counting<'a, O> {
    out: &'a mut O,
    bytes: usize,
    before: usize,
}

impl<'a, O: Outlet> Counting<'a, O> {
    const fn new(out: &'a mut O) -> Self {
        Self { out, bytes: 0, before: 0 }
    }

    /// Ends what has no end when enough was printed, or when nothing is.
    fn stop_when(&mut self, is_endless: bool) -> Result<(), Stopped<O::Error>> {
        let is_silent = self.bytes == self.before;
        self.before = self.bytes;
        let is_enough = is_endless && (is_silent || self.bytes >= ENDLESS_BYTES);
        if is_enough { Err(Stopped::Endless) } else { Ok(()) }
    }
}

impl<O: Outlet> Outlet for Counting<'_, O> {
    type Error = O::Error;

    fn write(&mut self, descriptor: i32, bytes: &[u8]) -> Result<(), O::Error> {
        self.bytes += bytes.len();
        self.out.write(descriptor, bytes)
    }

    fn end_of_line(&mut self) -> Result<(), O::Error> {
        self.out.end_of_line()
    }
}

/// What is printed of intervals that have no end.
pub const ENDLESS_BYTES: usize = 1 << 20;

/// More intervals than these in one gap are tens of gigabytes of lines, or a minute without a word; that is for ever.
const MOST_EMPTY: f64 = 1e9;

/// The interval that is the whole capture.
const WHOLE: f64 = -1.0;

/// How much an interval of this length counts against the minute.
fn weight(length: f64) -> f64 {
    1.0 - (-length / 60.0).exp()
}

#[inline]
#[expect(clippy::cast_precision_loss, reason = "tcpstat's times are doubles")]
fn seconds(packet: &Counted) -> f64 {
    packet.seconds as f64 + packet.micros as f64 / 1e6
}
