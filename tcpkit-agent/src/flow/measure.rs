//! Round trips and stalls of the flows of a table, beside their streams and as long-lived as those.

use super::{
    changes::Changes,
    handshake::{Handshake, Outcome},
    key::Side,
    prefetch::prefetch,
    rtt::{RttSample, RttSummary, RttTracker, Smoothed, SpillBudget},
    slab::make_place,
    stall::{Observed, StallCounts, StallTracker},
    state::Flow,
    stream::{Half, PairSlot, RoundTrip, Seen, StreamStep, StreamStepKind, Verdict},
};
use crate::time::{Span, Timestamp};

/// Octets that the flows of a table may take on average for round trips that they have no room for themselves.
const SPILL_PER_FLOW: usize = 256;

/// Round trips and stalls of one flow.
#[derive(Debug, Default)]
struct Measured {
    rtt: RttTracker,
    stalls: StallTracker,
}

/// Round trips and stalls of all flows of a table.
#[derive(Debug)]
pub(super) struct Measurements {
    /// By the slot of the flow's streams.
    flows: Vec<Measured>,
    budget: SpillBudget,
}

/// Round trips and stalls of one flow, found.
pub(super) struct MeasuredFlow<'m> {
    measured: &'m mut Measured,
    budget: &'m mut SpillBudget,
}

impl Measurements {
    /// For at most `max_flows` flows.
    pub(super) const fn new(max_flows: u32) -> Self {
        let budget = SpillBudget::new((max_flows as usize).saturating_mul(SPILL_PER_FLOW));
        Self { flows: Vec::new(), budget }
    }

    /// How often round trips were kept coarser than usual, because memory for them had run out.
    pub(super) const fn coarsened(&self) -> u64 {
        self.budget.refused()
    }

    /// A flow has streams now, and its handshake has told what it can.
    pub(super) fn open(
        &mut self,
        slot: PairSlot,
        flow: &Flow,
        handshake: &Handshake,
        at: Timestamp,
        changes: &mut Changes,
    ) {
        let Some(index) = slot.index() else { return };
        while index >= self.flows.len() {
            make_place(&mut self.flows);
            self.flows.push(Measured::default());
        }
        let measured = &mut self.flows[index];
        let client = flow.client();
        // Karn's algorithm holds for SYNs as well.
        let of_client = handshake.server_rtt().filter(|_| handshake.syn_retransmissions() == 0);
        let of_server = handshake.client_rtt().filter(|_| handshake.synack_retransmissions() == 0);
        for (sender, trip) in [(client, of_client), (client.other(), of_server)] {
            if let Some(trip) = trip {
                let sample = measured.rtt.opened(sender, trip, &mut self.budget);
                changes.round_trips.push(round_trip(flow, sample));
            }
        }
        if handshake.outcome() == Outcome::Success {
            measured.stalls.opened(client, at);
        }
    }

    /// Asks for the memory of a flow's measurements.
    #[inline]
    pub(super) fn fetch(&self, slot: PairSlot) {
        if let Some(measured) = slot.index().and_then(|index| self.flows.get(index)) {
            prefetch(measured);
        }
    }

    /// The measurements of a flow with streams; asks for their memory.
    #[inline(always)]
    pub(super) fn at(&mut self, slot: PairSlot) -> Option<MeasuredFlow<'_>> {
        let measured = self.flows.get_mut(slot.place())?;
        prefetch(measured);
        Some(MeasuredFlow { measured, budget: &mut self.budget })
    }

    /// Takes a segment of a flow and what it did to the streams.
    pub(super) fn on_segment(
        &mut self,
        slot: PairSlot,
        seen: &Seen<'_, '_>,
        verdict: &Verdict,
        changes: &mut Changes,
    ) {
        if let Some(mut measured) = self.at(slot) {
            measured.on_segment(seen, verdict, changes);
        }
    }

    /// The least round trip of a side's data so far.
    pub(super) fn least(&self, slot: PairSlot, sender: Side) -> Option<Span> {
        self.flows.get(slot.index()?)?.rtt.least(sender)
    }

    /// The smoothed round trip of a side's data.
    pub(super) fn smoothed(&self, slot: PairSlot, sender: Side) -> Option<Span> {
        self.flows.get(slot.index()?)?.rtt.smoothed(sender).map(Smoothed::srtt)
    }

    /// Stalls of every kind so far, and the time that they took.
    pub(super) fn stalls(&self, slot: PairSlot) -> (u32, Span) {
        let measured = slot.index().and_then(|index| self.flows.get(index));
        measured.map_or_else(Default::default, |measured| measured.stalls.counts().total())
    }

    /// How long a flow was held up so far.
    pub(super) fn held_up(&self, slot: PairSlot) -> Span {
        let measured = slot.index().and_then(|index| self.flows.get(index));
        measured.map_or(Span::default(), |measured| measured.stalls.counts().held_up())
    }

    /// What a flow came to.
    pub(super) fn figures(&self, slot: PairSlot) -> ([RttSummary; 2], StallCounts) {
        let Some(measured) = slot.index().and_then(|index| self.flows.get(index)) else {
            return Default::default();
        };
        ([Side::Low, Side::High].map(|side| measured.rtt.summary(side)), *measured.stalls.counts())
    }

    /// A flow leaves.
    pub(super) fn release(&mut self, slot: PairSlot) {
        let Some(measured) = slot.index().and_then(|index| self.flows.get_mut(index)) else { return };
        measured.rtt.release(&mut self.budget);
        measured.stalls = StallTracker::default();
    }
}

impl MeasuredFlow<'_> {
    /// Takes a segment and what it did to the streams.
    ///
    /// Inlined where that is known in parts: what a calm segment cannot have done costs nothing there.
    #[inline(always)]
    pub(super) fn on_segment(&mut self, seen: &Seen<'_, '_>, verdict: &Verdict, changes: &mut Changes) {
        let Measured { rtt, stalls } = &mut *self.measured;
        let (flow, side) = (seen.flow, seen.side);
        let sample = rtt.on_segment(side, seen.at, seen.segment, verdict, self.budget);
        let mut is_delayed_ack = false;
        if let Some(sample) = sample {
            is_delayed_ack = sample.is_delayed_ack;
            changes.round_trips.push(round_trip(flow, sample));
        }
        let observed = Observed::new(seen, verdict, is_delayed_ack, rtt);
        stalls.on_segment(&observed, |sender, stall| {
            changes.stream_steps.push(step(flow, sender, StreamStepKind::Stalled(stall)));
        });
    }
}

#[inline(always)]
fn round_trip(flow: &Flow, sample: RttSample) -> RoundTrip {
    let RttSample { sender, span, above_min, is_delayed_ack, may_be_delayed } = sample;
    let half = if sender == flow.client() { Half::Server } else { Half::Client };
    RoundTrip { half, span, above_min, is_delayed_ack, may_be_delayed }
}

const fn step(flow: &Flow, sender: Side, kind: StreamStepKind) -> StreamStep {
    StreamStep { flow: *flow.key(), client: flow.client(), sender, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the 1 KiB that an established flow may take altogether.
    #[test]
    fn a_flow_s_measurements_are_small() {
        assert!(size_of::<Measured>() <= 400, "{}", size_of::<Measured>());
    }
}
