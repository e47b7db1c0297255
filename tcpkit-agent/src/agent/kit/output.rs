//! Where lines go: standard output, or a file that is appended to.
//!
//! Whole lines only are handed to the system: live as soon as they are there, from files by the buffer.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, PoisonError},
};

use super::super::process::append;
use crate::{
    cli::{Failure, Stream},
    sink::text::TextOptions,
};

/// A place for lines, shared by those who write there one after another.
#[derive(Clone)]
pub(super) struct Output {
    name: Arc<str>,
    is_terminal: bool,
    at_once: bool,
    state: Arc<Mutex<State>>,
}

struct State {
    writer: Box<dyn Write + Send>,
    waiting: Vec<u8>,
}

impl Output {
    /// Opens it.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub(super) fn open(target: &Stream, is_live: bool) -> Result<Self, Failure> {
        let (name, is_terminal, writer): (_, _, Box<dyn Write + Send>) = match target {
            Stream::Standard => {
                let stdout = io::stdout();
                ("standard output".to_owned(), stdout.is_terminal(), Box::new(stdout))
            }
            Stream::File(path) => (format!("-o {}", path.display()), false, Box::new(append(path)?)),
        };
        let state = State { writer, waiting: Vec::new() };
        let at_once = is_live || is_terminal;
        Ok(Self { name: name.into(), is_terminal, at_once, state: Arc::new(Mutex::new(state)) })
    }

    /// Whether somebody sits in front of it.
    pub(super) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether it shows colour.
    pub(super) fn has_colour(&self) -> bool {
        self.is_terminal && TextOptions::of(&io::stdout()).colour
    }

    /// Takes whole lines.
    ///
    /// # Errors
    /// The system does not take those before.
    pub(super) fn add(&self, lines: &[u8]) -> anyhow::Result<()> {
        let mut state = self.lock();
        state.waiting.extend_from_slice(lines);
        if state.waiting.len() < LINES_BYTES { Ok(()) } else { self.hand_over(&mut state) }
    }

    /// There is nothing more to write for the moment.
    ///
    /// # Errors
    /// The system does not take it.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        if self.at_once { self.finish() } else { Ok(()) }
    }

    /// Hands everything over.
    ///
    /// # Errors
    /// The system does not take it.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        self.hand_over(&mut self.lock())
    }

    fn hand_over(&self, state: &mut State) -> anyhow::Result<()> {
        if state.waiting.is_empty() {
            return Ok(());
        }
        let State { writer, waiting } = state;
        let written = writer.write_all(waiting).and_then(|()| writer.flush());
        waiting.clear();
        let name = &self.name;
        written.map_err(|error| {
            io::Error::new(error.kind(), format!("{name}: cannot be written: {error}")).into()
        })
    }

    /// Who panicked while it wrote has ended the run.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines that are written in one go.
const LINES_BYTES: usize = 64 << 10;
