//! The requests of the report.

use super::NAMED;
use crate::{
    analyzer::{DelayCause, RequestAnalyzer, RequestSum, SpanHistogram},
    report::{
        CommandRequests, PortRequests, ProtocolRequests, RequestRecord, RequestSpans, RequestSummary,
        RequestsReport, ServerRequests,
    },
    time::Span,
};

/// `None` where nobody listened.
pub(super) fn report(analyzer: &RequestAnalyzer) -> Option<RequestsReport> {
    let protocols = analyzer
        .protocols()
        .filter(|(_, sum, dialogue)| sum.requests() > 0 || *dialogue != Default::default());
    let protocols = protocols
        .map(|(name, sum, dialogue)| {
            let summary = summary(sum);
            let requests = ProtocolRequests {
                summary,
                malformed: dialogue.malformed,
                desynchronised: dialogue.desynchronised,
                pushes: dialogue.pushes,
                informational: dialogue.informational,
                unmatched: dialogue.unmatched,
                overrun: dialogue.overrun,
            };
            (name, requests)
        })
        .collect();
    (*analyzer != RequestAnalyzer::default()).then(|| RequestsReport {
        total: summary(&analyzer.total()),
        protocols,
        ports: ports(analyzer),
        other_ports: summary(&analyzer.ports().beyond(NAMED).sum),
        servers: servers(analyzer),
        other_servers: summary(&analyzer.servers().beyond(NAMED).sum),
        commands: commands(analyzer),
        other_commands: summary(&analyzer.commands().beyond(NAMED)),
        slowest: analyzer.slowest().iter().map(|request| RequestRecord::observed(request, None)).collect(),
        counts: analyzer.counts.named().into(),
    })
}

fn ports(analyzer: &RequestAnalyzer) -> Vec<PortRequests> {
    let top = analyzer.ports().top(NAMED).into_iter();
    top.map(|(server_port, port)| PortRequests {
        server_port,
        summary: summary(&port.sum),
        buckets: port.buckets,
        latency_total_us: port.latency_us,
    })
    .collect()
}

fn servers(analyzer: &RequestAnalyzer) -> Vec<ServerRequests> {
    let top = analyzer.servers().top(NAMED).into_iter();
    top.map(|((protocol, server), sum)| ServerRequests {
        server_ip: server.address.to_ip(),
        server_port: server.port,
        protocol: protocol.name(),
        summary: summary(&sum.sum),
    })
    .collect()
}

fn commands(analyzer: &RequestAnalyzer) -> Vec<CommandRequests> {
    let top = analyzer.commands().top(NAMED).into_iter();
    top.map(|((protocol, command), sum)| CommandRequests {
        protocol: protocol.name(),
        command: command.to_str().into_owned(),
        summary: summary(sum),
    })
    .collect()
}

fn summary(sum: &RequestSum) -> RequestSummary {
    let [answered, no_reply, unanswered, aborted] = sum.outcomes;
    let lost = |cause: DelayCause| sum.lost[cause as usize].as_micros_f64();
    RequestSummary {
        requests: sum.requests(),
        answered,
        errors: sum.errors,
        no_reply,
        unanswered,
        aborted,
        request_bytes: sum.request_bytes,
        response_bytes: sum.response_bytes,
        total_us: spans(&sum.total),
        server_us: spans(&sum.server),
        blocking_us: spans(&sum.blocking),
        rto_us: lost(DelayCause::Rto),
        fast_us: lost(DelayCause::Fast),
        zero_window_us: lost(DelayCause::ZeroWindow),
    }
}

fn spans(spans: &SpanHistogram) -> RequestSpans {
    let at = |per_mille| spans.per_mille(per_mille).map(Span::as_micros_f64);
    RequestSpans {
        samples: spans.samples(),
        min: spans.min().map(Span::as_micros_f64),
        avg: spans.mean_ns().map(|mean| mean / 1_000.0),
        p50: at(500),
        p90: at(900),
        p99: at(990),
        p999: at(999),
        max: spans.max().map(Span::as_micros_f64),
    }
}
