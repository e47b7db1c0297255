//! Both directions' round trips of one flow, sample by sample.
//!
//! Delayed acknowledgements. A receiver may wait up to half a second before it acknowledges a lone segment
//! (RFC 9293 §3.8.6.3); Linux waits 40 to 200 ms, others up to 200. One is *marked* when it acknowledges a single
//! segment behind which nothing was outstanding, carries no data, and came 38 to 210 ms later than the least round
//! trip. One that *may* have been delayed, by whatever time, because a lone segment is all that it acknowledges
//! (Linux's `FLAG_ACK_MAYBE_DELAYED`), or because it waited for data to ride on, tells nothing of queueing.

use super::{
    super::{
        key::Side,
        stream::{Acked, Verdict},
    },
    RttSummary,
    histogram::{RttHistogram, SpillBudget},
    smoothed::Smoothed,
    timestamps::{EchoWatch, Resent},
};
use crate::{
    time::{Span, Timestamp},
    wire::{Segment, TcpFlags, TcpOptions},
};

/// What a delayed acknowledgement exceeds the least round trip by: Linux's `TCP_DELACK_MIN` of 40 ms, which may end
/// a tick early, up to its `TCP_DELACK_MAX` of 200 ms (include/net/tcp.h).
pub(in crate::flow) const DELAYED: std::ops::RangeInclusive<Span> =
    Span::from_millis(38)..=Span::from_millis(210);

/// Acknowledgements without data, and no data acknowledged among them, after which the echoes of their timestamps are
/// watched: this side only listens.
const ONE_SIDED: u32 = 16;

/// Round trips of both directions of a flow.
#[derive(Debug, Default)]
pub(in crate::flow) struct RttTracker {
    directions: [Direction; 2],
}

/// A round trip that a segment completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) struct RttSample {
    /// Whose data it is of.
    pub(in crate::flow) sender: Side,
    /// Since the oldest segment that was acknowledged.
    pub(in crate::flow) span: Span,
    /// What that of the newest exceeds the least by.
    pub(in crate::flow) above_min: Span,
    /// The receiver is known to have waited.
    pub(in crate::flow) is_delayed_ack: bool,
    /// It may have waited, for whatever time.
    pub(in crate::flow) may_be_delayed: bool,
}

impl RttTracker {
    /// Takes the round trip of a side's SYN.
    #[inline(never)]
    pub(in crate::flow) fn opened(
        &mut self,
        sender: Side,
        span: Span,
        budget: &mut SpillBudget,
    ) -> RttSample {
        let trip = Trip { oldest: span, newest: span, is_by_timestamp: false };
        let ack = AckShape { is_lone: false, is_bare: false };
        self.directions[sender as usize].record(sender, trip, ack, budget)
    }

    /// Takes a segment of `side`; the sample is of the other side's data, which it acknowledges.
    #[inline(always)]
    pub(in crate::flow) fn on_segment(
        &mut self,
        side: Side,
        at: Timestamp,
        segment: &Segment<'_>,
        verdict: &Verdict,
        budget: &mut SpillBudget,
    ) -> Option<RttSample> {
        let acked = verdict.acked.as_ref();
        let lets_go = acked.is_some_and(|acked| acked.octets > 0) && segment.segment_len() == 0;
        let [low, high] = &mut self.directions;
        let (own, other) = if side == Side::Low { (low, high) } else { (high, low) };
        own.bare_acks = own.bare_acks.saturating_add(u32::from(lets_go));
        let resends = verdict.sent.again > 0 && !verdict.sent.is_probe;
        let mut tsecr = None;
        if resends || own.is_watched() || other.is_watched() {
            let seen = Stamped { options: segment.options, flags: segment.flags, resends, lets_go };
            tsecr = Self::follow_timestamps(own, other, at, seen);
        }
        let acked = acked?;
        let trip = other.trip(acked, at, tsecr)?;
        let ack = AckShape {
            is_lone: acked.segments <= 1 && acked.selectively == 0 && acked.in_flight == 0,
            is_bare: segment.payload_len == 0,
        };
        Some(other.record(side.other(), trip, ack, budget))
    }

    /// Looks at the timestamps of a segment; gives the one that it echoes.
    #[cold]
    fn follow_timestamps(
        own: &mut Direction,
        other: &mut Direction,
        at: Timestamp,
        seen: Stamped<'_>,
    ) -> Option<u32> {
        let Stamped { options, flags, resends, lets_go } = seen;
        let (tsval, tsecr) = options.timestamps()?;
        let is_listening = own.bare_acks > ONE_SIDED;
        if resends {
            own.echoes.get_or_insert_default().resent.note(tsval, at);
        }
        if is_listening || own.echoes.is_some() {
            own.echoes.get_or_insert_default().watch.on_sent(tsval, at, lets_go && is_listening);
        }
        let tsecr = Some(tsecr).filter(|_| flags.contains(TcpFlags::ACK))?;
        if let Some(echoes) = &mut other.echoes {
            echoes.watch.on_echo(tsecr, at);
        }
        Some(tsecr)
    }

    /// What a side's data took so far.
    pub(in crate::flow) fn summary(&self, sender: Side) -> RttSummary {
        self.directions[sender as usize].summary()
    }

    /// The least round trip of a side's data so far.
    pub(in crate::flow) const fn least(&self, sender: Side) -> Option<Span> {
        self.directions[sender as usize].least()
    }

    /// The smoothed round trip of a side's data.
    pub(in crate::flow) const fn smoothed(&self, sender: Side) -> Option<Smoothed> {
        self.directions[sender as usize].smoothed
    }

