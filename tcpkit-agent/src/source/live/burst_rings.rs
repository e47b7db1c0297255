//! Traffic by millisecond, read from the rings that the programs fill.
//!
//! Each reading gives what the milliseconds had since the one before, summed over all CPUs, in order; what was
//! overwritten before it could be read is told as a number of milliseconds, not left out in silence.

use std::{io, os::fd::BorrowedFd};

use tcpkit_common::{
    burst::{BURST_BIN_NS, BurstBin, MAX_BURST_BINS, burst_row},
    record::Hook,
};

use super::sys::{self, Mapping};

/// What one hook of one interface saw in one millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Millisecond {
    /// Bytes on the wire, link header included.
    pub bytes: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// `FlowHash` of the flow that may have most of the bytes.
    pub candidate: u32,
    /// Bytes that are certainly its.
    pub weight: u64,
}

/// Milliseconds of one interface and one way, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BurstReading {
    /// Number of the first one, on the monotonic clock.
    pub first: u64,
    /// Milliseconds before the first one that were overwritten before they could be read.
    pub missed: u64,
    /// What passed in each of them, idle ones too.
    pub milliseconds: Vec<Millisecond>,
}

/// The rings.
#[derive(Debug)]
pub(super) struct BurstRings {
    memory: Mapping,
    cpus: u32,
    slots: u32,
    bins: u32,
    /// The first millisecond that was not read yet.
    next: u64,
}

impl BurstRings {
    /// Milliseconds of each ring, so that all rings together stay within bounds; a power of two.
    pub(super) fn bins(cpus: u32, slots: u32) -> u32 {
        let rings = cpus.max(1).saturating_mul(slots.max(1)).saturating_mul(Hook::COUNT);
        let most = MOST_BYTES / (rings as usize * size_of::<BurstBin>());
        let most = u32::try_from(most.max(1)).unwrap_or(MAX_BURST_BINS).clamp(LEAST_BINS, MAX_BURST_BINS);
        1 << most.ilog2()
    }

    /// Elements that the map needs.
    pub(super) const fn entries(cpus: u32, slots: u32, bins: u32) -> u32 {
        burst_row(cpus, 0, Hook::XdpIngress, slots, bins)
    }

    /// Maps the memory of the map.
    pub(super) fn map(fd: BorrowedFd<'_>, cpus: u32, slots: u32, bins: u32) -> io::Result<Self> {
        let len = Self::entries(cpus, slots, bins) as usize * size_of::<BurstBin>();
        let memory = Mapping::new(fd, len.next_multiple_of(sys::page_size()), 0, false)?;
        Ok(Self { memory, cpus, slots, bins, next: 0 })
    }

    /// What passed before is not looked at.
    pub(super) const fn begin(&mut self, now_ns: u64) {
        self.next = now_ns / BURST_BIN_NS;
    }

    /// What passed since the reading before, for each of these interfaces and hooks taken together.
    ///
    /// The last milliseconds are left for the next reading, because programs may still be counting for them; `all`
    /// takes them too, when no program runs any more.
    pub(super) fn read(&mut self, now_ns: u64, all: bool, ways: &[(u32, &[Hook])]) -> Vec<BurstReading> {
        let now = now_ns / BURST_BIN_NS;
        let end = if all { now + 1 } else { now.saturating_sub(LAG) };
        if end <= self.next {
            return vec![BurstReading::default(); ways.len()];
        }
        // What is written now overwrites what stands a whole ring before it.
        let oldest = (now + 1 + if all { 0 } else { LAG }).saturating_sub(u64::from(self.bins));
        let first = self.next.max(oldest).min(end);
        let missed = first - self.next;
        self.next = end;
        let read = |way: &(u32, &[Hook])| self.way(*way, first, end, missed);
        ways.iter().map(read).collect()
    }

    fn way(&self, (slot, hooks): (u32, &[Hook]), first: u64, end: u64, missed: u64) -> BurstReading {
        let len = usize::try_from(end - first).unwrap_or(0);
        let mut milliseconds = vec![Millisecond::default(); len];
        for cpu in 0..self.cpus {
            for hook in hooks {
                let row = burst_row(cpu, slot, *hook, self.slots, self.bins);
                for (number, sum) in (first..end).zip(&mut milliseconds) {
                    if let Some(bin) = self.bin(row, number) {
                        sum.add(&bin);
                    }
                }
            }
        }
        BurstReading { first, missed, milliseconds }
    }

    /// The bin of this millisecond, where a frame came in it.
    fn bin(&self, row: u32, millisecond: u64) -> Option<BurstBin> {
        let mask = u64::from(self.bins - 1);
        let at = row as usize + 1 + usize::try_from(millisecond & mask).unwrap_or(0);
        debug_assert!((at + 1) * size_of::<BurstBin>() <= self.memory.len());
        // SAFETY: the bin lies within the mapping; the kernel writes whole aligned words.
        let bin = unsafe { self.memory.start().cast::<BurstBin>().add(at).read_volatile() };
        (bin.millisecond == millisecond).then_some(bin)
    }
}

impl Millisecond {
    /// Adds what another CPU saw. The flow with the most certain bytes stays.
    fn add(&mut self, bin: &BurstBin) {
        self.bytes += bin.bytes;
        self.packets += u64::from(bin.packets);
        let weight = u64::from(bin.weight);
        if bin.candidate == self.candidate {
            self.weight += weight;
        } else if weight > self.weight {
            (self.candidate, self.weight) = (bin.candidate, weight);
        }
    }
}

/// Bytes of all rings together, unless even the shortest ones need more.
const MOST_BYTES: usize = 32 << 20;

/// A quarter of a second: the agent looks ten times as often.
const LEAST_BINS: u32 = 512;

/// Milliseconds that a program may take from its look at the clock until it has counted.
const LAG: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_stay_within_their_bounds() {
        assert_eq!(BurstRings::bins(2, 1), MAX_BURST_BINS);
        assert_eq!(BurstRings::bins(192, 1), 1_024);
        assert_eq!(BurstRings::bins(1_024, 64), LEAST_BINS);
        for (cpus, slots) in [(1, 1), (8, 3), (256, 2)] {
            let bins = BurstRings::bins(cpus, slots);
            let bytes = BurstRings::entries(cpus, slots, bins) as usize * size_of::<BurstBin>();
            assert!(bins.is_power_of_two() && bytes <= MOST_BYTES + (1 << 20), "{bytes}");
        }
    }

    #[test]
    fn the_flow_with_the_most_certain_bytes_of_all_processors_stays() {
        let bin = |candidate, weight| BurstBin {
            bytes: 1_000,
            packets: 2,
            candidate,
            weight,
            ..BurstBin::default()
        };
        let mut sum = Millisecond::default();
        [bin(7, 400), bin(9, 300), bin(7, 100), bin(8, 450)].iter().for_each(|bin| sum.add(bin));
        assert_eq!(sum, Millisecond { bytes: 4_000, packets: 8, candidate: 7, weight: 500 });
    }
}
