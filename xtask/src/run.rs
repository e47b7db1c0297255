//! Builds for release and becomes tcpkit, so that signals and exit status are tcpkit's own.
//!
//! Files and `filter` need neither root nor an eBPF toolchain; a live capture needs both, and asks `sudo` only when
//! this process lacks the capabilities.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::{self, Profile, Warnings},
    privilege::{Escalation, Privilege, escalation},
    setup::{self, Scope},
    shell::say,
};

/// What the arguments ask of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// Files, filters, help.
    Nothing,
    /// Live capture through libpcap.
    PacketSocket,
    /// Live capture by eBPF.
    Ebpf,
}

/// `cargo xtask run -- ARGUMENTS`. Returns only when tcpkit could not be started.
///
/// # Errors
/// If something needed is missing, a build fails, or root is out of reach.
pub(crate) fn command(arguments: &[OsString]) -> Result<ExitCode> {
    let arguments = arguments.strip_prefix(&[OsString::from("--")]).unwrap_or(arguments);
    let demand = demand(arguments);
    prepare(demand)?;
    let binary = build::agent(Profile::Release)?;
    let mut command = elevated(&binary, demand)?;
    command.args(arguments);
    Err(command.exec()).with_context(|| format!("cannot start {}", binary.display()))
}

/// Sets up what the demand needs. The object is embedded for a file too when the toolchain is there already, so
/// that files and live captures in turn do not build the agent each time.
fn prepare(demand: Demand) -> Result<()> {
    let scope = if demand == Demand::Ebpf { Scope::Ebpf } else { Scope::Agent };
    setup::ensure(scope)?;
    if demand == Demand::Ebpf || setup::toolchain()?.is_some() {
        build::object(Warnings::Shown)?;
    }
    Ok(())
}

fn elevated(binary: &Path, demand: Demand) -> Result<Command> {
    let privilege = Privilege::current()?;
    let enough = match demand {
        Demand::Nothing => true,
        Demand::PacketSocket => privilege.can_open_packet_socket(),
        Demand::Ebpf => privilege.can_attach(),
    };
    // Root that lacks a capability gains nothing from sudo: tcpkit names what is missing.
    if enough || privilege.is_root() {
        return Ok(Command::new(binary));
    }
    if let Escalation::Impossible(why) = escalation()? {
        bail!("a live capture needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (libpcap: CAP_NET_RAW); {why}");
    }
    say("run: a live capture needs root: asking sudo");
    let mut sudo = Command::new("sudo");
    sudo.arg("--").arg(binary);
    Ok(sudo)
}

/// Reads tcpkit's own command line just far enough: where do the frames come from?
fn demand(arguments: &[OsString]) -> Demand {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    // Without arguments tcpkit says how it is used.
    if matches!(words.first().map(AsRef::as_ref), None | Some("filter" | "help" | "config" | "generate")) {
        return Demand::Nothing;
    }
    if needs_no_frames(&words) {
        return Demand::Nothing;
    }
    let mut demand = Demand::Ebpf;
    let mut words = words.iter().map(AsRef::as_ref);
    while let Some(word) = words.next() {
        match word {
            "--" => break,
            "--help" | "--version" | "--read" => return Demand::Nothing,
            "--backend" if words.next() == Some("pcap") => demand = Demand::PacketSocket,
            "--backend=pcap" => demand = Demand::PacketSocket,
            long if long.starts_with("--read=") => return Demand::Nothing,
            long if long.starts_with("--") => {}
            short if short.starts_with('-') => match cluster(short) {
                Cluster::NoCapture => return Demand::Nothing,
                Cluster::ValueFollows => _ = words.next(),
                Cluster::Complete => {}
            },
            _ => {}
        }
    }
    demand
}

/// Subcommands that read something else than frames: `report` a saved report, `track` a file, unless they name an
/// interface or a configuration, which may name one.
fn needs_no_frames<W: AsRef<str>>(words: &[W]) -> bool {
    let begins = |start: &str| words.iter().any(|word| word.as_ref().starts_with(start));
    match words.first().map(AsRef::as_ref) {
        Some("report") => !begins("-i") && !begins("--interface") && !begins("--config"),
        Some("track") => begins("-T"),
        _ => false,
    }
}

/// What a cluster of short options (`-vi`, `-rFILE`) says.
enum Cluster {
    /// It reads a file or only prints help.
    NoCapture,
    /// Its last option takes the next word.
    ValueFollows,
    /// It stands alone.
    Complete,
}

fn cluster(word: &str) -> Cluster {
    /// Short options of the agent that take a value.
    const VALUED: &str = "ipstmwSPBoCG";
    let letters: Vec<char> = word.chars().skip(1).collect();
    for (index, letter) in letters.iter().enumerate() {
        match letter {
            'r' | 'h' | 'v' | 'V' => return Cluster::NoCapture,
            letter if VALUED.contains(*letter) => {
                return if index + 1 == letters.len() { Cluster::ValueFollows } else { Cluster::Complete };
            }
            _ => {}
        }
    }
    Cluster::Complete
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand_of(line: &str) -> Demand {
        demand(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn files_filters_and_help_need_no_root() {
        for line in [
            "-r x.pcap",
            "-rx.pcap",
            "--read=x --json",
            "filter tcp -r x",
            "-i lo -r x",
            "--help",
            "-h",
            "",
            "-uv",
            "report x.json --html x.html",
            "track -T x.pcap",
        ] {
            assert_eq!(demand_of(line), Demand::Nothing, "{line}");
        }
    }

    #[test]
    fn live_captures_need_what_their_backend_needs() {
        for line in [
            "report -i eth0",
            "report --config x.toml",
            "track -i lo",
            "-i eth0",
            "-ui lo",
            "-i r",
            "-w -r",
            "-i lo port 80",
            "--hook xdp -i lo",
            "-i lo -- -r",
        ] {
            assert_eq!(demand_of(line), Demand::Ebpf, "{line}");
        }
        assert_eq!(demand_of("--backend pcap -i lo"), Demand::PacketSocket);
        assert_eq!(demand_of("-i lo --backend=pcap"), Demand::PacketSocket);
        assert_eq!(demand_of("-i lo --backend ebpf"), Demand::Ebpf);
    }
}
