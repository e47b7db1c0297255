//! The client's side: what tcpeekstat does.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Request;

/// Nobody answers.
#[derive(Debug, thiserror::Error)]
#[error("socket {path}: {source}; is tcpeek running with this socket? -U names another", path = path.display())]
pub struct AskError {
    /// Where.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Asks whoever listens at `path`; at most `ANSWER_BYTES` of the answer are taken.
///
/// # Errors
/// Nobody listens, or there is no answer within three seconds.
pub fn ask(path: &Path, request: Request) -> Result<String, AskError> {
    talk(path, request).map_err(|source| AskError { path: path.to_owned(), source })
}

fn talk(path: &Path, request: Request) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(match request {
        Request::Get => b"GET\r\n",
        Request::Refresh => b"REFRESH\r\n",
    })?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES).read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer came"));
    }
    Ok(answer)
}

/// As long as tcpeekstat waited.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Enough for tens of thousands of filters.
const ANSWER_BYTES: u64 = 16 << 20;
