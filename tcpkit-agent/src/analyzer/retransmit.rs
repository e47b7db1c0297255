//! What was sent again, why, by whom, and what it cost.
//!
//! Segments are those on the wire. A verdict that is revised moves from one cause to the other, so the causes always
//! add up to what was sent again.

use super::{
    SpanHistogram,
    ranking::{Ranking, Weighed},
};
use crate::flow::{Cause, Endpoint, FlowKey, FlowProgress, LossEpisode, Side, StreamStep, StreamStepKind};
use crate::time::Timestamp;

/// All retransmissions of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetransmitAnalyzer {
    total: SentAgain,
    bytes: u64,
    out_of_order: u64,
    duplicate_acks: u64,
    zero_windows: u64,
    capture_gaps: u64,
    capture_gap_bytes: u64,
    episodes: SpanHistogram,
    delays: SpanHistogram,
    servers: Ranking<Endpoint, SentAgain>,
    ports: Ranking<u16, SentAgain>,
    flows: Ranking<FlowId, FlowTrouble>,
}

/// Segments with payload, and those of them that had been sent before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentAgain {
    /// Segments with payload.
    pub data_segments: u64,
    /// Of these, sent before, by [`Cause::index`]. Where a verdict was revised after the first part of a sum was handed
    /// over, what follows is less than nothing (modulo 2^64), and both parts together are right.
    pub causes: [u64; Cause::COUNT],
}

/// A flow by its four-tuple and its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    /// Who it is between.
    pub key: FlowKey,
    /// When it began.
    pub start: Timestamp,
}

/// How much a flow had to send again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTrouble {
    /// Which of its ends is the client.
    pub client: Side,
    /// Segments with payload so far.
    pub data_segments: u64,
    /// Of these, sent before.
    pub retransmitted_segments: u64,
}

impl Default for RetransmitAnalyzer {
    fn default() -> Self {
        Self {
            total: SentAgain::default(),
            bytes: 0,
            out_of_order: 0,
            duplicate_acks: 0,
            zero_windows: 0,
            capture_gaps: 0,
            capture_gap_bytes: 0,
            episodes: SpanHistogram::default(),
            delays: SpanHistogram::default(),
            servers: Ranking::new(MAX_SERVERS),
            ports: Ranking::new(usize::from(u16::MAX) + 1),
            flows: Ranking::new(MAX_FLOWS),
        }
    }
}

impl RetransmitAnalyzer {
    /// Takes what streams did while a segment was looked at.
    #[inline]
    pub fn on_steps(&mut self, steps: &[StreamStep]) {
        for step in steps {
            self.on_step(step);
        }
    }

    fn on_step(&mut self, step: &StreamStep) {
        match step.kind {
            StreamStepKind::Retransmitted { cause, segments, bytes, .. } => {
                self.bytes += u64::from(bytes);
                self.each(step, |sum| {
                    let sent = &mut sum.causes[cause.index()];
                    *sent = sent.wrapping_add(segments.into());
                });
            }
            StreamStepKind::Revised { from, to, segments } => {
                self.each(step, |sum| sum.revise(from, to, u64::from(segments)));
            }
            StreamStepKind::OutOfOrder => self.out_of_order += 1,
            StreamStepKind::DuplicateAck => self.duplicate_acks += 1,
            StreamStepKind::ZeroWindow => self.zero_windows += 1,
            StreamStepKind::CaptureGap { bytes } => {
                self.capture_gaps += 1;
                self.capture_gap_bytes += bytes;
            }
            StreamStepKind::EpisodeEnded(episode) => self.on_episode(&episode),
            StreamStepKind::Stalled(_) => {}
        }
    }

    fn on_episode(&mut self, episode: &LossEpisode) {
        self.episodes.record(episode.end.since(episode.start));
        self.delays.record(episode.delay);
    }

