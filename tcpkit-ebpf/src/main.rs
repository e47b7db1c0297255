//! The kernel side of tcpkit: observes frames, never alters them.
//!
//! One program for each hook, and a second one for XDP on old kernels, all with the same story: filter, walk the
//! headers, count, record (`observe`).
//! This file is the policy: what a program returns, always "go on", and which counter each skipped frame gets.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod bounded;
#[cfg(target_arch = "bpf")]
mod bursts;
#[cfg(target_arch = "bpf")]
mod count;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod filter;
#[cfg(target_arch = "bpf")]
mod flows;
#[cfg(target_arch = "bpf")]
mod hook;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod observe;
mod parse;
#[cfg(target_arch = "bpf")]
mod plain;
#[cfg(target_arch = "bpf")]
mod programs;

use tcpkit_common::counter::Counter;

/// Why a frame has no record.
#[derive(Clone, Copy)]
pub enum Skip {
    /// The filter does not want it.
    Filtered,
    /// The ring of its shard has no room.
    RingFull,
    /// The kernel would not copy its bytes.
    HelperFailed,
}

impl Skip {
    /// The counter of this fate.
    #[inline(always)]
    pub const fn counter(self) -> Counter {
        match self {
            Self::Filtered => Counter::Filtered,
            Self::RingFull => Counter::RingFull,
            Self::HelperFailed => Counter::HelperFailed,
        }
    }

    /// For the log.
    #[inline(always)]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filtered => "the filter does not want it",
            Self::RingFull => "its ring is full",
            Self::HelperFailed => "its bytes could not be copied",
        }
    }
}

/// Dual, because some helpers are for GPL programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
