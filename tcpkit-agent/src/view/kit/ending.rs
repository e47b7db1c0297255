//! The statistics at the end of a run.

use super::{
    Dialect,
    buckets::{filled, range},
    line::append,
};
use crate::report::{Report, ServiceCount};

/// `latency stats` of tcpkit 1.0.1: the ports that had answered requests.
#[must_use]
pub fn latency_statistics(ports: &[(u16, ServiceCount)], threshold_us: u64) -> String {
    let threshold_ms = milliseconds(threshold_us);
    let mut text = String::from("========================= latency stats =========================\n");
    for (port, service) in ports.iter().filter(|(_, service)| service.answered > 0) {
        let average = service.latency_us / service.answered;
        append(
            &mut text,
            format_args!(
                "tcp port: {port}, total requests: {}, average latency: {}.{:03} ms, slow threshod: {threshold_ms} ms, slow requests: {}\n",
                service.answered,
                average / 1_000,
                average % 1_000,
                service.slow
            ),
        );
        for (place, requests) in filled(&service.buckets) {
            append(&mut text, format_args!("{}: {requests}\n", range(place)));
        }
    }
    text
}

/// Milliseconds as they are typed: without decimals where there are none.
#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// What the capture itself counted, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Reached the analysis.
    pub captured: u64,
    /// Were wanted by the filter.
    pub received: u64,
    /// Of these, were lost because a buffer was full.
    pub dropped: u64,
    /// Were lost by the interface or its driver.
    pub interface_dropped: u64,
}

impl Interfaces {
    /// From a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let total = &report.ledger.total;
        Self {
            captured: total.delivered,
            received: total.matched,
            dropped: total.ring_full + total.helper_failed,
            interface_dropped: total.notes.get("interface_dropped").copied().unwrap_or(0),
        }
    }

    /// `interface stats` as this dialect has them at the end of a run.
    #[must_use]
    pub fn statistics(&self, dialect: Dialect) -> String {
        const HEAD: &str = "======================== interface stats ========================\n";
        let Self { captured, received, dropped, interface_dropped } = self;
        let mut text = String::new();
        match dialect {
            Dialect::V10 => append(&mut text, format_args!("{HEAD}{captured} packets captured\n")),
            Dialect::V11 => append(&mut text, format_args!("\n{HEAD}")),
        }
        append(&mut text, format_args!("{received} packets received by filter\n"));
        append(&mut text, format_args!("{dropped} packets dropped by kernel\n"));
        append(&mut text, format_args!("{interface_dropped} packets dropped by interface\n"));
        text.push_str(match dialect {
            Dialect::V10 => "=================================================================\n",
            Dialect::V11 => HEAD,
        });
        text
    }
}
