//! How a capture went: what had been measured when each bin of capture time ended, in bounded memory.
//!
//! Boundaries are multiples of a width that doubles when there would be too many. Each shard notes its state at each
//! boundary that the watermark passes, so the sum over shards is that of one shard, whatever their number.

use crate::{
    analyzer::{BandwidthAnalyzer, CoarseHistogram, Cut, RequestSum, TrafficCount},
    flow::{Cause, FlowCounts, Half, Outcome as HandshakeOutcome},
    time::Timestamp,
    wire::FrameDirection,
};

use super::ShardSnapshot;

/// The course of a capture, as far as one shard saw it; none is kept unless it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Course {
    bins: Option<Box<Bins>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bins {
    /// Nanoseconds between two boundaries.
    width: i64,
    /// The first boundary that was noted, or is the next, in widths; unknown before the first watermark.
    first: Option<i64>,
    /// The state at each boundary from there on.
    moments: Vec<Moment>,
    /// What was measured before the shard handed its sums over and began anew.
    before: Moment,
}

/// What had been measured at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// All traffic.
    pub traffic: TrafficCount,
    /// Bytes on their way in, and out, where that is known.
    pub directed_bytes: [u64; 2],
    /// Flows that began.
    pub flows: u64,
    /// Handshakes by outcome.
    pub handshakes: [u64; HandshakeOutcome::COUNT],
    /// Segments with payload.
    pub data_segments: u64,
    /// Those of them that had been sent before, by cause.
    pub retransmissions: [u64; Cause::COUNT],
    /// Requests, those answered with an error, and those without an answer.
    pub requests: [u64; 3],
    /// How long requests took, round trips towards servers, and towards clients.
    pub latencies: [CoarseHistogram; 3],
}

impl Course {
    /// One that is kept.
    #[must_use]
    pub fn kept() -> Self {
        Self {
            bins: Some(Box::new(Bins {
                width: FINEST,
                first: None,
                moments: Vec::new(),
                before: Moment::default(),
            })),
        }
    }

    /// From which watermark on a boundary is to be noted.
    #[inline]
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.bins.as_ref().map_or(Timestamp(i64::MAX), |bins| bins.due())
    }

    /// The next boundary that is not after `now`; the state at it is then to be [noted](Self::note). When there are too
    /// many up to `now`, every second one is forgotten.
    pub fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        let bins = self.bins.as_deref_mut()?;
        if bins.first.is_none() {
            bins.first = Some(now.0.div_euclid(bins.width) + 1);
        }
        while bins.last_until(now) - bins.first? >= MOST_BINS {
            bins.widen();
        }
        // Compared as boundaries: behind the last one there is no time left, and a product that saturates would be due
        // for ever.
        (bins.boundary()? <= bins.last_until(now)).then(|| bins.due())
    }

    /// Takes the state at the boundary that [`next`](Self::next) gave.
    pub fn note(&mut self, mut moment: Moment) {
        if let Some(bins) = &mut self.bins {
            moment.merge(&bins.before);
            bins.moments.push(moment);
        }
    }

    /// The shard begins its sums anew; these were handed over. Flows are not among them: their count goes on.
    pub fn handed_over(&mut self, measured: &ShardSnapshot) {
        if let Some(bins) = &mut self.bins {
            bins.before.merge(&Moment::of(measured, &FlowCounts::default()));
        }
    }

    /// Adds what another shard saw of the same capture; both have been told of the same last watermark.
    pub fn merge(&mut self, other: &Self) {
        let Some(theirs) = &other.bins else { return };
        match &mut self.bins {
            Some(own) => own.merge(theirs),
            None => self.bins = Some(theirs.clone()),
        }
    }

    /// Nanoseconds between two boundaries, the first boundary, and the state at it and each that follows.
    #[must_use]
    pub fn moments(&self) -> Option<(i64, i64, &[Moment])> {
        let bins = self.bins.as_deref()?;
        Some((bins.width, bins.first?, &bins.moments))
    }
}

