//! Both directions of every flow that has come past its handshake, and what they share.
//!
//! A pair is allotted at the first segment that is more than a SYN, so a half-open flow costs nothing.
//! What is under way, and what is kept of losses, lies in pools and exists only as long as it matters.

use super::{
    calm::{Both, Calm, unfold},
    counts::StreamCounts,
    flight::{Budget, Flight, Range},
    pool::{Pool, Reuse, Slot},
    sequence::{Stream, sum},
    step::{FlowProgress, StreamStep, StreamStepKind},
    trouble::Trouble,
    verdict::{Acked, Verdict},
};
use crate::{
    flow::{key::Side, prefetch::prefetch, reset::CutOff, state::Flow},
    time::{Span, Timestamp},
    wire::{Segment, SeqNumber, TcpFlags},
};

/// The streams of one flow, for the table to keep with it.
pub(in crate::flow) type PairSlot = Slot;

/// Ranges under way that the flows of a table may have on average, beyond the few that each may have; a busy one has
/// hundreds.
const RANGES_PER_FLOW: usize = 4;
/// As many as all flows of a small table may have: 1.5 MiB.
const LEAST_RANGES: usize = 1 << 16;

/// How often a busy flow tells how far it has come.
const PROGRESS: Span = Span::from_secs(1);

/// A segment, and who sent it when.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Seen<'a, 'b> {
    /// Its flow, this segment counted.
    pub(in crate::flow) flow: &'b Flow,
    /// The segment.
    pub(in crate::flow) segment: &'b Segment<'a>,
    /// Who sent it.
    pub(in crate::flow) side: Side,
    /// When it was captured.
    pub(in crate::flow) at: Timestamp,
    /// Packets on the wire that it stands for.
    pub(in crate::flow) packets: u32,
}

/// What the handshake told of the round trip, where it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flow) struct Opened {
    /// SYN to SYN/ACK.
    pub(in crate::flow) server_rtt: Option<Span>,
    /// SYN/ACK to ACK.
    pub(in crate::flow) client_rtt: Option<Span>,
}

/// Both directions of one flow.
#[derive(Clone, Debug, Default)]
struct Pair {
    streams: [Stream; 2],
    /// Whether there is a shortcut.
    calm: Calm,
    /// Segments with payload, by side, when progress was told last.
    told: [u64; 2],
    /// When it may be told again.
    tell_from: Timestamp,
}

impl Reuse for Pair {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The streams of all flows of a table.
#[derive(Debug)]
pub(in crate::flow) struct Streams {
    pairs: Pool<Pair>,
    flights: Pool<Flight>,
    troubles: Pool<Trouble>,
    budget: Budget,
    pieces: Vec<(SeqNumber, Range)>,
    /// Calm segments take the shortcut. A test turns it off and finds the same.
    pub(in crate::flow) has_shortcut: bool,
}

/// The streams of one flow, found.
pub(in crate::flow) struct PairAt<'p> {
    pair: &'p mut Pair,
    flights: &'p mut Pool<Flight>,
    budget: &'p mut Budget,
}

/// One segment at work on both streams of its flow.
pub(super) struct Work<'w, 'a, 'b> {
    pub(super) seen: &'w Seen<'a, 'b>,
    /// The sender's stream.
    pub(super) own: &'w mut Stream,
    /// The other one, which it acknowledges.
    pub(super) peer: &'w mut Stream,
    pub(super) flights: &'w mut Pool<Flight>,
    pub(super) troubles: &'w mut Pool<Trouble>,
    pub(super) budget: &'w mut Budget,
    /// Ranges acknowledged now that were sent again, or never captured; empty between uses.
    pub(super) pieces: &'w mut Vec<(SeqNumber, Range)>,
    pub(super) steps: &'w mut Vec<StreamStep>,
}

impl Streams {
    /// Streams for at most `max_flows` flows.
    pub(in crate::flow) fn new(max_flows: u32) -> Self {
        let both = max_flows.saturating_mul(2);
        Self {
            pairs: Pool::new(max_flows),
            flights: Pool::new(both),
            troubles: Pool::new(both),
            budget: Budget::new((max_flows as usize).saturating_mul(RANGES_PER_FLOW).max(LEAST_RANGES)),
            pieces: Vec::new(),
            has_shortcut: true,
        }
    }

    /// Times that the bound on what is kept of segments under way made one of them join its neighbour, or stay whole.
    pub(in crate::flow) const fn joined(&self) -> u64 {
        self.budget.joined
    }

    /// Segments with payload that a side sent again so far.
    pub(in crate::flow) fn retransmitted_segments(&self, slot: PairSlot, sender: Side) -> u64 {
        let pair = self.pairs.get(slot);
        pair.map_or(0, |pair| pair.streams[sender as usize].counts.retransmitted_segments())
    }

    /// Whether a flow without streams needs them for this segment.
    pub(in crate::flow) const fn are_due(segment: &Segment<'_>) -> bool {
        !segment.flags.intersects(TcpFlags::SYN.with(TcpFlags::RST)) || segment.payload_len > 0
    }

