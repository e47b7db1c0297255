//! What flows have sent since that was told last.
//!
//! Who sums traffic up by address or port looks a flow up once a second instead of once a segment. A flow is told of
//! [`DELAY`] of capture time after the first frame that was not told yet, and when it leaves; what was told adds up to
//! what it sent. Memory is bounded by the number of flows: when as many as there may be wait or have gone, the one that
//! has waited longest is told of early, which changes when, not what.

use std::collections::VecDeque;

use super::{
    key::{FlowKey, Side},
    prefetch::prefetch,
    slab::Slab,
    state::Flow,
    stream::Streams,
};
use crate::time::{Span, Timestamp};

/// What one side of a flow sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SideTraffic {
    /// Frames captured.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Octets of payload.
    pub payload_bytes: u64,
    /// Of the payload, octets that had been sent before.
    pub retransmitted_bytes: u64,
}

/// What a flow sent since it was told of last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowTraffic {
    /// Which flow.
    pub flow: FlowKey,
    /// Which of its ends is the client.
    pub client: Side,
    /// What each [`Side`] sent.
    pub sent: [SideTraffic; 2],
    /// It is told of for the first time.
    pub is_new: bool,
}

/// How far a flow has been told of, in the four octets that a flow has for it: nothing, everything, or the number under
/// which it waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Telling(u32);

impl Default for Telling {
    fn default() -> Self {
        Self::NEVER
    }
}

/// It is nothing that a flow is: flows that differ in it alone are the same.
impl std::fmt::Debug for Telling {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Telling")
    }
}

/// Flows with something to tell, in the order in which it falls due.
#[derive(Debug)]
pub(super) struct Untold {
    waiting: VecDeque<Waiting>,
    /// Number of the first of them; they wrap at [`NUMBERS`].
    first: u32,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Timestamp,
    /// Where the flow is; `None` once it has gone.
    slot: Option<u32>,
    is_new: bool,
    /// What was told of it before.
    told: [SideTraffic; 2],
}

impl Untold {
    /// Nothing yet; at most `limit` flows wait.
    pub(super) fn new(limit: u32) -> Self {
        Self { waiting: VecDeque::new(), first: 0, limit: limit.max(1) as usize }
    }

    /// When the first flow is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.waiting.front().map(|first| first.due)
    }

    /// Whether one more has no room until the first is told of.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limit
    }

    /// A flow has something to tell from `now` on, or has it already where it is new; when that is due.
    pub(super) fn wait(
        &mut self,
        slot: u32,
        flow: &mut Flow,
        streams: &Streams,
        now: Timestamp,
    ) -> Timestamp {
        let is_new = flow.telling == Telling::NEVER;
        let told = if is_new { Default::default() } else { sent(flow, streams) };
        let due = due_after(now);
        flow.telling = Telling(self.first.wrapping_add(number(self.waiting.len())) & NUMBERS);
        self.waiting.push_back(Waiting { due, slot: Some(slot), is_new, told });
        due
    }

    /// Tells of the first flow that waits, if it is still there.
    pub(super) fn tell_first(&mut self, slab: &mut Slab, streams: &Streams, traffic: &mut Vec<FlowTraffic>) {
        let Some(first) = self.waiting.pop_front() else { return };
        self.fetch_next(slab, streams);
        self.first = self.first.wrapping_add(1) & NUMBERS;
        let Some(slot) = first.slot else { return };
        let flow = slab.flow_mut(slot);
        flow.telling = Telling::TOLD;
        tell(flow, streams, &first.told, first.is_new, traffic);
    }

    /// Asks for the memory of the flows that are told of next: nobody has looked at most of them for a second.
    fn fetch_next(&self, slab: &Slab, streams: &Streams) {
        let [next, later] = [0, 1].map(|place| self.waiting.get(place)?.slot);
        if let Some(later) = later {
            prefetch(slab.flow(later));
        }
        if let Some(next) = next {
            streams.fetch(slab.flow(next).streams);
        }
    }

    /// A flow leaves: tells of what is left.
    pub(super) fn tell_last(&mut self, flow: &Flow, streams: &Streams, traffic: &mut Vec<FlowTraffic>) {
        if flow.telling == Telling::NEVER {
            return tell(flow, streams, &Default::default(), true, traffic);
        }
        let place = flow.telling.0.wrapping_sub(self.first) & NUMBERS;
        let waiting = self.waiting.get_mut(place as usize).filter(|_| flow.telling.is_waiting());
        if let Some(waiting) = waiting {
            waiting.slot = None;
            tell(flow, streams, &waiting.told, waiting.is_new, traffic);
        }
    }
}

impl Telling {
    /// Of nothing.
    pub(super) const NEVER: Self = Self(u32::MAX);
    /// Of everything.
    const TOLD: Self = Self(u32::MAX - 1);

    /// Of a part.
    #[inline]
    pub(super) const fn is_waiting(self) -> bool {
        self.0 <= NUMBERS
    }
}

impl SideTraffic {
    /// Adds what else was sent.
    pub const fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.payload_bytes += other.payload_bytes;
        self.retransmitted_bytes += other.retransmitted_bytes;
    }

    /// What was sent since `before`.
    const fn since(&self, before: &Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            packets: self.packets - before.packets,
            bytes: self.bytes - before.bytes,
            payload_bytes: self.payload_bytes - before.payload_bytes,
            retransmitted_bytes: self.retransmitted_bytes - before.retransmitted_bytes,
        }
    }
}

fn tell(
    flow: &Flow,
    streams: &Streams,
    told: &[SideTraffic; 2],
    is_new: bool,
    traffic: &mut Vec<FlowTraffic>,
) {
    let now = sent(flow, streams);
    // A frame that was no more than a copy of one on another interface made it wait for nothing.
    if now != *told || is_new {
        let sent = [now[0].since(&told[0]), now[1].since(&told[1])];
        traffic.push(FlowTraffic { flow: *flow.key(), client: flow.client(), sent, is_new });
    }
}

/// All that a flow sent.
fn sent(flow: &Flow, streams: &Streams) -> [SideTraffic; 2] {
    let again = streams.retransmitted_bytes(flow.streams);
    [Side::Low, Side::High].map(|side| {
        let state = flow.side(side);
        SideTraffic {
            frames: state.frames,
            packets: state.segments,
            bytes: state.bytes,
            payload_bytes: state.payload_bytes,
            retransmitted_bytes: again[side as usize],
        }
    })
}

/// Bits of the numbers under which flows wait; there are no more flows (`Slab::MAX_FLOWS`).
const NUMBERS: u32 = u32::MAX >> 1;

/// Rounded up, so that many fall due together: looking for one costs as much as telling of it.
const fn due_after(now: Timestamp) -> Timestamp {
    let due = now.0.saturating_add(DELAY.0.cast_signed());
    Timestamp(due | (TOGETHER - 1))
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("the bound on those that wait is a u32")
}

/// How long a flow that has something to tell waits for more.
const DELAY: Span = Span::from_secs(1);
/// Nanoseconds whose flows fall due together, a power of two: 8 ms.
const TOGETHER: i64 = 1 << 23;
