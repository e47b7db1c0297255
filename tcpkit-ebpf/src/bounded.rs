//! Bounds that the verifier believes, and reads at them.
//!
//! The compiler drops a check that it can prove, and then the verifier, which forgets more, refuses the program.
//! Inline assembly keeps check and use on one register.

use core::arch::asm;

use tcpkit_common::settings::MAX_SNAPLEN;

use crate::parse::{Bytes, Header};

/// `value`, or `MAX` when it is larger.
#[inline(always)]
pub fn at_most<const MAX: u32>(mut value: u64) -> u64 {
    // SAFETY: touches only its operand; both ways lead behind the template.
    unsafe {
        asm!("if {0} <= {1} goto +1", "{0} = {1}", inout(reg) value, const MAX,
            options(pure, nomem, nostack));
    }
    value
}

/// `value`, or 1 when it is 0.
#[inline(always)]
pub fn at_least_one(mut value: u64) -> u64 {
    // SAFETY: as above.
    unsafe {
        asm!("if {0} > 0 goto +1", "{0} = 1", inout(reg) value, options(pure, nomem, nostack));
    }
    value
}

/// `first + second`, as a register that begins as `first`.
///
/// Where one summand is a known number, verifiers since Linux 6.10 derive the other one's bounds from what a comparison
/// tells of their sum (`sync_linked_regs`, linux/kernel/bpf/verifier.c). The first of them take the unsigned bounds that
/// result for unknown and forget those that they knew. They link the register that the sum began with, so `second`
/// keeps the bounds that a helper wants to see.
#[inline(always)]
pub fn sum(first: u64, second: u64) -> u64 {
    let mut sum = first;
    // SAFETY: touches only its operands.
    unsafe {
        asm!("{0} += {1}", inout(reg) sum, in(reg) second, options(pure, nomem, nostack));
    }
    sum
}

/// `end - start` of packet pointers, which only 64-bit subtraction may touch.
#[inline(always)]
pub fn distance(start: usize, end: usize) -> u64 {
    let mut difference = end as u64;
    // SAFETY: touches only its operands.
    unsafe {
        asm!("{0} -= {1}", inout(reg) difference, in(reg) start as u64, options(pure, nomem, nostack));
    }
    difference
}

/// The first bytes of a frame, in the scratch memory of this CPU.
pub struct Window {
    /// `MAX_SNAPLEN` readable bytes.
    base: *const u8,
    /// How many of them belong to the frame at hand.
    len: u32,
}

impl Window {
    /// # Safety
    /// `base` points to `MAX_SNAPLEN` readable bytes of map memory.
    #[inline(always)]
    pub unsafe fn new(base: *const u8, len: u32) -> Self {
        Self { base, len }
    }
}

/// Headers begin below this; further in the walk finds nothing more.
const MAX_OFFSET: u32 = 8_192;
const _: () = assert!(MAX_OFFSET + 64 < MAX_SNAPLEN);

impl Bytes for Window {
    type Header = At;

    #[inline(always)]
    fn header(&self, offset: u32, need: u32) -> Option<At> {
        if offset + need > self.len || offset >= MAX_OFFSET {
            return None;
        }
        let at = at_most::<MAX_OFFSET>(u64::from(offset));
        // SAFETY: `at` and the longest header end within the scratch memory, see the assertion above.
        Some(At(unsafe { self.base.add(at as usize) }))
    }
}

/// A header in scratch memory.
#[derive(Clone, Copy)]
pub struct At(*const u8);

impl Header for At {
    #[inline(always)]
    fn u8(self, at: usize) -> u8 {
        // SAFETY: the header was asked for with a length beyond `at`.
        unsafe { self.0.add(at).read() }
    }

    #[inline(always)]
    fn u16(self, at: usize) -> u16 {
        let value: u64;
        // SAFETY: as above. Assembly, because the compiler would read an unaligned field byte by byte.
        unsafe {
            asm!("{0} = *(u16 *)({1} + 0)", out(reg) value, in(reg) self.0.add(at),
                options(pure, readonly, nostack));
        }
        u16::from_be(value as u16)
    }

    #[inline(always)]
    fn u32(self, at: usize) -> u32 {
        let value: u64;
        // SAFETY: as above.
        unsafe {
            asm!("{0} = *(u32 *)({1} + 0)", out(reg) value, in(reg) self.0.add(at),
                options(pure, readonly, nostack));
        }
        u32::from_be(value as u32)
    }
}
