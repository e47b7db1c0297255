//! Fragments: their frames wait, and share the fate of the datagram that they bring.

use super::{
    output::{Foreign, Origin, Output},
    shard::{FrameSize, Shard},
};
use crate::{
    analyzer::Fate,
    time::Timestamp,
    wire::{
        self, FragmentInfo, Outer, Packet, Parsed, Unanalyzed,
        fragment::{FragmentFrame, FragmentTag, FrameTally, Reassembled, parse_datagram},
    },
};

/// What a frame is while it waits.
const WAITING: Fate = Fate::NotAnalyzed(Unanalyzed::WaitingForFragments);
/// What it is when its datagram was given up.
const INCOMPLETE: Fate = Fate::NotAnalyzed(Unanalyzed::IncompleteDatagram);

impl Shard {
    /// Takes a fragment whose frame has been counted as waiting.
    pub(super) fn take_fragment(
        &mut self,
        fragment: &FragmentInfo<'_>,
        frame_len: u32,
        outer: Outer,
        origin: &Origin,
        now: Timestamp,
        out: &mut Output,
    ) {
        let tag = FragmentTag { interface: origin.interface, hook: origin.hook };
        let whole = self.defragmenter.on_fragment(fragment, &FragmentFrame { tag, frame_len, outer }, now);
        self.settle_incomplete();
        let Some(mut datagram) = whole else { return };
        let frames = std::mem::take(&mut datagram.frames);
        let parsed = parse_datagram(&datagram, self.parse);
        self.settle(frames, WAITING, self.fate_of_whole(&parsed));
        if let Ok(Packet::Udp(whole)) = &parsed.packet {
            self.count_payload(origin, &outer, whole.payload_len);
        }
        self.take_datagram(datagram, origin, now, out);
    }

    /// Takes a whole datagram whose frames have been counted, or hands it over to the shard that owns its flow.
    pub(super) fn take_datagram(
        &mut self,
        datagram: Reassembled,
        origin: &Origin,
        now: Timestamp,
        out: &mut Output,
    ) {
        let parsed = parse_datagram(&datagram, self.parse);
        let Ok(packet) = &parsed.packet else { return };
        let is_taken = match packet {
            Packet::Tcp(_) | Packet::MalformedTcp(_) | Packet::IcmpError(_) => true,
            Packet::Udp(_) => self.hears_datagrams(),
            Packet::Fragment(_) | Packet::Other(_) => false,
        };
        if !is_taken {
            return;
        }
        let hash = wire::flow_hash(packet);
        let owner = hash.shard(self.shards);
        let frame_len = u32::try_from(datagram.frame_len).unwrap_or(u32::MAX);
        let size = FrameSize { frame_len, gso_size: 0 };
        let outer = datagram.outer;
        match packet {
            _ if owner != self.number => out.foreign.push(Foreign::datagram(owner, origin, datagram)),
            Packet::Tcp(segment) => {
                let passed = self.take_segment(segment, hash, origin, size, now);
                self.count_payload(origin, &outer, passed.payload_len);
                self.note_flow(origin, &outer);
            }
            Packet::MalformedTcp(malformed) => {
                let passed = self.take_malformed(malformed, hash, origin, size, now);
                self.count_payload(origin, &outer, passed.payload_len);
                self.note_flow(origin, &outer);
            }
            Packet::IcmpError(error) => {
                self.take_icmp(hash, error, origin);
            }
            Packet::Udp(datagram) => self.hear_datagram(datagram, hash, origin),
            Packet::Fragment(_) | Packet::Other(_) => {}
        }
    }

    /// Frames whose datagram was given up stop waiting.
    pub(super) fn settle_incomplete(&mut self) {
        let incomplete = self.defragmenter.take_incomplete();
        self.settle(incomplete, WAITING, INCOMPLETE);
    }

    fn settle(&mut self, frames: FrameTally, from: Fate, to: Fate) {
        for (tag, count) in frames {
            self.measured.fates.on_change((tag.interface, tag.hook), count, from, to);
        }
    }

    /// A datagram that is itself a fragment, which a tunnel carries, is not put together a second time.
    fn fate_of_whole(&self, parsed: &Parsed<'_>) -> Fate {
        match self.fate_of(&parsed.packet) {
            WAITING => INCOMPLETE,
            fate => fate,
        }
    }
}
