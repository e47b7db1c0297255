//! Capture files of every kind that tcpkit reads, one interface to all of them.
//!
//! Frames come in the order in which they stand in the file, their bytes read straight into the block. Whatever the
//! bytes are, nothing panics and memory stays bounded by the largest record that a format allows. Every record before
//! some damage is delivered before the damage is reported.

mod flat;
mod pcap;
mod pcapng;
mod scan;
mod snoop;
mod stream;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    Block, Interface, InterfaceTable, SourceCounts,
    error::{SourceError, SourceErrorKind},
    input::Input,
    interface::InterfaceNumbers,
    libpcap::LibpcapFile,
};
use crate::{time::Timestamp, wire::InterfaceId};

use scan::Scan;
use stream::{Stream, decompression_failure};

pub(crate) use flat::Flat;
pub(crate) use pcap::Shape;
pub(crate) use scan::Found;

pub use pcapng::FlowTimers;
pub(crate) use pcapng::{CUSTOM_OPTION, GSO_SIZE_TAG, TCPKIT_PEN};

/// One capture file, named pipe or standard input.
pub struct Reader {
    name: String,
    body: Body,
    counts: SourceCounts,
    end_of_capture: Option<Timestamp>,
    /// Time of the latest frame delivered.
    latest: Timestamp,
    numbers: InterfaceNumbers,
    /// The interfaces of this file so far.
    interfaces: Vec<(InterfaceId, Interface)>,
    /// Reported after the frames before it were delivered.
    pending: Option<SourceError>,
    done: bool,
    timers: Option<FlowTimers>,
}

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file consumed; of the compressed file, if it is one.
    pub position: u64,
    /// Bytes of the file; `None` for a pipe.
    pub size: Option<u64>,
}

impl Reader {
    /// Opens what the user named; `-` is standard input.
    ///
    /// The interfaces that the file's header describes are added to the table; those met later travel in the blocks.
    ///
    /// # Errors
    /// When it does not exist, cannot be read, is empty, ends within its header or is no capture.
    pub fn open(spec: &Path, interfaces: &mut InterfaceTable) -> Result<Self, SourceError> {
        let name = display_name(spec);
        let input = Input::open(spec, &name)?;
        let before = interfaces.all().len();
        let (body, timers) = Body::open(spec, &name, input, interfaces)?;
        let described = interfaces.numbered().skip(before).collect();
        Ok(Self {
            name,
            body,
            counts: SourceCounts::default(),
            end_of_capture: None,
            latest: Timestamp::MIN,
            numbers: interfaces.numbers(),
            interfaces: described,
            pending: None,
            done: false,
            timers,
        })
    }

    /// Fills the block with the next frames; false at the end of the file, without frames.
    ///
    /// Interfaces and drops that stand behind the last frame come in the block of the last call.
    /// A block holds at least one frame. From a pipe, it holds what was there; from a file, about half a MiB.
    /// What the block held is overwritten; it need not be cleared.
    ///
    /// # Errors
    /// Once, at damage or trouble; the call after that says false.
    pub fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        block.forget();
        if let Some(error) = self.pending.take() {
            self.done = true;
            return Err(error);
        }
        if self.done {
            return Ok(false);
        }
        let mut found = Found {
            frames: &mut block.frames,
            interfaces: &mut block.interfaces,
            drops: &mut block.drops,
            counts: &mut self.counts,
            numbers: &self.numbers,
            source_name: &self.name,
            end_of_capture: &mut self.end_of_capture,
        };
        let outcome = match &mut self.body {
            Body::Stream(stream) => stream.fill(&mut block.bytes, &mut found),
            Body::Libpcap(file) => file.fill(&mut block.bytes, &mut found),
        };
        self.interfaces.extend_from_slice(&block.interfaces);
        self.done = block.frames.is_empty();
        self.latest = block.frames.last().map_or(self.latest, |frame| frame.timestamp);
        match outcome {
            Err(error) if self.done => Err(error),
            Err(error) => {
                self.pending = Some(error);
                Ok(true)
            }
            Ok(()) => Ok(!self.done),
        }
    }

    /// Makes a reader that waits for a pipe end within 100 ms once the flag is set, after what the pipe still held.
    ///
    /// A file is read to its end all the same: whoever calls `fill` can stop calling.
    pub fn stop_on(&mut self, flag: Arc<AtomicBool>) {
        if let Body::Stream(stream) = &mut self.body {
            stream.input.stop_on(flag);
        }
    }

    /// The file as the user named it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it met so far.
    #[must_use]
    pub const fn counts(&self) -> &SourceCounts {
        &self.counts
    }

    /// The interfaces that the file has described by now, with their numbers in the capture's table.
    #[must_use]
    pub fn interfaces(&self) -> &[(InterfaceId, Interface)] {
        &self.interfaces
    }

    /// When the capture ended, where the file has said so by now (pcapng `isb_endtime`).
    ///
    /// Some programs write an end that lies before their last frame; that is no end.
    #[must_use]
    pub fn end_of_capture(&self) -> Option<Timestamp> {
        self.end_of_capture.filter(|&end| end >= self.latest)
    }

    /// The time-outs of the capture that wrote the file, where it says so (tcpkit's pcapng).
    #[must_use]
    pub const fn timers(&self) -> Option<FlowTimers> {
        self.timers
    }

    /// How far it is, for a progress bar.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match &self.body {
            Body::Stream(stream) => {
                let (position, size) = stream.input.progress();
                Progress { position, size }
            }
            Body::Libpcap(file) => Progress { position: file.position(), size: file.size() },
        }
    }
}

