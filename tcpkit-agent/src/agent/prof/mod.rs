//! `tcpkit prof`: tcpprof on files and interfaces.

mod names;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::stat::{Packets, Told, Waiter, wanted_interface};
use crate::{
    cli::{BackendChoice, Failure, ProfArgs, StatInput, System},
    sink::{write_stderr, write_stdout},
    source::{Heads, HeadsError},
    view::{
        prof::{Prof, ProfOptions, Section},
        stat::{Decoder, Link},
    },
};
use names::SystemNames;

/// Runs tcpprof until the file ends, or the user says so.
///
/// # Errors
/// What could not be captured or written. What tcpprof itself says of files that it cannot read is no failure, unless it
/// is to be strict: it says so and ends with status 0.
pub fn prof(args: &ProfArgs, system: &System) -> anyhow::Result<()> {
    let sections = Section::ALL.into_iter().filter(|section| args.sections.contains(section.letter()));
    let prof = Prof::new(ProfOptions {
        sections: sections.collect(),
        splits: args.splits,
        ports_below: args.ports_below,
        rows: args.rows,
        ipv6: args.ipv6,
        strict: args.strict,
    });
    match &args.input {
        StatInput::File(path) => replay(args, prof, path),
        StatInput::Live(name) => capture(args, prof, name.as_deref(), system),
    }
}

fn replay(args: &ProfArgs, mut prof: Prof, path: &Path) -> anyhow::Result<()> {
    let mut heads = match Heads::open(path, &args.filter) {
        Ok(heads) => heads,
        Err(error) => return trouble(args, &error),
    };
    let mut decoder = Decoder::new(Link::of_dlt(heads.dlt()), true);
    loop {
        match heads.next_head() {
            Ok(Some(head)) => {
                decoder.take(head.bytes);
                prof.on_packet(&decoder, head.frame_len);
            }
            Ok(None) => break,
            Err(error) if !error.keeps_what_came_before => return trouble(args, &error),
            Err(error) => {
                write_stderr(&error.words);
                break;
            }
        }
    }
    show(args, &prof)
}

fn trouble(args: &ProfArgs, error: &HeadsError) -> anyhow::Result<()> {
    if args.strict {
        return Err(Failure::legacy(&error.words).into());
    }
    write_stderr(&error.words);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a live source is where time enters")]
fn capture(args: &ProfArgs, mut prof: Prof, name: Option<&str>, system: &System) -> anyhow::Result<()> {
    if args.backend == BackendChoice::Ebpf {
        return Err(Failure::run("--backend ebpf")
            .because("the tables need each packet's addresses, which are taken by libpcap")
            .hint("leave it out")
            .into());
    }
    let interface = wanted_interface(name, system)?;
    let mut packets = Packets::open(&interface, &args.filter, args.promiscuous)?;
    let waiter = Waiter::new();
    let link = Link::of_dlt(i32::from(packets.link_type().0));
    let mut decoder = Decoder::new(link, true);
    let limit =
        (args.seconds > 0.0).then(|| Duration::try_from_secs_f64(args.seconds).unwrap_or(Duration::MAX));
    let begun = Instant::now();
    let mut taken = Ok(());
    while taken.is_ok() && limit.is_none_or(|limit| begun.elapsed() < limit) {
        match waiter.wait(Duration::ZERO) {
            Some(Told::End) => break,
            Some(Told::Print) => show(args, &prof)?,
            None => {}
        }
        taken = packets.take(SLICE, |frame| {
            decoder.take(frame.bytes);
            prof.on_packet(&decoder, frame.frame_len);
            Ok(())
        });
    }
    show(args, &prof)?;
    packets.loss().iter().for_each(|line| write_stderr(line));
    taken
}

fn show(args: &ProfArgs, prof: &Prof) -> anyhow::Result<()> {
    if prof.is_empty() {
        write_stderr("No packets processed.");
        return Ok(());
    }
    write_stdout(&prof.render(&SystemNames { numbers_only: args.numbers_only }))?;
    if prof.left_out() > 0 {
        let left_out = prof.left_out();
        write_stderr(&format!("tcpkit: warning: {left_out} packets are in no row, because a table was full"));
    }
    Ok(())
}

/// How long packets are waited for before signals and the time are looked at.
const SLICE: Duration = Duration::from_millis(50);
