//! Traffic by flow, counted in the kernel: a table of small sets that the programs fill and the agent reads from shared
//! memory.
//!
//! Each CPU has sets of its own, so nothing is locked and nothing is shared between CPUs. A flow belongs to one set, by
//! its hash; when the set is full, the flow that was silent longest gives way, and what it had goes to [`Evicted`].

use crate::record::Hook;

/// Flows of one set: one look at its first cache line tells where a flow is.
pub const FLOW_WAYS: usize = 8;

/// Most flows that the tables of all CPUs together may be asked to hold.
pub const MAX_FLOW_COUNTERS: u32 = 1 << 24;

/// Whose frames are counted together: one direction of a conversation at one interface and hook.
///
/// Halves of the sender's address, of the receiver's ([`Address::halves`](crate::flow::Address::halves)), and one word
/// with everything else. What has no address is all zeros but for interface and hook; a fragment and what is neither
/// TCP nor UDP has no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct CountedFlow(pub [u64; 5]);

impl CountedFlow {
    /// `ports` are the sender's in the high half and the receiver's in the low one.
    #[inline(always)]
    #[must_use]
    pub const fn new(
        source: [u64; 2],
        destination: [u64; 2],
        ports: u32,
        protocol: u32,
        slot: u32,
        hook: Hook,
    ) -> Self {
        let [a, b] = source;
        let [c, d] = destination;
        let place = (slot as u64) << 40 | (hook as u64) << 48;
        Self([a, b, c, d, ports as u64 | ((protocol & 0xff) as u64) << 32 | place])
    }

    /// Halves of the sender's address.
    #[must_use]
    pub const fn source(&self) -> [u64; 2] {
        [self.0[0], self.0[1]]
    }

    /// Halves of the receiver's address.
    #[must_use]
    pub const fn destination(&self) -> [u64; 2] {
        [self.0[2], self.0[3]]
    }

    /// The sender's port.
    #[must_use]
    pub const fn source_port(&self) -> u16 {
        let [.., high, low, _, _] = self.0[4].to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// The receiver's port.
    #[must_use]
    pub const fn destination_port(&self) -> u16 {
        let [.., high, low] = self.0[4].to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// IANA protocol number of what the ports belong to, or of a fragment; else 0.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.0[4].to_be_bytes()[3]
    }

    /// Slot of the interface.
    #[must_use]
    pub const fn slot(&self) -> u8 {
        self.0[4].to_be_bytes()[2]
    }

    /// The hook.
    #[must_use]
    pub const fn hook(&self) -> Option<Hook> {
        Hook::from_number(self.0[4].to_be_bytes()[1])
    }
}

/// What one flow has, on one CPU. Only that CPU writes it, and only adds, but when another flow takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FlowCounter {
    /// Twice the number of flows that had this place so far; odd while one takes it over.
    pub sequence: u64,
    /// The flow.
    pub flow: CountedFlow,
    /// Frames; 0 where no flow was yet.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// First frame, in nanoseconds of the monotonic clock.
    pub first_ns: u64,
    /// Latest frame.
    pub last_ns: u64,
}

/// A set of flows.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FlowSet {
    /// Part of each flow's hash; 0 where no flow was yet.
    pub tags: [u32; FLOW_WAYS],
    /// When each flow had its latest frame, as [`touched`] makes it.
    pub touched: [u32; FLOW_WAYS],
    /// The flows.
    pub counters: [FlowCounter; FLOW_WAYS],
}

const _: () = assert!(size_of::<FlowCounter>() == 88 && size_of::<FlowSet>() == 768);

/// Nanoseconds of the monotonic clock in units of about a millisecond (2^20 ns), which wrap after 52 days.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "it wraps, as it says")]
pub const fn touched(monotonic_ns: u64) -> u32 {
    (monotonic_ns >> 20) as u32
}

/// What flows had that gave way, by CPU, interface and hook ([`counter_row`](crate::settings::counter_row)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Evicted {
    /// Frames.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// How many flows gave way.
    pub flows: u64,
}
