//! JSON lines: the flow log and the event log.

use std::{
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::report::Record;

/// When a log hands its lines to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Whenever there is nothing more to write for the moment: someone may be following.
    Live,
    /// When the buffer is full and at the end: a replay is read afterwards.
    Replay,
}

/// A log of one JSON object a line.
pub struct JsonLines<W: Write = Box<dyn Write + Send>> {
    name: String,
    writer: BufWriter<W>,
    policy: FlushPolicy,
    lines: u64,
}

impl<W: Write> fmt::Debug for JsonLines<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JsonLines")
            .field("name", &self.name)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// A log that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{name}: cannot be written after {lines} lines; {advice}", advice = advice(source))]
pub struct LogError {
    /// Which log and where.
    pub name: String,
    /// Lines that it took before.
    pub lines: u64,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

impl JsonLines {
    /// Opens the log at `path`, emptying what was there; `-` is standard output. `what` names it in errors.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(what: &str, path: &Path, policy: FlushPolicy) -> Result<Self, LogError> {
        let name = format!("{what} {}", path.display());
        let writer: Box<dyn Write + Send> = if path.as_os_str() == "-" {
            Box::new(io::stdout())
        } else {
            match File::create(path) {
                Ok(file) => Box::new(file),
                Err(source) => return Err(LogError { name, lines: 0, source }),
            }
        };
        Ok(Self::new(name, writer, policy))
    }
}

impl<W: Write> JsonLines<W> {
    /// A log on a stream that is open already.
    pub fn new(name: String, writer: W, policy: FlushPolicy) -> Self {
        Self { name, writer: BufWriter::with_capacity(BUFFER_BYTES, writer), policy, lines: 0 }
    }

    /// Adds one line.
    ///
    /// # Errors
    /// The stream does not take it: disk full, or the reader went away.
    pub fn write(&mut self, record: &impl Record) -> Result<(), LogError> {
        serde_json::to_writer(&mut self.writer, record)
            .map_err(io::Error::from)
            .map_err(|e| self.error(e))?;
        self.writer.write_all(b"\n").map_err(|e| self.error(e))?;
        self.lines += 1;
        Ok(())
    }

    /// There is nothing more to write for the moment.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn settle(&mut self) -> Result<(), LogError> {
        match self.policy {
            FlushPolicy::Live => self.finish(),
            FlushPolicy::Replay => Ok(()),
        }
    }

    /// Hands every line to the system; to be called at the end, because a drop cannot report that the disk is full.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(&mut self) -> Result<(), LogError> {
        self.writer.flush().map_err(|e| self.error(e))
    }

    /// Lines so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    fn error(&self, source: io::Error) -> LogError {
        LogError { name: self.name.clone(), lines: self.lines, source }
    }
}

/// What the user can do about it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space, or write elsewhere",
        io::ErrorKind::NotFound => "make its directory first",
        io::ErrorKind::PermissionDenied => "write to a directory that you may write to",
        _ => "write elsewhere",
    }
}

/// A few hundred flow records, so that a replay of short flows does not spend its time in `write`.
const BUFFER_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sink::text::sample;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn live_lines_are_there_at_once_and_replayed_ones_at_the_end() {
        for (policy, visible) in [(FlushPolicy::Live, true), (FlushPolicy::Replay, false)] {
            let stream = Shared::default();
            let mut log = JsonLines::new("flow log".into(), stream.clone(), policy);
            log.write(&sample::flow()).unwrap();
            log.settle().unwrap();
            assert_eq!(!stream.0.lock().unwrap().is_empty(), visible);
            log.write(&sample::flow()).unwrap();
            log.finish().unwrap();
            let text = String::from_utf8(stream.0.lock().unwrap().clone()).unwrap();
            assert_eq!((text.lines().count(), log.lines()), (2, 2));
            for line in text.lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["handshake"], "reject");
            }
        }
    }

    #[test]
    fn a_full_disk_names_the_log_and_how_far_it_came() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let mut log = JsonLines::create("flow log", Path::new("/dev/full"), FlushPolicy::Live).unwrap();
        log.write(&sample::flow()).unwrap();
        let error = log.settle().unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            error.to_string(),
            "flow log /dev/full: cannot be written after 1 lines; free space, or write elsewhere"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_a_broken_pipe_in_the_chain() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut log = JsonLines::new("flow log -".into(), writer, FlushPolicy::Live);
        log.write(&sample::flow()).unwrap();
        let error = anyhow::Error::from(log.settle().unwrap_err());
        assert!(crate::cli::failure::is_broken_pipe(&error));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_at_once() {
        let error = JsonLines::create("event log", Path::new("/nowhere/x"), FlushPolicy::Live)
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().starts_with("event log /nowhere/x"));
    }
}
