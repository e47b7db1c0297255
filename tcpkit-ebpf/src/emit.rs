//! Records into rings. The transport between kernel and agent is known only here and in the agent's `ring`.

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated::{bpf_ringbuf_discard, bpf_ringbuf_output, bpf_ringbuf_reserve},
};
use tcpkit_common::record::RecordHeader;

use crate::{
    bounded::at_most,
    maps::{self, setting},
};
use tcpkit_common::settings::MAX_SNAPLEN;

/// Puts header and captured bytes, which stand behind each other at `record`, into the ring of `shard`; false when
/// there is no room.
///
/// # Safety
/// `record` points to a header and `MAX_SNAPLEN` bytes behind it.
#[inline(always)]
pub unsafe fn record(shard: u32, record: *mut RecordHeader, captured_len: u32) -> bool {
    let Some(ring) = maps::ring(shard) else { return false };
    let len = size_of::<RecordHeader>() as u64 + at_most::<MAX_SNAPLEN>(u64::from(captured_len));
    // SAFETY: the caller vouches for `record`, and the verifier checks it.
    let failed = unsafe { bpf_ringbuf_output(ring, record.cast(), len, u64::from(BPF_RB_NO_WAKEUP)) };
    wake(shard, ring);
    failed == 0
}

/// Wakes the reader of this ring if it sleeps.
///
/// The reader raises its flag and then looks whether the ring is empty; this looks at the flag after the record is
/// in the ring, and committing a record is a full barrier. So one of them sees what the other did.
#[inline(always)]
fn wake(shard: u32, ring: *mut core::ffi::c_void) {
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

/// The ring of a flow.
#[inline(always)]
pub fn shard_of(hash: tcpkit_common::flow::FlowHash) -> u32 {
    hash.shard(setting!(shards))
}
