//! How much passed: packets and bytes on the wire, by interface, direction, IP version, protocol, size and second.

use std::ops::Range;

use super::series::{Peak, SECOND, Series, begins, second_of};
use crate::{
    flow::WireCount,
    time::Timestamp,
    wire::{Frame, FrameDirection, InterfaceId, IpVersion, LinkType, Outer, Transport},
};

/// Largest sizes of the buckets of packets by size, as in RMON (RFC 2819, etherStatsPkts); the last bucket has none.
pub const SIZE_BOUNDS: [u32; 6] = [64, 127, 255, 511, 1023, 1518];

/// Octets that each packet takes of an Ethernet link beside itself (IEEE 802.3 §3.1.1, §4.4.2): preamble and start of
/// frame 8, FCS 4, gap 12.
pub const L1_OVERHEAD: u64 = 24;

/// Frames and what they stood for on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCount {
    /// Frames as captured.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Octets of payload of TCP and UDP.
    pub payload_bytes: u64,
    /// Of the payload, octets that had been sent before.
    pub retransmitted_bytes: u64,
    /// Flows that began with one of the frames.
    pub flows: u64,
}

/// Which part of the traffic; `None` is all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// IP version; `Some(None)` is what is no IP.
    pub version: Option<Option<IpVersion>>,
    /// What IP carries.
    pub transport: Option<Transport>,
    /// Way past the capture point.
    pub direction: Option<FrameDirection>,
}

/// Everything that passed one interface, cut up in five ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By `[IP version][transport][direction]`.
    cells: [[[TrafficCount; 3]; 4]; 3],
    /// Packets by size.
    sizes: [u64; SIZE_BOUNDS.len() + 1],
    /// Octets that short packets lack of an Ethernet frame's least, by direction.
    padding: [u64; 3],
    /// By second, up to the one that is not over: bytes by direction, and the same with all that Ethernet adds.
    seconds: Series<6>,
    /// What was there by direction when that second began, or was gone back to.
    before: [u64; 6],
    /// What the frames begin with.
    link_type: Option<LinkType>,
}

/// What passed an interface, and how long its packets were.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// What a frame stood for on the wire.
    pub wire: WireCount,
    /// Octets of its payload, unless another interface counts them.
    pub payload_len: u32,
}

impl TrafficCount {
    #[inline(always)]
    fn add(&mut self, passed: &Passed) {
        self.frames += 1;
        self.packets += u64::from(passed.wire.packets);
        self.bytes += passed.wire.bytes;
        self.payload_bytes += u64::from(passed.payload_len);
    }

    /// Adds another count.
    pub const fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.payload_bytes += other.payload_bytes;
        self.retransmitted_bytes += other.retransmitted_bytes;
        self.flows += other.flows;
    }
}

impl Traffic {
    fn merge(&mut self, other: &Self) {
        let theirs = other.cells.as_flattened().as_flattened();
        for (own, theirs) in self.cells.as_flattened_mut().as_flattened_mut().iter_mut().zip(theirs) {
            own.merge(theirs);
        }
        add(&mut self.sizes, &other.sizes);
        add(&mut self.padding, &other.padding);
        add(&mut self.before, &other.before);
        self.seconds.merge(&other.seconds);
        // Of several, the lowest: so it does not matter who was first.
        let both = self.link_type.zip(other.link_type);
        self.link_type =
            both.map_or(self.link_type.or(other.link_type), |(a, b)| Some(LinkType(a.0.min(b.0))));
    }

    /// What passed of a part.
    #[must_use]
    pub fn count(&self, cut: Cut) -> TrafficCount {
        let mut sum = TrafficCount::default();
        for (v, by_transport) in self.cells.iter().enumerate() {
            for (t, by_direction) in by_transport.iter().enumerate() {
                for (d, count) in by_direction.iter().enumerate() {
                    let wanted = cut.version.is_none_or(|version| version_index(version) == v)
                        && cut.transport.is_none_or(|transport| transport_index(transport) == t)
                        && cut.direction.is_none_or(|direction| direction_index(direction) == d);
                    if wanted {
                        sum.merge(count);
                    }
                }
            }
        }
        sum
    }

    /// Packets by size: one more than [`SIZE_BOUNDS`].
    #[must_use]
    pub const fn sizes(&self) -> &[u64; SIZE_BOUNDS.len() + 1] {
        &self.sizes
    }

    /// Octets that an Ethernet card adds to packets that are too short, of one direction or all.
    #[must_use]
    pub fn padding(&self, direction: Option<FrameDirection>) -> u64 {
        of_direction(&self.padding, direction)
    }

    /// Whether the frames begin with an Ethernet header; `None` where that is not known.
    #[must_use]
    pub fn is_ethernet(&self) -> Option<bool> {
        self.link_type.map(|link_type| link_type == LinkType::ETHERNET)
    }