impl Bins {
    fn due(&self) -> Timestamp {
        let Some(boundary) = self.boundary() else { return Timestamp::MIN };
        Timestamp(boundary.saturating_mul(self.width))
    }

    /// The boundary that comes next, in widths.
    fn boundary(&self) -> Option<i64> {
        let noted = i64::try_from(self.moments.len()).unwrap_or(i64::MAX);
        Some(self.first?.saturating_add(noted))
    }

    /// The last boundary that is not after `now`.
    const fn last_until(&self, now: Timestamp) -> i64 {
        now.0.div_euclid(self.width)
    }

    /// Forgets every second boundary: those that are no multiples of twice the width.
    fn widen(&mut self) {
        self.width *= 2;
        let Some(first) = self.first else { return };
        let mut boundary = first - 1;
        self.moments.retain(|_| {
            boundary += 1;
            boundary % 2 == 0
        });
        self.first = Some((first + 1).div_euclid(2));
    }

    fn merge(&mut self, other: &Self) {
        let mut theirs = other.clone();
        while self.width < theirs.width {
            self.widen();
        }
        while theirs.width < self.width {
            theirs.widen();
        }
        let Some(their_first) = theirs.first else { return };
        let first = self.first.map_or(their_first, |own| own.min(their_first));
        let end = self.end().max(theirs.end());
        let sum = (first..end).map(|boundary| {
            let mut sum = self.at(boundary).cloned().unwrap_or_default();
            if let Some(moment) = theirs.at(boundary) {
                sum.merge(moment);
            }
            sum
        });
        self.moments = sum.collect();
        self.first = Some(first);
    }

    /// The boundary behind the last one that was noted.
    fn end(&self) -> i64 {
        self.first.map_or(i64::MIN, |first| first + i64::try_from(self.moments.len()).unwrap_or(0))
    }

    /// The state at a boundary: before the first one nothing was measured, and after the last one nothing more.
    fn at(&self, boundary: i64) -> Option<&Moment> {
        let place = usize::try_from(boundary - self.first?).ok()?;
        self.moments.get(place).or(self.moments.last())
    }
}

impl Moment {
    /// The state of a shard, whose flows are counted apart.
    #[must_use]
    pub fn of(measured: &ShardSnapshot, flows: &FlowCounts) -> Self {
        let requests = measured.requests.total();
        let again = measured.retransmissions.total();
        let trips = |half| CoarseHistogram::of(&measured.round_trips.towards(half).spans);
        Self {
            traffic: passed(&measured.bandwidth, None),
            directed_bytes: [FrameDirection::Inbound, FrameDirection::Outbound]
                .map(|way| passed(&measured.bandwidth, Some(way)).bytes),
            flows: flows.opened,
            handshakes: HandshakeOutcome::ALL.map(|outcome| measured.handshakes.count(outcome)),
            data_segments: again.data_segments,
            retransmissions: again.causes,
            requests: [requests.requests(), requests.errors, unanswered(&requests)],
            latencies: [CoarseHistogram::of(&requests.total), trips(Half::Server), trips(Half::Client)],
        }
    }

    /// Adds the state of another shard at the same time.
    pub fn merge(&mut self, other: &Self) {
        self.traffic.merge(&other.traffic);
        self.flows += other.flows;
        self.data_segments += other.data_segments;
        add(&mut self.directed_bytes, &other.directed_bytes);
        add(&mut self.handshakes, &other.handshakes);
        add(&mut self.retransmissions, &other.retransmissions);
        add(&mut self.requests, &other.requests);
        for (own, theirs) in self.latencies.iter_mut().zip(&other.latencies) {
            own.merge(theirs);
        }
    }
}

