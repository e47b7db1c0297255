//! The record that crosses the ring: a header, then the first bytes of the frame.

/// Precedes the captured bytes of each frame in the ring.
///
/// The VLAN tag that the kernel keeps in skb metadata is not among the bytes that follow: the agent puts it back
/// (`vlan_protocol` and `vlan_tci`), so that everyone behind it sees the frame as it was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RecordHeader {
    /// `bpf_ktime_get_ns` when the program saw the frame, in nanoseconds of the monotonic clock.
    pub monotonic_ns: u64,
    /// Bytes of the whole frame or super-segment at the hook, without the tag in metadata.
    pub frame_len: u32,
    /// Bytes of it that follow this header.
    pub captured_len: u32,
    /// Interface on which the hook saw it.
    pub interface_index: u32,
    /// `FlowHash` that chose the ring.
    pub flow_hash: u32,
    /// Payload bytes of each wire segment that a super-segment stands for; 0 on an ordinary frame
    /// (`gso_size`, linux/skbuff.h).
    pub gso_size: u16,
    /// EtherType of the tag in metadata; 0 when there is none.
    pub vlan_protocol: u16,
    /// Tag in metadata: priority, DEI and VLAN identifier.
    pub vlan_tci: u16,
    /// A [`Hook`] as an integer.
    pub hook: u8,
    /// Slot of the interface that the agent asked for ([`InterfaceSlot`](crate::settings::InterfaceSlot)): it outlives
    /// the kernel's number, and a frame that XDP on a bond sees on a member has the bond's.
    pub slot: u8,
}

const _: () = assert!(size_of::<RecordHeader>() == 32);

/// Where a frame was seen; says nothing about client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Hook {
    /// Native XDP: wire frames on their way in.
    XdpIngress = 0,
    /// TC on the way in, after GRO.
    TcIngress = 1,
    /// TC on the way out, before segmentation.
    TcEgress = 2,
}

impl Hook {
    /// Every hook, in the order of its number.
    pub const ALL: [Self; 3] = [Self::XdpIngress, Self::TcIngress, Self::TcEgress];

    /// How many there are.
    pub const COUNT: u32 = 3;

    /// The hook with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::XdpIngress),
            1 => Some(Self::TcIngress),
            2 => Some(Self::TcEgress),
            _ => None,
        }
    }
}

const _: () = assert!(Hook::ALL.len() == Hook::COUNT as usize);
