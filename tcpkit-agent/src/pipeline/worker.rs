//! A worker over batches: the analysis of files, and of live capture by libpcap.

use std::{sync::Arc, time::Duration};

use crossbeam_channel::{Receiver, Sender, select};

use super::{
    analyst::{Analyst, Request},
    batch::{Batch, Item, ItemKind},
};
use crate::{flow::prefetch, report::ShardSnapshot, source::Block, time::Timestamp};

/// What a worker thread needs.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) analyst: Analyst,
    pub(super) batches: Receiver<Batch>,
    pub(super) requests: Receiver<Request>,
    /// Where emptied blocks go back to the reader.
    pub(super) recycle: Sender<Block>,
}

impl Worker {
    /// Works until the reader is done; then finishes at the time that the reader left in `end`.
    pub(super) fn run(mut self, end: impl FnOnce(Timestamp) -> Timestamp) -> ShardSnapshot {
        loop {
            let wait = if self.analyst.is_listing() { Duration::ZERO } else { IDLE };
            self.analyst.list_on();
            select! {
                recv(self.batches) -> batch => match batch {
                    Ok(batch) => self.on_batch(batch),
                    Err(_) => break,
                },
                recv(self.requests) -> request => if let Ok(request) = request { self.on_request(request) },
                default(wait) => {}
            }
        }
        let end = end(self.analyst.now());
        self.analyst.finish(end)
    }

    fn on_batch(&mut self, batch: Batch) {
        match batch {
            Batch::Whole { block, watermark } => self.on_whole(*block, watermark),
            Batch::Share { block, items, watermark } => self.on_share(block, items, watermark),
            Batch::Idle(watermark) => self.analyst.flush(watermark),
            Batch::Interface(id, facts) => self.analyst.on_interface(id, facts),
        }
    }

    fn on_whole(&mut self, block: Block, mut watermark: Timestamp) {
        for (number, descriptor) in block.frames.iter().enumerate() {
            fetch(&block, number + AHEAD);
            watermark = watermark.max(descriptor.timestamp);
            self.analyst.on_frame(&block.frame(descriptor), watermark);
        }
        self.analyst.flush(watermark);
        self.give_back(block);
    }

    fn on_share(&mut self, block: Arc<Block>, items: Vec<Item>, watermark: Timestamp) {
        for Item { what, watermark } in items {
            match what {
                ItemKind::Frame(number) => {
                    fetch(&block, number as usize + AHEAD);
                    if let Some(descriptor) = block.frames.get(number as usize) {
                        self.analyst.on_frame(&block.frame(descriptor), watermark);
                    }
                }
                ItemKind::Datagram(foreign) => self.analyst.on_foreign(*foreign, watermark),
            }
        }
        self.analyst.flush(watermark);
        if let Some(block) = Arc::into_inner(block) {
            self.give_back(block);
        }
    }

    /// A reader that has blocks enough, or is gone, does not want it back: then its memory is freed.
    fn give_back(&self, block: Block) {
        drop(self.recycle.try_send(block));
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::HandOver(reply) => self.analyst.pause(|analyst| {
                drop(reply.send(analyst.hand_over_measured(None)));
            }),
            Request::Flows(asked) => self.analyst.ask_for_flows(asked),
            Request::Adjust(adjustment) => self.analyst.pause(|analyst| analyst.adjust(&adjustment)),
            Request::Interface(id, facts) => {
                self.analyst.pause(|analyst| analyst.on_interface(id, facts));
            }
            // A worker over batches ends when its reader does.
            Request::Drain(reply) => {
                let _asker_went_away = reply.send(());
            }
            Request::Finish(_) => {}
        }
    }
}

/// Asks for the headers of a frame: another processor has read them from the file, and memory takes as long as the
/// analysis of some frames.
#[inline]
fn fetch(block: &Block, number: usize) {
    let frame = block.frames.get(number);
    let bytes = frame.and_then(|frame| block.bytes.get(frame.offset as usize..));
    if let Some(headers) = bytes.and_then(<[u8]>::first_chunk::<HEADERS>) {
        prefetch(headers);
    }
}

/// Longest sleep: whatever comes wakes the worker.
const IDLE: Duration = Duration::from_secs(3_600);

/// How many frames ahead.
const AHEAD: usize = 8;

/// Octets of Ethernet, IPv4, and TCP with its time stamps.
const HEADERS: usize = 66;
