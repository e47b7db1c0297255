//! Data of a SYN (TCP Fast Open, RFC 7413) of a flow whose streams begin later than it did, because it was half-open.

use super::{
    changes::Changes,
    handshake::Handshake,
    key::Side,
    state::Flow,
    stream::{Opened, PairSlot, Seen, Verdict},
    table::FlowTable,
};
use crate::{
    time::Timestamp,
    wire::{Segment, SeqNumber, TcpFlags, TcpOptions},
};

impl FlowTable {
    /// Opens the streams of a flow as they were when its SYN came, and lets them have that and the SYN/ACK.
    #[cold]
    pub(super) fn open_streams_at_syn(
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
        let mut verdict = Verdict::default();
        // What is replayed is too early to tell of.
        let _is_telling =
            self.streams.on_segment(streams, &seen, at, &mut verdict, &mut changes.stream_steps);
        self.measurements.on_segment(streams, &seen, &verdict, changes);
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
