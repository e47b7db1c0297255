//! Frames with a segment in its usual place: nearly all of them.

use tcpkit_common::flow::FlowHash;

use super::{
    output::{Origin, Output},
    shard::{FrameSize, Shard},
};
use crate::{
    analyzer::{Fate, Passed},
    flow::{Arrival, Changes, FlowTable, Known},
    time::Timestamp,
    wire::{self, Frame, Plain, Segment},
};

impl Shard {
    /// Takes a calm segment of a known flow; `None` where it is not one, and nothing has happened. What became of its
    /// flow is nothing to [note](Self::note_flow): it did not begin one, and sent nothing again.
    #[inline(always)]
    pub(super) fn take_calm(
        &mut self,
        known: Known,
        segment: &Segment<'_>,
        origin: &Origin,
        frame: &Frame<'_>,
        now: Timestamp,
    ) -> Option<Passed> {
        let arrival = self.arrival(origin, FrameSize::of(frame), now)?;
        let taken = self.table.on_calm_segment(known, segment, &arrival, &mut self.changes)?;
        if self.requests.is_some() {
            let segment = *segment;
            self.hear_segment(&segment, &taken, origin.timestamp);
        }
        Some(Passed { wire: taken.wire, payload_len: segment.payload_len })
    }

    /// Any frame that is not of the commonest kind.
    #[inline(never)]
    pub(super) fn take_less_plain(
        &mut self,
        frame: &Frame<'_>,
        origin: &Origin,
        now: Timestamp,
        out: &mut Output,
    ) {
        match wire::nearly_plain(frame, self.parse) {
            Some(plain) => self.take_plain(frame, &plain, None, origin, now, out),
            None => {
                self.take_rare(frame, origin, now, out);
                self.pass_on(out);
            }
        }
    }

    /// A frame with a segment in it, of whatever flow; of a known one, it is not calm.
    #[inline(never)]
    pub(super) fn take_plain(
        &mut self,
        frame: &Frame<'_>,
        plain: &Plain<'_>,
        known: Option<Known>,
        origin: &Origin,
        now: Timestamp,
        out: &mut Output,
    ) {
        let Plain { segment, outer } = plain;
        let passed = if let Some(known) = known {
            let take = |table: &mut FlowTable, arrival: &Arrival, changes: &mut Changes| {
                table.on_eventful_segment(known, segment, arrival, changes)
            };
            self.take_by(take, segment, origin, FrameSize::of(frame), now)
        } else {
            let hash = FlowHash::of(&segment.tuple);
            if hash.shard(self.shards) != self.number {
                self.take_rare(frame, origin, now, out);
                return self.pass_on(out);
            }
            self.take_segment(segment, hash, origin, FrameSize::of(frame), now)
        };
        self.count_rare(frame, outer, &passed, Fate::Analyzed, origin);
        if !self.changes.is_empty() {
            self.note_flow(origin, outer);
        }
        self.pass_on(out);
    }
}
