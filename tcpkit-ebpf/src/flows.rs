//! What a frame adds to its flow.
//!
//! Counted before there is a record, so that what is known of a flow does not depend on room in a ring. A frame that
//! the parser finds no flow for is counted too, under no addresses: all frames that matched are in here.

use tcpkit_common::{
    flow::FlowHash,
    flow_count::{CountedFlow, FLOW_WAYS, FlowCounter, FlowSet, touched},
    record::Hook,
    settings::InterfaceSlot,
};

use crate::{
    bounded::sum,
    count::Wire,
    hook::Frame,
    maps::{self, setting},
    parse::{ADDRESSES, Found, PLAIN, PORTS, QUOTED, State, TUPLE_FIXED},
    plain,
};

/// Counts a frame for its flow; `found` is `None` where its headers could not be read.
#[inline(always)]
pub fn count<F: Frame>(
    frame: &F,
    interface: InterfaceSlot,
    hook: Hook,
    found: Option<Found>,
    wire: Wire,
    now: u64,
) {
    if setting!(flow_sets) == 0 {
        return;
    }
    let slot = interface.slot;
    let (flow, hash) = match found {
        Some(found) if found.known & PLAIN != 0 => (plain::flow(frame, slot, hook), found.hash),
        Some(found) => (walked(slot, hook), found.hash),
        None => (None, FlowHash(0)),
    };
    let flow = flow.unwrap_or(CountedFlow::new([0; 2], [0; 2], 0, 0, slot, hook));
    add(&flow, hash, wire, now);
}

/// The flow that the walk over the headers left in the scratch memory.
#[inline(always)]
fn walked(slot: u32, hook: Hook) -> Option<CountedFlow> {
    let scratch = maps::scratch()?;
    // SAFETY: the scratch memory belongs to this CPU for the time of this run, and the walk has just written it.
    let state: &State = unsafe { &(*scratch).state };
    let is_quote = state.has(QUOTED) && !state.has(TUPLE_FIXED);
    if !state.has(ADDRESSES) || is_quote {
        return None;
    }
    let ports = u32::from(state.source_port) << 16 | u32::from(state.destination_port);
    let ports = if state.has(PORTS) { ports } else { 0 };
    Some(CountedFlow::new(state.source, state.destination, ports, state.transport, slot, hook))
}

/// Adds to the counter of this flow, or gives it the place of another one.
#[inline(always)]
fn add(flow: &CountedFlow, hash: FlowHash, wire: Wire, now: u64) {
    let spread = spread(flow, hash);
    let index = (spread >> 40) as u32 & (setting!(flow_sets) - 1);
    let Some(set) = maps::flow_set(index) else { return };
    let tag = ((spread >> 8) as u32).max(1);
    let mut way = 0;
    while way < FLOW_WAYS && set.tags[way] != tag {
        way += 1;
    }
    let is_known = way < FLOW_WAYS;
    let way = if is_known { way } else { oldest(set, now) };
    let way = anywhere(way, now);
    // SAFETY: `anywhere` gives a number below `FLOW_WAYS`.
    let (counter, own_tag, own_touched) = unsafe {
        let set: *mut FlowSet = set;
        (
            &mut *(&raw mut (*set).counters).cast::<FlowCounter>().add(way),
            &mut *(&raw mut (*set).tags).cast::<u32>().add(way),
            &mut *(&raw mut (*set).touched).cast::<u32>().add(way),
        )
    };
    *own_touched = touched(now);
    if !is_known || !is_same(&counter.flow, flow) {
        take_over(counter, flow, now);
        *own_tag = tag;
    }
    counter.frames += 1;
    counter.packets += wire.packets;
    counter.bytes += wire.bytes;
    counter.last_ns = now;
}

/// Empties the place for another flow; whose it was gives way.
///
/// The agent reads at any time: an odd sequence number tells it that what it reads is of two flows.
#[inline(always)]
fn take_over(counter: &mut FlowCounter, flow: &CountedFlow, now: u64) {
    if counter.frames != 0 {
        maps::evict(counter);
    }
    let sequence = counter.sequence;
    let place: *mut FlowCounter = counter;
    // SAFETY: a reference is valid for writing. Volatile, so that the order of the writes stays.
    unsafe {
        (&raw mut (*place).sequence).write_volatile(sequence + 1);
        (&raw mut (*place).frames).write_volatile(0);
        (&raw mut (*place).packets).write_volatile(0);
        (&raw mut (*place).bytes).write_volatile(0);
        (&raw mut (*place).first_ns).write_volatile(now);
        (&raw mut (*place).last_ns).write_volatile(now);
        let words = (&raw mut (*place).flow).cast::<u64>();
        let mut at = 0;
        while at < flow.0.len() {
            words.add(at).write_volatile(flow.0[at]);
            at += 1;
        }
        (&raw mut (*place).sequence).write_volatile(sequence + 2);
    }
}

/// The place without a flow, or with the one that was silent longest.
#[inline(always)]
fn oldest(set: &FlowSet, now: u64) -> usize {
    let now = touched(now);
    let mut oldest = 0;
    let mut at = 0;
    while at < FLOW_WAYS {
        let age = now.wrapping_sub(set.touched[at]);
        let age = if set.tags[at] == 0 { u32::MAX } else { age };
        // Age and place in one number, so that the verifier sees one value and not a way for each place.
        let this = u64::from(age) << 3 | at as u64;
        oldest = if this > oldest { this } else { oldest };
        at += 1;
    }
    oldest as usize & (FLOW_WAYS - 1)
}

/// The same place, of which the verifier forgets what it knows, so that it examines what follows once and not once for
/// each place: the time since the machine was started has no bits so high, but only we know that.
#[inline(always)]
fn anywhere(way: usize, now: u64) -> usize {
    sum(now >> 60, way as u64) as usize & (FLOW_WAYS - 1)
}

#[inline(always)]
fn is_same(a: &CountedFlow, b: &CountedFlow) -> bool {
    let mut differing = 0;
    let mut at = 0;
    while at < a.0.len() {
        differing |= a.0[at] ^ b.0[at];
        at += 1;
    }
    differing == 0
}

/// Spreads flows over sets and tags. The flow hash has every bit of both ends, and is the same for both directions:
/// sender, ports, interface and hook tell those apart.
#[inline(always)]
fn spread(flow: &CountedFlow, hash: FlowHash) -> u64 {
    let [_, sender, _, _, others] = flow.0;
    let mixed = u64::from(hash.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let directed = (sender ^ others.rotate_left(16)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    mixed.wrapping_add(directed ^ directed >> 32)
}
