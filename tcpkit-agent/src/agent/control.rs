//! The control plane: signals, requests for reports, and the clock of a run; it never touches a frame.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, mpsc},
    time::{MissedTickBehavior, interval},
};

use super::process::leave_gone_terminal;
use crate::sink::{
    flows::{FlowRequest, FlowRequests},
    http::ReportRequests,
};

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The sources have no more frames.
    SourceEnded,
    /// SIGINT, SIGTERM, or SIGHUP when the terminal is gone.
    Signal(&'static str),
    /// A sink does not take any more.
    SinkFailed,
    /// As long, or as many frames, as was asked for.
    Enough,
    /// Every interface of a live capture is gone.
    NoInterface,
}

/// What a thread tells the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// The reader is done.
    SourceEnded,
    /// A sink does not take any more.
    SinkFailed,
    /// The user pressed a key that ends the run.
    Quit,
}

/// A thread's way to the control plane.
#[derive(Clone, Debug)]
pub(super) struct Wakes(mpsc::UnboundedSender<Wake>);

impl Wakes {
    /// Tells it; a control plane that ended already needs no telling.
    pub(super) fn send(&self, wake: Wake) {
        let _ended_already = self.0.send(wake);
    }
}

/// Whoever wants something of the capture while it runs.
#[derive(Debug)]
pub(super) struct Requests {
    /// Reports.
    pub(super) reports: ReportRequests,
    /// Listings of flows.
    pub(super) flows: FlowRequests,
    /// Rung by whoever asks.
    pub(super) bell: Arc<Notify>,
}

impl Requests {
    /// Has everything answered that was asked so far.
    fn answer(&self, subject: &mut impl Subject) {
        while let Ok(request) = self.flows.try_recv() {
            subject.list(request);
        }
        while let Ok(request) = self.reports.try_recv() {
            request.answer(subject.report());
        }
    }
}

/// What the control plane looks after.
pub(super) trait Subject {
    /// Someone wants a report as things stand.
    fn report(&mut self) -> crate::report::Report;

    /// Someone wants a listing of flows; the workers answer.
    fn list(&mut self, request: FlowRequest);

    /// SIGUSR1: print a report now.
    fn print(&mut self);

    /// SIGHUP, and the terminal is still there, or there never was one: read the configuration again. A run that does not
    /// do so ends, as programs do.
    fn reload(&mut self) -> Option<Ending>;

    /// Called about twenty times a second.
    fn on_tick(&mut self) -> Option<Ending>;
}

/// Signals and channels, ready before the capture begins, so that none is missed.
pub(super) struct Control {
    runtime: Runtime,
    wakes: mpsc::UnboundedReceiver<Wake>,
    interrupt: Signal,
    terminate: Signal,
    hangup: Hangup,
    user: Signal,
}

impl Control {
    /// Takes the signals over.
    ///
    /// # Errors
    /// No event loop or signal handler can be had.
    pub(super) fn new() -> std::io::Result<(Self, Wakes)> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, wakes) = mpsc::unbounded_channel();
        let inside = runtime.enter();
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let hangup = Hangup::new()?;
        let user = signal(SignalKind::user_defined1())?;
        drop(inside);
        Ok((Self { runtime, wakes, interrupt, terminate, hangup, user }, Wakes(sender)))
    }

    /// Looks after the subject until it ends, and says why.
    pub(super) fn run(&mut self, subject: &mut impl Subject, requests: &Requests) -> Ending {
        let Self { runtime, wakes, interrupt, terminate, hangup, user } = self;
        runtime.block_on(async {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return Ending::Signal("SIGINT"),
                    _ = terminate.recv() => return Ending::Signal("SIGTERM"),
                    _ = hangup.signal.recv() => if let Some(ending) = hangup.answer(subject) {
                        return ending;
                    },
                    _ = user.recv() => subject.print(),
                    wake = wakes.recv() => match wake {
                        Some(Wake::SinkFailed) => return Ending::SinkFailed,
                        Some(Wake::Quit) => return Ending::Enough,
                        Some(Wake::SourceEnded) | None => return Ending::SourceEnded,
                    },
                    () = requests.bell.notified() => requests.answer(subject),
                    _ = ticks.tick() => {
                        requests.answer(subject);
                        if let Some(ending) = subject.on_tick() {
                            return ending;
                        }
                    }
                }
            }
        })
    }

    /// From here on the user's second SIGINT or SIGTERM ends the process at once, whatever still hangs.
    ///
    /// A second SIGHUP does not: both the kernel and the shell send one when a terminal closes. Where something else
    /// ended the run, the first signal is still to come: Ctrl-C ends also the process that wrote our input, and the end of
    /// the input may be seen first.
    pub(super) fn give_up_on_second_signal(self, ending: Ending) {
        let Self { runtime, mut interrupt, mut terminate, .. } = self;
        let signals = if matches!(ending, Ending::Signal(_)) { 1 } else { 2 };
        let wait = move || {
            for _ in 0..signals {
                runtime.block_on(async {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                });
            }
            std::process::exit(INTERRUPTED);
        };
        // Without such a thread the process still ends by itself, when everything is written.
        drop(std::thread::Builder::new().name("impatience".into()).spawn(wait));
    }
}

/// SIGHUP, which has two meanings: the terminal is gone, or somebody wants the configuration read again.
struct Hangup {
    signal: Signal,
    /// Whoever started the agent wants it to outlive the terminal.
    is_ignored: bool,
    /// There was a terminal when the agent began; a daemon and a service have none.
    had_terminal: bool,
}

impl Hangup {
    fn new() -> std::io::Result<Self> {
        let is_ignored = is_ignored(libc::SIGHUP);
        Ok(Self { signal: signal(SignalKind::hangup())?, is_ignored, had_terminal: has_terminal() })
    }

    fn answer(&self, subject: &mut impl Subject) -> Option<Ending> {
        if !self.had_terminal || has_terminal() {
            return subject.reload().filter(|_| !self.is_ignored);
        }
        leave_gone_terminal();
        (!self.is_ignored).then_some(Ending::Signal("SIGHUP"))
    }
}

/// Whether the process has a controlling terminal. The kernel takes it away from the whole session before it tells
/// anybody of the loss (`__tty_hangup`, linux/drivers/tty/tty_io.c), and there is nothing to open then (tty(4)).
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the process was started with this signal ignored, as nohup(1) does with SIGHUP.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all zeroes are a valid `sigaction`, and no action is set, only the one in force is written there.
    let (asked, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut action), action)
    };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Time between two looks at the requests.
const TICK: Duration = Duration::from_millis(50);

/// 128 + SIGINT, as shells report it.
const INTERRUPTED: i32 = 130;
