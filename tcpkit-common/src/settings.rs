//! What the agent freezes into the eBPF object before it is loaded.

use crate::record::Hook;

/// Name of the read-only global that holds [`Settings`].
pub const SETTINGS_SYMBOL: &str = "SETTINGS";

/// Raised whenever a shared structure changes, so that an object of another build is refused by name.
pub const ABI: u32 = 5;

/// Most rings, and so most shards.
pub const MAX_SHARDS: u32 = 64;

/// Most interfaces of one agent.
pub const MAX_INTERFACES: u32 = 64;

/// Key of an interface in the map of interfaces, for the hook that sees a frame.
///
/// XDP has keys of its own, because XDP on a bond runs on its parts and shows their numbers: there they mean the bond,
/// also where TC shows frames of a part for the part itself. The kernel numbers interfaces with 31 bits.
#[inline(always)]
#[must_use]
pub const fn interface_key(index: u32, hook: Hook) -> u32 {
    match hook {
        Hook::XdpIngress => index | 1 << 31,
        Hook::TcIngress | Hook::TcEgress => index,
    }
}

/// Key for every interface that XDP shows and that has no key of its own: the parts of a bond.
pub const EVERY_OTHER_INTERFACE: u32 = interface_key(0, Hook::XdpIngress);

/// Most keys in the map of interfaces.
pub const MAX_INTERFACE_KEYS: u32 = 2 * MAX_INTERFACES + 1;

const _: () = assert!(MAX_INTERFACES <= u8::MAX as u32);

/// Most bytes of one frame in a record: the largest super-segment that IP without jumbograms makes, with its link
/// header and tags.
pub const MAX_SNAPLEN: u32 = 65_536 + 32;

/// Frames of the interface begin with an Ethernet header (ARPHRD_ETHER, ARPHRD_LOOPBACK).
pub const LINK_ETHERNET: u32 = 0;

/// Frames of the interface begin with an IP header (ARPHRD_NONE and the IP tunnels' types).
pub const LINK_RAW: u32 = 1;

/// Constants of one run; the verifier sees them as known values and prunes what they switch off.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Settings {
    /// [`ABI`] of the side that wrote this.
    pub abi: u32,
    /// Bytes of a frame that go into a record, at most; `1..=MAX_SNAPLEN`.
    pub snaplen: u32,
    /// Rings in use, `1..=MAX_SHARDS`.
    pub shards: u32,
    /// 0: no filter, every frame matches; 1: ask the filter stub.
    pub filter: u32,
    /// Bytes from the frame's start that the filter may read; `u32::MAX` when it depends on the frame.
    pub filter_reach: u32,
    /// 0: ICMP errors and later fragments match by what they belong to; 1: by the letter of the expression.
    pub strict_filter: u32,
    /// 0: hash the inner flow of a tunnel; 1: the outer one.
    pub no_decap: u32,
    /// 0: silent; otherwise the aya-log level that the programs may use.
    pub log_level: u32,
    /// 1: one interface, in slot 0, whose link layer is `link`; 0: ask the map of interfaces.
    pub single_interface: u32,
    /// [`LINK_ETHERNET`] or [`LINK_RAW`], where there is one interface.
    pub link: u32,
    /// Sets of flows that each CPU counts by, a power of two; 0: traffic is not counted by flow.
    pub flow_sets: u32,
    /// Milliseconds that each ring of bursts holds, a power of two; 0: traffic is not counted by millisecond.
    pub burst_bins: u32,
    /// Interfaces that were asked for, each with its slot.
    pub slots: u32,
}

const _: () = assert!(size_of::<Settings>() == 52);

/// What the map of interfaces says of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceSlot {
    /// Its place among the counters, `0..MAX_INTERFACES`.
    pub slot: u32,
    /// [`LINK_ETHERNET`] or [`LINK_RAW`].
    pub link: u32,
}

/// Place of the counters of one (CPU, interface slot, hook) in their array.
#[inline(always)]
#[must_use]
pub const fn counter_row(cpu: u32, slot: u32, hook: u32) -> u32 {
    (cpu * MAX_INTERFACES + slot) * Hook::COUNT + hook
}

/// Words of the flag that says that a shard's reader sleeps: a cache line, so that shards do not disturb each other.
pub const SLEEPER_WORDS: usize = 8;

/// A datagram in fragments, as long as its ports are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FragmentKey {
    /// Halves of the sender's address.
    pub source: [u64; 2],
    /// Halves of the receiver's address.
    pub destination: [u64; 2],
    /// IPv4 or IPv6 identification.
    pub identification: u32,
    /// Protocol number of what the datagram carries.
    pub protocol: u32,
}
