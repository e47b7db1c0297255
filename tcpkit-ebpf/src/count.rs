//! What a frame adds to the totals.

use tcpkit_common::counter::Counter;

use crate::{
    hook::{Frame, Shape},
    maps::Row,
    parse::{ARP, OUTER_FRAGMENT, OUTER_ICMP, OUTER_TCP, OUTER_UDP, OUTER_V4, OUTER_V6},
};

/// What a frame or super-segment stands for on the wire.
#[derive(Clone, Copy)]
pub struct Wire {
    /// Packets.
    pub packets: u64,
    /// Bytes, link headers included.
    pub bytes: u64,
    /// Sum of the squares of the packets' sizes.
    squares: u64,
}

impl Wire {
    /// `headers_len` are the octets that each segment repeats; 0 when they are not known.
    #[inline(always)]
    pub fn of<F: Frame>(frame: &F, shape: &Shape, headers_len: u32) -> Self {
        let tag = if shape.vlan.0 == 0 { 0 } else { 4 };
        let &Shape { frame_len, gso_size, .. } = shape;
        if gso_size == 0 {
            let bytes = u64::from(frame_len + tag);
            return Self { packets: 1, bytes, squares: bytes.wrapping_mul(bytes) };
        }
        if headers_len == 0 || headers_len > frame_len {
            // Without the headers' length the kernel's own count is the best there is.
            let packets = u64::from(frame.gso_segs().max(1));
            let bytes = u64::from(frame_len) + packets * u64::from(tag);
            let mean = bytes / packets;
            return Self { packets, bytes, squares: mean.wrapping_mul(mean).wrapping_mul(packets) };
        }
        let packets = u64::from((frame_len - headers_len).div_ceil(gso_size).max(1));
        let bytes = u64::from(frame_len + tag) + (packets - 1) * u64::from(headers_len + tag);
        // All but the last are full.
        let full = u64::from(headers_len + gso_size + tag);
        let last = bytes.wrapping_sub((packets - 1).wrapping_mul(full));
        let squares =
            (packets - 1).wrapping_mul(full.wrapping_mul(full)).wrapping_add(last.wrapping_mul(last));
        Self { packets, bytes, squares }
    }
}

/// Counts one.
#[inline(always)]
pub fn one(row: &mut Row, counter: Counter) {
    add(row, counter, 1);
}

/// A frame that matched, whatever its headers say.
#[inline(always)]
pub fn frame(row: &mut Row, shape: &Shape, wire: Wire) {
    one(row, Counter::Frames);
    add(row, Counter::WirePackets, wire.packets);
    add(row, Counter::WireBytes, wire.bytes);
    add(row, Counter::SquaredWireBytes, wire.squares);
    if shape.gso_size != 0 {
        one(row, Counter::SuperSegments);
    }
}

/// What the outermost packet of a frame that matched says of itself.
#[inline(always)]
pub fn protocols(row: &mut Row, known: u32, wire: Wire) {
    if known & OUTER_V4 != 0 {
        both(row, Counter::Ipv4Packets, Counter::Ipv4Bytes, wire);
    } else if known & OUTER_V6 != 0 {
        both(row, Counter::Ipv6Packets, Counter::Ipv6Bytes, wire);
    } else if known & ARP != 0 {
        add(row, Counter::ArpPackets, wire.packets);
    }
    if known & OUTER_TCP != 0 {
        both(row, Counter::TcpPackets, Counter::TcpBytes, wire);
    } else if known & OUTER_UDP != 0 {
        both(row, Counter::UdpPackets, Counter::UdpBytes, wire);
    } else if known & OUTER_ICMP != 0 {
        both(row, Counter::IcmpPackets, Counter::IcmpBytes, wire);
    }
    if known & OUTER_FRAGMENT != 0 {
        add(row, Counter::FragmentPackets, wire.packets);
    }
}

#[inline(always)]
fn both(row: &mut Row, packets: Counter, bytes: Counter, wire: Wire) {
    add(row, packets, wire.packets);
    add(row, bytes, wire.bytes);
}

#[inline(always)]
fn add(row: &mut Row, counter: Counter, amount: u64) {
    row[counter as usize] += amount;
}
