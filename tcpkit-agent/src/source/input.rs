//! The bytes of a file, a named pipe or standard input, decompressed where their first bytes say gzip or zstd.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    error::{SourceError, SourceErrorKind},
    poll::is_readable,
};

/// Bytes to read from, plain or decompressed on the way.
pub(crate) enum Input {
    /// As they stand in the file.
    Plain(RawInput),
    /// RFC 1952, any number of members.
    Gzip(Box<MultiGzDecoder<BufReader<RawInput>>>),
    /// RFC 8878, any number of frames.
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<RawInput>>>),
}

impl Input {
    /// Opens what the user named; `-` is standard input. Looks at the first bytes for gzip and zstd.
    pub(crate) fn open(spec: &Path, name: &str) -> Result<Self, SourceError> {
        let mut raw = RawInput::open(spec, name)?;
        let magic = raw.peek().map_err(|error| SourceError::io(name, "read", &error))?;
        if magic.is_empty() {
            return Err(SourceError::new(name, SourceErrorKind::Empty, "the file is empty (0 bytes)"));
        }
        if magic.starts_with(&GZIP_MAGIC) {
            return Ok(Self::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                COMPRESSED_CHUNK,
                raw,
            )))));
        }
        if magic.starts_with(&ZSTD_MAGIC) {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(COMPRESSED_CHUNK, raw))
                    .map_err(|error| SourceError::io(name, "decompress", &error))?;
            return Ok(Self::Zstd(Box::new(decoder)));
        }
        Ok(Self::Plain(raw))
    }

    /// Reads what is there, at most `buffer.len()` bytes; 0 at the end. Interruptions by signals are retried.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let outcome = match self {
                Self::Plain(raw) => raw.read(buffer),
                Self::Gzip(decoder) => decoder.read(buffer),
                Self::Zstd(decoder) => decoder.read(buffer),
            };
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Reads until `buffer` holds `wanted` bytes or the input ends.
    pub(crate) fn read_up_to(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<()> {
        let mut filled = buffer.len();
        buffer.resize(wanted.max(filled), 0);
        let outcome = loop {
            if filled >= wanted {
                break Ok(());
            }
            match self.read(&mut buffer[filled..]) {
                Ok(0) => break Ok(()),
                Ok(read) => filled += read,
                Err(error) => break Err(error),
            }
        };
        buffer.truncate(filled);
        outcome
    }

    /// Bytes of the file consumed, and its size where it has one; of the compressed file, if it is one.
    pub(crate) fn progress(&self) -> (u64, Option<u64>) {
        let raw = self.raw();
        (raw.position, raw.size)
    }

    /// Whether bytes come decompressed.
    pub(crate) const fn is_compressed(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Whether the file is a regular one, which can be opened a second time by its name.
    pub(crate) fn is_regular(&self) -> bool {
        self.raw().size.is_some()
    }

    /// Ends a pipe as if its writer had gone once the flag is set.
    pub(crate) fn stop_on(&mut self, flag: Arc<AtomicBool>) {
        let raw = match self {
            Self::Plain(raw) => raw,
            Self::Gzip(decoder) => decoder.get_mut().get_mut(),
            Self::Zstd(decoder) => decoder.get_mut().get_mut(),
        };
        raw.stop = Some(flag);
    }

    /// Whether the flag was set.
    pub(crate) fn is_stopped(&self) -> bool {
        self.raw().is_stopped()
    }

    fn raw(&self) -> &RawInput {
        match self {
            Self::Plain(raw) => raw,
            Self::Gzip(decoder) => decoder.get_ref().get_ref(),
            Self::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }
}

/// An open file that can give back its first bytes and knows how far it was read.
pub(crate) struct RawInput {
    file: File,
    peeked: Vec<u8>,
    position: u64,
    size: Option<u64>,
    stop: Option<Arc<AtomicBool>>,
}

impl RawInput {
    fn open(spec: &Path, name: &str) -> Result<Self, SourceError> {
        let file = if spec.as_os_str() == "-" {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            File::open(spec)
        };
        let file = file.map_err(|error| SourceError::io(name, "open", &error))?;
        let metadata = file.metadata().map_err(|error| SourceError::io(name, "examine", &error))?;
        if metadata.is_dir() {
            return Err(SourceError::new(name, SourceErrorKind::NotACapture, "this is a directory"));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { file, peeked: Vec::new(), position: 0, size, stop: None })
    }

    /// The first bytes, as many as the longest magic has; fewer when the file is shorter.
    fn peek(&mut self) -> io::Result<&[u8]> {
        let mut bytes = [0; MAGIC_LEN];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.peeked = bytes[..filled].to_vec();
        Ok(&self.peeked)
    }
}

impl RawInput {
    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Waits for a pipe's bytes; false when it is to stop. A file has its bytes at once.
    fn wait(&self) -> bool {
        while self.size.is_none() && self.stop.is_some() {
            if is_readable(&self.file, STOP_CHECK) {
                break;
            }
            if self.is_stopped() {
                return false;
            }
        }
        true
    }
}

impl Read for RawInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.peeked.is_empty() {
            if !self.wait() {
                return Ok(0);
            }
            self.file.read(buffer)?
        } else {
            let given = self.peeked.len().min(buffer.len());
            buffer[..given].copy_from_slice(&self.peeked[..given]);
            self.peeked.drain(..given);
            given
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// Length of the longer magic of a compression; a capture's own magic is read later.
const MAGIC_LEN: usize = 4;

/// RFC 1952 §2.3.1, with the only compression method that exists.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// RFC 8878 §3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a compressed file read at a time.
const COMPRESSED_CHUNK: usize = 128 * 1024;

/// How often a reader that waits for a pipe looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);
