//! Why a sender sent octets again.
//!
//! Judged by what the sender could know when it did (RFC 5681, 6298, 6675, 8985, and what Linux makes of them), from
//! wherever the capture point stands: what it saw of acknowledgements, the sender saw half a round trip later.

use super::{
    counts::Cause,
    flight::{Inspected, octets},
    pair::Work,
    sequence::sum,
    step::StreamStepKind,
    trouble::{Episode, Recovery},
};
use crate::{time::Span, wire::SeqNumber};

/// Linux waits at least 200 ms for its timer (`TCP_RTO_MIN`); clocks that tick a hundred times a second, and the
/// time that the segment before took to the capture point, may take a little from that.
const TIMER: Span = Span::from_millis(170);
/// What a tail loss probe of a single segment waits for a delayed acknowledgement (RFC 8985 §7.2: WCDelAckT).
const DELAYED_ACK: Span = Span::from_millis(200);
/// The first time-out, where no round trip is known (RFC 6298 §2.1).
const FIRST_TIMEOUT: Span = Span::from_secs(1);
/// Timers of other systems are shorter; below this nothing is one.
const SHORT_TIMER: Span = Span::from_millis(15);

/// Octets that come (again) before the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    pub(super) end: SeqNumber,
    /// Those from here on are not acknowledged.
    pub(super) from: SeqNumber,
    pub(super) inspected: Inspected,
}

