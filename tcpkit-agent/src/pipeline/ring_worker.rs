//! A worker over a ring: live capture by eBPF, one thread per shard, nothing shared on the way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, Sender};
use tcpkit_common::record::{Hook, RecordHeader};

use super::analyst::{Analyst, Request};
use crate::{
    report::ShardSnapshot,
    source::{
        Block, FrameDescriptor,
        live::{Clock, RingReader},
    },
    time::{Span, Timestamp},
    wire::{Frame, FrameDirection, InterfaceId, LinkType},
};

/// What a worker thread of a live capture needs.
#[derive(Debug)]
pub(super) struct RingWorker {
    pub(super) analyst: Analyst,
    pub(super) ring: RingReader,
    pub(super) requests: Receiver<Request>,
    pub(super) translation: Translation,
    /// Latest timestamp that any worker has seen, in nanoseconds.
    pub(super) watermark: Arc<AtomicI64>,
    /// Frames that all workers together may still take, where there is such a bound.
    pub(super) remaining: Option<Arc<AtomicU64>>,
    /// Where frames go that `-w` wants.
    pub(super) capture: Option<CaptureTap>,
}

/// From a record of the ring to a frame.
#[derive(Clone, Debug)]
pub struct Translation {
    clock: Arc<Clock>,
    /// How frames of each interface begin, by its slot, which is our number of it.
    link_types: Vec<LinkType>,
    /// A tagged frame with its tag put back.
    scratch: Vec<u8>,
}

/// Copies frames for the writer of `-w`, in the order in which they are analysed.
#[derive(Debug)]
pub struct CaptureTap {
    blocks: Sender<Block>,
    recycle: Receiver<Block>,
    block: Block,
}

/// What a request made of the worker.
enum Turn {
    Continue,
    Finish(Timestamp),
}

impl RingWorker {
    /// Works until it is asked to finish.
    ///
    /// A drained ring is left alone for a moment: records that come one by one are then taken together, and the
    /// kernel's side of a busy ring is not disturbed by a reader that looks without end. Only a ring that stayed empty
    /// all that time is waited for, which costs the kernel a wake-up.
    pub(super) fn run(mut self) -> ShardSnapshot {
        loop {
            let taken = self.poll();
            self.analyst.empty_inbox();
            while let Ok(request) = self.requests.try_recv() {
                if let Turn::Finish(end) = self.on_request(request) {
                    return self.finish(end);
                }
            }
            self.flush(taken);
            if self.analyst.is_listing() {
                self.analyst.list_on();
            } else if taken == 0 {
                self.wait();
            } else if taken < BUDGET {
                std::thread::sleep(NAP);
            }
        }
    }

    fn wait(&mut self) {
        if self.ring.wait(IDLE_WAIT).is_err() {
            // Whatever the kernel has against waiting, the capture goes on.
            std::thread::sleep(IDLE_WAIT);
        }
    }

    /// Analyses what the ring holds, up to a budget; gives the number of frames.
    fn poll(&mut self) -> usize {
        let Self { analyst, ring, translation, watermark, capture, remaining, .. } = self;
        let mut latest = Timestamp(watermark.load(Relaxed));
        let taken = ring.poll(BUDGET, |header, bytes| {
            let Some(frame) = translation.frame(header, bytes) else { return };
            if remaining.as_deref().is_some_and(|remaining| !take_one(remaining)) {
                return analyst.on_frame_beyond_count(&frame);
            }
            latest = latest.max(frame.timestamp);
            analyst.on_frame(&frame, latest);
            if let Some(tap) = capture {
                tap.copy(&frame);
            }
        });
        watermark.fetch_max(latest.0, Relaxed);
        taken
    }

    /// Hands results on. An idle capture's time goes on with the clock, a busy one's with its frames.
    fn flush(&mut self, taken: usize) {
        let mut latest = Timestamp(self.watermark.load(Relaxed));
        if taken == 0 {
            latest = latest.max(Timestamp(self.translation.clock.now().0.saturating_sub_unsigned(SLACK.0)));
        }
        self.analyst.flush(latest);
        if let Some(tap) = &mut self.capture {
            tap.flush();
        }
    }

    fn on_request(&mut self, request: Request) -> Turn {
        match request {
            Request::HandOver(reply) => {
                let fill = self.ring.fill();
                self.analyst.pause(|analyst| drop(reply.send(analyst.hand_over_measured(Some(fill)))));
            }
            Request::Flows(asked) => self.analyst.ask_for_flows(asked),
            Request::Adjust(adjustment) => self.analyst.pause(|analyst| analyst.adjust(&adjustment)),
            Request::Interface(id, facts) => {
                self.analyst.pause(|analyst| analyst.on_interface(id, facts));
            }
            Request::Drain(reply) => {
                while self.poll() > 0 {}
                self.flush(0);
                let _asker_went_away = reply.send(());
            }
            Request::Finish(end) => return Turn::Finish(end),
        }
        Turn::Continue
    }

