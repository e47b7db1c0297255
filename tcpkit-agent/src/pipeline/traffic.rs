//! How much passed, and who sent it: what a shard's sums of traffic are told beside each frame's own size.

use super::{output::Origin, shard::Shard};
use crate::{
    analyzer::{Fate, Passed},
    flow::{HandshakeStep, SideTraffic, StreamStepKind, WireCount},
    wire::{self, Datagram, FragmentInfo, Frame, Outer, Packet, Parsed},
};

impl Shard {
    /// Counts the frame of a packet that no flow counts: of a fragment, of UDP, ICMP, or anything that is no TCP.
    pub(super) fn count_packet(
        &mut self,
        frame: &Frame<'_>,
        parsed: &Parsed<'_>,
        fate: Fate,
        origin: &Origin,
    ) {
        let passed = match &parsed.packet {
            Ok(Packet::Udp(datagram)) => {
                Passed { wire: wire_of(datagram, frame), payload_len: datagram.payload_len }
            }
            _ => Passed { wire: WireCount::one(frame.frame_len), payload_len: 0 },
        };
        self.count_rare(frame, parsed, &passed, fate, origin);
        if !self.is_copy(frame.interface) {
            self.count_talker(frame, parsed, &passed);
        }
    }

    fn count_talker(&mut self, frame: &Frame<'_>, parsed: &Parsed<'_>, passed: &Passed) {
        let sent = SideTraffic {
            frames: 1,
            packets: passed.wire.packets.into(),
            bytes: passed.wire.bytes,
            payload_bytes: passed.payload_len.into(),
            retransmitted_bytes: 0,
        };
        let talkers = &mut self.measured.talkers;
        match &parsed.packet {
            Ok(Packet::Udp(datagram)) => talkers.on_datagram(&datagram.tuple, sent),
            // The flow counts it, once the datagram is whole.
            Ok(Packet::Fragment(FragmentInfo { protocol: TCP, .. })) => {}
            Ok(Packet::Fragment(fragment)) => talkers.on_packet(fragment.source, fragment.destination, sent),
            _ => {
                if let Some((source, destination)) = wire::outer_addresses(frame, &parsed.outer) {
                    talkers.on_packet(source, destination, sent);
                }
            }
        }
    }

    /// Counts the payload of a datagram in fragments, whose frames have been counted.
    pub(super) fn count_payload(&mut self, origin: &Origin, outer: &Outer, octets: u32) {
        self.measured.bandwidth.on_payload(origin.interface, outer, octets);
    }

    /// Counts what the segment at hand made of its flow, where it passed.
    #[inline(never)]
    pub(super) fn note_flow(&mut self, origin: &Origin, outer: &Outer) {
        let Self { changes, measured, .. } = self;
        let began = changes.steps.iter().filter(|served| matches!(served.step, HandshakeStep::Began(_)));
        let again = changes.stream_steps.iter().map(|step| match step.kind {
            StreamStepKind::Retransmitted { bytes, .. } => u64::from(bytes),
            _ => 0,
        });
        let (flows, retransmitted_bytes) = (began.count() as u64, again.sum());
        if flows + retransmitted_bytes > 0 {
            measured.bandwidth.on_flow(origin.interface, outer, flows, retransmitted_bytes);
        }
    }
}

/// Packets of a datagram on the wire.
fn wire_of(datagram: &Datagram<'_>, frame: &Frame<'_>) -> WireCount {
    let header_len = frame.frame_len.saturating_sub(datagram.payload_len);
    WireCount::of(frame.frame_len, header_len, datagram.payload_len, u32::from(frame.gso_size))
}

/// Protocol number (<https://www.iana.org/assignments/protocol-numbers>).
const TCP: u8 = 6;