    /// Allots streams to a flow.
    pub(in crate::flow) fn open(&mut self, slot: &mut PairSlot, flow: &Flow, opened: &Opened) {
        let Some(pair) = self.pairs.demand(slot) else { return };
        pair.tell_from = flow.start + PROGRESS;
        for side in [Side::Low, Side::High] {
            let stream = &mut pair.streams[side as usize];
            if let Some(first) = flow.first_octet(side) {
                stream.begin(first);
                stream.facts.has_una = true;
                stream.snd_una = first;
            }
            let half = if side == flow.client() { opened.server_rtt } else { opened.client_rtt };
            if let Some(span) = half {
                stream.round_trip.sample(span);
            }
        }
    }

    /// Asks for the memory of a flow's streams.
    #[inline]
    pub(in crate::flow) fn fetch(&self, slot: PairSlot) {
        if let Some(pair) = self.pairs.get(slot) {
            prefetch(pair);
        }
    }

    /// The streams of a flow; asks for their memory.
    #[inline(always)]
    pub(in crate::flow) fn at(&mut self, slot: PairSlot) -> Option<PairAt<'_>> {
        let pair = self.pairs.get_mut(slot)?;
        prefetch(pair);
        Some(PairAt { pair, flights: &mut self.flights, budget: &mut self.budget })
    }

    /// Takes any segment; `verdict` is a default one before. True where it is time to [`tell`](Self::tell).
    #[inline(never)]
    pub(in crate::flow) fn on_segment(
        &mut self,
        slot: PairSlot,
        seen: &Seen<'_, '_>,
        now: Timestamp,
        verdict: &mut Verdict,
        steps: &mut Vec<StreamStep>,
    ) -> bool {
        let Some(pair) = self.pairs.get_mut(slot) else { return false };
        if seen.segment.payload_len > 0 {
            pair.streams[seen.side as usize].data_segments += u64::from(seen.packets);
        }
        let is_telling = pair.is_telling(now);
        let [low, high] = &mut pair.streams;
        let (own, peer) = if seen.side == Side::Low { (low, high) } else { (high, low) };
        unfold(own, &mut self.flights, &mut self.budget);
        unfold(peer, &mut self.flights, &mut self.budget);
        let mut work = Work {
            seen,
            own,
            peer,
            flights: &mut self.flights,
            troubles: &mut self.troubles,
            budget: &mut self.budget,
            pieces: &mut self.pieces,
            steps,
        };
        work.run(verdict);
        pair.calm = Calm::of(&mut pair.streams, seen.flow, self.has_shortcut);
        is_telling
    }

    /// What a RST of `side` cuts off; `None` where there are no streams.
    #[cold]
    pub(in crate::flow) fn cut_off(
        &self,
        slot: PairSlot,
        flow: &Flow,
        side: Side,
        segment: &Segment<'_>,
    ) -> Option<CutOff> {
        let pair = self.pairs.get(slot)?;
        let [own, peer] = [side, side.other()].map(|side| &pair.streams[side as usize]);
        let window = flow.window_shift(side.other()).and_then(|shift| peer.scaled_window(shift));
        let acknowledged = segment.flags.contains(TcpFlags::ACK).then_some(segment.ack);
        let is_covered = acknowledged.is_some_and(|ack| !ack.before(peer.snd_nxt));
        Some(CutOff {
            is_outside: !own.is_reset_taken(peer, segment.seq, window),
            own_in_flight: own.in_flight(),
            peer_in_flight: if is_covered { 0 } else { peer.in_flight() },
            is_unanswered: peer.counts.unique_bytes > 0 && peer.sent_at > own.sent_at,
        })
    }

    /// Tells how far a busy flow has come, once a second.
    #[cold]
    pub(in crate::flow) fn tell(
        &mut self,
        slot: PairSlot,
        flow: &Flow,
        at: Timestamp,
        stalled: Span,
        progress: &mut Vec<FlowProgress>,
    ) {
        let Some(pair) = self.pairs.get_mut(slot) else { return };
        progress.push(pair.progress(flow, stalled));
        pair.told = pair.data_segments();
        pair.tell_from = at + PROGRESS;
    }

    /// A flow that was seen for the last time leaves: ends what is open in its streams.
    pub(in crate::flow) fn settle(&mut self, slot: PairSlot, flow: &Flow, steps: &mut Vec<StreamStep>) {
        let Some(pair) = self.pairs.get_mut(slot) else { return };
        for side in [Side::Low, Side::High] {
            let stream = &mut pair.streams[side as usize];
            stream.set_closed(false, flow.end);
            if let Some(trouble) = self.troubles.get_mut(stream.trouble) {
                while let Some(gap) = trouble.take_gap(Timestamp(i64::MAX)) {
                    let bytes = stream.confirm_gap(gap.start, gap.end);
                    let kind = StreamStepKind::CaptureGap { bytes };
                    steps.push(StreamStep { flow: *flow.key(), client: flow.client(), sender: side, kind });
                }
                if let Some(episode) = trouble.episode.take() {
                    let time = &mut stream.counts.rare().loss_episode_time;
                    *time = sum(*time, flow.end.since(episode.start));
                }
            }
        }
    }

    /// What the streams of a flow have come to.
    pub(in crate::flow) fn counts(&self, slot: PairSlot) -> [StreamCounts; 2] {
        let pair = self.pairs.get(slot);
        pair.map_or_else(Default::default, |pair| {
            pair.streams.each_ref().map(|stream| stream.counts.total(stream.max_in_flight))
        })
    }

    /// Gives the streams of a flow back.
    pub(in crate::flow) fn release(&mut self, slot: &mut PairSlot) {
        let Some(pair) = self.pairs.get_mut(*slot) else { return };
        for stream in &mut pair.streams {
            self.troubles.release(&mut stream.trouble);
            Flight::release(&mut self.flights, &mut stream.flight, &mut self.budget);
        }
        self.pairs.release(slot);
    }

    /// Octets of payload that each side had sent before.
    pub(in crate::flow) fn retransmitted_bytes(&self, slot: PairSlot) -> [u64; 2] {
        self.pairs.get(slot).map_or([0; 2], |pair| {
            let [low, high] = &pair.streams;
            [low, high].map(|stream| stream.counts.retransmitted_bytes())
        })
    }

    /// What the streams of a flow have come to so far, and its progress since it was told last.
    pub(in crate::flow) fn last_progress(
        &self,
        slot: PairSlot,
        flow: &Flow,
        stalled: Span,
    ) -> Option<FlowProgress> {
        self.pairs.get(slot).map(|pair| pair.progress(flow, stalled))
    }
}

