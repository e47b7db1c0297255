//! From a source's frames to the shards' measurements: threads that own their flows, and channels between them.
//!
//! [`shard`] is the sans-I/O core; [`Pipeline`] runs one per thread, over a reader's blocks (files, libpcap) or over
//! the kernel's rings. Nothing is shared on the way of a frame.

mod adjustment;
mod analyst;
mod batch;
mod counting;
mod facts;
mod filters;
mod flows;
mod fragments;
mod gathering;
mod outlet;
mod output;
mod plain;
mod quiet;
mod reader;
mod requests;
mod ring_worker;
mod router;
mod running;
mod settings;
pub mod shard;
mod tables;
mod telling;
mod traffic;
mod worker;

#[cfg(test)]
mod tests;

pub use adjustment::Adjustment;
pub use facts::Facts;
pub use flows::FlowsAsked;
pub use outlet::{Delivery, Listener};
pub use output::{DecidedHandshake, Finished, FinishedRequest, Foreign, Output};
pub(crate) use quiet::{QuietFlows, QuietPlan, QuietWatch};
pub use reader::{
    BlockSource, FilterChange, InterfaceTally, ReadError, ReaderBursts, ReaderOutcome, ReaderTally,
    SourceNote,
};
pub use ring_worker::{CaptureTap, Translation};
pub use running::{BlockPlan, Panicked, Pipeline, RingPlan};
pub use settings::{EngineSettings, InterfaceFacts, TableSettings, Wanted};
pub use shard::Shard;
