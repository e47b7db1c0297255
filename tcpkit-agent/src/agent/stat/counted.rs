//! What the kernel's counters say of an interval: sums that need no packet to be seen.

use tcpkit_common::{counter::COUNTERS, counter::Counter};

use super::HOOKS;
use crate::{source::live::LiveCapture, view::stat::Sample, wire::LinkType};

/// Sums over the hooks of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums([u64; COUNTERS]);

impl Sums {
    /// As they are now.
    pub(super) fn of(capture: &LiveCapture) -> Self {
        let mut sums = [0_u64; COUNTERS];
        for hook in HOOKS {
            let counters = capture.hook_counters(0, hook);
            for (sum, value) in sums.iter_mut().zip(counters.values) {
                *sum = sum.wrapping_add(value);
            }
        }
        Self(sums)
    }

    /// What came since those others; `link_len` bytes of each packet do not count.
    pub(super) fn since(&self, before: &Self, link_len: u64) -> Sample {
        let count = |counter: Counter| self.0[counter as usize].wrapping_sub(before.0[counter as usize]);
        let packets = count(Counter::WirePackets);
        let whole = count(Counter::WireBytes);
        let sum = whole.saturating_sub(packets * link_len);
        // The sum of (size - link)², from the sums of size² and size.
        let squares = i128::from(count(Counter::SquaredWireBytes))
            - 2 * i128::from(link_len) * i128::from(whole)
            + i128::from(link_len * link_len) * i128::from(packets);
        Sample {
            packets,
            sum: double(sum.into()),
            squares: at_least_the_mean(double(squares), packets, double(sum.into())),
            min: 0,
            max: 0,
            arp: count(Counter::ArpPackets),
            ipv4: count(Counter::Ipv4Packets),
            ipv6: count(Counter::Ipv6Packets),
            tcp: count(Counter::TcpPackets),
            udp: count(Counter::UdpPackets),
            icmp: count(Counter::IcmpPackets),
        }
    }
}

/// Counters are read one by one while packets pass, and rounding takes its part: no variance is below zero for that.
fn at_least_the_mean(squares: f64, packets: u64, sum: f64) -> f64 {
    if packets == 0 {
        return squares;
    }
    let mean = sum / double(packets.into());
    squares.max(mean * mean * double(packets.into()) * (1.0 + 4.0 * f64::EPSILON))
}

/// Bytes of the link header that tcpstat leaves out.
pub(super) const fn link_len(link_type: LinkType, counts_link: bool) -> u64 {
    match link_type {
        LinkType::ETHERNET if !counts_link => 14,
        _ => 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "tcpstat's quantities are doubles")]
const fn double(number: i128) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_header_is_taken_out_of_the_squares() {
        let mut now = Sums::default();
        let sizes = [60_u64, 1514, 200];
        now.0[Counter::WirePackets as usize] = 3;
        now.0[Counter::WireBytes as usize] = sizes.iter().sum();
        now.0[Counter::SquaredWireBytes as usize] = sizes.iter().map(|size| size * size).sum();
        let sample = now.since(&Sums::default(), 14);
        let squares: u64 = sizes.iter().map(|size| (size - 14) * (size - 14)).sum();
        assert_eq!((sample.packets, sample.sum, sample.squares), (3, 1732.0, double(squares.into())));
        let same = at_least_the_mean(299.0, 3, 30.0);
        assert!((same / 3.0 - 100.0) >= 0.0 && (same / 3.0 - 100.0).sqrt() < 0.005);
    }
}
