//! One file being written, in whole records.
//!
//! Records gather in memory and go out in large pieces. When the device refuses, the file is cut back to its last
//! whole record, so that what was written stays readable.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::AsFd,
    path::Path,
};

use super::error::WriteError;

/// A file and the records that wait to be written to it.
pub(super) struct Output {
    name: String,
    file: File,
    /// A partial record can be cut off again: not on a pipe or a device.
    regular: bool,
    /// Bytes of whole records in the file.
    written: u64,
    pending: Vec<u8>,
    /// Where each pending record ends.
    ends: Vec<usize>,
}

impl Output {
    /// Creates the file, or empties the one that is there; `-` is standard output.
    pub(super) fn create(path: &Path) -> Result<Self, WriteError> {
        let standard = path.as_os_str() == "-";
        let name = if standard { "standard output".to_owned() } else { path.display().to_string() };
        let file = if standard {
            io::stdout().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::create(path)
        };
        let file = file.map_err(|error| WriteError::create(&name, &error))?;
        // Standard output may be appended to another file's contents, which are not ours to cut.
        let regular = !standard && file.metadata().is_ok_and(|metadata| metadata.is_file());
        let pending = Vec::with_capacity(2 * PENDING_LEN);
        Ok(Self { name, file, regular, written: 0, pending, ends: Vec::new() })
    }

    /// Adds one record, which `encode` appends to the bytes that it is given.
    pub(super) fn record(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), WriteError> {
        encode(&mut self.pending);
        self.ends.push(self.pending.len());
        if self.pending.len() >= PENDING_LEN { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) -> Result<(), WriteError> {
        let (done, outcome) = write_all(&mut self.file, &self.pending);
        let whole = if outcome.is_ok() { done } else { whole_records(&self.ends, done) };
        self.written += whole as u64;
        self.pending.clear();
        self.ends.clear();
        outcome.map_err(|error| {
            if self.regular && done > whole {
                // The error to report is the first one: cutting may fail for the same reason.
                let _ = self.file.set_len(self.written);
            }
            WriteError::write(&self.name, &error, self.written)
        })
    }

    /// Bytes of records so far, written or waiting.
    pub(super) fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Writes as much as it can; says how much that was.
fn write_all(file: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

/// Bytes of the records that lie within the first `done` bytes whole.
fn whole_records(ends: &[usize], done: usize) -> usize {
    let whole = ends.partition_point(|&end| end <= done);
    if whole == 0 { 0 } else { ends[whole - 1] }
}

/// Bytes that gather before they are written.
const PENDING_LEN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::whole_records;

    #[test]
    fn a_partial_record_does_not_count_as_written() {
        assert_eq!(whole_records(&[24, 100, 180], 0), 0);
        assert_eq!(whole_records(&[24, 100, 180], 23), 0);
        assert_eq!(whole_records(&[24, 100, 180], 24), 24);
        assert_eq!(whole_records(&[24, 100, 180], 179), 100);
        assert_eq!(whole_records(&[24, 100, 180], 180), 180);
        assert_eq!(whole_records(&[], 7), 0);
    }
}