impl PairAt<'_> {
    /// Whether so much payload goes into one packet where nobody says how much does: no side announced less.
    #[inline(always)]
    pub(in crate::flow) const fn is_one_packet(&self, payload_len: u32) -> bool {
        payload_len <= self.pair.calm.least_mss
    }

    /// Takes a segment of a flow without trouble, next in order; `None` where it is not one, and nothing has happened.
    /// With what it did: whether it is time to [`tell`](Streams::tell), which counts by the watermark `now`.
    #[inline(always)]
    pub(in crate::flow) fn on_calm_segment(
        &mut self,
        seen: &Seen<'_, '_>,
        now: Timestamp,
    ) -> Option<(Verdict, bool)> {
        let Pair { streams: [low, high], calm, .. } = &mut *self.pair;
        let (own, peer) = if seen.side == Side::Low { (low, high) } else { (high, low) };
        let mut both = Both { own, peer, calm, flights: self.flights, budget: self.budget };
        let verdict = both.take(seen)?;
        Some((verdict, self.pair.is_telling(now)))
    }
}

impl Pair {
    fn data_segments(&self) -> [u64; 2] {
        let [low, high] = &self.streams;
        [low.data_segments, high.data_segments]
    }

    #[inline(always)]
    fn is_telling(&self, now: Timestamp) -> bool {
        now >= self.tell_from && self.told != self.data_segments()
    }

    fn progress(&self, flow: &Flow, stalled: Span) -> FlowProgress {
        let data_segments = self.data_segments();
        let [low, high] = [0, 1].map(|index: usize| data_segments[index] - self.told[index]);
        let retransmitted = self.streams.iter().map(|stream| stream.counts.retransmitted_segments()).sum();
        FlowProgress {
            flow: *flow.key(),
            client: flow.client(),
            start: flow.start,
            new_data_segments: if flow.client() == Side::Low { [low, high] } else { [high, low] },
            retransmitted_segments: retransmitted,
            data_segments: data_segments.iter().sum(),
            stalled,
        }
    }
}

impl Work<'_, '_, '_> {
    #[inline]
    fn run(&mut self, verdict: &mut Verdict) {
        let segment = self.seen.segment;
        self.count_marks();
        if segment.flags.contains(TcpFlags::RST) {
            return self.check_reset();
        }
        verdict.sent = self.on_sent();
        if segment.flags.contains(TcpFlags::ACK) {
            self.on_acknowledgement(verdict.acked.insert(Acked::default()));
        }
    }

    /// Tells of something that happened to the stream of `sender`.
    #[cold]
    pub(super) fn tell(&mut self, sender: Side, kind: StreamStepKind) {
        let flow = self.seen.flow;
        self.steps.push(StreamStep { flow: *flow.key(), client: flow.client(), sender, kind });
    }

    /// ECN as the segment shows it (RFC 3168); with accurate ECN the bits count something else (RFC 9768).
    #[inline]
    fn count_marks(&mut self) {
        let segment = self.seen.segment;
        if segment.is_ce {
            let ce = &mut self.own.counts.rare().ce;
            *ce = ce.saturating_add(self.seen.packets);
        }
        let marks = TcpFlags::ECE.with(TcpFlags::CWR);
        if segment.flags.intersects(marks) && self.seen.flow.echoes_marks(segment) {
            self.own.counts.rare().ece += u32::from(segment.flags.contains(TcpFlags::ECE));
            self.own.counts.rare().cwr += u32::from(segment.flags.contains(TcpFlags::CWR));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the 1 KiB that an established flow may take altogether.
    #[test]
    fn both_streams_of_a_flow_are_small() {
        assert!(size_of::<Pair>() <= 272, "{}", size_of::<Pair>());
    }
}
