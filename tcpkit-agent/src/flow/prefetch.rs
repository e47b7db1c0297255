//! Memory that is asked for before it is needed.
//!
//! A load that nobody waits for would not do: instructions retire in order, so the processor soon waits for it all the
//! same. A prefetch retires at once.

/// Asks for the memory of a value. Where there is no instruction for that, nothing happens.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let first = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that a program could see, and this address lies within `value`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Octets that come together.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
