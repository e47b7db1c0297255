//! The Unix socket of tcpeek: one line asks, one JSON text answers, and the connection ends.
//!
//! The contract:
//! - `REFRESH` asks for what was counted since the last `REFRESH`, anything else for all counts.
//! - A line ends by CRLF, by LF, or by the client closing its side. A client that has not ended its line within
//!   [`PATIENCE`], or writes more than [`LINE_BYTES`], is left without an answer.
//! - One client is served at a time; the others wait.
//! - A socket file that nobody listens to any more is replaced; the file goes when the capture ends.

mod ask;
mod serve;

pub use ask::{AskError, ask};

use std::{
    io,
    os::unix::{
        fs::FileTypeExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::{runtime, sync::watch};

use super::http::ReportSource;
use crate::report::Report;

/// Time that a client may take for its line, and for our answer.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Longest line of a client.
pub const LINE_BYTES: usize = 1_024;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// All counts.
    Get,
    /// What was counted since the last time.
    Refresh,
}

impl Request {
    /// What the first of these lines asks for, blanks around it aside.
    pub(super) fn of_line(line: &[u8]) -> Self {
        let first = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if first.trim_ascii() == b"REFRESH" { Self::Refresh } else { Self::Get }
    }
}

/// Makes the answer; `GET` comes with the report as things stand.
pub type Answer = Box<dyn Fn(Request, &Report) -> String + Send>;

/// A socket that is bound and not served yet.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("socket {path}: {source}{advice}", path = path.display())]
pub struct BindError {
    /// Where.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
    /// What to do about it.
    pub advice: &'static str,
}

impl Socket {
    /// Takes the path; the directory must exist.
    ///
    /// # Errors
    /// [`BindError`]: somebody listens there, no such directory, not permitted.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        match listen(path) {
            Ok(listener) => Ok(Self { listener, path: path.to_owned() }),
            Err(source) => Err(BindError { path: path.to_owned(), advice: advice(&source), source }),
        }
    }

    /// Serves on a thread of its own until the [`Serving`] is dropped.
    ///
    /// # Errors
    /// No thread or no event loop can be had.
    pub fn spawn(self, reports: ReportSource, answer: Answer) -> io::Result<Serving> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (stop, stopped) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::from_std(self.listener)?
        };
        let thread = thread::Builder::new()
            .name("socket".into())
            .spawn(move || runtime.block_on(serve::run(listener, reports, answer, stopped)))?;
        Ok(Serving { path: self.path, stop, thread: Some(thread) })
    }
}

/// Listens at this path; a socket file that nobody listens to any more is replaced.
///
/// # Errors
/// Somebody listens there, no such directory, not permitted.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path).or_else(|error| {
        if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) {
            std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
        } else {
            Err(error)
        }
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether it is a socket that nobody listens to.
fn is_stale(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).is_err_and(refused)
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": something is there already; give another path by -U",
        io::ErrorKind::NotFound => ": make its directory first, or give another path by -U",
        io::ErrorKind::PermissionDenied => ": give a path that may be written by -U",
        _ => ": give another path by -U",
    }
}

/// A socket that is served; dropping it stops that and removes the file.
#[derive(Debug)]
pub struct Serving {
    path: PathBuf,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _already_reported_by_the_panic_hook = thread.join();
        }
        // The user that we became by -u may not be allowed to; the next start replaces it.
        let _stays = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
