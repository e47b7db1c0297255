//! What one interval adds up to.

/// A packet as tcpstat counts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// Capture time in seconds since the epoch: whole ones, and microseconds.
    pub seconds: i64,
    /// Microseconds.
    pub micros: u32,
    /// Bytes, without link header unless asked; a frame shorter than its link header wraps, as it does there.
    pub size: u32,
    /// What the link header announces.
    pub network: Network,
    /// What the IP header announces, extension headers not looked into.
    pub transport: Transport,
}

/// Network protocols that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// ARP.
    Arp,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Anything else.
    #[default]
    Other,
}

/// Transport protocols that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Anything else.
    #[default]
    Other,
}

/// One interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) packets: u32,
    pub(super) sum: f64,
    pub(super) squares: f64,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) arp: u32,
    pub(super) ipv4: u32,
    pub(super) ipv6: u32,
    pub(super) tcp: u32,
    pub(super) udp: u32,
    pub(super) icmp: u32,
}

impl Sample {
    pub(super) fn add(&mut self, packet: &Counted) {
        let size = f64::from(packet.size);
        // No minimum yet, and a minimum of zero, are one to tcpstat.
        self.min = if self.min == 0 { packet.size } else { self.min.min(packet.size) };
        self.max = self.max.max(packet.size);
        self.packets = self.packets.wrapping_add(1);
        self.sum += size;
        self.squares += size * size;
        let network = match packet.network {
            Network::Arp => Some(&mut self.arp),
            Network::V4 => Some(&mut self.ipv4),
            Network::V6 => Some(&mut self.ipv6),
            Network::Other => None,
        };
        let transport = match packet.transport {
            Transport::Tcp => Some(&mut self.tcp),
            Transport::Udp => Some(&mut self.udp),
            Transport::Icmp => Some(&mut self.icmp),
            Transport::Other => None,
        };
        for count in network.into_iter().chain(transport) {
            *count = count.wrapping_add(1);
        }
    }

    /// Mean size; 0 without packets.
    pub(super) fn mean(&self) -> f64 {
        if self.packets == 0 { 0.0 } else { self.sum / f64::from(self.packets) }
    }

    /// Standard deviation of the population; 0 without packets.
    pub(super) fn deviation(&self) -> f64 {
        if self.packets == 0 {
            return 0.0;
        }
        let mean = self.mean();
        (self.squares / f64::from(self.packets) - mean * mean).sqrt()
    }
}
