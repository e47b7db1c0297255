//! One run of the agent: sources, pipeline, sinks and control, put together.
//!
//! Everything that can be refused (files, addresses, privileges) is asked for before the first frame is taken; whatever
//! ends a run, what was captured until then is analysed, written and reported.

mod blocks;
mod context;
mod control;
mod ending;
mod outlets;
mod records;
mod sources;
mod writer;

use crate::{
    cli::{Config, Input},
    pipeline::EngineSettings,
};

/// Runs until the sources end, the user says so, or something fails.
///
/// # Errors
/// What could not be opened, read or written; all else was done.
pub fn run(config: &Config) -> anyhow::Result<()> {
    match &config.input {
        Input::Files(files) => blocks::replay(config, files),
        Input::Live(live) => blocks::capture(config, live, Vec::new()),
    }
}

fn engine(config: &Config, live: bool) -> EngineSettings {
    let shards = config.shards;
    let mut settings = if live { EngineSettings::live(shards) } else { EngineSettings::replay(shards) };
    settings.parse.decapsulate = config.decapsulate;
    settings.flows.max_flows = config.limits.max_flows;
    settings.flows.handshake_timeout = config.limits.handshake_timeout;
    settings.flows.idle = config.limits.idle_timeout;
    settings
}
