//! The streams of flows and what is measured of them, told of segments together.
//!
//! Streams may begin later than their flow did, because that was half-open: then they are told of what came before,
//! where that had data (TCP Fast Open, RFC 7413).

use super::{
    changes::{Changes, FinishedFlow},
    detail::FlowDetail,
    handshake::Handshake,
    key::Side,
    measure::Measurements,
    state::Flow,
    stream::{Opened, PairSlot, Seen, Streams, Verdict},
};
use crate::{
    time::Timestamp,
    wire::{Segment, SeqNumber, TcpFlags, TcpOptions},
};

/// The streams of a table, and what is measured of them.
#[derive(Debug)]
pub(super) struct Followed<'t> {
    pub(super) streams: &'t mut Streams,
    pub(super) measurements: &'t mut Measurements,
}

impl Followed<'_> {
    /// Takes any segment; true where it is time to [`tell`](Streams::tell).
    #[inline(never)]
    pub(super) fn on_segment(
        &mut self,
        streams: PairSlot,
        seen: &Seen<'_, '_>,
        now: Timestamp,
        changes: &mut Changes,
    ) -> bool {
        let mut verdict = Verdict::default();
        let is_telling = self.streams.on_segment(streams, seen, now, &mut verdict, &mut changes.stream_steps);
        self.measurements.on_segment(streams, seen, &verdict, changes);
        is_telling
    }

    /// Opens the streams of a flow as they were when its SYN came, and lets them have that and the SYN/ACK.
    #[cold]
    pub(super) fn open_at_syn(
        &mut self,
        flow: &Flow,
        handshake: &Handshake,
        changes: &mut Changes,
    ) -> PairSlot {
        let mut streams = flow.streams;
        self.streams.open(&mut streams, flow, &Opened::default());
        self.measurements.open(streams, flow, &Handshake::default(), flow.start, changes);
        let Handshake { syn_seq, synack_seq, synack_ack, syn_len, .. } = *handshake;
        let syn = opening(flow, flow.client, TcpFlags::SYN, syn_seq, SeqNumber::default());
        let syn = Segment { payload_len: syn_len.into(), ..syn };
        self.replay(streams, flow, flow.client, &syn, flow.start, changes);
        if let Some(at) = handshake.answered() {
            let server = flow.client.other();
            let synack = opening(flow, server, TcpFlags::SYN.with(TcpFlags::ACK), synack_seq, synack_ack);
            self.replay(streams, flow, server, &synack, at, changes);
        }
        streams
    }

    /// A flow leaves: ends what is open in its streams, tells what it came to, and gives the streams back.
    pub(super) fn close(
        &mut self,
        flow: &mut Flow,
        handshake: &Handshake,
        at: Timestamp,
        changes: &mut Changes,
    ) {
        let slot = flow.streams;
        let held_up = self.measurements.held_up(slot);
        changes.progress.extend(self.streams.last_progress(slot, flow, held_up));
        self.streams.settle(slot, flow, &mut changes.stream_steps);
        if !changes.leaves_out_finished {
            let finished = self.finished(flow, handshake, at);
            changes.finished.push(finished);
        }
        self.measurements.release(slot);
        self.streams.release(&mut flow.streams);
    }

    #[inline(never)]
    fn finished(&self, flow: &Flow, handshake: &Handshake, at: Timestamp) -> FinishedFlow {
        let (streams, measured) =
            (self.streams.counts(flow.streams), self.measurements.figures(flow.streams));
        let detail = FlowDetail::observed(handshake, streams, measured);
        FinishedFlow { at, flow: *flow, handshake: *handshake, detail }
    }

    fn replay(
        &mut self,
        streams: PairSlot,
        flow: &Flow,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        changes: &mut Changes,
    ) {
        let seen = Seen { flow, segment, side, at, packets: 1 };
        // What is replayed is too early to tell of.
        let _is_telling = self.on_segment(streams, &seen, at, changes);
    }
}

/// A SYN or SYN/ACK as far as it is remembered. Its window is not, and the next segment tells another: the widest one
/// that a SYN can tell says least.
fn opening(flow: &Flow, side: Side, flags: TcpFlags, seq: SeqNumber, ack: SeqNumber) -> Segment<'static> {
    Segment {
        tuple: flow.key.tuple_from(side),
        seq,
        ack,
        flags,
        window: u16::MAX,
        payload_len: 0,
        header_len: 0,
        payload: &[],
        options: TcpOptions::default(),
        is_ce: false,
    }
}
