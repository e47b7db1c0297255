//! A capture file whose records stand at places of their own: one that several threads can read at once.
//!
//! That is a regular file in the classic pcap format, as it is written today. Of anything else, and of whatever cannot be
//! opened, there is no [`Flat`]; [`Reader`](super::Reader) says why, where it is more than another format.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use super::pcap::{Magic, Pcap, Shape};
use crate::source::InterfaceTable;

/// The file.
#[derive(Debug)]
pub(crate) struct Flat {
    file: File,
    /// Octets of it, when it was opened.
    pub(crate) len: u64,
    /// How its records are read.
    pub(crate) shape: Shape,
}

impl Flat {
    /// Opens a file, where it is such a one.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        // A pipe must not be opened to be looked at: its writer would take that for its reader.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let mut file = File::open(path).ok()?;
        let len = file.metadata().ok()?.len();
        let mut header = [0; Shape::FILE_HEADER];
        file.read_exact(&mut header).ok()?;
        let magic = Magic::of(&header[..4])?;
        // The table is of no use: whoever takes its frames knows that there is one interface, and no name.
        let pcap = Pcap::open(magic, &header, "", &mut InterfaceTable::default()).ok()?;
        Some(Self { file, len, shape: pcap.shape()? })
    }

    /// Where its records begin.
    pub(crate) const START: u64 = Shape::FILE_HEADER as u64;

    /// Reads what stands at a place, all of it.
    ///
    /// # Errors
    /// What the system says; the end of the file is one.
    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }
}
