//! One run of the agent: sources, pipeline, sinks and control, put together.
//!
//! Everything that can be refused (files, addresses, privileges) is asked for before the first frame is taken; whatever
//! ends a run, what was captured until then is analysed, written and reported.

mod blocks;
mod config_command;
mod context;
mod control;
mod doctor;
mod ending;
mod filter_command;
mod interfaces;
mod kit;
mod latency;
mod live;
mod outlets;
mod overwrite;
mod peek;
mod process;
mod prof;
mod records;
mod reload;
mod report;
mod screen;
mod scripting;
mod sources;
mod stat;
mod track;
mod traffic;
mod writer;

pub use config_command::config;
pub use doctor::doctor;
pub use filter_command::filter;
pub use peek::{peek, peekstat, version as peek_version};
pub use prof::prof;
pub use report::saved_report;
pub use stat::stat;
pub use track::track;

use std::{io::IsTerminal as _, net::IpAddr, sync::OnceLock};

use tcpkit_common::flow::Address;
use tracing_subscriber::{
    Registry,
    filter::Targets,
    layer::SubscriberExt as _,
    reload::{self as reloadable, Handle},
};

use crate::{
    analyzer::{PrefixLengths, RequestLimits, RequestSettings},
    cli::{Config, Input, LogLevel, Mode, Requests, View},
    flow::Patience,
    pipeline::{EngineSettings, Wanted},
    protocol::Protocol,
    sink, source,
    wire::Verify,
};
use process::{Begun, Process};
use scripting::Scripting;

/// Runs until the sources end, the user says so, or something fails.
///
/// # Errors
/// What could not be opened, read or written; all else was done.
pub fn run(config: &Config) -> anyhow::Result<()> {
    overwrite::refuse(config)?;
    for option in &config.without_effect {
        sink::write_stderr(&format!("tcpkit: warning: {option}"));
    }
    // No thread was started until here; a script may start some.
    let process = Process::begin(&config.background)?;
    let scripting = Scripting::load(config)?;
    let adapted = scripting.as_ref().map(|scripting| scripting.adapt(config));
    let config = adapted.as_ref().unwrap_or(config);
    let begun = Begun { process, scripting };
    match &config.input {
        Input::Files(files) => blocks::replay(config, files, begun),
        Input::Live(live) => live::capture(config, live, begun),
    }
}

fn engine(config: &Config, live: bool) -> EngineSettings {
    let shards = config.shards;
    let mut settings = if live { EngineSettings::live(shards) } else { EngineSettings::replay(shards) };
    settings.parse.decapsulate = config.decapsulate;
    settings.flows.max_flows = config.limits.max_flows;
    settings.flows.max_half_open = config.limits.max_half_open;
    settings.flows.handshake_timeout = config.limits.handshake_timeout;
    settings.flows.idle = config.limits.idle_timeout;
    let talkers = &config.output.talkers;
    settings.prefixes = PrefixLengths { v4: talkers.prefix_v4, v6: talkers.prefix_v6 };
    settings.wanted = Wanted {
        flows: config.output.flow_log.is_some() || config.heard.flows || shows_finished(config),
        events: config.output.event_log.is_some()
            || config.output.text
            || config.output.listen.is_some()
            || has_page(config),
        handshakes: matches!(config.view, View::Peek(_))
            || config.heard.handshakes
            || peek::socket_lines::is_wanted(config),
        loss_delay: config.output.event_after,
        stall: config.output.event_after,
        requests: config.output.request_log.is_some() || config.heard.requests,
        slow_request: config.requests.as_ref().map_or(EngineSettings::EVENT, |requests| requests.slower_than),
        shown_us: kit::shown_us(&config.view),
        bursts: matches!(config.view, View::Agent),
    };
    settings.slow_us = kit::slow_us(&config.view);
    settings.course = matches!(config.view, View::Report(_));
    settings.requests = config.requests.as_ref().map(requests).or_else(|| heard_requests(config));
    if let View::Peek(args) = &config.view {
        settings.icmp = args.icmp;
        settings.flows.patience = Patience::FromLastSegment;
        settings.parse.verify = Verify { ip: args.checksums.ip, transport: args.checksums.transport };
    }
    if let View::Track(args) = &config.view {
        settings.tables = track::table_settings(args);
        if settings.tables.is_some() {
            // What has closed stays for the table of the time in which it did.
            settings.flows.max_lingering = settings.flows.max_flows;
        }
    }
    settings
}

/// A page tells of events too.
fn has_page(config: &Config) -> bool {
    matches!(&config.view, View::Report(plan) if plan.html.is_some())
}

/// Whether a table of finished flows is wanted.
fn shows_finished(config: &Config) -> bool {
    matches!(&config.view, View::Track(args) if !args.files.is_empty() && args.interval.is_none())
}

fn requests(requests: &Requests) -> RequestSettings {
    RequestSettings {
        protocol: match requests.mode {
            Mode::Auto => None,
            Mode::Redis => Some(Protocol::Redis),
            Mode::Memcached => Some(Protocol::Memcached),
            Mode::Http => Some(Protocol::Http),
            Mode::Dns => Some(Protocol::Dns),
            Mode::MySql => Some(Protocol::MySql),
            Mode::PostgreSql => Some(Protocol::PostgreSql),
            Mode::Tls => Some(Protocol::Tls),
        },
        ports: requests.ports.clone(),
        servers: requests.servers.iter().copied().map(address).collect(),
        udp: requests.udp,
        limits: RequestLimits::default(),
    }
}

/// What a script hears of that has `on_request`, where no option says it: every protocol, at the servers that it was given.
fn heard_requests(config: &Config) -> Option<RequestSettings> {
    let script = config.script.as_ref().filter(|_| config.heard.requests)?;
    let servers = script.servers.iter().copied().map(address).collect();
    Some(RequestSettings { ports: script.ports.clone(), servers, ..RequestSettings::every() })
}

const fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::v4(ip.octets()),
        IpAddr::V6(ip) => Address(ip.octets()),
    }
}

/// Sends the agent's own messages to standard error from `--log` on, and those of the eBPF programs from
/// `--kernel-log` on, whatever `--log` says: who asks for them wants to see them.
pub fn log_to_stderr(config: &Config) {
    let messages = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let (levels, handle) = reloadable::Layer::new(levels(config));
    let subscriber = tracing_subscriber::registry().with(levels).with(messages);
    // Only a test that calls this twice finds one set already.
    drop(tracing::subscriber::set_global_default(subscriber));
    drop(LEVELS.set(handle));
}

/// From now on `--log` is this configuration's.
fn set_log_level(config: &Config) {
    if let Some(Err(error)) = LEVELS.get().map(|handle| handle.reload(levels(config))) {
        sink::write_stderr(&format!("tcpkit: --log cannot be changed: {error}"));
    }
}

/// What `--log` and `--kernel-log` let through.
static LEVELS: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

fn levels(config: &Config) -> Targets {
    let kernel = match &config.input {
        Input::Live(live) => live.kernel_log,
        Input::Files(_) => LogLevel::Off,
    };
    Targets::new()
        .with_default(config.output.log.filter())
        .with_target(source::live::LOG_TARGET, kernel.filter())
}
