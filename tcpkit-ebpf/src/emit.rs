//! Records into rings. The transport between kernel and agent is known only here and in the agent's `ring`.
//!
//! A reservation must have a constant size, so there are a few classes of it; the reader takes a record's length from
//! its header. What is longer than the largest class goes through the scratch memory.

use core::{arch::asm, ffi::c_void};

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ringbuf_discard, bpf_ringbuf_output, bpf_ringbuf_reserve, bpf_ringbuf_submit},
};
use tcpkit_common::{flow::FlowHash, record::RecordHeader, settings::MAX_SNAPLEN};

use crate::{
    Skip,
    bounded::at_most,
    hook::Frame,
    maps::{self, setting},
};

/// Puts header and the first `header.captured_len` bytes of the frame into the ring of its shard.
#[inline(always)]
pub fn record<F: Frame>(frame: &F, header: &RecordHeader) -> Result<(), Skip> {
    let shard = FlowHash(header.flow_hash).shard(setting!(shards));
    let Some(ring) = maps::ring(shard) else { return Err(Skip::RingFull) };
    match header.captured_len {
        0 => Err(Skip::HelperFailed),
        1..=64 => reserved::<F, 64>(frame, header, ring),
        65..=96 => reserved::<F, 96>(frame, header, ring),
        97..=128 => reserved::<F, 128>(frame, header, ring),
        129..=256 => reserved::<F, 256>(frame, header, ring),
        _ => copied(frame, header, ring),
    }?;
    wake(shard, ring);
    Ok(())
}

/// Reserves room for `CLASS` bytes behind the header and copies the frame right there.
#[inline(always)]
fn reserved<F: Frame, const CLASS: u32>(
    frame: &F,
    header: &RecordHeader,
    ring: *mut c_void,
) -> Result<(), Skip> {
    const HEADER: usize = size_of::<RecordHeader>();
    // SAFETY: what is reserved holds the header and `CLASS` bytes, and it is submitted or discarded once.
    unsafe {
        let room = bpf_ringbuf_reserve(ring, HEADER as u64 + u64::from(CLASS), 0);
        if room.is_null() {
            return Err(Skip::RingFull);
        }
        room.cast::<RecordHeader>().write(*header);
        let len = at_most::<CLASS>(u64::from(header.captured_len));
        let to = room.cast::<u8>().add(HEADER);
        if !copied_in_place::<F, CLASS>(frame, to, len) && !frame.copy(0, to, len) {
            bpf_ringbuf_discard(room, u64::from(BPF_RB_NO_WAKEUP));
            return Err(Skip::HelperFailed);
        }
        bpf_ringbuf_submit(room, u64::from(BPF_RB_NO_WAKEUP));
    }
    Ok(())
}

/// Copies a short frame that lies in one piece word by word: its first half class and its last one, which overlap.
/// False for any other. A call of the helper costs more than these few words.
///
/// # Safety
/// `to` points to `CLASS` writable bytes; `len` is at most that.
#[inline(always)]
unsafe fn copied_in_place<F: Frame, const CLASS: u32>(frame: &F, to: *mut u8, len: u64) -> bool {
    let half = CLASS as usize / 2;
    let (data, end) = frame.linear();
    if CLASS > 96 || len < half as u64 || data + half > end {
        return false;
    }
    let back = at_most::<{ 96 / 2 }>(len - half as u64) as usize;
    let last = data + back;
    if last + half > end {
        return false;
    }
    // SAFETY: both halves lie before the packet's end, as was just checked, and within the class.
    unsafe {
        words::<CLASS>(data as *const u8, to);
        words::<CLASS>(last as *const u8, to.add(back));
    }
    true
}

/// Copies half a class.
///
/// # Safety
/// Both point to as many bytes.
#[inline(always)]
unsafe fn words<const CLASS: u32>(from: *const u8, to: *mut u8) {
    let mut at = 0;
    while at < CLASS as usize / 2 {
        // SAFETY: the caller's. Assembly, because the compiler would move unaligned words byte by byte.
        unsafe {
            asm!("{0} = *(u64 *)({1} + 0)", "*(u64 *)({2} + 0) = {0}",
                out(reg) _, in(reg) from.add(at), in(reg) to.add(at), options(nostack));
        }
        at += 8;
    }
}

/// The same by way of the scratch memory.
#[inline(always)]
fn copied<F: Frame>(frame: &F, header: &RecordHeader, ring: *mut c_void) -> Result<(), Skip> {
    let scratch = maps::scratch().ok_or(Skip::HelperFailed)?;
    let len = at_most::<MAX_SNAPLEN>(u64::from(header.captured_len));
    // SAFETY: the scratch memory belongs to this CPU for the time of this run; it holds a header and, directly behind
    // it, `MAX_SNAPLEN` bytes.
    unsafe {
        if !frame.copy(0, (&raw mut (*scratch).bytes).cast(), len) {
            return Err(Skip::HelperFailed);
        }
        (&raw mut (*scratch).header).write(*header);
        let start = &raw mut (*scratch).header;
        let len = size_of::<RecordHeader>() as u64 + len;
        match bpf_ringbuf_output(ring, start.cast(), len, u64::from(BPF_RB_NO_WAKEUP)) {
            0 => Ok(()),
            _ => Err(Skip::RingFull),
        }
    }
}

/// Wakes the reader of this ring if it sleeps.
///
/// The reader raises its flag and then looks whether the ring is empty; this looks at the flag after the record is
/// in the ring, and committing a record is a full barrier. So one of them sees what the other did.
#[inline(always)]
fn wake(shard: u32, ring: *mut c_void) {
    let Some(flag) = maps::sleeper(shard) else { return };
    // SAFETY: the map lives as long as the program; the reader writes the same word.
    unsafe {
        if flag.read_volatile() == 0 {
            return;
        }
        flag.write_volatile(0);
        // A record that the reader skips: the only thing that wakes and writes nothing.
        let nothing = bpf_ringbuf_reserve(ring, 8, 0);
        if !nothing.is_null() {
            bpf_ringbuf_discard(nothing, u64::from(BPF_RB_FORCE_WAKEUP));
        }
    }
}
