//! Who talks to whom: addresses, four-tuples, and the symmetric hash that chooses a shard.

/// An IPv4 or IPv6 address in network order; IPv4 stands as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// An IPv4 address, mapped.
    #[inline(always)]
    #[must_use]
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// The halves of an IPv4 address that stands in a host-order integer.
    #[inline(always)]
    #[must_use]
    pub const fn halves_v4(octets: u32) -> (u64, u64) {
        (0, 0xffff_0000_0000 | octets as u64)
    }

    /// The address whose halves these are.
    #[inline(always)]
    #[must_use]
    pub const fn from_halves((high, low): (u64, u64)) -> Self {
        Self((((high as u128) << 64) | low as u128).to_be_bytes())
    }

    /// The address as the standard library knows it; IPv4-mapped becomes IPv4.
    #[must_use]
    pub const fn to_ip(self) -> core::net::IpAddr {
        core::net::Ipv6Addr::from_octets(self.0).to_canonical()
    }

    /// The two halves as host-order integers, high half first.
    #[inline(always)]
    #[must_use]
    pub const fn halves(&self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
    }
}

/// Source and destination address and port, as seen on one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourTuple {
    /// Sender's address.
    pub source: Address,
    /// Receiver's address.
    pub destination: Address,
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
}

impl FourTuple {
    /// The same conversation seen from the other side.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }
}

/// Hash of a conversation, equal for both of its directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct FlowHash(pub u32);

impl FlowHash {
    /// Hash of both endpoints; exchanging source and destination does not change it.
    #[inline(always)]
    #[must_use]
    pub const fn of(tuple: &FourTuple) -> Self {
        Self::of_halves(
            (tuple.source.halves(), tuple.source_port),
            (tuple.destination.halves(), tuple.destination_port),
        )
    }

    /// Hash of the two addresses alone: what a fragment is known by before its ports are.
    #[inline(always)]
    #[must_use]
    pub const fn of_addresses(source: &Address, destination: &Address) -> Self {
        Self::of_halves((source.halves(), 0), (destination.halves(), 0))
    }

    /// Hash of two endpoints whose addresses stand as [`Address::halves`]; port 0 where there is none.
    #[inline(always)]
    #[must_use]
    pub const fn of_halves(source: ((u64, u64), u16), destination: ((u64, u64), u16)) -> Self {
        Self::combine(endpoint(source.0, source.1), endpoint(destination.0, destination.1))
    }

    /// The shard that owns this hash, `0..shards`.
    #[inline(always)]
    #[must_use]
    pub const fn shard(self, shards: u32) -> u32 {
        ((self.0 as u64 * shards as u64) >> 32) as u32
    }

    #[inline(always)]
    const fn combine(a: u64, b: u64) -> Self {
        Self((mix(a.wrapping_add(b)) >> 32) as u32)
    }
}

#[inline(always)]
const fn endpoint((high, low): (u64, u64), port: u16) -> u64 {
    mix(mix(high ^ ((port as u64) << 1)) ^ low)
}

/// The finalizer of MurmurHash3 (public domain, Austin Appleby): every input bit reaches every output bit.
#[inline(always)]
const fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}