impl Work<'_, '_, '_> {
    /// Why these octets were sent again, as far as is known now.
    pub(super) fn cause(&self, copy: &Copy) -> Cause {
        let open = octets(copy.from, copy.end);
        if open == 0 || (copy.inspected.sacked >= open) {
            return Cause::Spurious;
        }
        let recovery = self.troubles.get(self.own.trouble).map_or(Recovery::Open, |trouble| trouble.recovery);
        if matches!(recovery, Recovery::Timeout(_)) {
            return Cause::Rto;
        }
        let is_told = self.is_told_of_loss(copy) || matches!(recovery, Recovery::Fast(_));
        let silence = self.silence();
        if is_told && silence < sum(TIMER, self.near()) {
            return Cause::Fast;
        }
        if !is_told && recovery == Recovery::Open && self.is_tail_probe(copy, silence) {
            return Cause::Tlp;
        }
        self.timer_cause(copy, silence)
    }

    /// Whether octets that no capture holds were sent again, rather than overtaken by others.
    pub(super) fn is_sent_again(&self, copy: &Copy) -> bool {
        let now = self.seen.at;
        let tsval = self.seen.segment.options.timestamps().map(|(tsval, _)| SeqNumber(tsval));
        if let Some((own, behind)) = tsval.zip(copy.inspected.hole_tsval.map(SeqNumber))
            && own != behind
        {
            // A clock that ticks tells which of both was sent first.
            return own.after(behind);
        }
        let since = now.since(copy.inspected.hole_since.unwrap_or(self.own.nxt_at));
        match self.full_round_trip() {
            Some(trip) if self.is_told_of_loss(copy) => since >= trip,
            Some(trip) => since >= Self::OVERTAKEN.max(sum(trip, trip)),
            None => since >= Self::OVERTAKEN,
        }
    }

    /// A retransmission is counted: what follows for the sender's recovery.
    pub(super) fn on_retransmitted(&mut self, copy: &Copy, cause: Cause, segments: u32, bytes: u32) {
        if cause == Cause::Spurious {
            return;
        }
        let (at, until) = (self.seen.at, self.own.snd_nxt);
        let is_timer = self.silence() >= sum(TIMER, self.near());
        let lost_at = copy.inspected.sent_before.or(copy.inspected.hole_since).unwrap_or(self.own.nxt_at);
        let Some(trouble) = self.troubles.demand(&mut self.own.trouble) else { return };
        trouble.touched = trouble.touched.max(at);
        match (cause, trouble.recovery) {
            (Cause::Rto, Recovery::Timeout(_)) => trouble.is_timeout_doubted = is_timer,
            (Cause::Rto, before) => {
                trouble.recovery = Recovery::Timeout(until);
                trouble.is_timeout_doubted = before == Recovery::Open;
            }
            (Cause::Fast, Recovery::Open) => trouble.recovery = Recovery::Fast(until),
            (Cause::Tlp, _) => trouble.probed = Some(until),
            _ => {}
        }
        let episode = trouble.episode.get_or_insert(Episode {
            start: at,
            until,
            lost_at,
            lost_end: copy.end,
            mended_at: None,
            retransmissions: [0; Cause::COUNT],
            bytes: 0,
        });
        if cause == Cause::Rto {
            episode.until = until;
        }
        episode.retransmissions[cause.index()] += segments;
        episode.bytes += u64::from(bytes);
    }

    /// Ends recovery, probe and episode of the stream that is acknowledged up to `ack`.
    pub(super) fn end_recovery(&mut self, ack: SeqNumber) {
        let at = self.seen.at;
        let trip = self.peer.round_trip.smoothed().unwrap_or_default();
        let Some(trouble) = self.troubles.get_mut(self.peer.trouble) else { return };
        if let Recovery::Fast(until) | Recovery::Timeout(until) = trouble.recovery
            && !ack.before(until)
        {
            trouble.recovery = Recovery::Open;
        }
        if trouble.probed.is_some_and(|until| !ack.before(until)) {
            trouble.probed = None;
        }
        let Some(episode) = &mut trouble.episode else { return };
        if !ack.before(episode.lost_end) {
            episode.mended_at.get_or_insert(at);
        }
        if ack.before(episode.until) {
            return;
        }
        let delay = episode.mended_at.unwrap_or(at).since(episode.lost_at);
        let ended = episode.ended(at, Span(delay.0.saturating_sub(trip.0)));
        trouble.episode = None;
        let counts = self.peer.counts.rare();
        counts.loss_episodes += 1;
        counts.loss_episode_time = sum(counts.loss_episode_time, ended.end.since(ended.start));
        self.tell(self.seen.side.other(), StreamStepKind::EpisodeEnded(ended));
    }

    /// The timer ran out in vain, and the sender sees it by the time stamp: it goes back to where it was (RFC 4015).
    pub(super) fn undo_recovery(&mut self) {
        if let Some(trouble) = self.troubles.get_mut(self.peer.trouble)
            && matches!(trouble.recovery, Recovery::Timeout(_))
        {
            trouble.recovery = Recovery::Open;
        }
    }

    /// The timer ran out in vain, for octets arrive that were sent only once before it did: the sender goes back to
    /// where it was, and what acknowledgements tell of counts again (F-RTO, RFC 5682 §3.1). Linux looks for that until
    /// it sends the next octets again; not where it was mending a loss already (net/ipv4/tcp_input.c,
    /// `tcp_process_loss`), and here only where there is SACK. `originals` are where such octets end.
    pub(super) fn doubt_timeout(&mut self, originals: [Option<SeqNumber>; 2]) {
        let Some(trouble) = self.troubles.get_mut(self.peer.trouble) else { return };
        if let Recovery::Timeout(until) = trouble.recovery
            && trouble.is_timeout_doubted
            && self.seen.flow.may_probe()
            && originals.into_iter().flatten().any(|end| !end.after(until))
        {
            trouble.recovery = Recovery::Open;
        }
    }

    /// A timer, or nothing that shows.
    fn timer_cause(&self, copy: &Copy, silence: Span) -> Cause {
        let is_head = !self.own.facts.has_una || !copy.from.after(self.own.snd_una);
        let full = self.full_round_trip().unwrap_or_default();
        let is_late = silence >= SHORT_TIMER.max(sum(full, Span(full.0 / 2)));
        // The timer counts from the head's last copy, whatever else is said meanwhile that acknowledges nothing.
        let waited =
            copy.inspected.sent_before.filter(|_| is_head).map_or(silence, |sent| self.seen.at.since(sent));
        let is_timer = waited.max(silence) >= sum(TIMER, self.near());
        if is_timer || (is_head && is_late) { Cause::Rto } else { Cause::Unknown }
    }

    /// A tail loss probe (RFC 8985 §7): the last segment, once, when nothing told of a loss.
    ///
    /// Of a single segment it comes when the timer would have run out at the latest, and it comes first: so Linux.
    fn is_tail_probe(&self, copy: &Copy, silence: Span) -> bool {
        let trouble = self.troubles.get(self.own.trouble);
        let is_first = trouble.is_none_or(|trouble| trouble.probed.is_none());
        let is_last = copy.end == self.own.data_end() && self.seen.packets == 1;
        if !is_first || !is_last || !self.seen.flow.may_probe() {
            return false;
        }
        let full = self.smoothed_round_trip();
        let is_single = !self.own.facts.has_una || !copy.from.after(self.own.snd_una);
        let Some(full) = full else { return silence <= sum(FIRST_TIMEOUT, DELAYED_ACK) };
        if !is_single {
            return silence >= full;
        }
        let wait = sum(sum(full, full), DELAYED_ACK);
        let at_most = Span(wait.0 / 4 * 5 + SHORT_TIMER.0 * 2);
        silence >= SHORT_TIMER.max(full) && silence <= at_most
    }

    /// Whether acknowledgements have told the sender that these octets are missing: what was sent later has arrived
    /// (RFC 8985 §6), or the receiver repeats itself (RFC 5681 §3.2).
    fn is_told_of_loss(&self, copy: &Copy) -> bool {
        let seq = copy.from;
        let is_overtaken = copy.inspected.sent_before.is_some_and(|sent| sent < self.own.delivered);
        let repeats = self.peer.repeats > 0 && !self.peer.last_ack.after(seq);
        let holds = || self.flights.get(self.own.flight).is_some_and(|flight| flight.holds_behind(seq));
        is_overtaken || repeats || holds()
    }

    /// How long neither side has said anything that this could answer.
    fn silence(&self) -> Span {
        let last = self.own.sent_at.max(self.peer.acked_at);
        self.seen.at.since(last)
    }

    /// From the capture point to the sender and back, at least.
    fn near(&self) -> Span {
        self.peer.round_trip.min().unwrap_or_default()
    }

    /// The least time from sender to receiver and back.
    fn full_round_trip(&self) -> Option<Span> {
        Some(sum(self.own.round_trip.min()?, self.near()))
    }

    /// The usual time from sender to receiver and back.
    fn smoothed_round_trip(&self) -> Option<Span> {
        Some(sum(self.own.round_trip.smoothed()?, self.near()))
    }
}
