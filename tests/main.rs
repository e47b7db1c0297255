//! Scenarios: one binary, so that it links once.

mod cli;
mod kernel;
mod live;
mod oracle;