    /// Takes how far a flow has come.
    pub fn on_progress(&mut self, progress: &FlowProgress) {
        let [client, server] = progress.new_data_segments;
        let segments = client + server;
        self.total.data_segments += segments;
        if segments > 0 {
            self.servers.entry(progress.server()).data_segments += segments;
            self.ports.entry(progress.server().port).data_segments += segments;
        }
        if progress.retransmitted_segments > 0 {
            *self.flows.entry(FlowId::of(progress)) = FlowTrouble {
                client: progress.client,
                data_segments: progress.data_segments,
                retransmitted_segments: progress.retransmitted_segments,
            };
        }
    }

    /// Adds another shard's retransmissions.
    pub fn merge(&mut self, other: &Self) {
        self.total.add(&other.total);
        self.bytes += other.bytes;
        self.out_of_order += other.out_of_order;
        self.duplicate_acks += other.duplicate_acks;
        self.zero_windows += other.zero_windows;
        self.capture_gaps += other.capture_gaps;
        self.capture_gap_bytes += other.capture_gap_bytes;
        self.episodes.merge(&other.episodes);
        self.delays.merge(&other.delays);
        self.servers.merge(&other.servers);
        self.ports.merge(&other.ports);
        self.flows.merge(&other.flows);
    }

    fn each(&mut self, step: &StreamStep, change: impl Fn(&mut SentAgain)) {
        change(&mut self.total);
        let server = step.server();
        change(self.servers.entry(server));
        change(self.ports.entry(server.port));
    }

    /// All segments with payload, and those sent again.
    #[must_use]
    pub const fn total(&self) -> &SentAgain {
        &self.total
    }

    /// Octets of payload that had been sent before.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frames out of order.
    #[must_use]
    pub const fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// Acknowledgements that repeat the one before.
    #[must_use]
    pub const fn duplicate_acks(&self) -> u64 {
        self.duplicate_acks
    }

    /// Times that a window went to zero.
    #[must_use]
    pub const fn zero_windows(&self) -> u64 {
        self.zero_windows
    }

    /// Holes that the receiver acknowledged, and octets in them: lost by the capture, not by the network.
    #[must_use]
    pub const fn capture_gaps(&self) -> (u64, u64) {
        (self.capture_gaps, self.capture_gap_bytes)
    }

    /// How long loss episodes lasted.
    #[must_use]
    pub const fn episodes(&self) -> &SpanHistogram {
        &self.episodes
    }

    /// What they cost their streams.
    #[must_use]
    pub const fn delays(&self) -> &SpanHistogram {
        &self.delays
    }

    /// By server.
    #[must_use]
    pub const fn servers(&self) -> &Ranking<Endpoint, SentAgain> {
        &self.servers
    }

    /// By server's port.
    #[must_use]
    pub const fn ports(&self) -> &Ranking<u16, SentAgain> {
        &self.ports
    }

    /// Flows that sent something again.
    #[must_use]
    pub const fn flows(&self) -> &Ranking<FlowId, FlowTrouble> {
        &self.flows
    }
}

impl SentAgain {
    /// Segments sent again, for whatever cause.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.causes.iter().fold(0, |sum, segments| sum.wrapping_add(*segments))
    }

    /// Segments sent again for this cause; a key that was folded away between verdict and revision has none left.
    #[must_use]
    pub const fn of(&self, cause: Cause) -> u64 {
        let segments = self.causes[cause.index()];
        if segments.cast_signed() < 0 { 0 } else { segments }
    }

    const fn revise(&mut self, from: Cause, to: Cause, segments: u64) {
        self.causes[from.index()] = self.causes[from.index()].wrapping_sub(segments);
        self.causes[to.index()] = self.causes[to.index()].wrapping_add(segments);
    }
}

impl Weighed for SentAgain {
    fn weight(&self) -> (u64, u64) {
        (self.segments(), self.data_segments)
    }

