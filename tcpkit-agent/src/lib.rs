//! The agent: frames in, records and reports out.
//!
//! Data flows one way, and imports follow it: `time`, `wire`, `flow`, `analyzer`, `report`; `source` and `filter`
//! bring frames in, `pipeline` drives the shards, `sink` writes, `cli` says what the user typed.
//! The analysis core is sans-I/O: it never asks for the time, never touches a socket, and gives the same report for
//! the same frames at any speed with any number of shards.

pub mod agent;
pub mod analyzer;
pub mod cli;
pub mod filter;
pub mod flow;
pub mod pipeline;
pub mod protocol;
pub mod report;
pub mod script;
pub mod sink;
pub mod source;
pub mod time;
pub mod view;
pub mod wire;

#[cfg(test)]
#[path = "../../tests/support/leave_out.rs"]
#[allow(unreachable_pub, reason = "public in the crate that it is shared with")]
pub(crate) mod leave_out;
