//! Who a flow is between: a four-tuple with its direction removed.
//!
//! Both directions of a conversation give the same [`FlowKey`]; [`Side`] says which of its ends sent a segment.

use std::hint::select_unpredictable as choose;

use tcpkit_common::flow::{Address, FlowHash, FourTuple};

/// Two endpoints, the lower one first, compared as integers.
///
/// Packed: a flow has many neighbours, and four octets of padding in each of them are megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C, packed(4))]
pub struct FlowKey {
    /// By [`Side`], as the ports.
    addresses: [(u64, u64); 2],
    ports: [u16; 2],
}

/// One end of a flow, by the order of its [`FlowKey`]; says nothing about client and server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The lower endpoint.
    #[default]
    Low = 0,
    /// The higher endpoint.
    High = 1,
}

impl Side {
    /// The other end.
    #[must_use]
    #[inline(always)]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

impl FlowKey {
    /// The key of a four-tuple, and the side that its source is.
    ///
    /// Where both endpoints are the same one, the source is [`Side::Low`].
    #[must_use]
    #[inline(always)]
    pub fn of(tuple: &FourTuple) -> (Self, Side) {
        let source = tuple.source.halves();
        let destination = tuple.destination.halves();
        // Without branches: which side speaks next is what a processor can foresee least.
        let is_low = is_ordered(source, tuple.source_port, destination, tuple.destination_port);
        let low = (choose(is_low, source.0, destination.0), choose(is_low, source.1, destination.1));
        let high = (choose(is_low, destination.0, source.0), choose(is_low, destination.1, source.1));
        let low_port = choose(is_low, tuple.source_port, tuple.destination_port);
        let high_port = choose(is_low, tuple.destination_port, tuple.source_port);
        (Self::new(low, low_port, high, high_port), choose(is_low, Side::Low, Side::High))
    }

    /// The four-tuple of a segment that this side sends.
    #[must_use]
    pub const fn tuple_from(&self, side: Side) -> FourTuple {
        let ([low, high], [low_port, high_port]) = (self.addresses, self.ports);
        let from_low = FourTuple {
            source: address(low),
            destination: address(high),
            source_port: low_port,
            destination_port: high_port,
        };
        match side {
            Side::Low => from_low,
            Side::High => from_low.reversed(),
        }
    }

    /// Port of an end.
    #[must_use]
    pub const fn port(&self, side: Side) -> u16 {
        self.ports[side as usize]
    }

    /// Whether this side sends segments of this four-tuple.
    #[inline(always)]
    pub(super) fn is_of(&self, tuple: &FourTuple, side: Side) -> bool {
        let (own, other) = (side as usize, side.other() as usize);
        // Copies: the key is packed, so nothing in it can be referred to.
        let (from, to) = (self.addresses[own], self.addresses[other]);
        from == tuple.source.halves()
            && to == tuple.destination.halves()
            && self.ports[own] == tuple.source_port
            && self.ports[other] == tuple.destination_port
    }

    /// Whether both ends are the same endpoint, so that a tuple does not tell who sent it.
    #[must_use]
    pub fn is_land(&self) -> bool {
        let ([low, high], [low_port, high_port]) = (self.addresses, self.ports);
        low == high && low_port == high_port
    }

    /// The hash of its four-tuple, the same for both directions.
    #[must_use]
    pub const fn hash(&self) -> FlowHash {
        FlowHash::of(&self.tuple_from(Side::Low))
    }

    /// Addresses and ports as numbers, for a hash.
    #[inline(always)]
    pub(super) const fn words(&self) -> ([(u64, u64); 2], u32) {
        let [low_port, high_port] = self.ports;
        (self.addresses, (low_port as u32) << 16 | high_port as u32)
    }

    const fn new(low: (u64, u64), low_port: u16, high: (u64, u64), high_port: u16) -> Self {
        Self { addresses: [low, high], ports: [low_port, high_port] }
    }
}

const fn is_ordered(a: (u64, u64), a_port: u16, b: (u64, u64), b_port: u16) -> bool {
    let (a, b) = (wide(a), wide(b));
    (a < b) | ((a == b) & (a_port <= b_port))
}

const fn wide((high, low): (u64, u64)) -> u128 {
    (high as u128) << 64 | low as u128
}

const fn address(halves: (u64, u64)) -> Address {
    Address(wide(halves).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(source: [u8; 4], source_port: u16, destination: [u8; 4], destination_port: u16) -> FourTuple {
        FourTuple {
            source: Address::v4(source),
            destination: Address::v4(destination),
            source_port,
            destination_port,
        }
    }

    #[test]
    fn both_directions_have_one_key_and_opposite_sides() {
        for there in [
            tuple([10, 0, 0, 1], 40000, [10, 0, 0, 2], 80),
            tuple([10, 0, 0, 2], 80, [10, 0, 0, 1], 40000),
            tuple([127, 0, 0, 1], 40000, [127, 0, 0, 1], 80),
        ] {
            let (key, side) = FlowKey::of(&there);
            let (back_key, back_side) = FlowKey::of(&there.reversed());
            assert_eq!(key, back_key);
            assert_eq!(side.other(), back_side);
            assert_eq!(key.tuple_from(side), there);
            assert_eq!(key.port(side), there.source_port);
        }
    }

    #[test]
    fn a_land_tuple_is_known_as_one() {
        let land = tuple([10, 0, 0, 1], 80, [10, 0, 0, 1], 80);
        assert!(FlowKey::of(&land).0.is_land());
        assert!(!FlowKey::of(&tuple([10, 0, 0, 1], 80, [10, 0, 0, 1], 81)).0.is_land());
    }
}
