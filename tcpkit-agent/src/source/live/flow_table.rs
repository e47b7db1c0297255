//! Traffic by flow, read from the table that the programs fill.
//!
//! A reading looks at the first cache line of each set and then only at what was touched since the reading before, and
//! adds what is new to what is known: cost follows the flows that are active, not the packets. Memory is bounded by
//! the size of the table.
//!
//! After [`LiveCapture::detach`](super::LiveCapture::detach) a reading is exact: all frames that were wanted are in the
//! rows, or in one of the sums beside them ([`FlowReading::other`]).

use std::{
    collections::HashMap,
    io,
    os::fd::BorrowedFd,
    sync::atomic::{Ordering, fence},
};

use tcpkit_common::{
    flow::{Address, FourTuple},
    flow_count::{CountedFlow, Evicted, FLOW_WAYS, FlowCounter, FlowSet, touched},
    record::Hook,
    settings::counter_row,
};

use super::sys::{self, Mapping};

/// Frames and what they stood for on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowSum {
    /// Frames.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire, link header included.
    pub bytes: u64,
}

/// One direction of one flow at one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRow {
    /// IANA protocol number.
    pub protocol: u8,
    /// Sender and receiver.
    pub tuple: FourTuple,
    /// Index into the capture's interfaces.
    pub interface: usize,
    /// The hook.
    pub hook: Hook,
    /// All that was read of it.
    pub sum: FlowSum,
    /// What the last reading has added.
    pub recent: FlowSum,
    /// First frame, on the monotonic clock.
    pub first_ns: u64,
    /// Latest frame, on the same clock.
    pub last_ns: u64,
}

/// What the rows do not have, at one hook or in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowOther {
    /// Neither TCP nor UDP, or a fragment.
    pub no_flow: FlowSum,
    /// Of flows that gave way in the kernel before this was read.
    pub evicted: FlowSum,
    /// Of flows that were read and are not remembered any more.
    pub forgotten: FlowSum,
    /// How often a flow gave way in the kernel.
    pub evictions: u64,
}

/// A look at all flows.
#[derive(Debug)]
pub struct FlowReading<'a> {
    table: &'a FlowTable,
}

impl FlowReading<'_> {
    /// TCP and UDP flows, in no order.
    pub fn rows(&self) -> impl Iterator<Item = FlowRow> {
        self.table.flows.iter().filter_map(|(flow, known)| self.table.row(flow, known))
    }

    /// How many flows, of whatever kind, are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.flows.len()
    }

    /// Whether nothing was counted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.flows.is_empty()
    }

    /// What the rows do not have of one hook.
    #[must_use]
    pub fn other(&self, interface: usize, hook: Hook) -> FlowOther {
        let at = |flow: &CountedFlow| usize::from(flow.slot()) == interface && flow.hook() == Some(hook);
        let place = place(interface, hook);
        let aside = self.table.aside.get(place).copied().unwrap_or_default();
        let no_flow = self.table.flows.iter().filter(|(flow, _)| !has_ports(flow) && at(flow));
        FlowOther {
            no_flow: no_flow.fold(FlowSum::default(), |sum, (_, known)| sum.plus(known.sum)),
            evicted: FlowSum::of_evicted(&aside.evicted).minus(aside.read_before),
            forgotten: aside.forgotten,
            evictions: aside.evicted.flows,
        }
    }

    /// Time that the last reading covers, in nanoseconds; 0 before the second one.
    #[must_use]
    pub const fn recent_ns(&self) -> u64 {
        self.table.recent_ns
    }
}

/// The table, and what is known of it.
#[derive(Debug)]
pub(super) struct FlowTable {
    sets: Mapping,
    evicted: Mapping,
    cpus: u32,
    /// Sets of all CPUs.
    count: usize,
    /// For each place of the table what was read last: sequence, frames, packets, bytes.
    seen: Vec<[u64; 4]>,
    flows: HashMap<CountedFlow, Known>,
    /// By interface and hook.
    aside: Vec<Aside>,
    read_ns: Option<u64>,
    /// When the table was last looked at.
    scanned_ns: Option<u64>,
    /// Frames that were counted when it was last read, and how many readings that number did not change.
    frames: u64,
    quiet: u32,
    /// The next reading looks at all places, however long ago they were touched.
    looks_everywhere: bool,
    recent_ns: u64,
    reading: u64,
}

/// What was read of one flow.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    sum: FlowSum,
    recent: FlowSum,
    /// The reading that `recent` is of.
    reading: u64,
    first_ns: u64,
    last_ns: u64,
}

/// What was counted at one hook and is in no row.
#[derive(Clone, Copy, Debug, Default)]
struct Aside {
    /// The kernel's own account of flows that gave way.
    evicted: Evicted,
    /// What had been read of them before.
    read_before: FlowSum,
    forgotten: FlowSum,
}

impl FlowTable {
    /// Sets for each CPU, so that all of them together hold about `counters` flows: a power of two.
    pub(super) fn sets_per_cpu(counters: u32, cpus: u32) -> u32 {
        let ways = u32::try_from(FLOW_WAYS).unwrap_or(u32::MAX);
        counters.div_ceil(cpus.max(1)).div_ceil(ways).next_power_of_two()
    }

