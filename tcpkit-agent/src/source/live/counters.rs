//! The kernel side's counters, read from memory that it shares with us.

use std::{io, os::fd::BorrowedFd};

use tcpkit_common::{
    counter::{COUNTERS, Counter},
    record::Hook,
    settings::{MAX_INTERFACES, counter_row},
};

use super::sys::{self, Mapping};

/// The counters of one interface and hook, summed over all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookCounters {
    /// Index into the capture's interfaces.
    pub interface: usize,
    /// The hook.
    pub hook: Hook,
    /// The sums, by [`Counter`].
    pub values: [u64; COUNTERS],
}

impl HookCounters {
    /// One of them.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize]
    }

    /// Frames that the filter wanted: `recorded + ring_full + helper_failed`.
    #[must_use]
    pub const fn matched(&self) -> u64 {
        self.get(Counter::Recorded) + self.get(Counter::RingFull) + self.get(Counter::HelperFailed)
    }

    /// Frames that passed the hook: `filtered + matched`.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.get(Counter::Filtered) + self.matched()
    }
}

/// The array of counters.
#[derive(Debug)]
pub(super) struct CounterArray {
    memory: Mapping,
    cpus: u32,
}

impl CounterArray {
    /// Entries that the array needs for so many CPUs.
    pub(super) const fn entries(cpus: u32) -> u32 {
        counter_row(cpus, 0, 0)
    }

    pub(super) fn map(fd: BorrowedFd<'_>, cpus: u32) -> io::Result<Self> {
        let len = (Self::entries(cpus) as usize * ROW_BYTES).next_multiple_of(sys::page_size());
        Ok(Self { memory: Mapping::new(fd, len, 0, false)?, cpus })
    }

    /// Sums over all CPUs; each value is read once and is never behind an earlier reading.
    pub(super) fn sum(&self, interface: usize, hook: Hook) -> HookCounters {
        let mut values = [0; COUNTERS];
        let slot = u32::try_from(interface).unwrap_or(MAX_INTERFACES - 1);
        for cpu in 0..self.cpus {
            let row = counter_row(cpu, slot, hook as u32) as usize * ROW_BYTES;
            debug_assert!(row + ROW_BYTES <= self.memory.len());
            for (index, value) in values.iter_mut().enumerate() {
                // SAFETY: the row lies within the array; the kernel writes whole aligned words.
                *value += unsafe { self.memory.start().add(row).cast::<u64>().add(index).read_volatile() };
            }
        }
        HookCounters { interface, hook, values }
    }
}

const ROW_BYTES: usize = COUNTERS * size_of::<u64>();
