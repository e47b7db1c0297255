//! Milliseconds made of single frames, for captures in which no kernel has counted them.
//!
//! Frames may come a little out of order: a millisecond is taken when a frame came that is [`OPEN`] younger. What comes
//! later still is counted as late.

use super::{Bin, BurstSeries};
use crate::{
    flow::WireCount,
    time::Timestamp,
    wire::{FrameDirection, InterfaceId},
};

/// Milliseconds that may still change.
const OPEN: i64 = 64;

/// Nanoseconds of a millisecond.
const BIN_NS: i64 = 1_000_000;

/// Where bursts are told apart.
pub type BurstKey = (InterfaceId, FrameDirection);

/// Frames that came so much out of order that their millisecond was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Bursts at each interface and direction; sees every frame in capture order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurstAnalyzer<F> {
    /// By interface, then by [`DIRECTIONS`].
    places: Vec<Option<Box<Place<F>>>>,
    late: Late,
}

/// One interface and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place<F> {
    series: BurstSeries<F>,
    /// Millisecond `n` at `n mod OPEN`.
    open: Vec<Bin<F>>,
    /// The millisecond of the youngest frame.
    newest: i64,
    /// Its beginning and its end, in nanoseconds.
    bounds: (i64, i64),
    /// The first millisecond that is open.
    oldest: i64,
}

impl<F: Copy + PartialEq> BurstAnalyzer<F> {
    /// Takes a frame: when and where it came, what it stood for, and its flow.
    #[inline(always)]
    pub fn on_frame(&mut self, key: BurstKey, time: Timestamp, wire: WireCount, flow: Option<F>) {
        let at = usize::from(key.0.0) * DIRECTIONS.len() + direction_index(key.1);
        match self.places.get_mut(at) {
            // Most frames come in the millisecond of the one before: no division then.
            Some(Some(place)) if place.is_newest(time) => place.bin_mut(place.newest).add(wire, flow),
            _ => self.take(at, time, wire, flow),
        }
    }

    #[inline(never)]
    fn take(&mut self, at: usize, time: Timestamp, wire: WireCount, flow: Option<F>) {
        let number = time.0.div_euclid(BIN_NS);
        if at >= self.places.len() {
            self.places.resize(at + 1, None);
        }
        let place = self.places[at].get_or_insert_with(|| Box::new(Place::beginning(number)));
        if !place.add(number, wire, flow) {
            self.late.frames += 1;
            self.late.bytes += wire.bytes;
        }
    }

    /// Each place with its series, up to the youngest frame of all.
    pub fn finished(&self) -> impl Iterator<Item = (BurstKey, BurstSeries<F>)> {
        let end = self.places.iter().flatten().map(|place| place.newest).max().unwrap_or(0);
        let keys = (0..=u16::MAX).flat_map(|number| DIRECTIONS.map(|way| (InterfaceId(number), way)));
        let places = keys.zip(&self.places).filter_map(|(key, place)| Some((key, place.as_ref()?)));
        places.map(move |(key, place)| (key, place.finished(end)))
    }

    /// What came too late to be counted.
    #[must_use]
    pub const fn late(&self) -> Late {
        self.late
    }
}

impl<F> Default for BurstAnalyzer<F> {
    fn default() -> Self {
        Self { places: Vec::new(), late: Late::default() }
    }
}

impl<F: Copy + PartialEq> Place<F> {
    fn beginning(number: i64) -> Self {
        let open = vec![Bin::EMPTY; usize::try_from(OPEN).unwrap_or(1)];
        // The first frame may be overtaken as well.
        let (series, oldest) = (BurstSeries::default(), number - OPEN + 1);
        Self { series, open, newest: number, bounds: bounds(number), oldest }
    }

    #[inline]
    const fn is_newest(&self, time: Timestamp) -> bool {
        time.0 >= self.bounds.0 && time.0 < self.bounds.1
    }

    #[inline]
    fn bin_mut(&mut self, number: i64) -> &mut Bin<F> {
        &mut self.open[index(number)]
    }

    #[inline]
    fn add(&mut self, number: i64, wire: WireCount, flow: Option<F>) -> bool {
        if number < self.oldest {
            return false;
        }
        if number > self.newest {
            self.advance(number);
        }
        self.bin_mut(number).add(wire, flow);
        true
    }

    /// Closes the milliseconds that are too old beside this one.
    fn advance(&mut self, newest: i64) {
        let oldest = newest - OPEN + 1;
        for number in self.oldest..oldest.min(self.newest + 1) {
            let bin = std::mem::replace(&mut self.open[index(number)], Bin::EMPTY);
            self.series.on_closed(number, bin);
        }
        (self.newest, self.oldest) = (newest, oldest);
        self.bounds = bounds(newest);
    }

    fn finished(&self, end: i64) -> BurstSeries<F> {
        let mut series = self.series.clone();
        for number in self.oldest..=self.newest {
            series.on_closed(number, self.open[index(number)]);
        }
        series.on_idle(end.saturating_add(1));
        series
    }
}

impl<F: Copy + PartialEq> BurstSeries<F> {
    /// A millisecond without frames before the first one is not part of the capture.
    fn on_closed(&mut self, number: i64, bin: Bin<F>) {
        if bin.packets > 0 {
            // Milliseconds are closed in order.
            let _taken = self.on_millisecond(number, bin);
        }
    }
}

impl<F: Copy + PartialEq> Bin<F> {
    #[inline]
    fn add(&mut self, wire: WireCount, flow: Option<F>) {
        self.packets += u64::from(wire.packets);
        self.bytes += wire.bytes;
        self.vote(flow, wire.bytes);
    }

    /// R. S. Boyer and J. S. Moore, "MJRTY: a fast majority vote algorithm", 1981, with bytes as votes.
    #[inline]
    fn vote(&mut self, flow: Option<F>, bytes: u64) {
        if self.candidate == flow {
            self.weight += bytes;
        } else if self.weight >= bytes {
            self.weight -= bytes;
        } else {
            (self.candidate, self.weight) = (flow, bytes - self.weight);
        }
    }
}

/// Every direction, in the order of [`direction_index`].
const DIRECTIONS: [FrameDirection; 3] =
    [FrameDirection::Unknown, FrameDirection::Inbound, FrameDirection::Outbound];

const fn direction_index(direction: FrameDirection) -> usize {
    match direction {
        FrameDirection::Unknown => 0,
        FrameDirection::Inbound => 1,
        FrameDirection::Outbound => 2,
    }
}

/// Where a millisecond begins and ends; the first and the last that there are lack a part.
const fn bounds(number: i64) -> (i64, i64) {
    (number.saturating_mul(BIN_NS), number.saturating_add(1).saturating_mul(BIN_NS))
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is from 0 to OPEN")]
const fn index(number: i64) -> usize {
    number.rem_euclid(OPEN) as usize
}
