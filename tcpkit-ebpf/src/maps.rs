//! The maps that the agent shares with the programs, and the settings it froze; everyone else goes through getters.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, ArrayOfMaps, HashMap, LruHashMap, PerCpuArray, RingBuf},
    helpers::bpf_get_smp_processor_id,
    macros::btf_map,
};
use tcpkit_common::{
    burst::BurstBin,
    counter::COUNTERS,
    flow_count::{Evicted, FlowCounter, FlowSet},
    record::{Hook, RecordHeader},
    settings::{
        EVERY_OTHER_INTERFACE, FragmentKey, InterfaceSlot, MAX_INTERFACE_KEYS, MAX_SHARDS, MAX_SNAPLEN,
        SLEEPER_WORDS, Settings, counter_row, interface_key,
    },
};

use crate::parse::State;

/// Bytes that a filter may read from its copy of a frame.
pub const FILTER_COPY: usize = 16_384;

/// Bytes behind them, so that a tag that is put back needs no bound of its own.
const COPY_SLACK: usize = 64;

/// Where one CPU puts together what it knows of the frame at hand.
///
/// A hook runs with bottom halves off, so no other hook of the same CPU comes between.
#[repr(C)]
pub struct Scratch {
    /// What the filter said, while the headers are walked: of memory the verifier remembers nothing, so it examines the
    /// walk once, whatever the verdict.
    pub verdict: u64,
    pub state: State,
    pub header: RecordHeader,
    pub bytes: [u8; MAX_SNAPLEN as usize],
}

/// The counters of one (CPU, interface, hook): this CPU alone writes them.
pub type Row = [u64; COUNTERS];

/// Known values for the verifier, so that what they switch off is not even loaded.
///
/// Read through `read_volatile`: the compiler must not take the zeros that stand here for the truth.
#[unsafe(no_mangle)]
pub static SETTINGS: Settings = Settings {
    abi: 0,
    snaplen: 0,
    shards: 0,
    filter: 0,
    filter_reach: 0,
    strict_filter: 0,
    no_decap: 0,
    log_level: 0,
    single_interface: 0,
    link: 0,
    flow_sets: 0,
    burst_bins: 0,
    slots: 0,
};

/// One setting, by its field.
macro_rules! setting {
    ($field:ident) => {
        // SAFETY: the static is initialised, aligned and never written while programs run.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::SETTINGS.$field) }
    };
}
pub(crate) use setting;

/// The rings, one per shard; the agent makes them in the size asked for and puts them in.
#[btf_map]
static RINGS: ArrayOfMaps<RingBuf<u8, 4096>, { MAX_SHARDS as usize }> = ArrayOfMaps::new();

/// Which shards' readers sleep: one cache line each, the first word is the flag.
#[btf_map]
static SLEEPERS: Array<[u64; SLEEPER_WORDS], { MAX_SHARDS as usize }, { BPF_F_MMAPABLE as usize }> =
    Array::new();

/// Rows as [`counter_row`] numbers them; the agent sets how many CPUs there are.
#[btf_map]
static COUNTS: Array<Row, 192, { BPF_F_MMAPABLE as usize }> = Array::new();

/// One per CPU; no per-CPU map, because those hold no more than 32 KiB each.
#[btf_map]
static SCRATCH: Array<Scratch, 1> = Array::new();

/// Interface index to its place among the counters, where there are several interfaces.
#[btf_map]
static INTERFACES: HashMap<u32, InterfaceSlot, { MAX_INTERFACE_KEYS as usize }> = HashMap::new();

/// What a filter reads of a frame whose bytes are not in one piece.
#[btf_map]
static COPY: PerCpuArray<[u8; FILTER_COPY + COPY_SLACK], 1> = PerCpuArray::new();

/// Datagrams whose first fragment matched the filter.
#[btf_map]
static FRAGMENTS: LruHashMap<FragmentKey, u64, 4096> = LruHashMap::new();

