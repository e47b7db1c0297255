//! How high the rate went within milliseconds: two lines for each interface and direction.

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
        self.line(&format!("  {:<26}{:>8}{:>16}{:>16}  {}", "by", "window", "p99", "peak", "at"));
        for place in busy() {
            let way = if place.direction == "unknown" { "" } else { place.direction };
            let name = format!("{} {way}", safe(&place.interface));
            self.burst_row(&name, "1 ms", &place.one_ms);
            self.burst_row("", "10 ms", &place.ten_ms);
            if place.missed_ms > 0 {
                self.line(&format!("    {} ms of it were not seen", count(place.missed_ms)));
            }
        }
    }

    fn burst_row(&mut self, name: &str, window: &str, windows: &BurstWindows) {
        let bits = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| rate(value, "bit/s"));
        let (p99, peak) = (bits(windows.p99_bits_per_second), bits(windows.peak_bits_per_second));
        let at = windows.peak_us.map(time).unwrap_or_default();
        let sender = windows.peak_flow.as_ref().map(sender).unwrap_or_default();
        self.line(&format!("  {name:<26}{window:>8}{p99:>16}{peak:>16}  {at}{sender}"));
    }
}

/// Whose it was, as far as that is certain.
fn sender(flow: &BurstFlow) -> String {
    let end = |ip: std::net::IpAddr, port| std::net::SocketAddr::new(ip, port);
    let (from, to) = (end(flow.source_ip, flow.source_port), end(flow.destination_ip, flow.destination_port));
    let share = percent(flow.share_at_least, 0);
    format!(", at least {share} {} {from} > {to}", safe(&flow.protocol))
}
