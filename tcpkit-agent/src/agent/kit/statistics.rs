//! What the stats port answers, whatever the run shows.

use std::sync::Arc;

use crate::{
    cli::Config,
    report::Report,
    sink::http::StatsAnswer,
    view::kit::{Interfaces, Shape},
};

/// The answers of a run.
pub(in crate::agent) fn statistics(config: &Config) -> StatsAnswer {
    let requests = config.requests.as_ref();
    let ports = requests.map(|requests| requests.ports.clone()).unwrap_or_default();
    let mode = requests.map_or("raw", |requests| requests.mode.word());
    Arc::new(move |query: &str, report: &Report| {
        let shape = Shape::of_query(query)?;
        Some(shape.render(&report.services, &ports, mode, Interfaces::of(report).dropped))
    })
}
