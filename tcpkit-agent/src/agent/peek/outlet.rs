//! What a run of tcpeek says beside its sessions: the first line, the answers on the socket, and the summary.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::tz::TimeZone;

use super::{super::sources::clock, lines::PeekLines, user};
use crate::{
    cli::{Config, Failure, Input, Live, PeekArgs, View, peek::DEFAULT_SOCKET},
    filter::{link_type_description, link_type_name},
    report::Report,
    sink::{
        http::ReportSource,
        socket::{Answer, Request, Serving, Socket},
        write_stderr, write_stderr_text,
    },
    source::{Interface, InterfaceTable, live::addresses},
    time::Timestamp,
    view::peek::{Options, Own, Peek, Period, Received},
    wire::LinkType,
};

/// tcpeek's counts, shared by the thread that takes sessions and the one that answers on the socket.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Arc<Mutex<Peek>>);

impl Shared {
    /// A thread that panicked while it counted left counts behind that are whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Peek> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run of tcpeek, as the outlets see it.
pub(in crate::agent) struct PeekOutlet {
    args: PeekArgs,
    input: Input,
    shards: u32,
    peek: Shared,
    from: Timestamp,
    serving: Option<Serving>,
}

impl PeekOutlet {
    /// Becomes the user that was asked for; nothing, where another view was asked for. Frames are captured already.
    ///
    /// # Errors
    /// There is no such user, or the system does not let us become it.
    pub(in crate::agent) fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let View::Peek(args) = &config.view else { return Ok(None) };
        if let Some(user) = &args.user {
            user::become_user(user)?;
        }
        let mut peek = view(args)?;
        if let Some(own) = own(args, &config.input)? {
            peek.set_own(own);
        }
        Ok(Some(Self {
            args: (**args).clone(),
            input: config.input.clone(),
            shards: config.shards,
            peek: Shared(Arc::new(Mutex::new(peek))),
            from: clock(),
            serving: None,
        }))
    }

    /// What takes the sessions.
    ///
    /// # Errors
    /// Standard output cannot be had for `--json`.
    pub(in crate::agent) fn lines(&self) -> anyhow::Result<PeekLines> {
        let watched = match &self.input {
            Input::Live(live) if self.args.own.is_empty() => Some(live.interfaces.clone()),
            _ => None,
        };
        let is_live = matches!(self.input, Input::Live(_));
        PeekLines::new(self.peek.clone(), self.args.json, self.shards as usize, is_live, watched)
    }

    /// Says what is looked at, and takes the socket.
    ///
    /// # Errors
    /// The socket that was asked for cannot be had.
    pub(in crate::agent) fn start(
        &mut self,
        interfaces: &InterfaceTable,
        reports: &ReportSource,
    ) -> anyhow::Result<()> {
        match &self.input {
            Input::Live(live) => {
                for interface in interfaces.all() {
                    write_stderr(&listening(interface, live, self.args.buffer_mib));
                }
            }
            Input::Files(_) => interfaces.all().iter().for_each(|file| write_stderr(&reading(file))),
        }
        self.from = clock();
        let Some(socket) = self.socket()? else { return Ok(()) };
        let peek = self.peek.clone();
        let answer: Answer = Box::new(move |request, report| match request {
            Request::Get => peek.lock().totals_json(Received::of(report)),
            Request::Refresh => peek.lock().refresh_json(),
        });
        self.serving = Some(socket.spawn(reports.clone(), answer)?);
        Ok(())
    }

    /// Prints the summary.
    pub(in crate::agent) fn conclude(&mut self, report: &Report) {
        let of = |micros: Option<i64>| micros.map(|micros| Timestamp(micros.saturating_mul(1_000)));
        let to = of(report.capture.end_us);
        let period = match &self.input {
            Input::Live(_) => Period { from: self.from, to: to.unwrap_or_else(clock) },
            Input::Files(_) => {
                let from = of(report.capture.first_us).unwrap_or_default();
                Period { from, to: to.unwrap_or(from) }
            }
        };
        let text = self.peek.lock().summary(period, Received::of(report));
        write_stderr_text(&text);
        let dropped = report.ledger.total.notes.get("records_dropped").copied().unwrap_or(0);
        if dropped > 0 {
            write_stderr(&format!(
                "tcpkit: warning: {dropped} sessions were neither shown nor counted, because standard error was read too slowly"
            ));
        }
        let malformed = report.ledger.total.malformed.iter();
        let wrong: u64 =
            malformed.filter(|(name, _)| name.ends_with(".checksum")).map(|(_, count)| count).sum();
        if wrong > 0 {
            write_stderr(&format!("tcpkit: warning: {wrong} frames with a wrong checksum were left out"));
        }
    }

    /// The socket: the one that was asked for or an error; live without a wish, the usual one or a warning.
    fn socket(&self) -> Result<Option<Socket>, Failure> {
        if let Some(path) = &self.args.socket {
            return Socket::bind(path).map(Some).map_err(|error| Failure::run(error.to_string()));
        }
        if matches!(self.input, Input::Files(_)) {
            return Ok(None);
        }
        let path = Path::new(DEFAULT_SOCKET);
        if let Some(directory) = path.parent() {
            // Where that is not possible, the socket says so.
            let _there_already = fs::create_dir(directory);
        }
        match Socket::bind(path) {
            Ok(socket) => Ok(Some(socket)),
            Err(error) => {
                write_stderr(&format!("tcpkit: warning: {error}; this run has no socket"));
                Ok(None)
            }
        }
    }
}

/// The view that was asked for; which addresses are the host's is not known yet.
///
/// # Errors
/// The expression that means nothing, in tcpeek's words.
pub(super) fn view(args: &PeekArgs) -> Result<Peek, Failure> {
    let options = Options { own: Own::All, lines: !args.quiet, icmp: args.icmp, zone: TimeZone::system() };
    Peek::new(&args.expressions, options).map_err(|error| Failure::legacy(error.to_string()))
}

/// The host's own addresses: those that were given, else those of the interface; `None` for files without.
fn own(args: &PeekArgs, input: &Input) -> Result<Option<Own>, Failure> {
    match input {
        _ if !args.own.is_empty() => Ok(Some(Own::only(args.own.clone()))),
        Input::Files(_) => Ok(None),
        Input::Live(live) => match addresses(&live.interfaces) {
            Ok(own) => Ok(Some(Own::only(own))),
            Err(error) => Err(Failure::run("addresses of the interface")
                .because(error)
                .hint("give them by --self ADDRESS,...")),
        },
    }
}

fn listening(interface: &Interface, live: &Live, buffer_mib: u32) -> String {
    format!(
        "listening on {}, {}, capture size {} bytes, buffer size {buffer_mib} MB",
        interface.name.as_deref().unwrap_or_default(),
        link(interface.link_type),
        live.snaplen
    )
}

fn reading(file: &Interface) -> String {
    format!("reading from file {}, {}", file.source, link(file.link_type))
}

/// As tcpdump says it.
fn link(link_type: LinkType) -> String {
    let name = link_type_name(link_type);
    match link_type_description(link_type) {
        Some(description) => format!("link-type {name} ({description})"),
        None => format!("link-type {name}"),
    }
}
