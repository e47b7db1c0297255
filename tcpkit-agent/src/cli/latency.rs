//! `tcpkit latency`: what was typed, and what it means.

use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::{
    args::{AgentArgs, Mode},
    config::{Config, Input, View, no_input, stdout_owner},
    failure::Failure,
    system::System,
    value,
};

/// `tcpkit latency`.
#[derive(Clone, Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub struct LatencyCommandArgs {
    /// Sort by this column first.
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t)]
    pub sort: SortColumn,
    /// Show new figures after so many seconds (decimals allowed).
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = value::positive_seconds)]
    pub interval: Duration,
    /// The agent's own options.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// `--sort` of `tcpkit latency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SortColumn {
    /// Protocol and command, or server.
    Name,
    /// How many.
    #[default]
    Requests,
    /// How many in a second.
    Rate,
    /// Answered with an error.
    Errors,
    /// Never answered.
    Unanswered,
    /// Median.
    P50,
    /// 90 % took no longer.
    P90,
    /// 99 % took no longer.
    P99,
    /// 99.9 % took no longer.
    #[value(name = "p99.9")]
    P999,
    /// Longest.
    Max,
    /// The server's part of the median.
    Server,
    /// Lost to retransmissions and shut windows.
    Lost,
}

/// `tcpkit latency`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyPlan {
    /// By what tables are sorted first.
    pub sort: SortColumn,
    /// Time between two screens.
    pub interval: Duration,
    /// A screen is to be shown, where standard output is a terminal; else tables at the end.
    pub is_live: bool,
    /// The report as JSON was asked for in place of the tables.
    pub is_silent: bool,
}

impl Config {
    /// The same for `tcpkit latency`: requests of every protocol that is recognised, unless `-m` says which.
    ///
    /// # Errors
    /// As [`Config::new`]; an option that has no meaning there.
    pub fn latency(args: &LatencyCommandArgs, system: &System) -> Result<Self, Failure> {
        let mut agent = args.agent.clone();
        // Only git-hulk/tcpkit's own command line means every interface when it names none.
        if agent.input.interface.is_empty() && agent.input.read.is_empty() {
            return Err(no_input(system));
        }
        refuse_unfit(&agent, "latency", "tables of requests are all that is shown")?;
        agent.requests.mode.get_or_insert(Mode::Auto);
        let is_silent = stdout_owner(&agent.output)?.is_some() || agent.output.quiet;
        let mut config = Self::new(&agent, system)?;
        config.output.text = false;
        config.view = View::Latency(LatencyPlan {
            sort: args.sort,
            interval: args.interval,
            is_live: matches!(config.input, Input::Live(_)),
            is_silent,
        });
        Ok(config)
    }
}

/// Options of lines, of scripts and of running in the background have no meaning for a command that shows one thing.
pub(super) fn refuse_unfit(agent: &AgentArgs, word: &str, reason: &str) -> Result<(), Failure> {
    let unfit = [
        ("-o", agent.kit.lines.is_some()),
        ("-d", agent.kit.daemon),
        ("-A", agent.kit.ascii),
        ("-m raw", agent.kit.raw),
        ("-S", agent.script.script.is_some()),
    ];
    match unfit.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::usage(format!("{option} and {word}"))
            .because(reason)
            .hint(format!("leave out one of them: tcpkit without the word {word} takes {option}"))),
        None => Ok(()),
    }
}
