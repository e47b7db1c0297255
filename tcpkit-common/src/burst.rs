//! Traffic by millisecond, counted in the kernel: for each CPU, interface and hook a ring of the last milliseconds.

use crate::record::Hook;

/// Nanoseconds of a bin.
pub const BURST_BIN_NS: u64 = 1_000_000;

/// Most milliseconds that a ring holds.
pub const MAX_BURST_BINS: u32 = 4_096;

/// One millisecond, or the clock of a ring, which is its first element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BurstBin {
    /// Number of the millisecond on the monotonic clock: a bin with another one is an old one.
    pub millisecond: u64,
    /// Bytes on the wire; in the ring's clock, the nanosecond at which its millisecond began.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u32,
    /// `FlowHash` of the flow that may have most of the bytes: if one has more than half of them, it is this one
    /// (R. S. Boyer and J. S. Moore, "MJRTY: a fast majority vote algorithm", 1981, with bytes as votes).
    pub candidate: u32,
    /// Bytes that are certainly the candidate's.
    pub weight: u32,
    /// Always 0.
    pub reserved: u32,
}

const _: () = assert!(size_of::<BurstBin>() == 32);

/// Place of the first element of a ring of `bins` milliseconds, where `slots` interfaces are captured.
#[inline(always)]
#[must_use]
pub const fn burst_row(cpu: u32, slot: u32, hook: Hook, slots: u32, bins: u32) -> u32 {
    ((cpu * slots + slot) * Hook::COUNT + hook as u32) * (bins + 1)
}
