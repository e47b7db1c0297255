//! Every fate of a frame in the kernel, and the totals that stay exact when a ring overflows.

/// Index into the counters of one (CPU, interface, hook).
///
/// Fates are leaves: `seen = Filtered + matched` and `matched = Recorded + RingFull + HelperFailed` are sums that
/// only the agent forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// The filter did not want the frame.
    Filtered = 0,
    /// A record of the frame is in a ring.
    Recorded,
    /// No room in the ring.
    RingFull,
    /// A kernel helper refused (the frame could not be copied).
    HelperFailed,
    /// The filter had to look further into the frame than its copy reaches; the frame counts as matched.
    FilterOutOfReach,
    /// Frames or super-segments that matched.
    Frames,
    /// Packets that they stand for on the wire.
    WirePackets,
    /// Bytes that they stand for on the wire, link header included, preamble and FCS not.
    WireBytes,
    /// Super-segments among `Frames` (`gso_size` > 0).
    SuperSegments,
    /// Wire packets of IPv4.
    Ipv4Packets,
    /// Wire bytes of IPv4.
    Ipv4Bytes,
    /// Wire packets of IPv6.
    Ipv6Packets,
    /// Wire bytes of IPv6.
    Ipv6Bytes,
    /// Wire packets of TCP.
    TcpPackets,
    /// Wire bytes of TCP.
    TcpBytes,
    /// Wire packets of UDP.
    UdpPackets,
    /// Wire bytes of UDP.
    UdpBytes,
    /// Wire packets of ICMP and ICMPv6.
    IcmpPackets,
    /// Wire bytes of ICMP and ICMPv6.
    IcmpBytes,
    /// Wire packets of ARP.
    ArpPackets,
    /// Wire packets that are fragments, the first ones too.
    FragmentPackets,
    /// Sum of the squares of the wire packets' sizes, each as in `WireBytes`; it wraps after days at 100 Gbit/s.
    SquaredWireBytes,
}

/// How many counters one (CPU, interface, hook) has, rounded up to a cache line.
pub const COUNTERS: usize = 24;

const _: () = assert!((Counter::SquaredWireBytes as usize) < COUNTERS);
