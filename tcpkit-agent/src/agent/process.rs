//! How the process lives: in the background, and with its number in a file.
//!
//! Who asks for the background gets it before the first thread is started. The process that the shell waits for ends
//! only when the capture runs, or as the other one does: whatever is refused until then is told on the terminal, and by
//! the exit status.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::{Path, PathBuf},
    process::ExitStatus,
};

use super::scripting::Scripting;
use crate::cli::{Background, Failure, Stream};

/// What stands before the first thread of a run is started.
pub(super) struct Begun {
    /// The process that captures.
    pub(super) process: Process,
    /// The user's script.
    pub(super) scripting: Option<Scripting>,
}

/// The process that captures; dropping it removes the file with its number.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// Where the one that the shell waits for is told that the capture runs.
    ready: Option<File>,
    /// Where messages go from then on; opened while the process may still open it.
    messages: Option<File>,
    _number: Option<NumberFile>,
}

impl Process {
    /// Goes into the background, where that was asked for, and returns there; the caller has no thread but this one.
    ///
    /// # Errors
    /// There is no room for another process, or a file cannot be had.
    pub(super) fn begin(background: &Background) -> Result<Self, Failure> {
        let ready = if background.daemon { Some(fork().map_err(refused)?) } else { None };
        let messages = match &background.messages {
            Some(Stream::File(path)) => Some(append(path)?),
            Some(Stream::Standard) | None => None,
        };
        let number = background.pid_file.as_deref().map(NumberFile::create).transpose()?;
        Ok(Self { ready, messages, _number: number })
    }

    /// The capture runs: lets the shell go on, and the terminal go.
    ///
    /// # Errors
    /// The standard streams cannot be let go.
    pub(super) fn ready(&mut self) -> Result<(), Failure> {
        let Some(mut ready) = self.ready.take() else { return Ok(()) };
        self.leave_terminal().map_err(refused)?;
        // Whoever started us may have gone meanwhile.
        let _nobody_waits = ready.write_all(b"1");
        Ok(())
    }

    fn leave_terminal(&self) -> io::Result<()> {
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let messages = self.messages.as_ref().unwrap_or(&nothing).as_raw_fd();
        let nothing = nothing.as_raw_fd();
        for (from, to) in [(nothing, 0), (nothing, 1), (messages, 2)] {
            // SAFETY: both are open descriptors; the standard streams are nobody's own.
            if unsafe { libc::dup2(from, to) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// Lets go of a terminal that is gone: what is still to be written to it goes nowhere, and is no failure.
///
/// Standard streams that are files or pipes stay. Whoever writes to one that is gone by `eprintln!` would panic.
pub(super) fn leave_gone_terminal() {
    let Ok(nothing) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    for stream in 0..=2 {
        // SAFETY: all zeroes are a valid `termios`, which is only written; the standard streams are nobody's own.
        unsafe {
            let mut modes: libc::termios = std::mem::zeroed();
            let is_gone = libc::tcgetattr(stream, &raw mut modes) != 0
                && io::Error::last_os_error().raw_os_error() == Some(libc::EIO);
            if is_gone {
                libc::dup2(nothing.as_raw_fd(), stream);
            }
        }
    }
}

/// Opens a file to be appended to.
///
/// # Errors
/// A [`Failure`] that names `-o`.
pub(super) fn append(path: &Path) -> Result<File, Failure> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
        Failure::run(format!("-o {}", path.display())).because(error).hint("name a file that can be written")
    })
}

fn refused(error: io::Error) -> Failure {
    Failure::run("-d").because(error)
}

/// Returns in a process of its own session, with the pipe that says it is ready; the other one waits and ends.
fn fork() -> io::Result<File> {
    let (reading, writing) = pipe()?;
    // SAFETY: there is one thread only, so the copy is whole: no lock is held by a thread that it has not.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(reading);
            // SAFETY: takes nothing; it cannot fail, for a forked process leads no group.
            unsafe { libc::setsid() };
            Ok(writing)
        }
        child => {
            drop(writing);
            std::process::exit(await_ready(reading, child))
        }
    }
}

/// The status to end with: all well as soon as the child is ready, its own if it ends before.
fn await_ready(mut reading: File, child: libc::pid_t) -> i32 {
    if reading.read_exact(&mut [0]).is_ok() {
        return 0;
    }
    let mut status = 0;
    // SAFETY: our own child, and room for its status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    let ended = (waited == child).then(|| ExitStatus::from_raw(status));
    // As shells have it, a signal is 128 and its number.
    ended.and_then(|ended| ended.code().or_else(|| Some(128 + ended.signal()?))).unwrap_or(1)
}

fn pipe() -> io::Result<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors, which are ours when the call succeeds.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]).into(), OwnedFd::from_raw_fd(ends[1]).into()))
    }
}

/// A file with the number of this process, locked as long as it runs.
#[derive(Debug)]
struct NumberFile {
    path: PathBuf,
    file: File,
}

impl NumberFile {
    /// Creates it, or takes over one whose process is gone.
    fn create(path: &Path) -> Result<Self, Failure> {
        let refused = || Failure::run(format!("--pid-file {}", path.display()));
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(|error| refused().because(error))?;
        // SAFETY: takes an open descriptor and a number.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
            let mut number = String::new();
            let _unreadable = file.read_to_string(&mut number);
            return Err(refused()
                .because(format!("belongs to process {}, which runs", number.trim()))
                .hint("end it first, or name another file"));
        }
        write_number(&mut file).map_err(|error| refused().because(error))?;
        Ok(Self { path: path.to_owned(), file })
    }
}

fn write_number(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

impl Drop for NumberFile {
    fn drop(&mut self) {
        if std::fs::remove_file(&self.path).is_err() {
            // Its directory is not ours any more: an empty file names nobody.
            let _stays = self.file.set_len(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_there_as_long_as_its_process_and_not_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pid");
        std::fs::write(&path, "4194305\n4194305\n").unwrap();
        let background = Background { pid_file: Some(path.clone()), ..Background::default() };
        let process = Process::begin(&background).unwrap();
        let number = format!("{}\n", std::process::id());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), number, "the one before is gone");
        let refused = Process::begin(&background).unwrap_err().to_string();
        assert!(refused.contains(number.trim()) && refused.contains("x.pid"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), number);
        drop(process);
        assert!(!path.exists());
    }

    #[test]
    fn a_number_that_cannot_be_written_is_refused_by_name() {
        let background = Background { pid_file: Some("/nowhere/x.pid".into()), ..Background::default() };
        let refused = Process::begin(&background).unwrap_err();
        assert_eq!(refused.exit().code(), 1);
        assert!(refused.to_string().starts_with("--pid-file /nowhere/x.pid: "), "{refused}");
    }
}
