//! Stalls: what flows with something to do waited for.

use super::{
    FlowId, SpanHistogram,
    ranking::{Ranking, Weighed},
};
use crate::{
    flow::{FlowProgress, Side, StallKind, StreamStep, StreamStepKind},
    time::Span,
};

/// All stalls of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StallAnalyzer {
    kinds: [SpanHistogram; StallKind::COUNT],
    flows: Ranking<FlowId, HeldUp>,
}

/// How long a flow was held up by receiver, network or sender; thinking is no stall of the transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldUp {
    /// Which of its ends is the client.
    pub client: Side,
    /// How long.
    pub time: Span,
}

impl Default for StallAnalyzer {
    fn default() -> Self {
        Self { kinds: Default::default(), flows: Ranking::new(MAX_FLOWS) }
    }
}

impl StallAnalyzer {
    /// Takes what streams did while a segment was looked at.
    #[inline]
    pub fn on_steps(&mut self, steps: &[StreamStep]) {
        for step in steps {
            if let StreamStepKind::Stalled(stall) = step.kind {
                self.kinds[stall.kind.index()].record(stall.end.since(stall.start));
            }
        }
    }

    /// Takes how far a flow has come.
    #[inline]
    pub fn on_progress(&mut self, progress: &FlowProgress) {
        if progress.stalled > Span(0) {
            *self.flows.entry(FlowId::of(progress)) =
                HeldUp { client: progress.client, time: progress.stalled };
        }
    }

    /// Adds another shard's stalls.
    pub fn merge(&mut self, other: &Self) {
        self.flows.merge(&other.flows);
        for (own, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            own.merge(theirs);
        }
    }

    /// How long stalls of this kind lasted.
    #[must_use]
    pub const fn spans(&self, kind: StallKind) -> &SpanHistogram {
        &self.kinds[kind.index()]
    }

    /// Flows that were held up.
    #[must_use]
    pub const fn flows(&self) -> &Ranking<FlowId, HeldUp> {
        &self.flows
    }
}

impl Weighed for HeldUp {
    fn weight(&self) -> (u64, u64) {
        (self.time.0, 0)
    }

    fn add(&mut self, other: &Self) {
        self.time = Span(self.time.0.saturating_add(other.time.0));
    }

    /// Each tells how long it was so far; of equals the later one knows more.
    fn join(&mut self, other: &Self) {
        *self = if other.weight() >= self.weight() { *other } else { *self };
    }
}

/// Flows remembered for the list of those held up longest, in each shard.
const MAX_FLOWS: usize = 4_096;