    /// Elements that the map needs.
    pub(super) const fn entries(sets_per_cpu: u32, cpus: u32) -> u32 {
        let entries = sets_per_cpu.saturating_mul(cpus);
        if entries == 0 { 1 } else { entries }
    }

    /// Maps the memory of both maps, which were made for so many CPUs and sets.
    pub(super) fn map(
        sets: BorrowedFd<'_>,
        evicted: BorrowedFd<'_>,
        sets_per_cpu: u32,
        cpus: u32,
        interfaces: usize,
    ) -> io::Result<Self> {
        let count = Self::entries(sets_per_cpu, cpus) as usize;
        let pages = |len: usize| len.next_multiple_of(sys::page_size());
        let rows = counter_row(cpus, 0, 0) as usize;
        Ok(Self {
            sets: Mapping::new(sets, pages(count * size_of::<FlowSet>()), 0, false)?,
            evicted: Mapping::new(evicted, pages(rows * size_of::<Evicted>()), 0, false)?,
            cpus,
            count,
            seen: vec![[0; 4]; count * FLOW_WAYS],
            flows: HashMap::new(),
            aside: vec![Aside::default(); interfaces * Hook::ALL.len()],
            read_ns: None,
            scanned_ns: None,
            frames: 0,
            quiet: 0,
            looks_everywhere: true,
            recent_ns: 0,
            reading: 0,
        })
    }

    /// Reads what was counted since the reading before; `now_ns` is the monotonic clock's time, and `frames` how many
    /// frames were counted in all: while that stays the same there is nothing to read.
    pub(super) fn read(&mut self, now_ns: u64, frames: u64) {
        self.reading += 1;
        self.recent_ns = self.read_ns.map_or(0, |before| now_ns.saturating_sub(before));
        self.read_ns = Some(now_ns);
        self.quiet = if self.frames == frames { self.quiet + 1 } else { 0 };
        self.frames = frames;
        // Seen twice, because a program may be between its counts.
        if self.quiet > 1 && !self.looks_everywhere {
            return;
        }
        let before = self.scanned_ns.filter(|_| !self.looks_everywhere);
        let age = before.map_or(u32::MAX, |before| touched(now_ns).wrapping_sub(touched(before)));
        self.read_evicted();
        for index in 0..self.count {
            self.read_set(index, touched(now_ns), age.saturating_add(SLACK));
        }
        self.scanned_ns = Some(now_ns);
        self.looks_everywhere = false;
        self.forget();
    }

    /// The next reading looks at everything, however long ago it was touched.
    pub(super) const fn look_everywhere(&mut self) {
        self.looks_everywhere = true;
    }

