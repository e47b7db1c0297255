//! How much passed, and who sent it.
//!
//! ```text
//! BANDWIDTH
//!   by                    packets          bytes   share         mean     1 s peak
//! TALKERS
//!   address                                       sent   received   flows   again
//! ```

use super::{
    number::{count, fit, percent, rate, share},
    style::safe,
    summary::{Screen, cut},
};
use crate::report::{BandwidthReport, Count, TalkCount, TalkersReport, TrafficReport};

impl Screen {
    pub(super) fn bandwidth(&mut self, bandwidth: &BandwidthReport) {
        let total = &bandwidth.total;
        if total.count.frames == 0 {
            return;
        }
        self.heading("BANDWIDTH");
        self.line(&format!(
            "  {:<19}{:>12}{:>16}{:>9}{:>11}{:>11}",
            "by", "packets", "bytes", "share", "mean bit/s", "1 s peak"
        ));
        self.bandwidth_row("all", total, total.count);
        let parts =
            bandwidth.ip_versions.iter().chain(&bandwidth.protocols).map(|(name, part)| (*name, part));
        parts.for_each(|(name, part)| self.bandwidth_row(name, part, total.count));
        // Where no direction is known, a row that repeats the whole says nothing.
        for (name, part) in bandwidth.directions.iter().filter(|(_, part)| part.count != total.count) {
            let name = if *name == "unknown" { "direction unknown" } else { name };
            self.bandwidth_row(name, part, total.count);
        }
        if bandwidth.interfaces.len() > 1 {
            for part in &bandwidth.interfaces {
                self.bandwidth_row(&safe(&part.interface), &part.traffic, total.count);
            }
        }
        self.octets(total);
        self.links(bandwidth);
    }

    fn bandwidth_row(&mut self, name: &str, part: &TrafficReport, whole: Count) {
        let count = part.count;
        if count.frames == 0 {
            return;
        }
        let bits = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), short_rate);
        self.line(&format!(
            "  {:<19}{:>12}{:>16}{:>9}{:>11}{:>11}",
            cut(name, 19),
            fit(count.packets, 11),
            fit(count.bytes, 15),
            share(count.bytes, whole.bytes),
            bits(part.bits_per_second),
            bits(part.peak.map(|peak| as_rate(peak.bits_per_second)))
        ));
    }

    /// What bytes are counted, and what of them was of use.
    fn octets(&mut self, total: &TrafficReport) {
        let goodput = format!(
            "{} bytes of payload, {} of all; {} more had been sent before",
            count(total.goodput_bytes),
            percent(total.goodput_share.unwrap_or(0.0), 1),
            count(total.retransmitted_bytes)
        );
        self.field("goodput", &goodput);
        let bytes = "with link header, without preamble, FCS and gap";
        match total.l1_bytes {
            Some(l1) => self.field("bytes", &format!("{bytes}; with them and padding {}", count(l1))),
            None => self.field("bytes", bytes),
        }
    }

    fn links(&mut self, bandwidth: &BandwidthReport) {
        for part in &bandwidth.interfaces {
            let Some(link) = &part.link else { continue };
            let used: Vec<String> = link
                .mean
                .iter()
                .map(|(direction, mean)| {
                    let peak = link.peak.get(direction).map_or(*mean, |peak| *peak);
                    format!("{direction} {} (1 s peak {})", percent(*mean, 1), percent(peak, 1))
                })
                .collect();
            let speed = rate(as_rate(link.speed_bits_per_second), "bit/s");
            self.field("link", &format!("{}, {speed}: {}", safe(&part.interface), used.join(", ")));
        }
    }

    pub(super) fn talkers(&mut self, talkers: &TalkersReport) {
        if talkers.addresses.is_empty() {
            return;
        }
        self.heading("TALKERS");
        let shown = talkers.shown;
        let addresses = talkers.addresses.iter().map(|row| (row.address.to_string(), &row.count));
        self.talks("address", addresses, shown);
        // One prefix, or one port, repeats what stands above.
        if talkers.prefixes.len() > 1 {
            self.talks("prefix", talkers.prefixes.iter().map(|row| (row.prefix.clone(), &row.count)), shown);
        }
        let services = talkers.services.iter().map(|row| {
            let address = std::net::SocketAddr::new(row.server_ip, row.server_port);
            (format!("{address}/{}", row.protocol), &row.count)
        });
        self.talks("service", services, shown);
        if talkers.ports.len() > 1 {
            let ports = talkers.ports.iter();
            self.talks(
                "port",
                ports.map(|row| (format!("{}/{}", row.server_port, row.protocol), &row.count)),
                shown,
            );
        }
    }

    fn talks<'a>(
        &mut self,
        heading: &str,
        rows: impl ExactSizeIterator<Item = (String, &'a TalkCount)>,
        shown: usize,
    ) {
        if rows.len() == 0 {
            return;
        }
        self.line(&format!("  {heading:<39}{:>11}{:>11}{:>8}{:>8}", "sent", "received", "flows", "again"));
        for (name, talk) in rows.take(shown) {
            let again = talk.retransmitted_share.map_or_else(|| "-".to_owned(), |again| percent(again, 1));
            // A lower bound is marked as one.
            let mark = if talk.missing_bytes > 0 { ">" } else { "" };
            self.line(&format!(
                "  {:<39}{:>11}{:>11}{:>8}{again:>8}",
                cut(&name, 39),
                format!("{mark}{}", fit(talk.sent.count.bytes, 9)),
                format!("{mark}{}", fit(talk.received.count.bytes, 9)),
                if talk.flows == 0 { "-".to_owned() } else { fit(talk.flows, 6) }
            ));
        }
    }
}

/// A rate in bits per second with three digits, without the unit.
fn short_rate(bits: f64) -> String {
    rate(bits, "").trim_end().to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
const fn as_rate(bits: u64) -> f64 {
    bits as f64
}
