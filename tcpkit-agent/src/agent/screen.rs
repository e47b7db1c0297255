//! A view on the terminal: reports and keys go to it, its screens come out; the terminal is put back however it ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::{runtime, time::Instant};

use super::control::{Wake, Wakes};
use crate::{
    sink::http::ReportSource,
    view::latency::{self, Key, LatencyView, Tables, Wish},
};

/// A terminal that shows a view; dropping it puts the terminal back.
#[derive(Debug)]
pub(super) struct Screen {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal over, and shows a new report every `interval`.
    ///
    /// # Errors
    /// The terminal does not let itself be taken over, or a thread cannot be had.
    pub(super) fn open(
        view: LatencyView,
        reports: ReportSource,
        wakes: Wakes,
        interval: Duration,
    ) -> io::Result<Self> {
        // Where a thread panics, its hook puts the terminal back before the message is printed.
        let terminal = ratatui::try_init()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut work = Work { terminal, view, reports, wakes, interval, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("screen".into()).spawn(move || work.run());
        if thread.is_err() {
            ratatui::restore();
        }
        Ok(Self { stop, thread: Some(thread?) })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // A thread that hangs in a terminal that is gone ends with the process.
        if let Some(thread) = self.thread.take().filter(ends_soon) {
            drop(thread.join());
        }
        ratatui::restore();
    }
}

struct Work {
    terminal: ratatui::DefaultTerminal,
    view: LatencyView,
    reports: ReportSource,
    wakes: Wakes,
    interval: Duration,
    stop: Arc<AtomicBool>,
}

impl Work {
    /// Until the run ends; what ends the run from here is told to the control plane.
    fn run(&mut self) {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_time().build() else {
            return self.wakes.send(Wake::SinkFailed);
        };
        let mut due: Option<Instant> = None;
        let mut is_stale = true;
        while !self.stop.load(Relaxed) {
            if due.is_none_or(|due| due.elapsed() > self.interval) {
                due = Some(Instant::now());
                if let Ok(report) = runtime.block_on(self.reports.report()) {
                    self.view.on_tables(Tables::of(&report));
                    is_stale = true;
                }
            }
            if is_stale && self.terminal.draw(|frame| latency::draw(&self.view, frame)).is_err() {
                return self.wakes.send(Wake::SinkFailed);
            }
            match self.look() {
                Ok(is_changed) => is_stale = is_changed,
                // The terminal is gone.
                Err(_) => return self.wakes.send(Wake::SinkFailed),
            }
        }
    }

    /// Waits a moment for a key, or another size; whether the screen is another one now.
    fn look(&mut self) -> io::Result<bool> {
        // Asked for the events of a terminal that is gone, crossterm would ask it without end.
        wait_for_input(LOOK)?;
        if !event::poll(Duration::ZERO)? {
            return Ok(false);
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if is_interrupt(&key) || self.press(&key) == Wish::Quit {
                    self.wakes.send(Wake::Quit);
                }
                Ok(true)
            }
            Event::Resize(..) => Ok(true),
            _ => Ok(false),
        }
    }

    fn press(&mut self, key: &KeyEvent) -> Wish {
        key_of(key.code).map_or(Wish::None, |key| self.view.on_key(key))
    }
}

/// Waits until the terminal has something for us, at most so long.
///
/// # Errors
/// The terminal is gone.
fn wait_for_input(patience: Duration) -> io::Result<()> {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid `pollfd` is handed in, and lives until the call returns.
    let found = unsafe { libc::poll(&raw mut input, 1, patience) };
    if found < 0 {
        let error = io::Error::last_os_error();
        // A signal (a new size) is a reason to look.
        return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
    }
    if input.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
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

const fn key_of(code: KeyCode) -> Option<Key> {
    Some(match code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Tab | KeyCode::Right => Key::Tab { forward: true },
        KeyCode::BackTab | KeyCode::Left => Key::Tab { forward: false },
        KeyCode::Down => Key::Move(1),
        KeyCode::Up => Key::Move(-1),
        KeyCode::PageDown => Key::Move(PAGE),
        KeyCode::PageUp => Key::Move(-PAGE),
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}

/// How long to wait for a key before looking whether a new report is due.
const LOOK: Duration = Duration::from_millis(100);

/// Lines of a page.
const PAGE: i32 = 20;
