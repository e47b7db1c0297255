//! The retransmission, latency and stall parts of the report.

use std::collections::BTreeMap;

use super::{NAMED, share, summary};
use crate::{
    analyzer::{FlowId, RetransmitAnalyzer, RoundTripAnalyzer, RoundTrips, SentAgain, StallAnalyzer},
    flow::{Cause, Half, Side, StallKind},
    report::{
        FlowName, FlowRetransmissions, FlowStalls, LatencyReport, PortRetransmissions, RetransmitReport,
        RoundTripReport, SentAgainCount, ServerRetransmissions, StallReport, StallSummary,
    },
};

pub(super) fn retransmit(analyzer: &RetransmitAnalyzer) -> RetransmitReport {
    let (capture_gaps, capture_gap_bytes) = analyzer.capture_gaps();
    RetransmitReport {
        total: count(analyzer.total()),
        retransmitted_bytes: analyzer.bytes(),
        out_of_order: analyzer.out_of_order(),
        duplicate_acks: analyzer.duplicate_acks(),
        zero_window_episodes: analyzer.zero_windows(),
        capture_gaps,
        capture_gap_bytes,
        loss_episode_us: summary(analyzer.episodes()),
        loss_delay_us: summary(analyzer.delays()),
        servers: servers(analyzer),
        other_servers: count(&analyzer.servers().beyond(NAMED)),
        ports: ports(analyzer),
        other_ports: count(&analyzer.ports().beyond(NAMED)),
        flows: flows(analyzer),
        servers_folded: analyzer.servers().folded(),
        flows_folded: analyzer.flows().folded(),
    }
}

fn servers(analyzer: &RetransmitAnalyzer) -> Vec<ServerRetransmissions> {
    let top = analyzer.servers().top(NAMED).into_iter();
    top.map(|(server, sum)| ServerRetransmissions {
        server_ip: server.address.to_ip(),
        server_port: server.port,
        count: count(sum),
    })
    .collect()
}

fn ports(analyzer: &RetransmitAnalyzer) -> Vec<PortRetransmissions> {
    let top = analyzer.ports().top(NAMED).into_iter();
    top.map(|(server_port, sum)| PortRetransmissions { server_port, count: count(sum) }).collect()
}

fn flows(analyzer: &RetransmitAnalyzer) -> Vec<FlowRetransmissions> {
    let top = analyzer.flows().top(NAMED).into_iter();
    top.map(|(id, trouble)| FlowRetransmissions {
        flow: name(&id, trouble.client),
        data_segments: trouble.data_segments,
        retransmitted_segments: trouble.retransmitted_segments,
    })
    .collect()
}

fn count(sum: &SentAgain) -> SentAgainCount {
    let retransmitted_segments = Cause::ALL.map(|cause| sum.of(cause)).iter().sum();
    SentAgainCount {
        data_segments: sum.data_segments,
        retransmitted_segments,
        retransmission_rate: share(retransmitted_segments, sum.data_segments),
        retransmissions: Cause::ALL.map(|cause| (cause.name(), sum.of(cause))).into(),
    }
}

fn name(id: &FlowId, client: Side) -> FlowName {
    FlowName::of(&id.key, client, Some(id.start))
}

pub(super) fn latency(analyzer: &RoundTripAnalyzer) -> LatencyReport {
    let part = |trips: &RoundTrips| RoundTripReport {
        rtt_us: summary(&trips.spans),
        queueing_us: summary(&trips.above_min),
        delayed_acks: trips.delayed_acks,
    };
    LatencyReport {
        towards_server: part(analyzer.towards(Half::Server)),
        towards_client: part(analyzer.towards(Half::Client)),
        ..LatencyReport::default()
    }
}

pub(super) fn stalls(analyzer: &StallAnalyzer) -> StallReport {
    let kind = |kind: &StallKind| {
        let spans = analyzer.spans(*kind);
        let summary = StallSummary { total_us: spans.total().as_micros_f64(), span_us: summary(spans) };
        (kind.name(), summary)
    };
    let top = analyzer.flows().top(NAMED).into_iter();
    StallReport {
        kinds: StallKind::ALL.iter().map(kind).collect::<BTreeMap<_, _>>(),
        flows: top
            .map(|(id, held_up)| FlowStalls {
                flow: name(&id, held_up.client),
                stalled_us: held_up.time.as_micros_f64(),
            })
            .collect(),
        flows_folded: analyzer.flows().folded(),
    }
}

#[cfg(test)]
mod tests {
    use tcpkit_common::flow::{Address, FourTuple};

    use super::*;
    use crate::{
        flow::{FlowKey, FlowProgress, StreamStep, StreamStepKind},
        time::{Span, Timestamp},
    };

    /// One segment that a flow of a server of its own sent again, and that stalled it.
    fn trouble(number: u16) -> (StreamStep, FlowProgress) {
        let [high, low] = number.to_be_bytes();
        let (flow, client) = FlowKey::of(&FourTuple {
            source: Address::v4([10, 0, 0, 1]),
            destination: Address::v4([10, 1, high, low]),
            source_port: 40_000,
            destination_port: 443,
        });
        let kind = StreamStepKind::Retransmitted {
            cause: Cause::Fast,
            segments: 1,
            bytes: 1_448,
            since: Timestamp(4),
        };
        let progress = FlowProgress {
            flow,
            client,
            start: Timestamp(5),
            new_data_segments: [1, 0],
            retransmitted_segments: 1,
            data_segments: 1,
            stalled: Span(1),
        };
        (StreamStep { flow, client, sender: client, kind }, progress)
    }

    /// Servers, flows that sent again and flows that were held up that lost their own sum, of so many.
    fn folded(flows: u16) -> [u64; 3] {
        let (mut retransmissions, mut stalled) = <(RetransmitAnalyzer, StallAnalyzer)>::default();
        for (step, progress) in (0..flows).map(trouble) {
            retransmissions.on_steps(&[step]);
            retransmissions.on_progress(&progress);
            stalled.on_progress(&progress);
        }
        let report = retransmit(&retransmissions);
        assert_eq!(report.total.retransmitted_segments, u64::from(flows), "the sum of all stays exact");
        let named: u64 = report.servers.iter().map(|server| server.count.retransmitted_segments).sum();
        assert_eq!(named + report.other_servers.retransmitted_segments, u64::from(flows));
        [report.servers_folded, report.flows_folded, stalls(&stalled).flows_folded]
    }

    #[test]
    fn bounds_that_bit_are_told() {
        assert_eq!(folded(4_096), [0, 0, 0]);
        assert_eq!(folded(4_097), [0, 2_048, 2_048]);
        assert_eq!(folded(16_385)[0], 8_192);
    }
}
