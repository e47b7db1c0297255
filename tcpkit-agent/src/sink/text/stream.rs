//! What the network and the ends did to the flows: the summary's sections on retransmissions, round trips and stalls.

use std::net::{IpAddr, SocketAddr};

use super::{
    number::{count, fit, percent, span},
    summary::{Screen, cut},
};
use crate::report::{
    FlowName, LatencyReport, RetransmitReport, SentAgainCount, SpanSummary, StallReport, StallSummary,
};

/// Rows of each list; the JSON report has more.
const ROWS: usize = 5;

impl Screen {
    pub(super) fn retransmissions(&mut self, report: &RetransmitReport) {
        let total = &report.total;
        let other = report.out_of_order + report.duplicate_acks + report.capture_gaps;
        if total.retransmitted_segments + other + report.zero_window_episodes == 0 {
            return;
        }
        self.heading("RETRANSMISSIONS");
        self.field("sent again", &sent_again(total, report.retransmitted_bytes));
        self.field("causes", &causes(total));
        self.field("beside", &beside(report));
        self.spans("loss episodes", &[("lasted", report.loss_episode_us), ("cost", report.loss_delay_us)]);
        self.servers(report);
        self.flows_sending_again(report);
    }

    fn servers(&mut self, report: &RetransmitReport) {
        let servers: Vec<_> = report
            .servers
            .iter()
            .filter(|server| server.count.retransmitted_segments > 0)
            .take(ROWS)
            .collect();
        if servers.is_empty() {
            return;
        }
        self.line(&format!("  {:<44}{:>12}{:>12}{:>10}", "server", "segments", "again", "share"));
        for server in servers {
            let SentAgainCount { data_segments, retransmitted_segments, retransmission_rate, .. } =
                server.count;
            let row = [fit(data_segments, 11), fit(retransmitted_segments, 11)];
            self.line(&format!(
                "  {:<44}{:>12}{:>12}{:>10}",
                cut(&endpoint(server.server_ip, server.server_port), 44),
                row[0],
                row[1],
                retransmission_rate.map_or("-".into(), |rate| percent(rate, 2))
            ));
        }
    }

    fn flows_sending_again(&mut self, report: &RetransmitReport) {
        for (number, flow) in report.flows.iter().take(ROWS).enumerate() {
            let label = if number == 0 { "flows" } else { "" };
            let (segments, again) = (count(flow.data_segments), count(flow.retransmitted_segments));
            self.field(label, &format!("{} sent {again} of {segments} again", name(&flow.flow)));
        }
    }

    pub(super) fn round_trips(&mut self, report: &LatencyReport) {
        let (server, client) = (&report.towards_server, &report.towards_client);
        if server.rtt_us.samples + client.rtt_us.samples == 0 {
            return;
        }
        self.heading("ROUND TRIPS");
        self.spans(
            "from here to",
            &[
                ("servers", server.rtt_us),
                ("  queueing", server.queueing_us),
                ("clients", client.rtt_us),
                ("  queueing", client.queueing_us),
            ],
        );
        if server.delayed_acks + client.delayed_acks > 0 {
            let delayed = format!(
                "{} of servers, {} of clients",
                count(server.delayed_acks),
                count(client.delayed_acks)
            );
            self.field("delayed ACKs", &delayed);
        }
    }

    pub(super) fn stalls(&mut self, report: &StallReport) {
        if report.kinds.values().all(|kind| kind.span_us.samples == 0) {
            return;
        }
        self.heading("STALLS");
        self.line(&format!(
            "  {:<17}{:>9}{:>13}{:>11}{:>11}{:>11}",
            "waiting for", "times", "in all", "median", "99 %", "longest"
        ));
        for (kind, StallSummary { total_us, span_us }) in &report.kinds {
            let SpanSummary { samples, p50, p99, max, .. } = span_us;
            if *samples > 0 {
                let times = [p50, p99, max].map(|time| format!("{:>11}", time.map_or("-".into(), span)));
                self.line(&format!(
                    "  {:<17}{:>9}{:>13}{}",
                    waited_for(kind),
                    fit(*samples, 9),
                    span(*total_us),
                    times.concat()
                ));
            }
        }
        for (number, flow) in report.flows.iter().take(ROWS).enumerate() {
            let label = if number == 0 { "flows" } else { "" };
            self.field(label, &format!("{} held up for {}", name(&flow.flow), span(flow.stalled_us)));
        }
    }
}

fn sent_again(total: &SentAgainCount, bytes: u64) -> String {
    let rate = total.retransmission_rate.map_or(String::new(), |rate| format!(" ({})", percent(rate, 3)));
    format!(
        "{} of {} segments with payload{rate}, {} bytes",
        count(total.retransmitted_segments),
        count(total.data_segments),
        count(bytes)
    )
}

fn causes(total: &SentAgainCount) -> String {
    let some = total.retransmissions.iter().filter(|(_, segments)| **segments > 0);
    let words: Vec<String> = some.map(|(cause, segments)| format!("{cause} {}", count(*segments))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn beside(report: &RetransmitReport) -> String {
    let mut words = format!(
        "{} out of order, {} duplicate ACKs, {} times no window",
        count(report.out_of_order),
        count(report.duplicate_acks),
        count(report.zero_window_episodes)
    );
    if report.capture_gaps > 0 {
        let (gaps, bytes) = (count(report.capture_gaps), count(report.capture_gap_bytes));
        words.push_str(&format!("; {gaps} holes of {bytes} bytes are the capture's, not the network's"));
    }
    words
}

/// What a stalled flow waited for.
fn waited_for(kind: &str) -> &str {
    match kind {
        "zero_window" => "receiver's window",
        "rto" => "timer after loss",
        "server_thinking" => "server's answer",
        "client_thinking" => "client's request",
        "sender_idle" => "sender to go on",
        other => other,
    }
}

fn name(flow: &FlowName) -> String {
    format!("{} > {}", endpoint(flow.client_ip, flow.client_port), endpoint(flow.server_ip, flow.server_port))
}

fn endpoint(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}
