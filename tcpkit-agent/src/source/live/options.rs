//! What a live capture is asked to do.

use std::fmt;

/// Everything that [`super::LiveCapture::open`] must know.
#[derive(Debug)]
pub struct LiveOptions {
    /// Names of the interfaces; each is captured once.
    pub interfaces: Vec<String>,
    /// Which hook sees incoming frames.
    pub hook: HookChoice,
    /// How a classifier is attached.
    pub tc_attach: TcAttach,
    /// Which program XDP runs.
    pub xdp: XdpKind,
    /// Bytes of a frame in a record, at most; larger than any frame means whole frames.
    pub snaplen: u32,
    /// Rings, and so workers.
    pub shards: u32,
    /// Bytes of each ring; rounded up to a power of two of at least one page.
    pub ring_bytes: u32,
    /// ICMP errors and later fragments match only by the letter of the expression.
    pub strict_filter: bool,
    /// Shard by the outer flow of a tunnel.
    pub no_decap: bool,
    /// Take frames that are not addressed to this host from every interface; a tap is always promiscuous.
    pub promiscuous: bool,
    /// An interface that disappears, or is not there yet, is waited for.
    pub reattach: bool,
    /// Flows that the kernel counts traffic by, one for each direction and CPU that sees it; 0 is none and costs nothing.
    pub flow_counters: u32,
    /// The kernel counts traffic by millisecond.
    pub bursts: bool,
    /// Only the counters are wanted: there are no rings, so every frame that the filter wants ends as `ring_full`.
    pub counts_only: bool,
    /// aya-log level of the programs; 0 is silent and costs nothing.
    pub log_level: u32,
    /// The filter, if there is one.
    pub filter: Option<ObjectFilter>,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            hook: HookChoice::Auto,
            tc_attach: TcAttach::Auto,
            xdp: XdpKind::Auto,
            snaplen: 256,
            shards: 1,
            ring_bytes: 64 << 20,
            strict_filter: false,
            no_decap: false,
            promiscuous: false,
            reattach: false,
            flow_counters: 0,
            bursts: false,
            counts_only: false,
            log_level: 0,
            filter: None,
        }
    }
}

/// Writes a translated filter into the object's stubs; the error is one line for the user.
pub type Place = Box<dyn FnOnce(&mut Vec<u8>) -> Result<(), String> + Send>;

/// A filter, ready to be placed.
pub struct ObjectFilter {
    /// Places it.
    pub place: Place,
    /// Bytes from the frame's start that it may read; `u32::MAX` when that depends on the frame.
    pub reach: u32,
}

impl fmt::Debug for ObjectFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ObjectFilter").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// Which hook sees incoming frames; outgoing ones are always seen by TC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookChoice {
    /// Native XDP on a tap whose driver has it, else TC.
    #[default]
    Auto,
    /// TC.
    Tc,
    /// Native XDP where the driver has it.
    Xdp,
}

/// How a classifier is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcAttach {
    /// TCX where the kernel has it, else a clsact filter.
    #[default]
    Auto,
    /// A clsact filter, as on kernels before 6.6.
    Clsact,
}

/// Which program XDP runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpKind {
    /// The one that takes frames in several pieces where the kernel has them, else the other one.
    #[default]
    Auto,
    /// The one for frames in one piece, as on kernels before 5.18.
    Linear,
}

/// A size that the kernel takes for a ring: a power of two of whole pages.
pub(super) fn ring_bytes(asked: u32) -> u32 {
    let page = u32::try_from(super::sys::page_size()).unwrap_or(4096);
    asked.clamp(page, 1 << 30).next_power_of_two()
}
