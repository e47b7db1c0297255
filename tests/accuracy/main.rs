//! The helper of `cargo xtask accuracy`: runs scenarios with the kernel as judge and prints how well tcpkit does.
//!
//! Words choose scenarios by a part of their name; `--keep FOLDER` leaves the captures there, with every verdict, and
//! `--table FILE` writes the figures as they stand in ARCHITECTURE.md. Exit status 1 tells that a target does not hold.
//! It wants root.

use std::{
    env, fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use tcpkit_tests::judge::{
    receiver_score::ReceiverScore,
    scenario::{Run, Scenario, all},
    score::Score,
    sockets::SocketScore,
    verdict::Verdict,
};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "tcpkit-accuracy: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the targets hold.
fn run() -> Result<bool> {
    let Words { names, keep, table } = Words::given()?;
    let chosen: Vec<Scenario> = all()
        .into_iter()
        .filter(|one| names.is_empty() || names.iter().any(|word| one.name.contains(word.as_str())))
        .collect();
    ensure!(!chosen.is_empty(), "no scenario has {} in its name", names.join(" or "));
    let temporary = tempfile::tempdir()?;
    let top = keep.as_deref().unwrap_or(temporary.path());
    let mut sum = Sum::default();
    for scenario in &chosen {
        let folder = top.join(scenario.name.replace([' ', ',', '%'], "_"));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let run = scenario.run(&folder).with_context(|| format!("scenario `{}`", scenario.name))?;
        let sums = Sum::of(&run);
        say(format_args!("{}\n{sums}\n  kernel: {}", scenario.name, counted(&run)));
        if keep.is_some() {
            write_details(&folder, &run)?;
        }
        sum.add(&sums);
    }
    say(format_args!("altogether\n{sum}"));
    if let Some(path) = table {
        let text = format!("```text\n{} networks and traffics\n{sum}\n```\n", chosen.len());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let misses = sum.misses();
    say(if misses.is_empty() {
        "all targets hold".to_owned()
    } else {
        format!("MISSED: {}", misses.join("; "))
    });
    Ok(misses.is_empty())
}

/// What is said of a run, or of several.
#[derive(Default)]
struct Sum {
    sender: Score,
    receiver: ReceiverScore,
    sockets: SocketScore,
}

impl Sum {
    fn of(run: &Run) -> Self {
        Self {
            sender: Score::of(&run.verdict),
            receiver: ReceiverScore::of(&run.verdict.receiver),
            sockets: SocketScore::of(&run.sockets),
        }
    }

    fn add(&mut self, other: &Self) {
        self.sender.add(&other.sender);
        self.receiver.add(&other.receiver);
        self.sockets.add(&other.sockets);
    }

    /// What of the targets does not hold; those are about the sender's end.
    fn misses(&self) -> Vec<String> {
        [self.sender.misses(), self.sockets.misses()].concat()
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, receiver, sockets } = self;
        write!(f, "{sender}\n{sockets}\n  at the receivers' ends:\n{receiver}")
    }
}

/// What it is called with.
#[derive(Default)]
struct Words {
    /// Parts of names.
    names: Vec<String>,
    /// Folder to keep captures in.
    keep: Option<PathBuf>,
    /// Where the table goes.
    table: Option<PathBuf>,
}

impl Words {
    fn given() -> Result<Self> {
        let mut words = Self::default();
        let mut given = env::args().skip(1);
        while let Some(word) = given.next() {
            match word.as_str() {
                "--keep" => words.keep = Some(given.next().context("--keep wants a folder")?.into()),
                "--table" => words.table = Some(given.next().context("--table wants a file")?.into()),
                _ => words.names.push(word),
            }
        }
        Ok(words)
    }
}

/// What the kernel counted beside.
fn counted(run: &Run) -> String {
    const NAMES: [&str; 10] = [
        "Tcp.RetransSegs",
        "TcpExt.TCPFastRetrans",
        "TcpExt.TCPSlowStartRetrans",
        "TcpExt.TCPTimeouts",
        "TcpExt.TCPLossProbes",
        "TcpExt.TCPLossProbeRecovery",
        "TcpExt.TCPDSACKRecv",
        "TcpExt.TCPDSACKUndo",
        "TcpExt.TCPSpuriousRTOs",
        "TcpExt.TCPLostRetransmit",
    ];
    let bare = |name: &str| name.split('.').next_back().unwrap_or_default().to_owned();
    let one = |name: &&str| format!("{} {}", bare(name), run.counters.get(name));
    NAMES.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What was judged wrong, for whoever looks into it.
fn write_details(folder: &Path, run: &Run) -> Result<()> {
    let Verdict { judged, invented, unmatched, percentiles, .. } = &run.verdict;
    let mut file = io::BufWriter::new(fs::File::create(folder.join("details.txt"))?);
    for one in judged {
        let mark = if one.is_right() && one.found == one.truth.segments { "right" } else { "WRONG" };
        writeln!(file, "{mark} {one:?}")?;
    }
    run.truth.round_trips.iter().try_for_each(|one| writeln!(file, "{one:?}"))?;
    invented.iter().try_for_each(|sent| writeln!(file, "INVENTED {sent:?}"))?;
    unmatched.iter().try_for_each(|one| writeln!(file, "UNMATCHED {one:?}"))?;
    run.verdict.receiver.arrivals.iter().try_for_each(|one| writeln!(file, "RECEIVER {one:?}"))?;
    run.sockets.iter().try_for_each(|one| writeln!(file, "SOCKET {one:?}"))?;
    percentiles
        .iter()
        .try_for_each(|one| writeln!(file, "{} {one:?}", if one.is_right() { "right" } else { "WRONG" }))?;
    Ok(file.flush()?)
}

fn say(line: impl fmt::Display) {
    let _closed = writeln!(io::stdout(), "{line}");
}
