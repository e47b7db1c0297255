//! `cargo xtask`: everything that a contributor runs.
//!
//! Every command starts from the workspace root, says on standard error what it does, and ends with status 0 only
//! when all of it went well. `run` becomes the agent, whose status and signals are then its own.

mod accuracy;
mod bench;
mod build;
mod demo;
mod dist;
mod privilege;
mod run;
mod setup;
mod shell;
mod tally;
mod test;
mod tidy;
mod vm;

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};

/// Everything that a contributor runs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find what tcpkit needs to be built and tested, and install what is missing.
    Setup(setup::Options),
    /// Build the eBPF object, then the agent that embeds it.
    Build(build::Options),
    /// Build for release and become tcpkit; through sudo only for a live capture without the capabilities.
    #[command(disable_help_flag = true)]
    Run {
        /// What tcpkit is called with, after `--`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "TCPKIT ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Show tcpkit at work: real servers in namespaces, with every kind of fault, for a minute.
    Demo(demo::Options),
    /// Make a Debian package.
    Dist(dist::Options),
    /// The whole gate: format, tidy, clippy, every test (the live ones too), documentation.
    Test,
    /// Check what the compiler cannot: imports between modules, sizes, licences, captures, prose.
    Tidy,
    /// Measure tcpkit beside tcpdump and beside an idle host, and print the ratios.
    Bench(bench::Options),
    /// Boot Debian's kernels under emulation and run the guests' tests, or a command, in them.
    Vm(vm::Options),
    /// Judge causes of retransmissions and round trips by the kernel's own, and print the confusion matrix.
    Accuracy(accuracy::Options),
    /// Run a test binary as root, with the variables that tests know (the runner of `test`).
    #[command(hide = true)]
    AsRoot {
        /// The test binary and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Setup(options) => setup::command(&options),
        Task::Build(options) => build::command(&options),
        Task::Run { arguments } => run::command(&arguments),
        Task::Demo(options) => demo::command(&options),
        Task::Dist(options) => dist::command(&options),
        Task::Test => test::command(),
        Task::Tidy => tidy::command(),
        Task::Bench(options) => bench::command(&options),
        Task::Accuracy(options) => accuracy::command(&options),
        Task::Vm(options) => vm::command(&options),
        Task::AsRoot { command } => privilege::exec_as_root(&command),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            shell::say(format_args!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