    /// The busiest second, of one direction or all.
    #[must_use]
    pub fn peak(&self, direction: Option<FrameDirection>) -> Option<Peak> {
        self.seconds.peak(|[bytes @ .., _, _, _]| of_direction(bytes, direction))
    }

    /// The same by what the packets take of an Ethernet link.
    #[must_use]
    pub fn l1_peak(&self, direction: Option<FrameDirection>) -> Option<Peak> {
        self.seconds.peak(|[_, _, _, l1 @ ..]| of_direction(l1, direction))
    }

    fn directions(&self) -> [u64; 6] {
        let mut sums = [0; 6];
        for by_direction in self.cells.as_flattened() {
            for (direction, count) in by_direction.iter().enumerate() {
                sums[direction] += count.bytes;
                sums[3 + direction] += count.bytes + count.packets * L1_OVERHEAD;
            }
        }
        (0..3).for_each(|direction| sums[3 + direction] += self.padding[direction]);
        sums
    }

    /// Gives the second what was added since it began.
    fn end_second(&mut self, second: i64) {
        let now = self.directions();
        let new = std::array::from_fn(|direction| now[direction] - self.before[direction]);
        if new != [0; 6] {
            self.seconds.add(second, &new);
            self.before = now;
        }
    }
}

/// All traffic of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BandwidthAnalyzer {
    interfaces: Vec<Option<Box<Traffic>>>,
    /// Bytes of all interfaces by second: four transports and three IP versions.
    seconds: Series<7>,
    /// What was there when the second at hand began, or was gone back to.
    before: [u64; 7],
    /// The second at hand, in nanoseconds; nothing fits into the first one.
    second: Range<i64>,
}

impl BandwidthAnalyzer {
    /// Takes a frame and what it stood for.
    #[inline(always)]
    pub fn on_frame(&mut self, frame: &Frame<'_>, outer: &Outer, passed: &Passed) {
        if !self.second.contains(&frame.timestamp.0) {
            self.turn_to(frame.timestamp);
        }
        let traffic = match self.interfaces.get_mut(usize::from(frame.interface.0)) {
            Some(Some(traffic)) => &mut **traffic,
            _ => self.interface_mut(frame.interface),
        };
        traffic.cell_mut(outer).add(passed);
        if passed.wire.packets == 1 {
            traffic.sizes[size_index(frame.frame_len)] += 1;
            traffic.padding[direction_index(outer.direction)] += padding(u64::from(frame.frame_len));
        } else {
            let WireCount { packets, bytes, full_len } = passed.wire;
            traffic.count_many(outer.direction, packets, bytes, full_len);
        }
        if traffic.link_type.is_none() {
            traffic.link_type = Some(frame.link_type);
        }
    }

    /// Takes payload of which no frame told by itself: that of a datagram in fragments.
    pub fn on_payload(&mut self, interface: InterfaceId, outer: &Outer, octets: u32) {
        self.interface_mut(interface).cell_mut(outer).payload_bytes += u64::from(octets);
    }

    /// Takes what a segment told of its flow: that it began, and octets that had been sent before.
    #[cold]
    pub fn on_flow(&mut self, interface: InterfaceId, outer: &Outer, flows: u64, retransmitted_bytes: u64) {
        let cell = self.interface_mut(interface).cell_mut(outer);
        cell.flows += flows;
        cell.retransmitted_bytes += retransmitted_bytes;
    }

    /// Closes the second at hand: the sums are complete, and peaks can be asked for.
    pub fn settle(&mut self) {
        self.end_second();
        // The next frame begins a second, be it the same one.
        self.second = 0..0;
    }

    /// Adds another shard's traffic; both are settled.
    pub fn merge(&mut self, other: &Self) {
        for (interface, theirs) in other.interfaces() {
            self.interface_mut(interface).merge(theirs);
        }
        self.seconds.merge(&other.seconds);
        add(&mut self.before, &other.before);
    }

