//! `tcpkit peekstat`: asks a running tcpeek.

use std::process::Command;

use crate::{
    cli::{Failure, PeekStatArgs},
    sink::{
        socket::{Request, ask},
        write_stdout,
    },
    view::peek::Statistics,
};

/// Asks a running tcpeek for its counts, and prints them or hands them to Ganglia.
///
/// # Errors
/// Nobody answers, or gmetric cannot be run.
pub fn peekstat(args: &PeekStatArgs) -> anyhow::Result<()> {
    let request = if args.gmetric { Request::Refresh } else { Request::Get };
    let answer = ask(&args.socket, request).map_err(|error| Failure::run(error.to_string()))?;
    let statistics = Statistics::parse(&answer)
        .map_err(|error| Failure::run(format!("socket {}", args.socket.display())).because(error))?;
    if args.gmetric {
        return report(&statistics);
    }
    let text = if args.json { statistics.json() } else { statistics.text() };
    Ok(write_stdout(&text)?)
}

/// Each command is shown before it runs; one that fails does not keep the others from running.
fn report(statistics: &Statistics) -> anyhow::Result<()> {
    let mut failure = None;
    for metric in statistics.metrics() {
        let value = metric.value.to_string();
        let words = ["-n", &metric.name, "-v", &value, "-t", "uint32"];
        write_stdout(&format!("{GMETRIC} {}\n", words.join(" ")))?;
        let problem = match Command::new(GMETRIC).args(words).status() {
            Ok(status) if status.success() => continue,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        failure.get_or_insert_with(|| {
            Failure::run(GMETRIC).because(problem).hint("install Ganglia's gmetric, or leave -g away")
        });
    }
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Where tcpeekstat expected it.
const GMETRIC: &str = "/usr/bin/gmetric";
