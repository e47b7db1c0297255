//! The thread that takes blocks of wanted frames: `-w` writes them to a capture file, `-m raw` shows their packets.

use std::{
    io,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    control::{Wake, Wakes},
    kit::PacketLines,
};
use crate::{
    cli::CaptureOutput,
    pipeline::Panicked,
    sink::capture::{CaptureWriter, WriteError, WriteOptions},
    source::{Block, FlowTimers, InterfaceTable},
    time::Timestamp,
};

/// A writer at work; ends when every sender of blocks is gone.
pub(super) struct Writing {
    thread: JoinHandle<Work>,
    /// Blocks that were written, to be filled again.
    pub(super) recycled: Receiver<Block>,
}

/// Creates the file.
///
/// # Errors
/// It cannot be created.
pub(super) fn create(
    output: &CaptureOutput,
    filter: Option<&str>,
    timers: FlowTimers,
) -> Result<CaptureWriter, WriteError> {
    let options = WriteOptions {
        filter: filter.map(str::to_owned),
        timers: Some(timers),
        rotate_bytes: output.rotate_bytes,
        rotate_interval: output.rotate_after,
        format: None,
    };
    CaptureWriter::create(&output.target.path(), &options)
}

/// Starts the thread; the sender takes blocks.
///
/// # Errors
/// The interfaces cannot be described, or a thread cannot be had.
pub(super) fn start(
    mut writer: Option<CaptureWriter>,
    packets: Option<PacketLines>,
    interfaces: &InterfaceTable,
    wakes: Wakes,
) -> anyhow::Result<(Sender<Block>, Writing)> {
    if let Some(writer) = &mut writer {
        writer.learn(interfaces)?;
    }
    let (sender, blocks) = bounded(BLOCKS);
    let (recycle, recycled) = bounded(BLOCKS);
    let work = Work { writer, packets, table: interfaces.clone(), blocks, recycle, wakes, failure: None };
    let thread = thread::Builder::new().name("writer".into()).spawn(move || work.run())?;
    Ok((sender, Writing { thread, recycled }))
}

impl Writing {
    /// Ends the file; every sender of blocks must be gone.
    ///
    /// # Errors
    /// What the device refused, now or before.
    pub(super) fn finish(self, end: Option<Timestamp>) -> anyhow::Result<()> {
        let Work { writer, failure, .. } = self.thread.join().map_err(|_| Panicked("writer"))?;
        let written = writer.map_or(Ok(()), |writer| writer.finish(end).map(drop).map_err(told));
        failure.map_or(written, Err)
    }
}

/// A pipe whose reader went away is known by its kind of I/O error.
fn told(error: WriteError) -> anyhow::Error {
    if error.kind == crate::sink::capture::WriteErrorKind::BrokenPipe {
        return io::Error::new(io::ErrorKind::BrokenPipe, error).into();
    }
    error.into()
}

struct Work {
    writer: Option<CaptureWriter>,
    packets: Option<PacketLines>,
    table: InterfaceTable,
    blocks: Receiver<Block>,
    recycle: Sender<Block>,
    wakes: Wakes,
    /// What keeps packets from being shown.
    failure: Option<anyhow::Error>,
}

impl Work {
    fn run(mut self) -> Self {
        let mut failed = false;
        while let Ok(block) = self.blocks.recv() {
            // After a failure, keep taking: the writer remembers it, and the control plane ends the capture.
            if !failed && !self.take(&block) {
                failed = true;
                self.wakes.send(Wake::SinkFailed);
            }
            drop(self.recycle.try_send(block));
        }
        self
    }

    /// Whether the block was taken whole.
    fn take(&mut self, block: &Block) -> bool {
        let Self { writer, table, packets, .. } = self;
        let is_last = self.blocks.is_empty();
        let written = writer.as_mut().is_none_or(|writer| write(writer, table, block, is_last).is_ok());
        self.failure = packets.as_mut().and_then(|packets| packets.show(block).err());
        written && self.failure.is_none()
    }
}

fn write(
    writer: &mut CaptureWriter,
    table: &mut InterfaceTable,
    block: &Block,
    is_last: bool,
) -> Result<(), WriteError> {
    if !block.interfaces.is_empty() {
        table.learn(&block.interfaces);
        writer.learn(table)?;
    }
    let mut drops = block.drops.iter().peekable();
    for (place, descriptor) in block.frames.iter().enumerate() {
        while let Some(dropped) = drops.next_if(|dropped| dropped.before <= place) {
            writer.dropped(dropped.interface, dropped.frames);
        }
        writer.write(&block.frame(descriptor))?;
    }
    drops.for_each(|dropped| writer.dropped(dropped.interface, dropped.frames));
    if is_last {
        writer.flush()?;
    }
    Ok(())
}

/// Blocks on their way to the disk.
const BLOCKS: usize = 16;
