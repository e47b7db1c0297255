//! `-w`: the analysed frames, written to capture files that other tools read and that replay the same.
//!
//! A name that ends in `.pcapng` asks for pcapng, which keeps interfaces, directions, losses, `gso_size` and the end
//! of the capture; any other name gets pcap with nanosecond time stamps, which keeps none of these.
//! What reaches the disk is whole records only, whatever happens.

mod error;
mod output;
mod pcap;
mod pcapng;
mod rotation;

use std::path::Path;

use crate::{
    source::{FlowTimers, Interface, InterfaceTable},
    time::{Span, Timestamp},
    wire::{Frame, InterfaceId, LinkType},
};

use output::Output;
use pcapng::InterfaceTotals;
use rotation::Rotation;

pub use error::{WriteError, WriteErrorKind};

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The expression that chose the frames; it is noted in pcapng.
    pub filter: Option<String>,
    /// The time-outs that finish flows; noted in pcapng, so that a replay goes by them too.
    pub timers: Option<FlowTimers>,
    /// Begin a new file before a frame when the present one has more bytes than this (tcpdump's `-C` counts in
    /// millions).
    pub rotate_bytes: Option<u64>,
    /// Begin a new file after this much capture time (`-G`); the name is then a format for strftime(3).
    pub rotate_interval: Option<Span>,
    /// Write this format whatever the name; by the name when `None`.
    pub format: Option<CaptureFormat>,
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// pcap with nanosecond time stamps.
    Pcap,
    /// pcapng.
    Pcapng,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCounts {
    /// Frames.
    pub frames: u64,
    /// Files begun.
    pub files: u64,
    /// Frames of which fewer bytes were kept than captured: those over the declared snap length, or over the
    /// 262,144 bytes that other tools accept.
    pub clipped: u64,
    /// Frames whose time the format cannot express: they got the nearest one that it can.
    pub clamped_times: u64,
}

/// Writes frames to one file or to a row of them.
pub struct CaptureWriter {
    format: CaptureFormat,
    filter: Option<String>,
    timers: Option<FlowTimers>,
    rotation: Rotation,
    interfaces: Vec<Option<Known>>,
    /// The present file; `None` before the first frame, when the file's name or header waits for that.
    output: Option<Output>,
    /// pcap: the link type of all frames.
    link_type: Option<LinkType>,
    /// The first file's, when it had to be created before anything is known of its frames.
    early: Option<Output>,
    latest: Timestamp,
    counts: WriteCounts,
    failure: Option<WriteError>,
}

/// An interface that the present file may have frames of.
struct Known {
    interface: Interface,
    /// Its number in the present file, once it is described there.
    number: Option<u32>,
    totals: InterfaceTotals,
    /// Frames lost since the last one written.
    dropped_before: u64,
}

