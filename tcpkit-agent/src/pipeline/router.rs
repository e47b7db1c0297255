//! Which shard a frame of a file belongs to.
//!
//! The kernel does this for live frames. Fragments are put together here, before the shards, so that the datagram
//! reaches the flow's shard at its place in capture order, whatever the number of shards.

use std::sync::Arc;

use super::{
    batch::{Batch, Item, ItemKind},
    {EngineSettings, InterfaceFacts, Output, Shard},
};
use crate::{
    report::ShardSnapshot,
    source::Block,
    time::Timestamp,
    wire::{self, Frame, InterfaceId, Packet, ParseOptions},
};

/// Splits blocks among shards.
#[derive(Debug)]
pub(super) struct Router {
    shards: u32,
    parse: ParseOptions,
    /// A shard that owns no flow: it only puts fragments together and accounts for them.
    fragments: Shard,
    output: Output,
}

impl Router {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self {
            shards: settings.shards,
            parse: settings.parse,
            fragments: Shard::new(settings, NO_SHARD),
            output: Output::default(),
        }
    }

    /// The batches of all shards for this block, in order of the shard; `watermark` moves on with the frames.
    pub(super) fn split(&mut self, block: Block, watermark: &mut Timestamp) -> Vec<Batch> {
        let mut shares: Vec<Vec<Item>> = Vec::new();
        let room = block.frames.len() / self.shards as usize + 64;
        shares.resize_with(self.shards as usize, || Vec::with_capacity(room));
        for (number, descriptor) in (0u32..).zip(&block.frames) {
            let frame = block.frame(descriptor);
            *watermark = (*watermark).max(frame.timestamp);
            self.route(number, &frame, *watermark, &mut shares);
        }
        let block = Arc::new(block);
        let watermark = *watermark;
        shares.into_iter().map(|items| Batch::Share { block: Arc::clone(&block), items, watermark }).collect()
    }

    /// Tells an interface's facts.
    pub(super) fn on_interface(&mut self, id: InterfaceId, facts: InterfaceFacts) {
        self.fragments.set_interface(id, facts);
    }

    /// The account of the fragments, when nothing comes any more.
    pub(super) fn finish(mut self, end: Timestamp) -> ShardSnapshot {
        self.fragments.finish(end, &mut self.output);
        self.fragments.hand_over()
    }

    /// The account of the fragments since the last time.
    pub(super) fn hand_over(&mut self) -> ShardSnapshot {
        self.fragments.hand_over()
    }

    fn route(&mut self, number: u32, frame: &Frame<'_>, watermark: Timestamp, shares: &mut [Vec<Item>]) {
        let shard = match wire::parse(frame, self.parse).packet {
            Ok(Packet::Fragment(_)) => return self.collect(frame, watermark, shares),
            Ok(packet) => wire::flow_hash(&packet).shard(self.shards),
            Err(_) => 0,
        };
        if let Some(share) = shares.get_mut(shard as usize) {
            share.push(Item { what: ItemKind::Frame(number), watermark });
        }
    }

    fn collect(&mut self, frame: &Frame<'_>, watermark: Timestamp, shares: &mut [Vec<Item>]) {
        self.fragments.on_frame(frame, watermark, &mut self.output);
        for foreign in self.output.foreign.drain(..) {
            if let Some(share) = shares.get_mut(foreign.shard as usize) {
                share.push(Item { what: ItemKind::Datagram(Box::new(foreign)), watermark });
            }
        }
    }
}

/// No shard has this number, so every datagram that the router completes is somebody else's.
const NO_SHARD: u32 = u32::MAX;
