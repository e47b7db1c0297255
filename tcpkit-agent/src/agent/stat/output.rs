//! Where lines go: standard output, and the file descriptors that a format names.
//!
//! Pieces leave in the order in which they were written, whatever their descriptors. A descriptor that was not open when
//! the program began takes nothing, so that no line ends up in a file of our own.

use std::{
    fs::File,
    io::{self, Write as _},
    mem::ManuallyDrop,
    os::fd::FromRawFd as _,
};

use crate::view::stat::{Format, Outlet};

/// Lines on their way out.
#[derive(Debug)]
pub(super) struct Output {
    /// What waits, all for one descriptor.
    waiting: Vec<u8>,
    descriptor: i32,
    /// Descriptors that lines may go to.
    open: Vec<i32>,
    /// After each line, rather than when much waits.
    flushes: bool,
}

impl Output {
    /// For lines of this format; call it before anything else is opened.
    pub(super) fn new(format: &Format, flushes: bool) -> Self {
        let open = format.descriptors().filter(|descriptor| is_open(*descriptor)).chain([1]).collect();
        Self { waiting: Vec::with_capacity(MOST_WAITING), descriptor: 1, open, flushes }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// What standard output says; that the reader of another descriptor has gone. Other trouble of other descriptors
    /// is nobody's.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let written = match self.descriptor {
            1 => io::stdout().lock().write_all(&self.waiting).and_then(|()| io::stdout().lock().flush()),
            other if self.open.contains(&other) => {
                // SAFETY: it was open when the program began and is never closed; this only borrows it.
                let file = unsafe { File::from_raw_fd(other) };
                ManuallyDrop::new(file).write_all(&self.waiting)
            }
            _ => Ok(()),
        };
        self.waiting.clear();
        match written {
            Err(error) if self.descriptor == 1 || error.kind() == io::ErrorKind::BrokenPipe => {
                Err(io::Error::new(error.kind(), format!("standard output: cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

impl Outlet for Output {
    type Error = io::Error;

    fn write(&mut self, descriptor: i32, bytes: &[u8]) -> io::Result<()> {
        if descriptor != self.descriptor {
            self.flush()?;
            self.descriptor = descriptor;
        }
        if self.waiting.len() + bytes.len() > MOST_WAITING {
            self.flush()?;
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn end_of_line(&mut self) -> io::Result<()> {
        if self.flushes { self.flush() } else { Ok(()) }
    }
}

/// Whether this program runs with the rights of its file's owner.
pub(super) fn is_somebody_else() -> bool {
    // SAFETY: both only tell numbers.
    unsafe { libc::getuid() != libc::geteuid() }
}

fn is_open(descriptor: i32) -> bool {
    // SAFETY: asking for the flags of a descriptor changes nothing, open or not.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) != -1 }
}

const MOST_WAITING: usize = 64 << 10;
