//! Networks by the first bits of their addresses.

use std::net::IpAddr;

use tcpkit_common::flow::Address;

/// The first bits of an address; IPv4 as IPv4-mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    bits: u128,
    length: u8,
}

/// How many bits make a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrefixLengths {
    /// Of IPv4 addresses, at most 32.
    pub v4: u8,
    /// Of IPv6 addresses, at most 128.
    pub v6: u8,
}

impl Default for PrefixLengths {
    /// A subnet as most are made, and what a site is given (RFC 6177).
    fn default() -> Self {
        Self { v4: 24, v6: 48 }
    }
}

impl PrefixLengths {
    /// The prefix of an address.
    #[must_use]
    pub fn of(self, address: Address) -> Prefix {
        let bits = u128::from_be_bytes(address.0);
        let length = if bits >> 32 == MAPPED { MAPPED_BITS + self.v4.min(32) } else { self.v6.min(128) };
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Prefix { bits: bits & mask, length }
    }
}

impl Prefix {
    /// Its first address, and how many bits of it count.
    #[must_use]
    pub fn network(self) -> (IpAddr, u8) {
        let address = Address(self.bits.to_be_bytes()).to_ip();
        let unmapped = if address.is_ipv4() { MAPPED_BITS } else { 0 };
        (address, self.length.saturating_sub(unmapped))
    }
}

/// What stands before an IPv4 address (RFC 4291 §2.5.5.2).
const MAPPED: u128 = 0xffff;
const MAPPED_BITS: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_what_its_addresses_have_in_common() {
        let network = |lengths: PrefixLengths, text: &str| {
            let address = match text.parse().unwrap() {
                IpAddr::V4(ip) => Address::v4(ip.octets()),
                IpAddr::V6(ip) => Address(ip.octets()),
            };
            let (ip, length) = lengths.of(address).network();
            format!("{ip}/{length}")
        };
        let usual = PrefixLengths::default();
        assert_eq!(network(usual, "192.168.7.255"), "192.168.7.0/24");
        assert_eq!(network(usual, "2001:db8:1:2::5"), "2001:db8:1::/48");
        let all = PrefixLengths { v4: 0, v6: 0 };
        assert_eq!(network(all, "192.168.7.255"), "0.0.0.0/0");
        assert_eq!(network(all, "2001:db8:1:2::5"), "::/0");
        let hosts = PrefixLengths { v4: 32, v6: 128 };
        assert_eq!(network(hosts, "192.168.7.255"), "192.168.7.255/32");
        assert_eq!(network(hosts, "2001:db8:1:2::5"), "2001:db8:1:2::5/128");
    }
}
