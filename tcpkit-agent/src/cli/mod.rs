//! The command line: what the user typed ([`Args`]), what the program will do ([`Config`]), how it ends ([`Failure`]).
//!
//! `main` is: [`parse`], run, exit. No option is accepted that nothing stands behind.

pub mod args;
pub mod config;
mod dialect;
mod doctor;
pub mod expression;
pub mod failure;
pub mod getopt;
pub mod kit;
mod latency;
mod layers;
mod manual;
pub mod peek;
pub mod prof;
mod report;
pub mod stat;
pub mod system;
pub mod track;
mod usage;
pub mod value;

pub use args::{AgentArgs, Args, BackendChoice, Command, FilterCommandArgs, HookChoice, LogLevel, Mode};
pub use config::{
    CaptureOutput, Config, Heard, Input, Limits, Listen, Live, Output, Requests, ScriptPlan, Stream, Talkers,
    View,
};
pub use doctor::DoctorCommandArgs;
pub use expression::effective_expression;
pub use failure::{Exit, Failure, verdict};
pub use kit::{Background, Dialect, Kit, KitLines};
pub use latency::{LatencyCommandArgs, LatencyPlan, SortColumn};
pub use layers::{ConfigAction, ConfigCommandArgs, ConfigFileArgs, Difference, Origin, Reach, template};
pub use manual::{GenerateCommandArgs, Generated, generate, pages};
pub use peek::{PeekArgs, PeekStatArgs};
pub use prof::ProfArgs;
pub use report::{ReportCommandArgs, ReportPlan, SavedReport};
pub use stat::{StatAction, StatArgs, StatInput};
pub use system::System;
pub use track::TrackArgs;
pub use usage::{Parsed, parse};
pub use value::{FlowCounters, ListenAt};

#[cfg(test)]
mod tests;