/// What reads the records.
enum Body {
    /// A format that we scan ourselves.
    Stream(Box<Stream>),
    /// Anything else that libpcap knows.
    Libpcap(Box<LibpcapFile>),
}

impl Body {
    fn open(
        spec: &Path,
        name: &str,
        mut input: Input,
        interfaces: &mut InterfaceTable,
    ) -> Result<(Self, Option<FlowTimers>), SourceError> {
        let mut header = Vec::new();
        read_header(&mut input, name, &mut header, MAGIC_LEN)?;
        if header.is_empty() {
            let what = "nothing is left when it is decompressed (0 bytes)";
            return Err(SourceError::new(name, SourceErrorKind::Empty, what));
        }
        let Some(kind) = Kind::of(&header) else {
            return Self::open_by_libpcap(spec, name, &input, interfaces).map(|body| (body, None));
        };
        let wanted = kind.header_len(&header);
        read_header(&mut input, name, &mut header, wanted)?;
        // A snoop header's length depends on its version, which lies behind its magic.
        let wanted = kind.header_len(&header);
        read_header(&mut input, name, &mut header, wanted)?;
        if header.len() < wanted {
            let what = format!("it ends within the file header, after {} of {wanted} bytes", header.len());
            return Err(SourceError::new(name, SourceErrorKind::Truncated, what));
        }
        let format = match kind {
            Kind::Pcap(magic) => pcap::Pcap::open(magic, &header, name, interfaces).map(Format::Pcap),
            Kind::Snoop => snoop::Snoop::open(&header, name, interfaces).map(Format::Snoop),
            Kind::Pcapng => Ok(Format::Pcapng(Box::default())),
        };
        let format = format.map_err(|damage| damage.at(name, "in the file header"))?;
        let mut timers = None;
        if matches!(kind, Kind::Pcapng) {
            // The rest of the section header; where the file ends before, its scanner says so.
            let len = pcapng::section_header_len(&header);
            read_header(&mut input, name, &mut header, len)?;
            timers = FlowTimers::of_file(&header);
        }
        let (carry, offset) = match kind {
            Kind::Pcapng => (header, 0),
            Kind::Pcap(_) | Kind::Snoop => (Vec::new(), wanted as u64),
        };
        Ok((Self::Stream(Box::new(Stream::new(name, input, format, carry, offset))), timers))
    }

    /// Leaves an unknown file to libpcap, which opens regular files by name.
    fn open_by_libpcap(
        spec: &Path,
        name: &str,
        input: &Input,
        interfaces: &mut InterfaceTable,
    ) -> Result<Self, SourceError> {
        if !input.is_regular() || input.is_compressed() {
            let what = "its first bytes are not those of a pcap, pcapng or snoop capture";
            return Err(SourceError::new(name, SourceErrorKind::NotACapture, what));
        }
        LibpcapFile::open(spec, name, input.progress().1, interfaces)
            .map(|file| Self::Libpcap(Box::new(file)))
    }
}

/// The formats, told by their first bytes.
#[derive(Clone, Copy)]
enum Kind {
    Pcap(pcap::Magic),
    Pcapng,
    Snoop,
}

impl Kind {
    fn of(header: &[u8]) -> Option<Self> {
        let magic = header.get(..4)?;
        if magic == pcapng::SECTION_HEADER_MAGIC {
            Some(Self::Pcapng)
        } else if header.starts_with(snoop::MAGIC) {
            Some(Self::Snoop)
        } else {
            pcap::Magic::of(magic).map(Self::Pcap)
        }
    }

    /// Bytes before the first record, as far as the bytes at hand tell.
    fn header_len(self, header: &[u8]) -> usize {
        match self {
            Self::Pcap(magic) => magic.file_header_len(),
            Self::Snoop => snoop::header_len(header),
            Self::Pcapng => MAGIC_LEN,
        }
    }
}

/// The scanner of a format, with what it remembers between records.
enum Format {
    Pcap(pcap::Pcap),
    Pcapng(Box<pcapng::Pcapng>),
    Snoop(snoop::Snoop),
}

impl Format {
    fn scan(&mut self, bytes: &[u8], found: &mut Found<'_>) -> Scan {
        match self {
            Self::Pcap(pcap) => pcap.scan(bytes, found),
            Self::Pcapng(pcapng) => pcapng.scan(bytes, found),
            Self::Snoop(snoop) => snoop.scan(bytes, found),
        }
    }
}

/// Reads the file's first bytes up to `wanted`; fewer when it ends before.
fn read_header(
    input: &mut Input,
    name: &str,
    header: &mut Vec<u8>,
    wanted: usize,
) -> Result<(), SourceError> {
    input.read_up_to(header, wanted).map_err(|error| {
        if input.is_compressed() {
            let (kind, what) = decompression_failure(&error);
            return SourceError::new(name, kind, what);
        }
        SourceError::io(name, "read", &error)
    })
}

/// How the file is called in messages and in the interface table.
fn display_name(spec: &Path) -> String {
    if spec.as_os_str() == "-" { "standard input".to_owned() } else { spec.display().to_string() }
}

/// The longest magic: that of snoop.
const MAGIC_LEN: usize = 8;

#[cfg(test)]
mod tests;
