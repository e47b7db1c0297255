//! Microbursts as data, whoever counted the milliseconds.

use crate::{
    analyzer::{BurstSeries, Windows},
    report::{BurstFlow, BurstReport, BurstWindows, protocol_name},
};
use tcpkit_common::flow::FourTuple;

/// A flow that a burst is due to: IANA protocol number, sender and receiver.
pub type BurstSender = (u8, FourTuple);

/// Whose peak is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BurstLength {
    /// Windows of 1 ms.
    One,
    /// Windows of 10 ms.
    Ten,
}

impl BurstLength {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Ten];

    /// All windows of this length.
    #[must_use]
    pub const fn windows<F: Copy + PartialEq>(self, series: &BurstSeries<F>) -> &Windows<F> {
        match self {
            Self::One => series.one(),
            Self::Ten => series.ten(),
        }
    }

    /// Windows of this length in a second.
    const fn per_second(self) -> f64 {
        match self {
            Self::One => 1_000.0,
            Self::Ten => 100.0,
        }
    }
}

/// The bursts past one interface in one direction. `begin_us` tells when a millisecond began; `sender` names the flow of
/// a peak, where it is known.
#[must_use]
pub fn bursts<F: Copy + PartialEq>(
    (interface, direction): (String, &'static str),
    series: &BurstSeries<F>,
    begin_us: impl Fn(i64) -> i64,
    sender: impl Fn(BurstLength, F) -> Option<BurstSender>,
) -> BurstReport {
    let (observed_ms, missed_ms) = series.extent();
    let windows = |length: BurstLength| {
        let windows = length.windows(series);
        let rate = |bytes: u64| float(bytes) * 8.0 * length.per_second();
        let peak = windows.peak().filter(|peak| peak.bin.bytes > 0);
        let flow = peak.and_then(|peak| {
            let bin = peak.bin;
            Some(flow(sender(length, bin.candidate?)?, bin.weight, bin.bytes))
        });
        BurstWindows {
            p99_bits_per_second: windows.p99_bytes().map(rate),
            peak_bits_per_second: windows.peak().map(|peak| rate(peak.bin.bytes)),
            peak_bytes: peak.map_or(0, |peak| peak.bin.bytes),
            peak_packets: peak.map_or(0, |peak| peak.bin.packets),
            peak_us: peak.map(|peak| begin_us(peak.begin)),
            peak_flow: flow,
        }
    };
    let [one_ms, ten_ms] = BurstLength::ALL.map(windows);
    BurstReport { interface, direction, observed_ms, missed_ms, one_ms, ten_ms }
}

fn flow((protocol, tuple): BurstSender, weight: u64, bytes: u64) -> BurstFlow {
    BurstFlow {
        source_ip: tuple.source.to_ip(),
        source_port: tuple.source_port,
        destination_ip: tuple.destination.to_ip(),
        destination_port: tuple.destination_port,
        protocol: protocol_name(protocol),
        bytes_at_least: weight,
        share_at_least: float(weight) / float(bytes.max(1)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no more than the 53 digits of a float")]
const fn float(count: u64) -> f64 {
    count as f64
}
