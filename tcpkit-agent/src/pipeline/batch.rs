//! What a reader hands to a worker: a block of frames, and which of them are the worker's.

use std::sync::Arc;

use super::{Foreign, InterfaceFacts};
use crate::{source::Block, time::Timestamp, wire::InterfaceId};

/// Work for one shard, in capture order.
#[derive(Debug)]
pub(super) enum Batch {
    /// Every frame of the block: there is one shard only.
    Whole {
        /// The frames.
        block: Box<Block>,
        /// Latest timestamp of the capture before this block.
        watermark: Timestamp,
    },
    /// Some frames of a block that several shards share.
    Share {
        /// The frames, those of other shards too.
        block: Arc<Block>,
        /// What of it is this shard's.
        items: Vec<Item>,
        /// Latest timestamp of the capture, this block included.
        watermark: Timestamp,
    },
    /// Nothing came; timers may run up to this time.
    Idle(Timestamp),
    /// An interface that the frames behind this batch may name.
    Interface(InterfaceId, InterfaceFacts),
}

/// One thing to analyse, and the latest timestamp of the capture up to it.
#[derive(Debug)]
pub(super) struct Item {
    /// What to analyse.
    pub(super) what: ItemKind,
    /// Latest timestamp of the capture up to here.
    pub(super) watermark: Timestamp,
}

/// What an [`Item`] is.
#[derive(Debug)]
pub(super) enum ItemKind {
    /// The frame with this number in the block.
    Frame(u32),
    /// A datagram that the reader put together from fragments.
    Datagram(Box<Foreign>),
}
