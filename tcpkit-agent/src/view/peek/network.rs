//! An address with the length of its network.

use std::net::IpAddr;

/// A network; an address alone is one of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// As an integer, left-aligned in 128 bits.
    bits: u128,
    len: u32,
    is_v6: bool,
}

impl Network {
    /// Reads `address` or `address/len`.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let full = if address.is_ipv6() { 128 } else { 32 };
        let len = match len {
            None => full,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (len <= full).then(|| Self { bits: bits(address), len, is_v6: address.is_ipv6() })
    }

    /// Whether it is one of IPv6.
    #[must_use]
    pub(super) const fn is_v6(&self) -> bool {
        self.is_v6
    }

    /// Whether the address lies in it; the host's bits of neither matter.
    #[must_use]
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        // A shift by the full width has no meaning: a network of length 0 differs in no bit.
        let differing = (self.bits ^ bits(address)).checked_shr(u128::BITS - self.len).unwrap_or(0);
        self.is_v6 == address.is_ipv6() && differing == 0
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn every_length_divides_where_it_should() {
        for len in 0..=32_u32 {
            let network = format!("255.255.255.255/{len}");
            let first_host_bit = u32::MAX.checked_shr(len).unwrap_or(0);
            let inside = std::net::Ipv4Addr::from_bits(u32::MAX ^ first_host_bit).to_string();
            assert!(contains(&network, &inside), "{network} {inside}");
            if len > 0 {
                let outside = std::net::Ipv4Addr::from_bits(u32::MAX ^ (1 << (32 - len))).to_string();
                assert!(!contains(&network, &outside), "{network} {outside}");
            }
        }
    }

    #[test]
    fn families_do_not_mix() {
        assert!(!contains("::/0", "1.2.3.4"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "::1"));
        assert!(contains("2001:db8::1/32", "2001:db8:ffff::"));
        assert!(!contains("2001:db8::1/32", "2001:db9::"));
    }
}
