//! Reading on and scanning, until there are frames.

use super::{
    Format,
    scan::{Found, Stop},
};
use crate::source::{
    error::{Damage, SourceError, SourceErrorKind},
    input::Input,
};

/// A file that we scan ourselves.
pub(super) struct Stream {
    name: String,
    pub(super) input: Input,
    format: Format,
    /// Bytes of a record whose rest was not read yet.
    carry: Vec<u8>,
    /// Where the carried bytes stand in the (decompressed) file.
    offset: u64,
    /// Records before them.
    records: u64,
}

impl Stream {
    /// A file whose header was read; `carry` are bytes behind it that were read too, and `offset` says where they are.
    pub(super) fn new(name: &str, input: Input, format: Format, carry: Vec<u8>, offset: u64) -> Self {
        Self { name: name.to_owned(), input, format, carry, offset, records: 0 }
    }

    /// Reads and scans until there are frames, or the end, or damage.
    pub(super) fn fill(&mut self, bytes: &mut Vec<u8>, found: &mut Found<'_>) -> Result<(), SourceError> {
        let mut filled = self.unload_carry(bytes);
        loop {
            let read = match self.input.read(&mut bytes[filled..]) {
                Ok(read) => read,
                Err(_) if self.input.is_stopped() => 0,
                Err(error) => return Err(self.read_error(&error, filled)),
            };
            filled += read;
            let scan = self.format.scan(&bytes[..filled], found);
            self.offset += scan.consumed as u64;
            self.records += scan.records;
            let need = match scan.stop {
                Stop::Damage(damage) => return Err(self.damaged(damage)),
                Stop::Need(need) => need,
            };
            if !found.frames.is_empty() {
                self.carry.extend_from_slice(&bytes[scan.consumed..filled]);
                return Ok(());
            }
            bytes.copy_within(scan.consumed..filled, 0);
            filled -= scan.consumed;
            if read == 0 {
                // Whoever stops a pipe does so at any byte.
                let ended = filled == 0 || self.input.is_stopped();
                return if ended { Ok(()) } else { Err(self.truncated(filled, need)) };
            }
            grow(bytes, filled, need);
        }
    }

    /// Puts the carried bytes in front and makes room behind them; returns how many there are.
    fn unload_carry(&mut self, bytes: &mut Vec<u8>) -> usize {
        let filled = self.carry.len();
        let wanted = BLOCK_LEN.max(filled + READ_LEN_MIN);
        if bytes.len() < wanted {
            bytes.resize(wanted, 0);
        }
        bytes[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        filled
    }

    /// Where the record that could not be read stands.
    fn place(&self) -> String {
        let decompressed = if self.input.is_compressed() { " of the decompressed file" } else { "" };
        format!("at byte {}{decompressed}, in record {}", self.offset, self.records + 1)
    }

    fn damaged(&self, damage: Damage) -> SourceError {
        damage.at(&self.name, self.place())
    }

    fn truncated(&self, have: usize, need: usize) -> SourceError {
        let what = format!("it ends {}, after {have} of its {need} bytes", self.place());
        SourceError::new(&self.name, SourceErrorKind::Truncated, what)
    }

    /// A failed read; a compressed file that breaks off or is damaged shows itself here.
    fn read_error(&self, error: &std::io::Error, have: usize) -> SourceError {
        let place = self.offset + have as u64;
        if !self.input.is_compressed() {
            return SourceError::io(&self.name, &format!("read on at byte {place}"), error);
        }
        let (kind, what) = decompression_failure(error);
        let what =
            format!("{what}, {place} bytes into the decompressed file, in record {}", self.records + 1);
        SourceError::new(&self.name, kind, what)
    }
}

/// Makes room for a record longer than the buffer, at most doubling it, so that memory follows what was really read.
fn grow(bytes: &mut Vec<u8>, filled: usize, need: usize) {
    if need > bytes.len() {
        let wanted = need.min(bytes.len() * 2);
        bytes.resize(wanted, 0);
    } else if filled == bytes.len() {
        bytes.resize(filled * 2, 0);
    }
}

/// What a decompressor's refusal means.
pub(super) fn decompression_failure(error: &std::io::Error) -> (SourceErrorKind, String) {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        return (SourceErrorKind::Truncated, "the compressed file ends too early".to_owned());
    }
    (SourceErrorKind::Corrupt, format!("it cannot be decompressed ({error})"))
}

/// Bytes read at a time: large enough that a system call costs nothing, small enough to stay in a core's cache until
/// the frames were parsed.
const BLOCK_LEN: usize = 512 * 1024;

/// Room to read into, at least, behind carried bytes.
const READ_LEN_MIN: usize = 64 * 1024;
