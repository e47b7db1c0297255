//! One frame, from the hook to its record.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use tcpkit_common::{
    counter::Counter,
    flow::FlowHash,
    record::{Hook, RecordHeader},
    settings::{InterfaceSlot, LINK_RAW, MAX_SNAPLEN},
};

use crate::{
    Skip,
    bounded::{Window, at_most},
    bursts,
    count::{self, Wire},
    emit, filter, flows,
    hook::{Frame, Shape},
    maps::{self, Row, Scratch, setting},
    parse::{self, Found, State},
    plain,
};

/// Bytes that the walk over the headers may need, whatever the snap length.
const WALK_LEN: u32 = 256;

/// Filters, counts and records one frame.
#[inline(always)]
pub fn frame<F: Frame>(frame: &F, hook: Hook, interface: InterfaceSlot, row: &mut Row) -> Result<(), Skip> {
    let raw = interface.link == LINK_RAW;
    let frame_len = frame.frame_len();
    let verdict = filter::ask(frame, frame_len, hook);
    if verdict == filter::REJECT && !filter::may_belong(frame, raw) {
        return Err(Skip::Filtered);
    }
    let shape = Shape::of(frame, frame_len);
    let is_plain = verdict != filter::REJECT && !raw;
    let found = match if is_plain { plain::tcp(frame) } else { None } {
        Some(found) => found,
        None => walked(frame, &shape, hook, interface, verdict, row)?,
    };
    if verdict == filter::OUT_OF_REACH {
        count::one(row, Counter::FilterOutOfReach);
    }
    let wire = Wire::of(frame, &shape, found.headers_len);
    count::frame(row, &shape, wire);
    count::protocols(row, found.known, wire);
    let now = now();
    flows::count(frame, interface, hook, Some(found), wire, now);
    bursts::count(interface.slot, hook, found.hash, wire, now);
    let header = RecordHeader {
        monotonic_ns: now,
        frame_len: shape.frame_len,
        captured_len: shape.frame_len.min(setting!(snaplen)),
        interface_index: frame.interface_index(),
        flow_hash: found.hash.0,
        gso_size: shape.gso_size as u16,
        vlan_protocol: shape.vlan.0,
        vlan_tci: shape.vlan.1,
        hook: hook as u8,
        slot: interface.slot as u8,
    };
    emit::record(frame, &header)
}

/// Nanoseconds of the monotonic clock.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Walks the headers of a frame that is not plain; a rejected one may yet belong to something that was accepted.
#[inline(always)]
fn walked<F: Frame>(
    frame: &F,
    shape: &Shape,
    hook: Hook,
    interface: InterfaceSlot,
    verdict: u64,
    row: &mut Row,
) -> Result<Found, Skip> {
    let scratch = maps::scratch().ok_or(Skip::HelperFailed)?;
    let Some(loaded) = load(frame, shape.frame_len, scratch) else {
        let (wire, now) = (Wire::of(frame, shape, 0), now());
        count::frame(row, shape, wire);
        flows::count(frame, interface, hook, None, wire, now);
        bursts::count(interface.slot, hook, FlowHash(0), wire, now);
        return Err(Skip::HelperFailed);
    };
    // SAFETY: as in `walk`.
    unsafe { (&raw mut (*scratch).verdict).write_volatile(verdict) };
    let state = walk(scratch, loaded, interface.link == LINK_RAW);
    // SAFETY: as in `walk`.
    let verdict = unsafe { (&raw const (*scratch).verdict).read_volatile() };
    filter::remember(state, verdict != filter::REJECT);
    if verdict == filter::REJECT && filter::belongs(frame, shape, state, hook) == filter::REJECT {
        return Err(Skip::Filtered);
    }
    Ok(state.found())
}

/// Copies the beginning of the frame into the scratch memory; gives how many bytes.
#[inline(always)]
fn load<F: Frame>(frame: &F, frame_len: u32, scratch: *mut Scratch) -> Option<u32> {
    let len = frame_len.min(setting!(snaplen).max(WALK_LEN));
    if len == 0 {
        return None;
    }
    let len = at_most::<MAX_SNAPLEN>(u64::from(len));
    // SAFETY: the scratch memory holds `MAX_SNAPLEN` bytes.
    unsafe { frame.copy(0, (&raw mut (*scratch).bytes).cast(), len) }.then_some(len as u32)
}

#[inline(always)]
fn walk(scratch: *mut Scratch, loaded: u32, raw: bool) -> &'static State {
    let no_decap = setting!(no_decap) != 0;
    // SAFETY: the scratch memory belongs to this CPU for the time of this run and is never unmapped.
    unsafe {
        let state = &mut (*scratch).state;
        let window = Window::new((&raw const (*scratch).bytes).cast(), loaded);
        state.begin(raw);
        parse::walk(&window, state, no_decap);
        state
    }
}
