//! What one interval adds up to.

use super::{Counted, Network, Transport, number::wide};

/// The sums of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub sum: f64,
    /// Sum of the squares of the packets' sizes.
    pub squares: f64,
    /// Bytes of the smallest packet; 0 before there is any.
    pub min: i32,
    /// Bytes of the largest.
    pub max: i32,
    /// ARP packets.
    pub arp: u64,
    /// IPv4 packets.
    pub ipv4: u64,
    /// IPv6 packets.
    pub ipv6: u64,
    /// TCP packets.
    pub tcp: u64,
    /// UDP packets.
    pub udp: u64,
    /// ICMP and ICMPv6 packets.
    pub icmp: u64,
}

impl Sample {
    /// Adds a packet.
    #[inline]
    pub(super) fn add(&mut self, packet: &Counted) {
        let size = f64::from(packet.size);
        let signed = packet.size.cast_signed();
        self.packets += 1;
        self.sum += size;
        self.squares += size * size;
        let count = match packet.network {
            Network::Arp => Some(&mut self.arp),
            Network::V4 => Some(&mut self.ipv4),
            Network::V6 => Some(&mut self.ipv6),
            Network::Other => None,
        };
        if let Some(count) = count {
            *count += 1;
        }
        let count = match packet.transport {
            Transport::Tcp => Some(&mut self.tcp),
            Transport::Udp => Some(&mut self.udp),
            Transport::Icmp => Some(&mut self.icmp),
            Transport::Other => None,
        };
        if let Some(count) = count {
            *count += 1;
        }
        self.max = self.max.max(signed);
        // No minimum yet, and a minimum of zero, are one to tcpstat.
        self.min = if self.min == 0 { signed } else { self.min.min(signed) };
    }

    /// Mean size; 0 without packets.
    pub(super) fn mean(&self) -> f64 {
        if self.packets == 0 { 0.0 } else { self.sum / wide(self.packets) }
    }

    /// Standard deviation of the population; 0 without packets.
    pub(super) fn deviation(&self) -> f64 {
        if self.packets == 0 {
            return 0.0;
        }
        let mean = self.mean();
        (self.squares / wide(self.packets) - mean * mean).sqrt()
    }
}