    fn add(&mut self, other: &Self) {
        self.data_segments += other.data_segments;
        for (own, theirs) in self.causes.iter_mut().zip(other.causes) {
            *own = own.wrapping_add(theirs);
        }
    }
}

impl Weighed for FlowTrouble {
    fn weight(&self) -> (u64, u64) {
        (self.retransmitted_segments, self.data_segments)
    }

    fn add(&mut self, other: &Self) {
        self.data_segments += other.data_segments;
        self.retransmitted_segments += other.retransmitted_segments;
    }

    /// Each tells what the flow has come to, and it never comes to less; of equals the later one knows more.
    fn join(&mut self, other: &Self) {
        *self = if other.weight() >= self.weight() { *other } else { *self };
    }
}

impl FlowId {
    /// The flow that this tells of.
    #[must_use]
    pub const fn of(progress: &FlowProgress) -> Self {
        Self { key: progress.flow, start: progress.start }
    }
}

/// Servers with a sum of their own, in each shard.
const MAX_SERVERS: usize = 16_384;
/// Flows remembered for the list of those that send most again, in each shard.
const MAX_FLOWS: usize = 4_096;

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::{Address, FourTuple};

    use super::*;
    use crate::time::Span;

    fn flow(client_port: u16, server: [u8; 4]) -> (FlowKey, Side) {
        FlowKey::of(&FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4(server),
            source_port: client_port,
            destination_port: 443,
        })
    }

    fn step(server: [u8; 4], kind: StreamStepKind) -> StreamStep {
        let (flow, client) = flow(40_000, server);
        StreamStep { flow, client, sender: client.other(), kind }
    }

    fn again(cause: Cause, segments: u32) -> StreamStepKind {
        StreamStepKind::Retransmitted { cause, segments, bytes: segments * 1_448, since: Timestamp(0) }
    }

    fn progress(client_port: u16, new: u64, so_far: u64, again: u64) -> FlowProgress {
        let (flow, client) = flow(client_port, [10, 0, 0, 2]);
        FlowProgress {
            flow,
            client,
            start: Timestamp(5),
            new_data_segments: [new, 0],
            retransmitted_segments: again,
            data_segments: so_far,
            stalled: Span(0),
        }
    }

    #[test]
    fn a_revised_verdict_moves_and_the_sum_stays() {
        let mut analyzer = RetransmitAnalyzer::default();
        analyzer.on_steps(&[
            step([10, 0, 0, 2], again(Cause::Fast, 5)),
            step([10, 0, 0, 3], again(Cause::Rto, 2)),
            step(
                [10, 0, 0, 2],
                StreamStepKind::Revised { from: Cause::Fast, to: Cause::Spurious, segments: 3 },
            ),
        ]);
        assert_eq!(analyzer.total().segments(), 7);
        assert_eq!(analyzer.total().causes, [2, 2, 0, 3, 0]);
        assert_eq!(analyzer.bytes(), 7 * 1_448);
        let servers = analyzer.servers().top(9);
        let sums: Vec<_> =
            servers.iter().map(|(server, sum)| (server.address.to_ip().to_string(), sum.causes)).collect();
        assert_eq!(sums, [("10.0.0.2".into(), [0, 2, 0, 3, 0]), ("10.0.0.3".into(), [2, 0, 0, 0, 0])]);
    }

    #[test]
    fn a_flow_is_listed_once_with_what_it_came_to() {
        let mut analyzer = RetransmitAnalyzer::default();
        for told in [progress(40_000, 10, 10, 1), progress(40_000, 20, 30, 4), progress(40_001, 7, 7, 0)] {
            analyzer.on_progress(&told);
        }
        assert_eq!(analyzer.total().data_segments, 37);
        let flows = analyzer.flows().top(9);
        assert_eq!(flows.len(), 1, "a flow that sent nothing again is in no list");
        assert_eq!((flows[0].1.data_segments, flows[0].1.retransmitted_segments), (30, 4));
    }
}
