//! What a flow costs: octets allocated for each of a million half-open flows, and of a million established ones.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tcpkit_agent::{
    flow::{Arrival, Changes, FlowLimits, FlowTable},
    pipeline::EngineSettings,
    time::{Span, Timestamp},
    wire::{InterfaceId, Segment, SeqNumber, TcpFlags, TcpOptions},
};
use tcpkit_common::flow::{Address, FlowHash, FourTuple};

const HALF_OPEN: u32 = 1_000_000;
const ESTABLISHED: u32 = 1_000_000;

/// The system's allocator, and how much of it is in use.
struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        IN_USE.fetch_add(new_size, Ordering::Relaxed);
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// `{"half_open": BYTES, "established": BYTES}`: octets for each flow, everything included.
///
/// # Errors
/// When the table does not hold what it was given.
pub(crate) fn run() -> Result<Value> {
    let half_open = per_flow(HALF_OPEN, Bench::ask)?;
    let established = per_flow(ESTABLISHED, Bench::establish)?;
    Ok(json!({ "half_open": half_open, "established": established }))
}

/// Octets in use for each of so many flows that come about like this.
#[expect(clippy::cast_precision_loss, reason = "2^53 octets are more than any machine has")]
fn per_flow(flows: u32, come_about: impl Fn(&mut Bench, u32)) -> Result<f64> {
    let mut bench = Bench::new();
    // What the first flow brings along belongs to none of them.
    come_about(&mut bench, flows);
    let before = IN_USE.load(Ordering::Relaxed);
    (0..flows).for_each(|number| come_about(&mut bench, number));
    let used = IN_USE.load(Ordering::Relaxed).saturating_sub(before);
    let counts = bench.table.counts();
    ensure!(counts.open == u64::from(flows) + 1 && counts.evicted == 0, "the table lost flows: {counts:?}");
    Ok(used as f64 / f64::from(flows))
}

/// A table, and a clock that moves by a microsecond for each segment.
struct Bench {
    table: FlowTable,
    changes: Changes,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let flows = EngineSettings::replay(1).flows;
        let limits = FlowLimits { max_flows: 4 * HALF_OPEN, max_half_open: 2 * HALF_OPEN, ..flows };
        let now = Timestamp(1_700_000_000_000_000_000);
        Self { table: FlowTable::new(limits), changes: Changes::default(), now }
    }

    fn ask(&mut self, number: u32) {
        self.take(&tuple(number), TcpFlags::SYN, 999, 0, 0);
    }

    /// A handshake, a request and its answer, all of it acknowledged.
    fn establish(&mut self, number: u32) {
        let there = tuple(number);
        let back = there.reversed();
        self.ask(number);
        self.take(&back, TcpFlags::SYN.with(TcpFlags::ACK), 4_999, 1_000, 0);
        self.take(&there, TcpFlags::ACK, 1_000, 5_000, 0);
        self.take(&there, TcpFlags::ACK, 1_000, 5_000, 100);
        self.take(&back, TcpFlags::ACK, 5_000, 1_100, 1_000);
        self.take(&there, TcpFlags::ACK, 1_100, 6_000, 0);
    }

    fn take(&mut self, tuple: &FourTuple, flags: TcpFlags, seq: u32, ack: u32, payload_len: u32) {
        self.now = self.now + Span(1_000);
        let segment = Segment {
            tuple: *tuple,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags,
            window: 0xffff,
            payload_len,
            header_len: 54,
            payload: &[],
            options: TcpOptions::default(),
            is_ce: false,
        };
        let arrival = Arrival {
            timestamp: self.now,
            now: self.now,
            interface: InterfaceId(0),
            identity: 0,
            is_named: false,
            frame_len: 54 + payload_len,
            gso_size: 0,
        };
        self.table.advance(self.now, &mut self.changes);
        self.table.on_segment(FlowHash::of(tuple), &segment, &arrival, &mut self.changes);
        self.changes.clear();
    }
}

/// A client of its own for each flow.
fn tuple(number: u32) -> FourTuple {
    let [a, b, c, d] = number.to_be_bytes();
    FourTuple {
        source: Address::v4([11 + a, b, c, d]),
        destination: Address::v4([10, 0, 0, 2]),
        source_port: 40_000,
        destination_port: 80,
    }
}