    /// Everything, by interface, in order of their numbers.
    pub fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &Traffic)> {
        (0u16..=u16::MAX)
            .zip(&self.interfaces)
            .filter_map(|(number, traffic)| Some((InterfaceId(number), traffic.as_deref()?)))
    }

    /// Everything of these interfaces together.
    #[must_use]
    pub fn sum(&self, is_one: impl Fn(InterfaceId) -> bool) -> Traffic {
        let mut sum = Traffic::default();
        self.interfaces().filter(|(id, _)| is_one(*id)).for_each(|(_, traffic)| sum.merge(traffic));
        sum
    }

    /// From when on peaks are known; `None` where that is the whole capture.
    #[must_use]
    pub fn peaks_since(&self) -> Option<Timestamp> {
        self.interfaces().map(|(_, traffic)| traffic.seconds.since()).fold(self.seconds.since(), Option::max)
    }

    /// The busiest second of a protocol, on all interfaces.
    #[must_use]
    pub fn transport_peak(&self, transport: Transport) -> Option<Peak> {
        self.seconds.peak(|numbers| numbers[transport_index(transport)])
    }

    /// The busiest second of an IP version, on all interfaces.
    #[must_use]
    pub fn version_peak(&self, version: Option<IpVersion>) -> Option<Peak> {
        self.seconds.peak(|numbers| numbers[4 + version_index(version)])
    }

    /// The frames of another second follow.
    #[cold]
    fn turn_to(&mut self, time: Timestamp) {
        self.end_second();
        let begin = begins(second_of(time)).0;
        self.second = begin..begin.saturating_add(SECOND);
    }

    fn end_second(&mut self) {
        let second = second_of(Timestamp(self.second.start));
        let mut now = [0; 7];
        for traffic in self.interfaces.iter_mut().flatten() {
            traffic.end_second(second);
            for (v, by_transport) in traffic.cells.iter().enumerate() {
                for (t, by_direction) in by_transport.iter().enumerate() {
                    let bytes: u64 = by_direction.iter().map(|count| count.bytes).sum();
                    now[t] += bytes;
                    now[4 + v] += bytes;
                }
            }
        }
        let new: [u64; 7] = std::array::from_fn(|part| now[part] - self.before[part]);
        if new != [0; 7] {
            self.seconds.add(second, &new);
            self.before = now;
        }
    }

    #[inline(never)]
    fn interface_mut(&mut self, interface: InterfaceId) -> &mut Traffic {
        let place = usize::from(interface.0);
        if place >= self.interfaces.len() {
            self.interfaces.resize(place + 1, None);
        }
        self.interfaces[place].get_or_insert_default()
    }
}

impl Traffic {
    #[inline(always)]
    const fn cell_mut(&mut self, outer: &Outer) -> &mut TrafficCount {
        let by_transport = &mut self.cells[version_index(outer.version)];
        &mut by_transport[transport_index(outer.transport)][direction_index(outer.direction)]
    }

    /// Every packet of a super-segment is full but the last one. In pieces, which need not be in memory.
    #[inline(never)]
    fn count_many(&mut self, direction: FrameDirection, packets: u32, bytes: u64, full_len: u32) {
        let packets = u64::from(packets);
        let full = u64::from(full_len);
        let last = bytes.saturating_sub(full * (packets - 1));
        self.sizes[size_index(full_len)] += packets - 1;
        self.sizes[size_index(u32::try_from(last).unwrap_or(u32::MAX))] += 1;
        self.padding[direction_index(direction)] += padding(last) + padding(full) * (packets - 1);
    }
}

fn of_direction(numbers: &[u64; 3], direction: Option<FrameDirection>) -> u64 {
    direction.map_or_else(|| numbers.iter().sum(), |direction| numbers[direction_index(direction)])
}

/// What a packet lacks of the least that an Ethernet frame has without its FCS (IEEE 802.3 §4.4.2: `minFrameSize`).
#[inline(always)]
const fn padding(len: u64) -> u64 {
    60u64.saturating_sub(len)
}

fn add<const N: usize>(own: &mut [u64; N], other: &[u64; N]) {
    own.iter_mut().zip(other).for_each(|(own, theirs)| *own += theirs);
}

/// The least size that exceeds all bounds.
const LARGE: u32 = SIZE_BOUNDS[SIZE_BOUNDS.len() - 1] + 1;

/// How many bounds each size exceeds: looked up, because sizes come in no order that a processor could foresee.
const SIZE_INDEX: [u8; LARGE as usize + 1] = {
    let mut exceeded = [0; LARGE as usize + 1];
    let mut len = 0;
    while len < exceeded.len() {
        let mut bound = 0;
        while bound < SIZE_BOUNDS.len() {
            exceeded[len] += (len > SIZE_BOUNDS[bound] as usize) as u8;
            bound += 1;
        }
        len += 1;
    }
    exceeded
};

#[inline(always)]
fn size_index(len: u32) -> usize {
    usize::from(SIZE_INDEX[len.min(LARGE) as usize])
}

#[inline(always)]
const fn version_index(version: Option<IpVersion>) -> usize {
    match version {
        Some(IpVersion::V4) => 0,
        Some(IpVersion::V6) => 1,
        None => 2,
    }
}

#[inline(always)]
const fn transport_index(transport: Transport) -> usize {
    match transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
        Transport::Icmp => 2,
        Transport::Other => 3,
    }
}

#[inline(always)]
const fn direction_index(direction: FrameDirection) -> usize {
    match direction {
        FrameDirection::Unknown => 0,
        FrameDirection::Inbound => 1,
        FrameDirection::Outbound => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_falls_behind_the_bounds_that_it_exceeds() {
        for len in (0..70_000).chain([u32::MAX - 1, u32::MAX]) {
            let exceeded = SIZE_BOUNDS.iter().filter(|bound| len > **bound).count();
            assert_eq!(size_index(len), exceeded, "{len}");
        }
    }
}