fn passed(bandwidth: &BandwidthAnalyzer, direction: Option<FrameDirection>) -> TrafficCount {
    let mut sum = TrafficCount::default();
    let cut = Cut { direction, ..Cut::default() };
    bandwidth.interfaces().for_each(|(_, traffic)| sum.merge(&traffic.count(cut)));
    sum
}

/// Those that had none, and those whose connection was lost.
fn unanswered(requests: &RequestSum) -> u64 {
    let [_answered, _no_reply, unanswered, aborted] = requests.outcomes;
    unanswered + aborted
}

fn add<const N: usize>(own: &mut [u64; N], theirs: &[u64; N]) {
    own.iter_mut().zip(theirs).for_each(|(own, theirs)| *own += theirs);
}

/// Boundaries that are kept, at most: as many as a picture of a screen's width can show.
const MOST_BINS: i64 = 240;

/// The least width: a millisecond.
const FINEST: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(frames: u64) -> Moment {
        Moment { traffic: TrafficCount { frames, ..TrafficCount::default() }, ..Moment::default() }
    }

    /// A course over so many milliseconds from `first` on; the state is the number of the millisecond times `weight`.
    fn course(first: i64, last: i64, weight: u64) -> Course {
        let mut course = Course::kept();
        for now in first..=last {
            while let Some(Timestamp(boundary)) = course.next(Timestamp(now * FINEST)) {
                course.note(moment(weight * u64::try_from(boundary / FINEST).unwrap()));
            }
        }
        course
    }

    #[test]
    fn a_course_that_nobody_asked_for_is_never_due() {
        let mut course = Course::default();
        assert_eq!(course.due(), Timestamp(i64::MAX));
        assert_eq!(course.next(Timestamp(i64::MAX)), None);
        assert_eq!(course.moments(), None);
    }

    #[test]
    fn every_boundary_has_the_state_of_its_own_time_however_wide_bins_became() {
        for last in [10, 239, 240, 241, 1_000, 54_321] {
            let course = course(7, last, 1);
            let (width, first, moments) = course.moments().unwrap();
            assert!(moments.len() <= 240 && (last < 480 || moments.len() >= 119), "{}", moments.len());
            for (boundary, state) in (first..).zip(moments) {
                assert_eq!(*state, moment(u64::try_from(boundary * width / FINEST).unwrap()));
            }
        }
    }

    #[test]
    fn a_pause_of_years_costs_no_more_than_any_other() {
        let mut course = course(0, 5, 1);
        let later = Timestamp(i64::MAX / 2);
        while course.next(later).is_some() {
            course.note(moment(5));
        }
        assert!(course.moments().unwrap().2.len() <= 240 && course.due() > later);
    }

    #[test]
    fn the_end_of_time_has_no_boundary_behind_it() {
        for begin in [i64::MIN, 0, i64::MAX - 5 * FINEST, i64::MAX] {
            let mut course = Course::kept();
            for now in [begin, i64::MAX, i64::MAX] {
                while course.next(Timestamp(now)).is_some() {
                    course.note(moment(1));
                    assert!(course.moments().unwrap().2.len() <= 240, "from {begin}");
                }
            }
        }
    }

    #[test]
    fn shards_that_began_later_are_added_in_whatever_order() {
        let parts =
            [course(7, 1_000, 1), course(500, 1_000, 100), course(999, 1_000, 10_000), Course::default()];
        let merged = |order: [usize; 4]| {
            let mut sum = Course::kept();
            order.iter().for_each(|part| sum.merge(&parts[*part]));
            sum
        };
        let sum = merged([0, 1, 2, 3]);
        assert_eq!(sum, merged([3, 2, 1, 0]));
        assert_eq!(sum, merged([1, 0, 3, 2]));
        let (width, first, moments) = sum.moments().unwrap();
        let at = |ms: i64| moments[usize::try_from(ms * FINEST / width - first).unwrap()].traffic.frames;
        assert_eq!((width, at(496), at(512), at(1_000)), (8 * FINEST, 496, 101 * 512, 10_101 * 1_000));
    }
}
