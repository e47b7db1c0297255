//! One frame, from the hook to its record.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use tcpkit_common::{
    counter::Counter,
    record::{Hook, RecordHeader},
    settings::{LINK_RAW, MAX_SNAPLEN},
};

use crate::{
    Skip,
    bounded::{Window, at_most},
    count::{self, Wire},
    emit, filter,
    hook::Frame,
    maps::{self, Parked, Row, Scratch, setting},
    parse::{self, State},
};

/// Bytes that the walk over the headers may need, whatever the snap length.
const WALK_LEN: u32 = 256;

/// Filters, counts and records one frame.
#[inline(always)]
pub fn frame<F: Frame>(frame: &F, hook: Hook, link: u32, row: &mut Row) -> Result<(), Skip> {
    let raw = link == LINK_RAW;
    let scratch = maps::scratch().ok_or(Skip::HelperFailed)?;
    // Asked once: at XDP it is a helper call.
    let frame_len = frame.frame_len();
    let verdict = filter::ask(frame, frame_len, hook);
    if verdict == filter::REJECT && !filter::may_belong(frame, raw) {
        return Err(Skip::Filtered);
    }
    park(scratch, frame_len, verdict);
    let frame_len = parked(scratch).frame_len;
    let Some(loaded) = load(frame, frame_len, scratch) else {
        count::frame(row, frame, Wire::of(frame, frame_len, 0));
        return Err(Skip::HelperFailed);
    };
    let state = walk(scratch, loaded, raw);
    let mut verdict = u64::from(parked(scratch).verdict);
    if verdict == filter::REJECT {
        verdict = filter::belongs(frame, frame_len, state, hook);
        if verdict == filter::REJECT {
            return Err(Skip::Filtered);
        }
    }
    if verdict == filter::OUT_OF_REACH {
        count::one(row, Counter::FilterOutOfReach);
    }
    filter::remember(state);
    let wire = Wire::of(frame, frame_len, state.headers_len);
    count::frame(row, frame, wire);
    count::protocols(row, state, wire);
    record(frame, frame_len, hook, scratch, loaded)
}

#[inline(always)]
fn park(scratch: *mut Scratch, frame_len: u32, verdict: u64) {
    // SAFETY: the scratch memory belongs to this CPU for the time of this run.
    unsafe { (&raw mut (*scratch).parked).write_volatile(Parked { frame_len, verdict: verdict as u32 }) };
}

#[inline(always)]
fn parked(scratch: *mut Scratch) -> Parked {
    // SAFETY: as above.
    unsafe { (&raw const (*scratch).parked).read_volatile() }
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

#[inline(always)]
fn record<F: Frame>(
    frame: &F,
    frame_len: u32,
    hook: Hook,
    scratch: *mut Scratch,
    loaded: u32,
) -> Result<(), Skip> {
    // SAFETY: as in `walk`.
    let hash = unsafe { (*scratch).state.flow_hash() };
    let (vlan_protocol, vlan_tci) = frame.vlan();
    let captured_len = loaded.min(setting!(snaplen));
    let header = RecordHeader {
        // SAFETY: the helper has no preconditions.
        monotonic_ns: unsafe { bpf_ktime_get_ns() },
        frame_len,
        captured_len,
        interface_index: frame.interface_index(),
        flow_hash: hash.0,
        gso_size: frame.gso_size() as u16,
        vlan_protocol,
        vlan_tci,
        hook: hook as u8,
        reserved: 0,
    };
    // SAFETY: as in `walk`; the captured bytes stand directly behind the header.
    let recorded = unsafe {
        (&raw mut (*scratch).header).write(header);
        emit::record(emit::shard_of(hash), &raw mut (*scratch).header, captured_len)
    };
    if recorded { Ok(()) } else { Err(Skip::RingFull) }
}
