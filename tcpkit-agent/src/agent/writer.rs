//! The thread that writes `-w`: blocks of wanted frames to a capture file.

use std::{
    io,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::control::{Wake, Wakes};
use crate::{
    cli::CaptureOutput,
    pipeline::Panicked,
    sink::capture::{CaptureWriter, WriteError, WriteOptions},
    source::{Block, FlowTimers, InterfaceTable},
    time::Timestamp,
};

/// A writer at work; ends when every sender of blocks is gone.
#[derive(Debug)]
pub(super) struct Writing {
    thread: JoinHandle<CaptureWriter>,
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
    mut writer: CaptureWriter,
    interfaces: &InterfaceTable,
    wakes: Wakes,
) -> anyhow::Result<(Sender<Block>, Writing)> {
    writer.learn(interfaces)?;
    let (sender, blocks) = bounded(BLOCKS);
    let (recycle, recycled) = bounded(BLOCKS);
    let work = Work { writer, table: interfaces.clone(), blocks, recycle, wakes };
    let thread = thread::Builder::new().name("writer".into()).spawn(move || work.run())?;
    Ok((sender, Writing { thread, recycled }))
}

impl Writing {
    /// Ends the file; every sender of blocks must be gone.
    ///
    /// # Errors
    /// What the device refused, now or before.
    pub(super) fn finish(self, end: Option<Timestamp>) -> anyhow::Result<()> {
        let writer = self.thread.join().map_err(|_| Panicked("writer"))?;
        writer.finish(end).map(drop).map_err(failure)
    }
}

/// A pipe whose reader went away is known by its kind of I/O error.
fn failure(error: WriteError) -> anyhow::Error {
    if error.kind == crate::sink::capture::WriteErrorKind::BrokenPipe {
        return io::Error::new(io::ErrorKind::BrokenPipe, error).into();
    }
    error.into()
}

struct Work {
    writer: CaptureWriter,
    table: InterfaceTable,
    blocks: Receiver<Block>,
    recycle: Sender<Block>,
    wakes: Wakes,
}

impl Work {
    fn run(mut self) -> CaptureWriter {
        let mut failed = false;
        while let Ok(block) = self.blocks.recv() {
            // After a failure, keep taking: the writer remembers it, and the control plane ends the capture.
            if !failed && self.write(&block).is_err() {
                failed = true;
                self.wakes.send(Wake::SinkFailed);
            }
            drop(self.recycle.try_send(block));
        }
        self.writer
    }

    fn write(&mut self, block: &Block) -> Result<(), WriteError> {
        if !block.interfaces.is_empty() {
            self.table.learn(&block.interfaces);
            self.writer.learn(&self.table)?;
        }
        let mut drops = block.drops.iter().peekable();
        for (place, descriptor) in block.frames.iter().enumerate() {
            while let Some(dropped) = drops.next_if(|dropped| dropped.before <= place) {
                self.writer.dropped(dropped.interface, dropped.frames);
            }
            self.writer.write(&block.frame(descriptor))?;
        }
        drops.for_each(|dropped| self.writer.dropped(dropped.interface, dropped.frames));
        if self.blocks.is_empty() {
            self.writer.flush()?;
        }
        Ok(())
    }
}

/// Blocks on their way to the disk.
const BLOCKS: usize = 16;
