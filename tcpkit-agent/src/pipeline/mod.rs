//! Shards: parse, flows and analyzers of one worker, without I/O.

mod fragments;
mod output;
mod settings;
pub mod shard;

#[cfg(test)]
mod tests;

pub use output::{Finished, Foreign, Output};
pub use settings::{EngineSettings, InterfaceFacts};
pub use shard::Shard;
