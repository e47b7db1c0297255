//! `tcpkit`: parse, run, exit.

use std::process::ExitCode;

use tcpkit_agent::{
    agent,
    cli::{self, Args, Command, Config, Exit, Origin, Parsed, System},
    sink,
};

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args_os()) {
        Ok(Parsed::Text(text)) => sink::write_stdout(&text).map_err(Into::into),
        Ok(Parsed::Run(args)) => run(&args),
        Ok(Parsed::Peek(args)) => agent::peek(*args, &System::current()),
        Ok(Parsed::PeekStat(args)) => agent::peekstat(&args),
        Ok(Parsed::Track(args)) => agent::track(*args, &System::current()),
        Ok(Parsed::Stat(args)) => agent::stat(&args, &System::current()),
        Ok(Parsed::Prof(args)) => agent::prof(&args, &System::current()),
        Ok(Parsed::PeekVersion) => sink::write_stdout(&agent::peek_version()).map_err(Into::into),
        Err(failure) => Err(failure.into()),
    };
    let (exit, line) = match outcome {
        Ok(()) => (Exit::Success, None),
        Err(error) => cli::verdict(&error),
    };
    if let Some(line) = line {
        sink::write_stderr(&line);
    }
    exit.into()
}

fn run(args: &Args) -> anyhow::Result<()> {
    let system = System::current();
    let config = match &args.command {
        Some(Command::Filter(filter)) => return agent::filter(filter),
        Some(Command::Doctor(args)) => return agent::doctor(args),
        Some(Command::Generate(args)) => return Ok(sink::write_stdout(&cli::generate(args)?)?),
        Some(Command::Config(config)) => return agent::config(config, &system),
        Some(Command::Latency(latency)) => Config::latency(latency, &system)?,
        Some(Command::Report(report)) => match report.saved()? {
            Some(saved) => return agent::saved_report(&saved),
            None => Config::report(report, &system)?,
        },
        None => {
            let origin = Origin::new(std::env::args_os().collect(), args.agent.clone());
            Config { origin: Some(origin), ..Config::new(&args.agent, &system)? }
        }
    };
    agent::log_to_stderr(&config);
    agent::run(&config)
}
