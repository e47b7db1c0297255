//! What a shard notes of each frame that is delivered to it: its fate, its traffic, its time.

use super::{
    output::Origin,
    shard::{FrameSize, Shard},
};
use crate::{
    analyzer::{Fate, Note, Passed},
    flow::{Taken, WireCount},
    wire::{Frame, Outer, Packet, ParseError, Parsed, Segment, Unanalyzed},
};

impl Shard {
    /// A segment that another interface shows too: no flow hears of it.
    #[cold]
    pub(super) fn note_copy(&mut self, segment: &Segment<'_>, size: FrameSize, origin: &Origin) -> Passed {
        self.measured.fates.on_note(origin.place(), Note::Duplicate);
        let limit = u32::from(size.gso_size);
        let wire = WireCount::of(size.frame_len, segment.header_len, segment.payload_len, limit);
        Passed { wire, payload_len: 0 }
    }

    #[inline]
    pub(super) fn note_duplicate(&mut self, taken: Taken, payload_len: u32, origin: &Origin) -> Passed {
        if taken.is_duplicate {
            self.measured.fates.on_note(origin.place(), Note::Duplicate);
            return Passed { wire: taken.wire, payload_len: 0 };
        }
        Passed { wire: taken.wire, payload_len }
    }

    pub(super) fn take_other(&mut self, frame: &Frame<'_>, parsed: &Parsed<'_>, origin: &Origin) {
        self.count_packet(frame, parsed, self.fate_of(&parsed.packet), origin);
    }

    /// The same as [`count`](Self::count), out of the way.
    #[inline(never)]
    pub(super) fn count_rare(
        &mut self,
        frame: &Frame<'_>,
        outer: &Outer,
        passed: &Passed,
        fate: Fate,
        origin: &Origin,
    ) {
        self.count(frame, outer, passed, fate, origin);
    }

    /// A frame is delivered here: its fate, its traffic, its time.
    #[inline(always)]
    pub(super) fn count(
        &mut self,
        frame: &Frame<'_>,
        outer: &Outer,
        passed: &Passed,
        fate: Fate,
        origin: &Origin,
    ) {
        self.measured.fates.on_frame(origin.place(), fate);
        self.measured.bandwidth.on_frame(frame, outer, passed);
        self.measured.extent.on_frame(origin.timestamp);
        if outer.truncated {
            self.measured.fates.on_note(origin.place(), Note::Truncated);
        }
        if origin.timestamp < origin.watermark {
            self.measured.fates.on_note(origin.place(), Note::TimeStepBack);
        }
    }

    /// What becomes of the frame of a packet.
    pub(super) fn fate_of(&self, packet: &Result<Packet<'_>, ParseError>) -> Fate {
        match packet {
            Ok(Packet::Tcp(_) | Packet::IcmpError(_)) => Fate::Analyzed,
            Ok(Packet::MalformedTcp(malformed)) => Fate::Malformed(malformed.error),
            Ok(Packet::Fragment(_)) => Fate::NotAnalyzed(Unanalyzed::WaitingForFragments),
            Ok(Packet::Udp(_)) if self.hears_datagrams() => Fate::Analyzed,
            Ok(Packet::Udp(_)) => Fate::NotAnalyzed(Unanalyzed::Udp),
            Ok(Packet::Other(cause)) => Fate::NotAnalyzed(*cause),
            Err(error) => Fate::Malformed(*error),
        }
    }
}
