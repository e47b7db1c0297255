//! What a frame adds to its millisecond.

use tcpkit_common::{
    burst::{BURST_BIN_NS, BurstBin, burst_row},
    flow::FlowHash,
    record::Hook,
};

use crate::{
    count::Wire,
    maps::{self, setting},
};

/// Counts a frame for its millisecond.
#[inline(always)]
pub fn count(slot: u32, hook: Hook, hash: FlowHash, wire: Wire, now: u64) {
    let (bins, slots) = (setting!(burst_bins), setting!(slots));
    if bins == 0 || slot >= slots {
        return;
    }
    let row = burst_row(maps::cpu(), slot, hook, slots, bins);
    let Some(clock) = maps::burst(row) else { return };
    let millisecond = millisecond(clock, now);
    let Some(bin) = maps::burst(row + 1 + (millisecond as u32 & (bins - 1))) else { return };
    if bin.millisecond != millisecond {
        begin(bin, millisecond);
    }
    bin.packets += wire.packets as u32;
    bin.bytes += wire.bytes;
    vote(bin, hash.0, wire.bytes as u32);
}

/// Number of the millisecond of `now`. Dividing takes long, so it is done once in each.
#[inline(always)]
fn millisecond(clock: &mut BurstBin, now: u64) -> u64 {
    if now.wrapping_sub(clock.bytes) >= BURST_BIN_NS {
        clock.millisecond = now / BURST_BIN_NS;
        clock.bytes = clock.millisecond * BURST_BIN_NS;
    }
    clock.millisecond
}

/// The agent reads a bin only when its millisecond has long passed, and looks at the number before and after.
#[inline(always)]
fn begin(bin: &mut BurstBin, millisecond: u64) {
    let bin: *mut BurstBin = bin;
    // SAFETY: a reference is valid for writing. Volatile, so that the order of the writes stays.
    unsafe {
        (&raw mut (*bin).millisecond).write_volatile(millisecond);
        (&raw mut (*bin).bytes).write_volatile(0);
        (&raw mut (*bin).packets).write_volatile(0);
        (&raw mut (*bin).candidate).write_volatile(0);
        (&raw mut (*bin).weight).write_volatile(0);
    }
}

/// See [`BurstBin::candidate`].
#[inline(always)]
fn vote(bin: &mut BurstBin, hash: u32, bytes: u32) {
    if bin.candidate == hash {
        bin.weight += bytes;
    } else if bin.weight >= bytes {
        bin.weight -= bytes;
    } else {
        bin.candidate = hash;
        bin.weight = bytes - bin.weight;
    }
}
