//! Frames with a segment in its usual place: nearly all of them.
//!
//! What calm segments say stays in registers, so nothing of it is kept for frames that turn out to be others: those are
//! read once more.

use tcpkit_common::flow::FlowHash;

use super::{
    output::{Origin, Output},
    shard::{FrameSize, Shard},
};
use crate::{
    analyzer::{Fate, Passed},
    flow::{Arrival, Changes, FlowTable, Known, Taken},
    time::Timestamp,
    wire::{self, Frame, Plain, Segment},
};

impl Shard {
    /// Takes a frame with a calm segment of a flow that had one lately; time has been advanced to `now`. Of any other
    /// frame the error is whose segment it has, where that is known, and nothing has happened. What became of the flow
    /// is nothing to [note](Self::note_flow): it did not begin, and sent nothing again.
    #[inline(always)]
    pub(super) fn take_calm(
        &mut self,
        frame: &Frame<'_>,
        now: Timestamp,
        out: &mut Output,
    ) -> Result<(), Option<Known>> {
        let Plain { segment, outer } = wire::plain(frame, self.parse).ok_or(None)?;
        let known = self.table.recent(&segment.tuple).ok_or(None)?;
        let origin = Origin::of(frame, now);
        let arrival = self.arrival(&origin, FrameSize::of(frame), self.now).ok_or(Some(known))?;
        // Compiled once for those without payload, and once for those with.
        let (table, changes) = (&mut self.table, &mut self.changes);
        let taken = if segment.payload_len == 0 {
            table.on_calm_segment(known, &Segment { payload_len: 0, ..segment }, &arrival, changes)
        } else {
            table.on_calm_segment(known, &segment, &arrival, changes)
        };
        let Taken { wire, slot, .. } = taken.ok_or(Some(known))?;
        let passed = Passed { wire, payload_len: segment.payload_len };
        self.count(frame, &outer, &passed, Fate::Analyzed, &origin);
        if self.requests.is_some() {
            self.hear_calm(frame, slot, wire.payload_of_one(&segment));
            self.pass_on(out);
        } else {
            self.pass_on_calm(out);
        }
        Ok(())
    }

    /// Listens to a calm segment.
    #[inline(never)]
    fn hear_calm(&mut self, frame: &Frame<'_>, slot: Option<u32>, segment_size: u32) {
        if let Some(Plain { segment, .. }) = wire::plain(frame, self.parse) {
            self.hear_segment(&segment, slot, segment_size, frame.timestamp);
        }
    }

    /// Any frame whose segment is not calm, or not of a flow that had one lately.
    #[inline(never)]
    pub(super) fn take_eventful(
        &mut self,
        frame: &Frame<'_>,
        known: Option<Known>,
        origin: &Origin,
        out: &mut Output,
    ) {
        // Each is read where it is used: to copy what was just written in pieces takes long.
        if let Some(plain) = wire::plain(frame, self.parse) {
            self.take_plain(frame, &plain, known, origin, out);
        } else if let Some(plain) = wire::nearly_plain(frame, self.parse) {
            self.take_plain(frame, &plain, None, origin, out);
        } else {
            self.take_rare(frame, origin, self.now, out);
        }
        self.pass_on(out);
    }

    /// A frame with a segment in it, of whatever flow; of a known one, it is not calm.
    #[inline(never)]
    fn take_plain(
        &mut self,
        frame: &Frame<'_>,
        Plain { segment, outer }: &Plain<'_>,
        known: Option<Known>,
        origin: &Origin,
        out: &mut Output,
    ) {
        let (now, size) = (self.now, FrameSize::of(frame));
        let passed = if let Some(known) = known {
            let take = |table: &mut FlowTable, arrival: &Arrival, changes: &mut Changes| {
                table.on_eventful_segment(known, segment, arrival, changes)
            };
            self.take_by(take, segment, origin, size, now)
        } else {
            let hash = FlowHash::of(&segment.tuple);
            if hash.shard(self.shards) != self.number {
                return self.take_rare(frame, origin, now, out);
            }
            self.take_segment(segment, hash, origin, size, now)
        };
        self.count_rare(frame, outer, &passed, Fate::Analyzed, origin);
        if !self.changes.is_empty() {
            self.note_flow(origin, outer);
        }
    }
}