    /// Gives memory back: the flow is gone.
    pub(in crate::flow) fn release(&mut self, budget: &mut SpillBudget) {
        for direction in &mut self.directions {
            direction.histogram.release(budget);
        }
        *self = Self::default();
    }
}

/// What matters of a segment whose timestamps are looked at; not a reference to it, for which all of it would have to be
/// in memory.
#[derive(Clone, Copy, Debug)]
struct Stamped<'a> {
    options: TcpOptions<'a>,
    flags: TcpFlags,
    /// It sends data again.
    resends: bool,
    /// It acknowledges data, and carries none.
    lets_go: bool,
}

/// One acknowledgement's times since the oldest and the newest segment that it tells of.
#[derive(Clone, Copy, Debug)]
struct Trip {
    oldest: Span,
    newest: Span,
    /// The echo of a timestamp told.
    is_by_timestamp: bool,
}

/// What kind of acknowledgement it was.
#[derive(Clone, Copy, Debug)]
struct AckShape {
    /// It acknowledges one segment, and nothing else was outstanding.
    is_lone: bool,
    /// It carries no data.
    is_bare: bool,
}

/// Round trips of one side's data.
#[derive(Debug, Default)]
struct Direction {
    histogram: RttHistogram,
    /// Of what is in the histogram.
    sum: u64,
    max: Span,
    /// Of newest segments.
    min: Span,
    smoothed: Option<Smoothed>,
    /// Sum of the round trips of newest segments that no delayed acknowledgement can explain.
    clear_sum: u64,
    /// How many those are.
    clear: u32,
    delayed_acks: u32,
    by_timestamp: u32,
    /// Acknowledgements without data that this side sent since data of its own was acknowledged.
    bare_acks: u32,
    echoes: Option<Box<Echoes>>,
}

/// What timestamps are remembered of one side's segments, where they can tell something.
#[derive(Clone, Copy, Debug, Default)]
struct Echoes {
    resent: Resent,
    watch: EchoWatch,
}

impl Direction {
    /// Whether timestamps tell something of this side's segments.
    const fn is_watched(&self) -> bool {
        self.echoes.is_some() || self.bare_acks > ONE_SIDED
    }

    /// What an acknowledgement tells: by itself, else by the retransmission whose timestamp it echoes.
    #[inline(always)]
    fn trip(&mut self, acked: &Acked, at: Timestamp, tsecr: Option<u32>) -> Option<Trip> {
        if let Some(newest) = acked.rtt {
            let oldest = acked.rtt_oldest.unwrap_or(newest);
            return Some(Trip { oldest, newest, is_by_timestamp: false });
        }
        // RFC 7323 §4.1: only where something is acknowledged for the first time.
        let echoes = self.echoes.as_mut().filter(|_| acked.octets > 0)?;
        let rtt = echoes.resent.answered(tsecr?, at)?;
        Some(Trip { oldest: rtt, newest: rtt, is_by_timestamp: true })
    }

    #[inline(always)]
    fn record(&mut self, sender: Side, trip: Trip, ack: AckShape, budget: &mut SpillBudget) -> RttSample {
        let is_first = self.smoothed.is_none();
        self.min = if is_first { trip.newest } else { self.min.min(trip.newest) };
        self.max = self.max.max(trip.oldest);
        self.sum = self.sum.saturating_add(trip.oldest.0);
        self.smoothed = Some(match self.smoothed {
            Some(state) => state.with(trip.oldest),
            None => Smoothed::new(trip.oldest),
        });
        self.histogram.record(trip.oldest, budget);
        self.by_timestamp += u32::from(trip.is_by_timestamp);
        self.bare_acks = 0;
        let above_min = Span(trip.newest.0 - self.min.0);
        let is_delayed_ack = ack.is_lone && ack.is_bare && DELAYED.contains(&above_min);
        self.delayed_acks += u32::from(is_delayed_ack);
        if !ack.is_lone {
            self.clear_sum = self.clear_sum.saturating_add(trip.newest.0);
            self.clear = self.clear.saturating_add(1);
        }
        RttSample { sender, span: trip.oldest, above_min, is_delayed_ack, may_be_delayed: ack.is_lone }
    }

    const fn least(&self) -> Option<Span> {
        if self.smoothed.is_some() { Some(self.min) } else { None }
    }

    fn summary(&self) -> RttSummary {
        let round_trips = self.histogram.sorted();
        let samples = round_trips.samples();
        let min_echo = self.echoes.as_ref().and_then(|echoes| echoes.watch.least());
        if samples == 0 {
            return RttSummary { min_echo, ..RttSummary::default() };
        }
        // What stands for a bucket may lie outside of what was measured.
        let quantile = |per_mille| Some(round_trips.per_mille(per_mille)?.max(self.min).min(self.max));
        RttSummary {
            samples,
            min: self.least(),
            mean_ns: Some(mean(self.sum, samples)),
            p50: quantile(500),
            p90: quantile(900),
            p99: quantile(990),
            max: Some(self.max),
            percentile_error: Some(round_trips.error()),
            smoothed: self.smoothed.map(Smoothed::srtt),
            variation: self.smoothed.map(Smoothed::rttvar),
            delayed_acks: self.delayed_acks.into(),
            by_timestamp: self.by_timestamp.into(),
            queueing: self.queueing(),
            min_echo,
        }
    }

    /// A single round trip is the least, and tells of no queue.
    fn queueing(&self) -> Option<Span> {
        (self.clear > 1).then(|| Span((self.clear_sum / u64::from(self.clear)).saturating_sub(self.min.0)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean needs no more than the 53 digits of a float")]
fn mean(sum: u64, samples: u64) -> f64 {
    sum as f64 / samples as f64
}
