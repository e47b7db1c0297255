//! Packets of a capture file as tcpstat and tcpprof get them: time in microseconds, lengths, captured bytes.
//!
//! What a file means, and where it is damaged, libpcap says. The most usual kind of file (pcap of version 2.4, not
//! filtered, not a pipe) is scanned by ourselves with the same meaning, because that is several times faster; snoop has
//! a reader of its own, as it had in tcpstat. Whatever the bytes are, nothing panics and memory stays bounded.

mod pcap;
mod snoop;

use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsFd as _,
        unix::fs::{FileExt as _, FileTypeExt as _},
    },
    path::Path,
};

use ::pcap::{Capture, Error, Offline};

use self::{pcap::PcapHeads, snoop::SnoopHeads};
use super::libpcap::message;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// The rest of the time stamp, in microseconds.
    pub micros: i64,
    /// Bytes of the frame.
    pub frame_len: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

/// Why a capture cannot be read any further, in tcpstat's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct HeadsError {
    /// One line.
    pub words: String,
    /// What was read before counts.
    pub keeps_what_came_before: bool,
}

impl HeadsError {
    fn fatal(words: impl Into<String>) -> Self {
        Self { words: words.into(), keeps_what_came_before: false }
    }

    fn damage(words: impl Into<String>) -> Self {
        Self { words: words.into(), keeps_what_came_before: true }
    }
}

/// A capture file that is being read.
pub struct Heads {
    body: Body,
    /// libpcap's number of the link type.
    dlt: i32,
}

enum Body {
    Pcap(Box<PcapHeads>),
    Snoop(Box<SnoopHeads>),
    Libpcap(Box<Capture<Offline>>),
}

impl Heads {
    /// Opens what the user named; `-` is standard input. `filter` is a tcpdump expression, or blank; snoop files are
    /// not filtered, as they are not by tcpstat.
    ///
    /// # Errors
    /// In tcpstat's words.
    pub fn open(path: &Path, filter: &str) -> Result<Self, HeadsError> {
        let is_filtered = !filter.trim().is_empty();
        let file = if path.as_os_str() == "-" { standard_input() } else { regular_file(path)? };
        let mut header = [0; pcap::FILE_HEADER_LEN];
        if let Some(file) = file {
            let start = position(&file);
            let len = file.read_at(&mut header, start).unwrap_or(0);
            let header = &header[..len];
            if path.as_os_str() != "-" {
                if len < MAGIC_LEN {
                    return Err(HeadsError::fatal("read(): couldn't read file magic"));
                }
                if snoop::is_snoop(header) {
                    let snoop = SnoopHeads::open(file)?;
                    return Ok(Self { body: Body::Snoop(Box::new(snoop)), dlt: snoop::DLT_EN10MB });
                }
            }
            if let Some(reader) = PcapHeads::of(header).filter(|_| !is_filtered) {
                let dlt = reader.dlt();
                return Ok(Self { body: Body::Pcap(Box::new(reader.over(file)?)), dlt });
            }
        }
        Self::by_libpcap(path, filter)
    }

    fn by_libpcap(path: &Path, filter: &str) -> Result<Self, HeadsError> {
        let failed = |what: &str, error: &Error| HeadsError::fatal(format!("{what}(): {}", message(error)));
        let mut capture = Capture::from_file(path).map_err(|error| failed("pcap_open", &error))?;
        capture.filter(filter, true).map_err(|error| failed("pcap_compile", &error))?;
        let dlt = capture.get_datalink().0;
        Ok(Self { body: Body::Libpcap(Box::new(capture)), dlt })
    }

    /// libpcap's number (`DLT_`) of the link type.
    #[must_use]
    pub const fn dlt(&self) -> i32 {
        self.dlt
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Damage, in tcpstat's words; there is nothing behind it.
    #[inline]
    pub fn next_head(&mut self) -> Result<Option<Head<'_>>, HeadsError> {
        match &mut self.body {
            Body::Pcap(reader) => reader.next(),
            Body::Snoop(reader) => reader.next(),
            Body::Libpcap(capture) => match capture.next_packet() {
                Ok(packet) => Ok(Some(Head {
                    seconds: packet.header.ts.tv_sec,
                    micros: packet.header.ts.tv_usec,
                    frame_len: packet.header.len,
                    bytes: packet.data,
                })),
                Err(Error::NoMorePackets) => Ok(None),
                Err(error) => Err(HeadsError::damage(format!("pcap_dispatch(): {}", message(&error)))),
            },
        }
    }
}

/// Standard input where it is a file, which can be looked at without taking anything from it.
fn standard_input() -> Option<File> {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// The file, where it is no pipe: a pipe can be opened once only, which libpcap does.
fn regular_file(path: &Path) -> Result<Option<File>, HeadsError> {
    let failed = |call: &str, error: &io::Error| HeadsError::fatal(format!("{call}(): {}", reason(error)));
    let kind = fs::metadata(path).map_err(|error| failed("stat", &error))?.file_type();
    // tcpstat looks at a bit that sockets and devices have in common with files.
    if !(kind.is_file() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()) {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| failed("open", &error))?;
    Ok(kind.is_file().then_some(file))
}

fn position(mut file: &File) -> u64 {
    io::Seek::stream_position(&mut file).unwrap_or(0)
}

/// As strerror(3) has it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Fewer bytes than that are no capture to tcpstat.
const MAGIC_LEN: usize = 8;