impl CaptureWriter {
    /// Creates the first file, so that a place where nothing can be written is found at once; `-` is standard output.
    ///
    /// With [`WriteOptions::rotate_interval`] the first frame's time names the file, which is created then.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, options: &WriteOptions) -> Result<Self, WriteError> {
        let by_name = if path.extension().is_some_and(|extension| extension == "pcapng") {
            CaptureFormat::Pcapng
        } else {
            CaptureFormat::Pcap
        };
        let rotation = Rotation::new(path, options.rotate_bytes, options.rotate_interval);
        let early = if rotation.names_by_time() {
            rotation.name(Timestamp::default())?;
            None
        } else {
            Some(Output::create(path)?)
        };
        Ok(Self {
            format: options.format.unwrap_or(by_name),
            filter: options.filter.clone(),
            timers: options.timers,
            rotation,
            interfaces: Vec::new(),
            output: None,
            link_type: None,
            early,
            latest: Timestamp::default(),
            counts: WriteCounts::default(),
            failure: None,
        })
    }

    /// Takes what is known of the interfaces; to be called before their first frames, and again when there are new ones.
    ///
    /// # Errors
    /// When writing their descriptions fails.
    pub fn learn(&mut self, table: &InterfaceTable) -> Result<(), WriteError> {
        for (place, interface) in table.all().iter().enumerate() {
            if place == self.interfaces.len() {
                self.interfaces.push(None);
            }
            if self.interfaces[place].is_none() {
                self.interfaces[place] = Some(Known::new(interface.clone()));
            }
        }
        self.guarded(Self::describe)
    }

    /// Notes that frames of an interface were lost before the next one.
    pub fn dropped(&mut self, interface: InterfaceId, frames: u64) {
        if let Some(Some(known)) = self.interfaces.get_mut(usize::from(interface.0)) {
            known.dropped_before += frames;
            known.totals.dropped += frames;
        }
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// When the device refuses, or a pcap file gets a second link type. After an error, every further call gives the
    /// same error and writes nothing.
    pub fn write(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        self.guarded(|writer| {
            writer.prepare(frame)?;
            match writer.format {
                CaptureFormat::Pcap => writer.write_pcap(frame)?,
                CaptureFormat::Pcapng => writer.write_pcapng(frame)?,
            }
            writer.latest = frame.timestamp;
            writer.counts.frames += 1;
            Ok(())
        })
    }

    /// Hands all that waits to the system: for a pipe's reader, or when frames are rare.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.guarded(|writer| writer.output.as_mut().or(writer.early.as_mut()).map_or(Ok(()), Output::flush))
    }

    /// Ends the last file: pcapng gets its statistics, with the time at which the capture ended.
    ///
    /// # Errors
    /// When the device refuses.
    pub fn finish(mut self, end_of_capture: Option<Timestamp>) -> Result<WriteCounts, WriteError> {
        let mut outcome = Ok(());
        if self.output.is_none() && self.failure.is_none() {
            outcome = self.guarded(|writer| writer.begin_without_frames());
        }
        let closed = self.guarded(|writer| writer.close(end_of_capture));
        outcome.and(closed).map(|()| self.counts)
    }

    /// What was written so far.
    #[must_use]
    pub const fn counts(&self) -> &WriteCounts {
        &self.counts
    }

    /// Runs one step; a failure is kept, and nothing is written after it.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<(), WriteError>) -> Result<(), WriteError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let Err(failure) = step(self) else { return Ok(()) };
        if let Some(output) = &mut self.output {
            // What waits is sound. A device that refused has nothing waiting any more, and its error is the one to tell.
            let _ = output.flush();
        }
        self.failure = Some(failure.clone());
        Err(failure)
    }

    /// Sees to it that there is a file that may take this frame.
    fn prepare(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        let len = self.output.as_ref().map_or(0, Output::len);
        let due = self.rotation.is_due(frame.timestamp, len);
        if self.output.is_some() && !due {
            return match self.link_type {
                Some(link_type) if link_type != frame.link_type => {
                    Err(self.second_link_type(link_type, frame.link_type))
                }
                _ => Ok(()),
            };
        }
        self.close(Some(frame.timestamp))?;
        let output = match self.early.take() {
            Some(output) => output,
            None => Output::create(&self.rotation.name(frame.timestamp)?)?,
        };
        self.begin(output, frame.link_type)
    }

    /// Begins a file: header, and in pcapng the interfaces known so far.
    fn begin(&mut self, mut output: Output, link_type: LinkType) -> Result<(), WriteError> {
        let outcome = match self.format {
            CaptureFormat::Pcap => {
                self.link_type = Some(link_type);
                output.record(|bytes| pcap::file_header(bytes, link_type))
            }
            CaptureFormat::Pcapng => output.record(|bytes| pcapng::section_header(bytes, self.timers)),
        };
        self.counts.files += 1;
        self.output = Some(output);
        outcome?;
        self.describe()
    }

    /// A capture without any frame is still a capture file, of the first interface's link type.
    fn begin_without_frames(&mut self) -> Result<(), WriteError> {
        let Some(output) = self.early.take() else {
            return Ok(());
        };
        let known = self.interfaces.iter().flatten().next();
        let link_type = known.map_or(LinkType::ETHERNET, |known| known.interface.link_type);
        self.begin(output, link_type)
    }

    /// pcapng: describes the interfaces that the present file does not know yet.
    fn describe(&mut self) -> Result<(), WriteError> {
        let (CaptureFormat::Pcapng, Some(output)) = (self.format, &mut self.output) else {
            return Ok(());
        };
        let described = self.interfaces.iter().flatten().filter(|known| known.number.is_some()).count();
        let mut next = u32::try_from(described).expect("there are at most 65,536 interfaces");
        for known in self.interfaces.iter_mut().flatten() {
            if known.number.is_none() {
                output.record(|bytes| pcapng::interface(bytes, &known.interface, self.filter.as_deref()))?;
                known.number = Some(next);
                next += 1;
            }
        }
        Ok(())
    }

    fn write_pcap(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        let captured = kept(frame, 0, &mut self.counts.clipped);
        let time = pcap::SplitTime::of(frame.timestamp.0).unwrap_or_else(|| {
            self.counts.clamped_times += 1;
            pcap::SplitTime::nearest(frame.timestamp.0)
        });
        let output = self.output.as_mut().expect("`prepare` has begun a file");
        output.record(|bytes| pcap::frame(bytes, frame, captured, time))
    }

    fn write_pcapng(&mut self, frame: &Frame<'_>) -> Result<(), WriteError> {
        if !matches!(self.interfaces.get(usize::from(frame.interface.0)), Some(Some(_))) {
            self.make_up(frame);
            self.describe()?;
        }
        let known = self.interfaces[usize::from(frame.interface.0)]
            .as_mut()
            .expect("an unknown interface was just made up");
        let captured = kept(frame, pcapng::declared_snaplen(&known.interface), &mut self.counts.clipped);
        self.counts.clamped_times += u64::from(frame.timestamp.0 < 0);
        known.totals.written += 1;
        let dropped = std::mem::take(&mut known.dropped_before);
        let number = known.number.expect("`describe` numbers every known interface");
        let output = self.output.as_mut().expect("`prepare` has begun a file");
        output.record(|bytes| pcapng::frame(bytes, frame, captured, number, dropped))
    }

    /// Stands in for an interface that nobody told us of.
    fn make_up(&mut self, frame: &Frame<'_>) {
        let place = usize::from(frame.interface.0);
        while self.interfaces.len() <= place {
            self.interfaces.push(None);
        }
        self.interfaces[place] = Some(Known::new(Interface {
            name: None,
            source: String::new(),
            link_type: frame.link_type,
            snaplen: None,
            index: None,
        }));
    }

    /// Ends the present file, if there is one.
    fn close(&mut self, end: Option<Timestamp>) -> Result<(), WriteError> {
        let Some(mut output) = self.output.take() else {
            return Ok(());
        };
        for known in self.interfaces.iter_mut().flatten() {
            let totals = std::mem::take(&mut known.totals);
            // This file's statistics tell of them: the next file's first frame must not tell it again.
            known.dropped_before = 0;
            let Some(number) = known.number.take() else { continue };
            output.record(|bytes| pcapng::statistics(bytes, number, totals, self.latest, end))?;
        }
        output.flush()
    }

    fn second_link_type(&self, first: LinkType, second: LinkType) -> WriteError {
        let file = self.output.as_ref().map_or("", Output::name);
        WriteError::new(
            file,
            WriteErrorKind::LinkTypes,
            format!("a pcap file holds frames of one link type, and after {} came {}", first.0, second.0),
            "give it a name that ends in .pcapng, which can hold several",
        )
    }
}

impl Drop for CaptureWriter {
    /// A writer that was not finished still leaves a readable file with all frames.
    fn drop(&mut self) {
        // There is nobody to tell: whoever wants to know of a failure calls `finish`.
        let _ = self.flush();
    }
}

impl Known {
    const fn new(interface: Interface) -> Self {
        Self {
            interface,
            number: None,
            totals: InterfaceTotals { written: 0, dropped: 0 },
            dropped_before: 0,
        }
    }
}

/// As much of the frame as may be written; a snap length of 0 is none.
fn kept<'a>(frame: &Frame<'a>, snaplen: u32, clipped: &mut u64) -> &'a [u8] {
    let limit = if snaplen == 0 { pcap::MAX_CAPTURED_LEN } else { snaplen.min(pcap::MAX_CAPTURED_LEN) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    *clipped += u64::from(frame.bytes.len() > limit);
    &frame.bytes[..frame.bytes.len().min(limit)]
}

#[cfg(test)]
mod tests;
