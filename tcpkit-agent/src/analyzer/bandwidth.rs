//! Who used how much: packets and bytes on the wire, by interface, direction, IP version, protocol and size.

use crate::{
    flow::WireCount,
    wire::{Frame, FrameDirection, InterfaceId, IpVersion, Outer, Transport},
};

/// Largest sizes of the buckets of packets by size, as in RMON (RFC 2819, etherStatsPkts); the last bucket has none.
pub const SIZE_BOUNDS: [u32; 6] = [64, 127, 255, 511, 1023, 1518];

/// Frames and what they stood for on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCount {
    /// Frames as captured.
    pub frames: u64,
    /// Packets on the wire.
    pub packets: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

impl TrafficCount {
    #[inline(always)]
    fn add(&mut self, wire: WireCount) {
        self.frames += 1;
        self.packets += u64::from(wire.packets);
        self.bytes += wire.bytes;
    }

    /// Adds another count.
    pub const fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// Everything that passed one interface, cut up in four ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By `[IP version][transport][direction]`.
    cells: [[[TrafficCount; 3]; 4]; 3],
    /// Packets by size.
    sizes: [u64; SIZE_BOUNDS.len() + 1],
}

impl Traffic {
    fn merge(&mut self, other: &Self) {
        let theirs = other.cells.as_flattened().as_flattened();
        for (own, theirs) in self.cells.as_flattened_mut().as_flattened_mut().iter_mut().zip(theirs) {
            own.merge(theirs);
        }
        for (own, theirs) in self.sizes.iter_mut().zip(other.sizes) {
            *own += theirs;
        }
    }

    /// What passed with the given IP version (`Some(None)`: no IP), transport and direction; `None` is all of them.
    #[must_use]
    pub fn count(
        &self,
        version: Option<Option<IpVersion>>,
        transport: Option<Transport>,
        direction: Option<FrameDirection>,
    ) -> TrafficCount {
        let mut sum = TrafficCount::default();
        for (v, by_transport) in self.cells.iter().enumerate() {
            for (t, by_direction) in by_transport.iter().enumerate() {
                for (d, count) in by_direction.iter().enumerate() {
                    let wanted = version.is_none_or(|version| version_index(version) == v)
                        && transport.is_none_or(|transport| transport_index(transport) == t)
                        && direction.is_none_or(|direction| direction_index(direction) == d);
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
}

/// All traffic of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BandwidthAnalyzer {
    interfaces: Vec<Option<Box<Traffic>>>,
}

impl BandwidthAnalyzer {
    /// Takes a frame; `wire` is what it stood for.
    #[inline(always)]
    pub fn on_frame(&mut self, frame: &Frame<'_>, outer: &Outer, wire: WireCount) {
        let traffic = self.interface_mut(frame.interface);
        let cell = &mut traffic.cells[version_index(outer.version)][transport_index(outer.transport)]
            [direction_index(outer.direction)];
        cell.add(wire);
        if wire.packets == 1 {
            traffic.sizes[size_index(frame.frame_len)] += 1;
        } else {
            count_sizes(&mut traffic.sizes, wire);
        }
    }

    /// Adds another shard's traffic.
    pub fn merge(&mut self, other: &Self) {
        for (interface, theirs) in other.interfaces() {
            self.interface_mut(interface).merge(theirs);
        }
    }

    /// Everything, by interface, in order of their numbers.
    pub fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &Traffic)> {
        (0u16..=u16::MAX)
            .zip(&self.interfaces)
            .filter_map(|(number, traffic)| Some((InterfaceId(number), traffic.as_deref()?)))
    }

    /// Everything together.
    #[must_use]
    pub fn total(&self) -> Traffic {
        let mut total = Traffic::default();
        self.interfaces().for_each(|(_, traffic)| total.merge(traffic));
        total
    }

    #[inline(always)]
    fn interface_mut(&mut self, interface: InterfaceId) -> &mut Traffic {
        let place = usize::from(interface.0);
        if self.interfaces.get(place).is_none_or(Option::is_none) {
            self.learn(place);
        }
        self.interfaces[place].as_mut().expect("it was learnt")
    }

    #[cold]
    fn learn(&mut self, place: usize) {
        if place >= self.interfaces.len() {
            self.interfaces.resize(place + 1, None);
        }
        self.interfaces[place].get_or_insert_default();
    }
}

/// Every packet of a super-segment is full but the last one.
#[inline(never)]
fn count_sizes(sizes: &mut [u64; SIZE_BOUNDS.len() + 1], wire: WireCount) {
    let packets = u64::from(wire.packets);
    let full = u64::from(wire.full_len);
    let last = wire.bytes.saturating_sub(full * (packets - 1));
    sizes[size_index(wire.full_len)] += packets - 1;
    sizes[size_index(u32::try_from(last).unwrap_or(u32::MAX))] += 1;
}

#[inline(always)]
fn size_index(len: u32) -> usize {
    // Without branches: sizes come in no order that a processor could foresee. All bounds but the first and the last
    // are one below a power of two, so the binary digits of a size count them; 64 counts as 63, to be below its own.
    const FEWEST: u32 = SIZE_BOUNDS[0].ilog2();
    const MOST: u32 = SIZE_BOUNDS[SIZE_BOUNDS.len() - 2].ilog2() + 2;
    const LAST: u32 = SIZE_BOUNDS[SIZE_BOUNDS.len() - 1];
    let digits = u32::BITS - (len - u32::from(len == SIZE_BOUNDS[0])).leading_zeros();
    (digits.clamp(FEWEST, MOST) - FEWEST + u32::from(len > LAST)) as usize
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
