//! How high the rate went within milliseconds: by interface and direction.

use super::{
    number::{count, percent, rate, time},
    style::safe,
    summary::Screen,
};
use crate::report::{BurstFlow, BurstReport, BurstWindows};

impl Screen {
    /// Places without traffic are left out.
    pub(super) fn bursts(&mut self, bursts: &[BurstReport]) {
        let busy = || bursts.iter().filter(|place| place.one_ms.peak_bytes > 0);
        if busy().next().is_none() {
            return;
        }
        self.heading("BURSTS");
        for place in busy() {
            let way = if place.direction == "unknown" { "" } else { place.direction };
            self.line(&format!("  {} {way}", safe(&place.interface)));
            self.field("  1 ms", &told(&place.one_ms));
            self.field("  10 ms", &told(&place.ten_ms));
            if place.missed_ms > 0 {
                self.field("  not seen", &format!("{} ms", count(place.missed_ms)));
            }
        }
    }
}

fn told(windows: &BurstWindows) -> String {
    let bits = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rate(value, "bit/s"));
    let (p99, peak) = (bits(windows.p99_bits_per_second), bits(windows.peak_bits_per_second));
    let at = windows.peak_us.map(|at| format!(" at {} UTC", time(at))).unwrap_or_default();
    let sender = windows.peak_flow.as_ref().map(sender).unwrap_or_default();
    format!("99 % up to {p99}, peak {peak}{at}{sender}")
}

/// Whose it was, as far as that is certain.
fn sender(flow: &BurstFlow) -> String {
    let end = |ip: std::net::IpAddr, port| std::net::SocketAddr::new(ip, port);
    let (from, to) = (end(flow.source_ip, flow.source_port), end(flow.destination_ip, flow.destination_port));
    let share = percent(flow.share_at_least, 0);
    format!(", at least {share} {} {from} > {to}", safe(&flow.protocol))
}
