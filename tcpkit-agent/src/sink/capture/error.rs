//! What can go wrong with writing a capture, as one line for people: what, where, and what to do.

use std::io::{self, ErrorKind};

/// Why frames cannot be written, or not any further. What was written before stays readable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}; {advice}")]
pub struct WriteError {
    /// The file, or `standard output`.
    pub file: String,
    /// What kind of trouble it is.
    pub kind: WriteErrorKind,
    /// What is wrong, without a trailing dot.
    pub what: String,
    /// What the user can do about it.
    pub advice: String,
}

/// Kinds of trouble that a caller may treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteErrorKind {
    /// The file cannot be created.
    Create,
    /// The file's name holds a time format that is none.
    Name,
    /// The disk, or the user's share of it, is full.
    Full,
    /// Whoever read the pipe has gone: for standard output usually no error at all.
    BrokenPipe,
    /// Any other trouble with writing.
    Io,
    /// The format cannot hold frames of two link types.
    LinkTypes,
}

impl WriteError {
    pub(super) fn new(file: &str, kind: WriteErrorKind, what: String, advice: &str) -> Self {
        Self { file: file.to_owned(), kind, what, advice: advice.to_owned() }
    }

    /// The file could not be created.
    pub(super) fn create(file: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            ErrorKind::NotFound => "make its directory first",
            ErrorKind::PermissionDenied => "write to a directory that you may write to",
            ErrorKind::IsADirectory => "name a file in that directory",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space, or write elsewhere",
            _ => "name a file that can be written",
        };
        Self::new(file, WriteErrorKind::Create, format!("cannot be created ({error})"), advice)
    }

    /// Writing failed after this many bytes of whole records.
    pub(super) fn write(file: &str, error: &io::Error, written: u64) -> Self {
        let (kind, what, advice) = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                (WriteErrorKind::Full, "no space left", "free space, or write elsewhere")
            }
            ErrorKind::BrokenPipe => (WriteErrorKind::BrokenPipe, "the reader has gone", "keep it running"),
            _ => (WriteErrorKind::Io, "cannot write", "check the device"),
        };
        let what = format!("{what} after {written} bytes, which stay readable ({error})");
        Self::new(file, kind, what, advice)
    }
}
