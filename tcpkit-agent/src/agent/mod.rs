//! One run of the agent: sources, pipeline, sinks and control, put together.
//!
//! Everything that can be refused (files, addresses, privileges) is asked for before the first frame is taken; whatever
//! ends a run, what was captured until then is analysed, written and reported.

mod blocks;
mod context;
mod control;
mod ending;
mod filter_command;
mod live;
mod outlets;
mod records;
mod sources;
mod writer;

pub use filter_command::filter;

use std::io::IsTerminal as _;

use crate::{
    cli::{Config, Input, LogLevel},
    pipeline::{EngineSettings, Wanted},
};

/// Runs until the sources end, the user says so, or something fails.
///
/// # Errors
/// What could not be opened, read or written; all else was done.
pub fn run(config: &Config) -> anyhow::Result<()> {
    match &config.input {
        Input::Files(files) => blocks::replay(config, files),
        Input::Live(live) => live::capture(config, live),
    }
}

fn engine(config: &Config, live: bool) -> EngineSettings {
    let shards = config.shards;
    let mut settings = if live { EngineSettings::live(shards) } else { EngineSettings::replay(shards) };
    settings.parse.decapsulate = config.decapsulate;
    settings.flows.max_flows = config.limits.max_flows;
    settings.flows.handshake_timeout = config.limits.handshake_timeout;
    settings.flows.idle = config.limits.idle_timeout;
    settings.wanted = Wanted {
        flows: config.output.flow_log.is_some(),
        events: config.output.event_log.is_some() || config.output.text,
    };
    settings
}

/// Sends the agent's own messages, from `level` on, to standard error.
pub fn log_to_stderr(level: LogLevel) {
    let filter = level.filter();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .finish();
    // Only a test that calls this twice finds one set already.
    drop(tracing::subscriber::set_global_default(subscriber));
}
