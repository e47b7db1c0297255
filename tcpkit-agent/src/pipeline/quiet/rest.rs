//! The second look at a file, for the flows that were not quiet: the whole engine takes their frames.
//!
//! It is told of time by every frame, so that time-outs are what they are where it takes them all.

use super::relay::Relay;
use crate::{
    flow::{
        FlowKey,
        quiet::{Hasher, QuietTable},
    },
    pipeline::{EngineSettings, Output, Shard},
    report::FlowRecord,
    source::Flat,
    time::Timestamp,
    wire::{self, Frame, ParseOptions},
};

/// Which frames are to be taken.
struct Wanted<'a> {
    tables: &'a [QuietTable],
    hasher: &'a Hasher,
    options: ParseOptions,
}

/// The records of the flows that are odd; `None` where the file is not any more what it was.
pub(super) fn read(
    file: &Flat,
    relay: &Relay<'_>,
    tables: &[QuietTable],
    hasher: &Hasher,
) -> Option<Vec<FlowRecord>> {
    if tables.iter().all(|table| table.odd() == 0) {
        return Some(Vec::new());
    }
    let plan = relay.plan();
    let settings = plan.settings;
    let wanted = Wanted { tables, hasher, options: settings.parse };
    let mut shard = Shard::new(&EngineSettings { shards: 1, ..settings.clone() }, 0);
    let (mut chunk, mut output, mut records) = (relay.chunk(), Output::default(), Vec::new());
    let (frames, mut number, mut start, mut now) = (relay.frames(), 0, Flat::START, Timestamp::MIN);
    let mut base = Flat::START;
    while number < frames {
        chunk.read(file, base).ok()?;
        start = chunk.find_records(file, start).ok()?;
        base += plan.stretch;
        for (_, frame) in chunk.frames(file.shape) {
            now = now.max(frame.timestamp);
            if wanted.takes(&frame, number) {
                shard.on_frame(&frame, now, &mut output);
            }
            number += 1;
        }
        records.extend(output.finished.drain(..).map(|finished| finished.record));
        output.clear();
    }
    shard.finish(now, &mut output);
    records.extend(output.finished.drain(..).map(|finished| finished.record));
    Some(records)
}

impl Wanted<'_> {
    /// Whether a frame is one of an odd flow, or may be.
    fn takes(&self, frame: &Frame<'_>, number: u64) -> bool {
        let plain = wire::plain(frame, self.options).or_else(|| wire::nearly_plain(frame, self.options));
        let Some(plain) = plain else { return true };
        let key = FlowKey::of(&plain.segment.tuple).0;
        self.tables.iter().any(|table| table.is_odd(&key, self.hasher, number))
    }
}