    fn finish(mut self, end: Timestamp) -> ShardSnapshot {
        if let Some(tap) = &mut self.capture {
            tap.flush();
        }
        self.analyst.finish(end)
    }
}

impl Translation {
    /// Of records of interfaces with these link types, by this clock.
    #[must_use]
    pub const fn new(clock: Arc<Clock>, link_types: Vec<LinkType>) -> Self {
        Self { clock, link_types, scratch: Vec::new() }
    }

    /// The frame that a record stands for; `None` for a record of no interface of ours, which cannot happen.
    fn frame<'a>(&'a mut self, header: &RecordHeader, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let interface = InterfaceId(u16::from(header.slot));
        let link_type = *self.link_types.get(usize::from(header.slot))?;
        let hook = Hook::from_number(header.hook)?;
        let timestamp = self.clock.timestamp(header.monotonic_ns);
        let (bytes, tag_len) = tagged(&mut self.scratch, header, bytes);
        Some(Frame {
            timestamp,
            interface,
            link_type,
            direction: direction(hook),
            hook: Some(hook),
            frame_len: header.frame_len.saturating_add(tag_len),
            gso_size: header.gso_size,
            bytes,
        })
    }
}

/// Whether there was one more to take.
fn take_one(remaining: &AtomicU64) -> bool {
    remaining.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// The frame's bytes with the tag that the kernel keeps apart, and the octets that it adds.
fn tagged<'a>(scratch: &'a mut Vec<u8>, header: &RecordHeader, bytes: &'a [u8]) -> (&'a [u8], u32) {
    const ADDRESSES: usize = 12;
    if header.vlan_protocol == 0 {
        return (bytes, 0);
    }
    let Some((addresses, rest)) = bytes.split_at_checked(ADDRESSES) else { return (bytes, 0) };
    scratch.clear();
    scratch.extend_from_slice(addresses);
    scratch.extend_from_slice(&header.vlan_protocol.to_be_bytes());
    scratch.extend_from_slice(&header.vlan_tci.to_be_bytes());
    scratch.extend_from_slice(rest);
    (scratch, 4)
}

impl CaptureTap {
    /// A tap into this channel, with memory from that one.
    #[must_use]
    pub fn new(blocks: Sender<Block>, recycle: Receiver<Block>) -> Self {
        Self { blocks, recycle, block: Block::default() }
    }

    fn copy(&mut self, frame: &Frame<'_>) {
        let (Ok(offset), Ok(captured_len)) =
            (u32::try_from(self.block.bytes.len()), u32::try_from(frame.bytes.len()))
        else {
            return;
        };
        self.block.bytes.extend_from_slice(frame.bytes);
        self.block.frames.push(FrameDescriptor {
            timestamp: frame.timestamp,
            offset,
            captured_len,
            frame_len: frame.frame_len,
            interface: frame.interface,
            link_type: frame.link_type,
            gso_size: frame.gso_size,
            direction: frame.direction,
        });
        if self.block.bytes.len() >= TAP_BYTES {
            self.flush();
        }
    }

    /// Waits for a slow disk: then the ring fills up, and file and report lose the same frames, by name.
    fn flush(&mut self) {
        if self.block.frames.is_empty() {
            return;
        }
        let mut next = self.recycle.try_recv().unwrap_or_default();
        next.clear();
        // A writer that failed has told the control plane, which ends the capture.
        drop(self.blocks.send(std::mem::replace(&mut self.block, next)));
    }
}

const fn direction(hook: Hook) -> FrameDirection {
    match hook {
        Hook::XdpIngress | Hook::TcIngress => FrameDirection::Inbound,
        Hook::TcEgress => FrameDirection::Outbound,
    }
}

/// Records between two looks at the inbox and the requests.
const BUDGET: usize = 512;

/// Pause after a ring was drained: at ten million frames per second some hundred kilobytes gather meanwhile.
const NAP: Duration = Duration::from_micros(500);

/// Longest sleep of an idle worker: bounds the delay of a request and of a timer.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// A frame of this age may still be on its way through a ring when timers run by the clock.
const SLACK: Span = Span::from_secs(1);

/// Bytes that a tap collects before it hands them on.
const TAP_BYTES: usize = 256 << 10;