/// Sets of flows: for each CPU as many as the settings say; the agent sets how many that makes.
#[btf_map]
static FLOWS: Array<FlowSet, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// What flows had that gave way; rows as [`counter_row`] numbers them.
#[btf_map]
static EVICTED: Array<Evicted, 192, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Rings of milliseconds, see [`tcpkit_common::burst::burst_row`]; the agent sets how many elements that makes.
#[btf_map]
static BURSTS: Array<BurstBin, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// The place of the interface that this hook sees, or `None` for one that the agent does not know.
#[inline(always)]
pub fn interface(index: u32, hook: Hook) -> Option<InterfaceSlot> {
    if setting!(single_interface) != 0 {
        return Some(InterfaceSlot { slot: 0, link: setting!(link) });
    }
    // SAFETY: an entry stands before its interface is attached and goes after it was detached, and is never rewritten.
    let known = unsafe { INTERFACES.get(&interface_key(index, hook)) };
    if let (None, Hook::XdpIngress) = (known, hook) {
        // SAFETY: as above.
        return unsafe { INTERFACES.get(&EVERY_OTHER_INTERFACE) }.copied();
    }
    known.copied()
}

/// Number of this CPU.
#[inline(always)]
pub fn cpu() -> u32 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_get_smp_processor_id() }
}

/// The counters of this CPU for one interface and hook.
#[inline(always)]
pub fn row(slot: u32, hook: Hook) -> Option<&'static mut Row> {
    let row = COUNTS.get_ptr_mut(counter_row(cpu(), slot, hook as u32))?;
    // SAFETY: the map lives as long as the program, and only this CPU uses the row.
    Some(unsafe { &mut *row })
}

/// The scratch memory of this CPU.
#[inline(always)]
pub fn scratch() -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(cpu())
}

/// One of this CPU's sets of flows, `0..flow_sets`.
#[inline(always)]
pub fn flow_set(index: u32) -> Option<&'static mut FlowSet> {
    let set = FLOWS.get_ptr_mut(cpu() * setting!(flow_sets) + index)?;
    // SAFETY: the map lives as long as the program, and only this CPU writes the set.
    Some(unsafe { &mut *set })
}

/// Counts what a flow has that gives way.
#[inline(always)]
pub fn evict(counter: &FlowCounter) {
    let [.., others] = counter.flow.0;
    let (slot, hook) = (others >> 40 & 0xff, others >> 48 & 0xff);
    let Some(row) = EVICTED.get_ptr_mut(counter_row(cpu(), slot as u32, hook as u32)) else { return };
    // SAFETY: the map lives as long as the program, and only this CPU writes the row.
    let row = unsafe { &mut *row };
    row.frames += counter.frames;
    row.packets += counter.packets;
    row.bytes += counter.bytes;
    row.flows += 1;
}

/// An element of the rings of milliseconds.
#[inline(always)]
pub fn burst(index: u32) -> Option<&'static mut BurstBin> {
    let bin = BURSTS.get_ptr_mut(index)?;
    // SAFETY: the map lives as long as the program, and only one CPU writes each ring.
    Some(unsafe { &mut *bin })
}

/// Memory for a filter's copy.
#[inline(always)]
pub fn copy() -> Option<*mut u8> {
    COPY.get_ptr_mut(0).map(|copy| copy.cast())
}

/// The ring of a shard, as helpers take it.
#[inline(always)]
pub fn ring(shard: u32) -> Option<*mut core::ffi::c_void> {
    RINGS.get(shard).map(|ring| core::ptr::from_ref(ring).cast_mut().cast())
}

/// The flag that a shard's reader raises before it sleeps.
#[inline(always)]
pub fn sleeper(shard: u32) -> Option<*mut u64> {
    SLEEPERS.get_ptr_mut(shard).map(|words| words.cast())
}

/// Remembers a datagram whose first fragment matched.
#[inline(always)]
pub fn remember_fragment(key: &FragmentKey) {
    // A failure costs later fragments their match, and the map evicts before it fails.
    let _ = FRAGMENTS.insert(key, 1, 0);
}

/// Forgets a datagram: a new one of the same identification did not match.
#[inline(always)]
pub fn forget_fragment(key: &FragmentKey) {
    // That it is not there is the usual case.
    let _ = FRAGMENTS.remove(key);
}

/// Whether the first fragment of this datagram matched.
#[inline(always)]
pub fn knows_fragment(key: &FragmentKey) -> bool {
    FRAGMENTS.get_ptr(key).is_some()
}