    pub(super) const fn reading(&self) -> FlowReading<'_> {
        FlowReading { table: self }
    }

    /// Those places of a set that were touched no longer ago than `age`.
    fn read_set(&mut self, index: usize, now: u32, age: u32) {
        // SAFETY: the set lies within the mapping; the kernel writes whole aligned words.
        let set: *const FlowSet = unsafe { self.sets.start().cast::<FlowSet>().add(index) };
        for way in 0..FLOW_WAYS {
            // SAFETY: as above.
            let (tag, last) = unsafe {
                (
                    (&raw const (*set).tags[way]).read_volatile(),
                    (&raw const (*set).touched[way]).read_volatile(),
                )
            };
            // One that was touched after the clock was asked is young too.
            let is_young = now.wrapping_add(SLACK).wrapping_sub(last) <= age.saturating_add(SLACK);
            if tag == 0 || !is_young {
                continue;
            }
            // SAFETY: as above.
            if let Some(counter) = unsafe { whole(&raw const (*set).counters[way]) } {
                self.on_counter(index * FLOW_WAYS + way, &counter);
            }
        }
    }

    fn on_counter(&mut self, at: usize, counter: &FlowCounter) {
        let Some(hook) = counter.flow.hook() else { return };
        let place = place(usize::from(counter.flow.slot()), hook);
        let sum = FlowSum { frames: counter.frames, packets: counter.packets, bytes: counter.bytes };
        let owner = counter.sequence | (place as u64) << PLACE_SHIFT;
        let [owner_before, frames, packets, bytes] = self.seen[at];
        let before = FlowSum { frames, packets, bytes };
        self.seen[at] = [owner, sum.frames, sum.packets, sum.bytes];
        let is_same = owner_before == owner;
        if !is_same {
            // Whose place it was at the last reading has given way since, with all that was read of it.
            let hook_before = usize::try_from(owner_before >> PLACE_SHIFT).unwrap_or(usize::MAX);
            if let Some(aside) = self.aside.get_mut(hook_before) {
                aside.read_before = aside.read_before.plus(before);
            }
        }
        let known = self.flows.entry(counter.flow).or_insert_with(|| Known::since(counter.first_ns));
        if known.reading != self.reading {
            (known.reading, known.recent) = (self.reading, FlowSum::default());
        }
        let new = if is_same { sum.minus(before) } else { sum };
        known.sum = known.sum.plus(new);
        known.recent = known.recent.plus(new);
        known.last_ns = known.last_ns.max(counter.last_ns);
    }

    /// The kernel's account of flows that gave way.
    fn read_evicted(&mut self) {
        for (place, aside) in (0u32..).zip(&mut self.aside) {
            let hooks = Hook::COUNT;
            let mut sum = Evicted::default();
            for cpu in 0..self.cpus {
                let row = counter_row(cpu, place / hooks, place % hooks) as usize;
                // SAFETY: the row lies within the mapping; the kernel writes whole aligned words.
                let row = unsafe { self.evicted.start().cast::<Evicted>().add(row).read_volatile() };
                sum.frames += row.frames;
                sum.packets += row.packets;
                sum.bytes += row.bytes;
                sum.flows += row.flows;
            }
            aside.evicted = sum;
        }
    }

    /// Keeps what is remembered within the size of the table: of what is too much, those go that are silent longest.
    fn forget(&mut self) {
        let most = self.seen.len();
        if self.flows.len() <= most {
            return;
        }
        let mut times: Vec<u64> = self.flows.values().map(|known| known.last_ns).collect();
        let (_, limit, _) = times.select_nth_unstable(most / 4);
        let limit = *limit;
        let aside = &mut self.aside;
        self.flows.retain(|flow, known| {
            let place = flow.hook().map(|hook| place(usize::from(flow.slot()), hook));
            let is_kept = known.last_ns > limit;
            if let Some(aside) = place.filter(|_| !is_kept).and_then(|place| aside.get_mut(place)) {
                aside.forgotten = aside.forgotten.plus(known.sum);
            }
            is_kept
        });
    }

    fn row(&self, flow: &CountedFlow, known: &Known) -> Option<FlowRow> {
        if !has_ports(flow) {
            return None;
        }
        Some(FlowRow {
            protocol: flow.protocol(),
            tuple: FourTuple {
                source: Address::from_halves(flow.source()),
                destination: Address::from_halves(flow.destination()),
                source_port: flow.source_port(),
                destination_port: flow.destination_port(),
            },
            interface: usize::from(flow.slot()),
            hook: flow.hook()?,
            sum: known.sum,
            recent: if known.reading == self.reading { known.recent } else { FlowSum::default() },
            first_ns: known.first_ns,
            last_ns: known.last_ns,
        })
    }
}

impl Known {
    fn since(first_ns: u64) -> Self {
        Self { first_ns, ..Self::default() }
    }
}

impl FlowSum {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
        }
    }

    /// What is left; nothing, where more is taken away than there is.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            frames: self.frames.saturating_sub(other.frames),
            packets: self.packets.saturating_sub(other.packets),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    const fn of_evicted(evicted: &Evicted) -> Self {
        Self { frames: evicted.frames, packets: evicted.packets, bytes: evicted.bytes }
    }
}

/// Whether this is a flow of TCP or UDP, and not what only has addresses.
const fn has_ports(flow: &CountedFlow) -> bool {
    flow.protocol() != 0 && (flow.source_port() != 0 || flow.destination_port() != 0)
}

const fn place(interface: usize, hook: Hook) -> usize {
    interface * Hook::ALL.len() + hook as usize
}

/// A counter of which the kernel wrote nothing while it was read, but for sums that grew; `None` while another flow
/// takes its place, which the next reading will see.
///
/// # Safety
/// The counter lies within a mapping.
unsafe fn whole(counter: *const FlowCounter) -> Option<FlowCounter> {
    for _ in 0..ATTEMPTS {
        // SAFETY: the caller's; the kernel writes whole aligned words.
        let (before, copy, after) = unsafe {
            let before = (&raw const (*counter).sequence).read_volatile();
            fence(Ordering::Acquire);
            let copy = counter.read_volatile();
            fence(Ordering::Acquire);
            (before, copy, (&raw const (*counter).sequence).read_volatile())
        };
        if before == after && before % 2 == 0 {
            return Some(copy);
        }
    }
    None
}

const ATTEMPTS: usize = 4;

/// Units of [`touched`] that a program may take from its look at the clock until it has counted: a virtual machine may
/// stand still in between.
const SLACK: u32 = 256;

/// Where interface and hook of a place's owner stand beside its sequence.
const PLACE_SHIFT: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_room_for_what_was_asked_on_any_number_of_processors() {
        for (counters, cpus) in [(1, 1), (64, 3), (262_144, 2), (262_144, 192), (1 << 24, 1_024)] {
            let sets = FlowTable::sets_per_cpu(counters, cpus);
            let all = u64::from(FlowTable::entries(sets, cpus)) * FLOW_WAYS as u64;
            assert!(sets.is_power_of_two() && all >= u64::from(counters), "{counters} on {cpus}: {sets}");
            // A power of two for each processor, and at least one set.
            assert!(all <= u64::from(counters) * 2 + u64::from(cpus) * 2 * FLOW_WAYS as u64, "{all}");
        }
    }
}
