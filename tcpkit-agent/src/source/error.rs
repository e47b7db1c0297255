//! What can go wrong with a source of frames, as one line for people: what, where, and what to do.

use std::fmt;

/// Why a source cannot be read, or not any further.
///
/// Every frame before the damage has been delivered when this is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {what}; {advice}")]
pub struct SourceError {
    /// The file as the user named it, `standard input`, or the interface.
    pub source_name: String,
    /// What kind of trouble it is, for the caller to tell apart.
    pub kind: SourceErrorKind,
    /// What is wrong and where, without a trailing dot.
    pub what: String,
    /// What the user can do about it.
    pub advice: String,
}

/// Kinds of trouble that a caller may treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceErrorKind {
    /// It cannot be opened or read.
    Io,
    /// Privileges are missing.
    Permission,
    /// No such file or interface.
    NotFound,
    /// No bytes at all.
    Empty,
    /// Not a capture file.
    NotACapture,
    /// A capture in a version or with a property that cannot be read.
    Unsupported,
    /// It ends within a record: all whole records were read.
    Truncated,
    /// It contradicts itself: all records before were read.
    Corrupt,
    /// The filter expression does not compile.
    Filter,
}

impl SourceErrorKind {
    /// What helps in most cases of this kind.
    const fn usual_advice(self) -> &'static str {
        match self {
            Self::Io => "check the device and try again",
            Self::Permission => "run as a user who may read it",
            Self::NotFound => "check the name",
            Self::Empty => "nothing was captured, or the copy failed",
            Self::NotACapture => "give a pcap, pcapng or snoop file, plain or compressed with gzip or zstd",
            Self::Unsupported => "convert it, for instance with editcap -F pcapng",
            Self::Truncated => "all whole records before it count; copy the file again if the rest matters",
            Self::Corrupt => "all records before it count; take an undamaged copy for the rest",
            Self::Filter => "correct the expression (see pcap-filter(7))",
        }
    }
}

/// Damage or a limit met while scanning, before the reader adds the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) kind: SourceErrorKind,
    pub(crate) what: String,
}

impl Damage {
    /// Damage of the kind `Corrupt`.
    pub(crate) fn corrupt(what: impl fmt::Display) -> Self {
        Self { kind: SourceErrorKind::Corrupt, what: what.to_string() }
    }

    /// Something that is well-formed and cannot be read.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self { kind: SourceErrorKind::Unsupported, what: what.to_string() }
    }

    /// The error for the user.
    pub(crate) fn at(self, source_name: &str, place: impl fmt::Display) -> SourceError {
        SourceError::new(source_name, self.kind, format!("{} {place}", self.what))
    }
}

impl SourceError {
    /// An error with the usual advice of its kind.
    pub(crate) fn new(source_name: &str, kind: SourceErrorKind, what: impl fmt::Display) -> Self {
        Self::advised(source_name, kind, what, kind.usual_advice())
    }

    /// An error with advice of its own.
    pub(crate) fn advised(
        source_name: &str,
        kind: SourceErrorKind,
        what: impl fmt::Display,
        advice: impl fmt::Display,
    ) -> Self {
        Self { source_name: source_name.to_owned(), kind, what: what.to_string(), advice: advice.to_string() }
    }

    /// An I/O error, sorted into the kinds that differ for the user.
    pub(crate) fn io(source_name: &str, doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::new(source_name, SourceErrorKind::NotFound, "no such file"),
            ErrorKind::PermissionDenied => {
                Self::new(source_name, SourceErrorKind::Permission, "permission denied")
            }
            _ => Self::new(source_name, SourceErrorKind::Io, format_args!("cannot {doing} ({error})")),
        }
    }
}
