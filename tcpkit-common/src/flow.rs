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

    /// The address with these halves.
    #[inline(always)]
    #[must_use]
    pub const fn from_halves([high, low]: [u64; 2]) -> Self {
        let [a, b, c, d, e, f, g, h] = high.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = low.to_be_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
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
        Self::combine(
            endpoint(&tuple.source, tuple.source_port),
            endpoint(&tuple.destination, tuple.destination_port),
        )
    }

    /// Hash of the two addresses alone: what a fragment is known by before its ports are.
    #[inline(always)]
    #[must_use]
    pub const fn of_addresses(source: &Address, destination: &Address) -> Self {
        Self::combine(endpoint(source, 0), endpoint(destination, 0))
    }

    /// Both of the above, where addresses are at hand as their halves ([`Address::halves`]); ports of 0 stand for none.
    #[inline(always)]
    #[must_use]
    pub const fn of_halves(
        source: [u64; 2],
        source_port: u16,
        destination: [u64; 2],
        destination_port: u16,
    ) -> Self {
        Self::combine(
            endpoint_of_halves(source, source_port),
            endpoint_of_halves(destination, destination_port),
        )
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
const fn endpoint(address: &Address, port: u16) -> u64 {
    let (high, low) = address.halves();
    endpoint_of_halves([high, low], port)
}

#[inline(always)]
const fn endpoint_of_halves([high, low]: [u64; 2], port: u16) -> u64 {
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
