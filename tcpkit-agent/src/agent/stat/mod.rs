//! `tcpkit stat`: tcpstat on files and interfaces.
//!
//! Only sizes and the first bytes of headers are looked at: there is no flow table behind it unless a line asks for
//! what only that knows.

mod counted;
mod engine;
mod live;
mod output;
mod records;
mod signals;

use std::path::Path;

use tcpkit_common::record::Hook;

use crate::{
    cli::{Failure, StatAction, StatArgs, StatInput, System},
    sink::write_stderr,
    source::{Heads, HeadsError},
    view::stat::{Action, Counted, Decoder, Format, Link, Stat, StatOptions, Stopped},
};
use engine::Engine;
use output::Output;

pub(super) use live::wanted_interface;
pub(super) use records::Packets;
pub(super) use signals::{Told, Waiter};

/// Runs tcpstat until the file ends, or the user says so.
///
/// # Errors
/// What could not be captured or written. What tcpstat itself says of files that it cannot read is no failure, unless
/// it is to be strict: it says so and ends with status 0.
pub fn stat(args: &StatArgs, system: &System) -> anyhow::Result<()> {
    let options = options(args);
    match &args.input {
        StatInput::File(path) => replay(args, options, path),
        StatInput::Live(name) => live::capture(args, options, name.as_deref(), system),
    }
}

fn options(args: &StatArgs) -> StatOptions {
    let format =
        args.format.as_deref().map_or_else(Format::default, |words| Format::parse(words, args.strict));
    StatOptions {
        interval: args.interval,
        seconds: args.seconds,
        skips_empty: args.skips_empty,
        relative_to: args.relative_to,
        format: if output::is_somebody_else() { warned(format) } else { format },
        action: match args.action {
            StatAction::Lines => Action::Lines,
            StatAction::Bandwidth => Action::Bandwidth,
            StatAction::Account => Action::Account,
        },
        limit: args.limit,
        carries: args.carries,
        strict: args.strict,
    }
}

fn warned(format: Format) -> Format {
    write_stderr("tcpkit: warning: it runs setuid, so lines go to standard output only");
    format.without_descriptors()
}

fn replay(args: &StatArgs, options: StatOptions, path: &Path) -> anyhow::Result<()> {
    let asks_engine = options.format.asks_engine();
    let out = Output::new(&options.format, args.flushes || is_pipe(path));
    let mut heads = match Heads::open(path, &args.filter) {
        Ok(heads) => heads,
        Err(error) => return trouble(args, &error),
    };
    signals::notice_requests();
    let mut run = Run {
        out,
        decoder: Decoder::new(Link::of_dlt(heads.dlt()), args.counts_link),
        stat: Stat::new(options),
        engine: asks_engine.then(|| Engine::new(heads.dlt())),
    };
    let damage = match run.take_all(&mut heads) {
        Ok(damage) => damage,
        Err(stopped) => return run.stop(stopped),
    };
    if let Some(error) = damage {
        if !error.keeps_what_came_before {
            run.out.flush()?;
            return trouble(args, &error);
        }
        write_stderr(&error.words);
    }
    run.note_engine();
    match run.stat.finish(&mut run.out) {
        Ok(()) => Ok(run.out.flush()?),
        Err(stopped) => run.stop(stopped),
    }
}

/// Whether somebody waits for what can be said so far.
fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-" || !path.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// A file that cannot be read.
fn trouble(args: &StatArgs, error: &HeadsError) -> anyhow::Result<()> {
    if args.strict {
        return Err(Failure::legacy(&error.words).into());
    }
    write_stderr(&error.words);
    Ok(())
}

/// Packets into lines.
struct Run {
    stat: Stat,
    decoder: Decoder,
    engine: Option<Engine>,
    out: Output,
}

impl Run {
    /// Takes the packets of a file; gives the damage that ended it.
    fn take_all(&mut self, heads: &mut Heads) -> Result<Option<HeadsError>, Stopped<std::io::Error>> {
        loop {
            let head = match heads.next_head() {
                Ok(Some(head)) => head,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            self.decoder.take(head.bytes);
            let network = self.decoder.network();
            let packet = Counted {
                seconds: head.seconds,
                micros: head.micros,
                size: self.decoder.size(head.frame_len),
                network,
                transport: self.decoder.transport(network),
            };
            if signals::was_requested() {
                self.stat.ask();
            }
            if let Some(engine) = &mut self.engine {
                if self.stat.is_due(&packet) {
                    self.stat.set_extra(engine.take());
                }
                engine.on_head(&head);
            }
            self.stat.on_packet(&packet, &mut self.out)?;
        }
    }

    fn note_engine(&mut self) {
        if let Some(engine) = &mut self.engine {
            self.stat.set_extra(engine.take());
        }
    }

    /// Ends before the capture does.
    fn stop(&mut self, stopped: Stopped<std::io::Error>) -> anyhow::Result<()> {
        match stopped {
            Stopped::Outlet(error) => Err(error.into()),
            Stopped::Endless => {
                self.out.flush()?;
                Err(Failure::run("intervals without packets follow for ever")
                    .because("what was printed ends here, where tcpstat would go on")
                    .hint("give a longer interval, or a shorter time by -s")
                    .into())
            }
        }
    }
}

/// Both ways past an interface, and XDP where it is used.
const HOOKS: [Hook; 3] = [Hook::XdpIngress, Hook::TcIngress, Hook::TcEgress];
