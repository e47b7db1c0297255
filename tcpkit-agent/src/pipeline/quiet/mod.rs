//! A whole file at once, for who wants to know no more of its flows than a table shows: all cores read and analyse.
//!
//! Each thread takes a [`Chunk`](chunk::Chunk) of the file in its turn, reads it, and shares out what its segments say
//! by flow; and each takes its own flows' share of every chunk, in order ([`relay`]). Flows are kept by
//! [`QuietTable`]s as long as they are quiet. Those that are odd are taken by a [`Shard`](super::Shard), the whole
//! engine, in a second look at the file (`rest`). Where the engine itself would let flows go, and wherever a frame
//! is of another kind than is expected here, there is no answer: then the file goes the usual way.

mod chunk;
mod relay;
mod rest;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

use super::settings::EngineSettings;
use crate::{
    flow::quiet::{Hasher, QuietFlow, QuietTable},
    report::FlowRecord,
    source::Flat,
};
use relay::Relay;

/// What is to be read.
#[derive(Debug)]
pub(crate) struct QuietPlan<'a> {
    pub(crate) path: &'a Path,
    pub(crate) threads: usize,
    /// Octets that a thread reads at a time; [`STRETCH`](Self::STRETCH), but in tests.
    pub(crate) stretch: u64,
    /// As the engine has them for the same file.
    pub(crate) settings: &'a EngineSettings,
}

impl QuietPlan<'_> {
    /// They stay in a core's own cache while they are worked on.
    pub(crate) const STRETCH: u64 = 256 << 10;
}

/// What others may ask and say meanwhile.
#[derive(Debug, Default)]
pub(crate) struct QuietWatch {
    stop: AtomicBool,
    position: AtomicU64,
    frames: AtomicU64,
}

impl QuietWatch {
    /// No more of the file is to be read.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Octets and frames read so far.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.position.load(Relaxed), self.frames.load(Relaxed))
    }
}

/// All flows of a file.
#[derive(Debug)]
pub(crate) struct QuietFlows {
    tables: Vec<QuietTable>,
    /// Those that were not quiet.
    pub(crate) odd: Vec<FlowRecord>,
}

impl QuietFlows {
    /// Reads a file; `None` where it has to go the usual way.
    pub(crate) fn read(plan: &QuietPlan<'_>, watch: &QuietWatch) -> Option<Self> {
        let file = Flat::open(plan.path)?;
        let hasher = Hasher::new();
        let relay = Relay::new(&file, plan, &hasher, watch)?;
        let tables = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..plan.threads).map(|owner| scope.spawn(move_work(&relay, owner))).collect();
            let tables = workers.into_iter().map(|worker| worker.join());
            // A panic has told of itself; the usual way is not to be tried behind it.
            tables.map(|table| table.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let tables: Option<Vec<QuietTable>> = tables;
        let tables = tables.filter(|tables| relay.is_sure_of(tables))?;
        let odd = rest::read(&file, &relay, &tables, &hasher)?;
        Some(Self { tables, odd })
    }

    /// Those that were quiet, by the thread that took them.
    pub(crate) fn quiet(&self) -> impl Iterator<Item = impl Iterator<Item = &QuietFlow> + Clone> {
        self.tables.iter().map(QuietTable::quiet)
    }
}

fn move_work<'s>(relay: &'s Relay<'_>, owner: usize) -> impl FnOnce() -> Option<QuietTable> + Send + 's {
    move || relay.work(owner)
}
