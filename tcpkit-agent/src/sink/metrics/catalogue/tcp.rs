//! Handshakes, retransmissions, round trips, stalls, resets.

use super::{
    super::tops::CAUSES,
    Context,
    Kind::{Counter, Gauge, Histogram},
    Metric, Samples,
    Unit::{Bytes, None, Seconds},
};
use crate::report::Report;

pub(super) const METRICS: &[Metric] = &[
    Metric::new(
        "tcpkit_handshakes",
        None,
        Counter,
        &["result"],
        "Handshakes by what became of them: success, reject (RST), timeout, unreachable (ICMP), aborted (the client gave \
         up); midstream is a flow whose handshake was not seen.",
        |context, out| {
            let results = context.report.handshake.results.iter();
            results.filter(|(result, _)| **result != "pending").for_each(|(result, count)| {
                out.count(&[result], *count);
            });
        },
    ),
    Metric::new(
        "tcpkit_pending_handshakes",
        None,
        Gauge,
        &[],
        "Handshakes that are undecided now.",
        |context, out| {
            out.count(&[], context.report.handshake.results.get("pending").copied().unwrap_or(0));
        },
    ),
    Metric::new(
        "tcpkit_server_handshakes",
        None,
        Counter,
        &["server", "result"],
        "Handshakes of the servers with most failures; result is success or failure.",
        |context, out| {
            for row in &context.named.handshakes {
                out.count(&[&row.key[0], "success"], row.counts[0]);
                out.count(&[&row.key[0], "failure"], row.counts[1]);
            }
        },
    ),
    Metric::new(
        "tcpkit_handshake_duration",
        Seconds,
        Histogram,
        &[],
        "First SYN to the ACK that completes the handshake.",
        |context, out| out.durations(&[], &context.report.figures.handshake),
    ),
    Metric::new(
        "tcpkit_handshake_half",
        Seconds,
        Histogram,
        &["half"],
        "The halves of handshakes: first SYN to SYN/ACK (server), SYN/ACK to ACK (client).",
        |context, out| {
            out.durations(&["server"], &context.report.figures.server_rtt);
            out.durations(&["client"], &context.report.figures.client_rtt);
        },
    ),
    Metric::new(
        "tcpkit_syn_retransmissions",
        None,
        Counter,
        &["segment"],
        "SYNs (segment is syn) and SYN/ACKs (syn_ack) sent again.",
        |context, out| {
            out.count(&["syn"], context.report.handshake.syn_retransmissions);
            out.count(&["syn_ack"], context.report.handshake.synack_retransmissions);
        },
    ),
    Metric::new(
        "tcpkit_accept_queue_overflows",
        None,
        Counter,
        &[],
        "Handshakes whose ACK the server seems to have dropped because its accept queue was full.",
        |context, out| out.count(&[], context.report.handshake.accept_queue_overflows),
    ),
    Metric::new(
        "tcpkit_icmp_errors",
        None,
        Counter,
        &["protocol", "error"],
        "ICMP errors that quote a segment of a flow, by what their RFC calls them.",
        icmp_errors,
    ),
    Metric::new(
        "tcpkit_resets",
        None,
        Counter,
        &["kind", "by"],
        "Flows that a RST ended, by what it came in the middle of, and by whose it was.",
        |context, out| {
            for (kind, count) in &context.report.totals.resets {
                out.count(&[kind, "client"], count.client);
                out.count(&[kind, "server"], count.server);
            }
        },
    ),
    Metric::new(
        "tcpkit_data_segments",
        None,
        Counter,
        &[],
        "Segments with payload on the wire.",
        |context, out| out.count(&[], context.report.retransmit.total.data_segments),
    ),
    Metric::new(
        "tcpkit_retransmitted_segments",
        None,
        Counter,
        &["cause"],
        "Segments with payload that were sent again, by cause.",
        |context, out| {
            for cause in CAUSES {
                let segments = context.report.retransmit.total.retransmissions.get(cause);
                out.count(&[cause], segments.copied().unwrap_or(0));
            }
        },
    ),
    Metric::new(
        "tcpkit_retransmitted",
        Bytes,
        Counter,
        &[],
        "Payload that had been sent before.",
        |context, out| out.count(&[], context.report.retransmit.retransmitted_bytes),
    ),
    Metric::new(
        "tcpkit_server_data_segments",
        None,
        Counter,
        &["server"],
        "Segments with payload, both ways, of the servers with most retransmissions.",
        |context, out| {
            for row in &context.named.retransmissions {
                out.count(&[&row.key[0]], row.counts[0]);
            }
        },
    ),
    Metric::new(
        "tcpkit_server_retransmitted_segments",
        None,
        Counter,
        &["server", "cause"],
        "Those of them that were sent again, by cause.",
        |context, out| {
            for row in &context.named.retransmissions {
                for (cause, segments) in CAUSES.iter().zip(&row.counts[1..]) {
                    out.count(&[&row.key[0], cause], *segments);
                }
            }
        },
    ),
    Metric::new(
        "tcpkit_out_of_order_frames",
        None,
        Counter,
        &[],
        "Frames whose bytes came later than bytes behind them, and not again.",
        |context, out| out.count(&[], context.report.retransmit.out_of_order),
    ),
    Metric::new(
        "tcpkit_duplicate_acks",
        None,
        Counter,
        &[],
        "Acknowledgements that repeat the one before.",
        |context, out| out.count(&[], context.report.retransmit.duplicate_acks),
    ),
    Metric::new(
        "tcpkit_zero_windows",
        None,
        Counter,
        &[],
        "Times that a receiver's window went to zero.",
        |context, out| out.count(&[], context.report.retransmit.zero_window_episodes),
    ),
    Metric::new(
        "tcpkit_capture_gap",
        Bytes,
        Counter,
        &[],
        "Payload that its receiver acknowledged and the capture never saw: lost by the capture, not by the network.",
        |context, out| out.count(&[], context.report.retransmit.capture_gap_bytes),
    ),
    Metric::new(
        "tcpkit_loss_episode",
        Seconds,
        Histogram,
        &[],
        "First retransmission to the acknowledgement of all that was sent before it.",
        |context, out| out.durations(&[], &context.report.figures.loss_episode),
    ),
    Metric::new(
        "tcpkit_loss_delay",
        Seconds,
        Histogram,
        &[],
        "What losses cost: first transmission of what was lost to its acknowledgement, less one round trip.",
        |context, out| out.durations(&[], &context.report.figures.loss_delay),
    ),
    Metric::new(
        "tcpkit_rtt",
        Seconds,
        Histogram,
        &["towards"],
        "Round trips of data, from the capture point to the server or the client and back.",
        |context, out| {
            out.durations(&["server"], &context.report.figures.towards_server.rtt);
            out.durations(&["client"], &context.report.figures.towards_client.rtt);
        },
    ),
    Metric::new(
        "tcpkit_queueing",
        Seconds,
        Histogram,
        &["towards"],
        "What of a round trip exceeds the least of its flow, where no receiver that waited can explain it.",
        |context, out| {
            out.durations(&["server"], &context.report.figures.towards_server.queueing);
            out.durations(&["client"], &context.report.figures.towards_client.queueing);
        },
    ),
    Metric::new(
        "tcpkit_delayed_acks",
        None,
        Counter,
        &["towards"],
        "Acknowledgements that the receiver is known to have delayed.",
        |context, out| {
            out.count(&["server"], context.report.latency.towards_server.delayed_acks);
            out.count(&["client"], context.report.latency.towards_client.delayed_acks);
        },
    ),
    Metric::new(
        "tcpkit_stall",
        Seconds,
        Histogram,
        &["kind"],
        "Silences of flows that had something to do, by what they waited for.",
        |context, out| {
            for (kind, durations) in &context.report.figures.stalls {
                out.durations(&[kind], durations);
            }
        },
    ),
];

/// Several codes may have one name.
fn icmp_errors(context: &Context<'_>, out: &mut Samples) {
    let mut errors = std::collections::BTreeMap::new();
    let Report { handshake, .. } = context.report;
    for one in &handshake.icmp {
        *errors.entry((one.protocol, one.name)).or_insert(0) += one.errors;
    }
    for ((protocol, name), count) in errors {
        out.count(&[protocol, name], count);
    }
}
