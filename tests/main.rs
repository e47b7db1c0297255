//! Scenarios: one binary, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a scenario that does not go as planned fails right there"
)]

mod bandwidth;
mod cli;
mod configuration;
mod kernel;
mod kit;
mod latency;
mod live;
mod oracle;
mod page;
mod peek;
mod requests;
mod script;
mod stat;
mod tour;
mod track;
mod vm;
