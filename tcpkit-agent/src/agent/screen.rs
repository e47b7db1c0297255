//! A view on the terminal: keys go to it, its screens come out; the terminal is put back however the run ends.

use std::{
    io,
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ratatui::{
    Frame,
    crossterm::{
        event::{
            self, DisableMouseCapture, EnableMouseCapture, Event, KeyCode, KeyEvent, KeyEventKind,
            KeyModifiers,
        },
        execute,
    },
};

use super::{
    control::{Wake, Wakes},
    process::leave_gone_terminal,
};

/// What is shown on a screen.
pub(super) trait Scene: Send {
    /// Called about ten times a second; whether the screen is another one now.
    fn tick(&mut self) -> bool;

    /// Draws it.
    fn draw(&mut self, frame: &mut Frame<'_>);

    /// Takes what the user did; keys that are let go are not among it.
    fn on_event(&mut self, event: &Event) -> Reaction;
}

/// What comes of what the user did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing.
    None,
    /// The screen is another one now.
    Changed,
    /// The run is to end.
    Quit,
}

/// A terminal that shows a view; dropping it puts the terminal back.
#[derive(Debug)]
pub(super) struct Screen {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal over, its mouse too where `has_mouse` says so.
    ///
    /// # Errors
    /// The terminal does not let itself be taken over, or a thread cannot be had.
    pub(super) fn open(scene: Box<dyn Scene>, wakes: Wakes, has_mouse: bool) -> io::Result<Self> {
        // Where a thread panics, the terminal is put back before the message is printed.
        let terminal = ratatui::try_init()?;
        watch_for_panics();
        let stop = Arc::new(AtomicBool::new(false));
        let mut screen = Self { stop: Arc::clone(&stop), thread: None, has_mouse };
        if has_mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        let mut work = Work { terminal, scene, wakes, stop };
        screen.thread = Some(thread::Builder::new().name("screen".into()).spawn(move || work.run())?);
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        leave_gone_terminal();
        // A thread that hangs in a terminal that is gone ends with the process.
        if let Some(thread) = self.thread.take().filter(ends_soon) {
            drop(thread.join());
        }
        if self.has_mouse {
            // A terminal that is gone has no mouse.
            drop(execute!(io::stdout(), DisableMouseCapture));
        }
        ratatui::restore();
    }
}

/// From here on a panic of any thread lets the mouse go, and ends the run: the terminal is not ours any more.
fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Relaxed);
            drop(execute!(io::stdout(), DisableMouseCapture));
            before(panic);
        }));
    });
}

/// Some thread panicked.
static PANICKED: AtomicBool = AtomicBool::new(false);

struct Work {
    terminal: ratatui::DefaultTerminal,
    scene: Box<dyn Scene>,
    wakes: Wakes,
    stop: Arc<AtomicBool>,
}

impl Work {
    /// Until the run ends; what ends the run from here is told to the control plane.
    fn run(&mut self) {
        let mut is_stale = true;
        while !self.stop.load(Relaxed) {
            if PANICKED.load(Relaxed) {
                return self.wakes.send(Wake::SinkFailed);
            }
            is_stale |= self.scene.tick();
            let Self { terminal, scene, .. } = self;
            if is_stale && terminal.draw(|frame| scene.draw(frame)).is_err() {
                return self.give_up();
            }
            match self.look() {
                Ok(is_changed) => is_stale = is_changed,
                Err(_) => return self.give_up(),
            }
        }
    }

    /// The terminal is gone, as a rule; ratatui puts it back all the same, and tells of failures where nobody reads.
    fn give_up(&self) {
        leave_gone_terminal();
        self.wakes.send(Wake::SinkFailed);
    }

    /// Waits a moment for the user, then takes all that was done; whether the screen is another one now.
    fn look(&mut self) -> io::Result<bool> {
        // Asked for the events of a terminal that is gone, crossterm would ask it without end.
        let is_there = wait_for_input(LOOK)?;
        let mut is_changed = false;
        if !event::poll(Duration::ZERO)? && is_there {
            // A new size that comes with a key keeps crossterm from seeing the key until the next one.
            thread::sleep(LOOK);
        }
        while event::poll(Duration::ZERO)? {
            let event = event::read()?;
            let reaction = match &event {
                Event::Key(key) if key.kind == KeyEventKind::Release => Reaction::None,
                Event::Key(key) if is_interrupt(key) => Reaction::Quit,
                event => self.scene.on_event(event),
            };
            if reaction == Reaction::Quit {
                self.wakes.send(Wake::Quit);
            }
            is_changed |= reaction != Reaction::None;
        }
        Ok(is_changed)
    }
}

/// Waits until the terminal has something for us, at most so long; whether it has.
///
/// # Errors
/// The terminal is gone.
fn wait_for_input(patience: Duration) -> io::Result<bool> {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid `pollfd` is handed in, and lives until the call returns.
    let found = unsafe { libc::poll(&raw mut input, 1, patience) };
    if found < 0 {
        let error = io::Error::last_os_error();
        // A signal (a new size) is a reason to look.
        return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    if input.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(found > 0)
}

/// Whether a thread that was told to end does so within a second.
fn ends_soon(thread: &JoinHandle<()>) -> bool {
    for _ in 0..20 {
        if thread.is_finished() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    thread.is_finished()
}

/// In a terminal that gives us every key, Ctrl-C is one.
const fn is_interrupt(key: &KeyEvent) -> bool {
    matches!(key.code, KeyCode::Char('c')) && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// How long to wait for a key before looking whether there is something new to show.
const LOOK: Duration = Duration::from_millis(100);
