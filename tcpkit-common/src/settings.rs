//! What the agent freezes into the eBPF object before it is loaded.

/// Name of the read-only global that holds [`Settings`].
pub const SETTINGS_SYMBOL: &str = "SETTINGS";

/// Raised whenever a shared structure changes, so that an object of another build is refused by name.
pub const ABI: u32 = 1;

/// Most rings, and so most shards.
pub const MAX_SHARDS: u32 = 64;

/// Most interfaces of one agent.
pub const MAX_INTERFACES: u32 = 64;

/// Constants of one run; the verifier sees them as known values and prunes what they switch off.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Settings {
    /// [`ABI`] of the side that wrote this.
    pub abi: u32,
    /// Bytes of a frame that go into a record, at most.
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
}

const _: () = assert!(size_of::<Settings>() == 32);
