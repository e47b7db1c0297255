//! From the shards' measurements to one report, with a ledger that is checked.

mod bandwidth;
mod bursts;
mod exact;
mod figures;
mod handshake;
mod ledger;
mod requests;
mod series;
mod stream;
mod talkers;

pub use bursts::{BurstLength, BurstSender, bursts};

use std::{collections::BTreeMap, sync::Arc};

use super::{
    AgentReport, BurstReport, CaptureInfo, Count, ExactFlowCounts, LatencyReport, ReloadCounts, Report,
    ResetCount, SCHEMA, Services, ShardSnapshot, SpanSummary, Totals,
};
use crate::{
    analyzer::{Place, SpanHistogram},
    flow::ResetKind,
    time::{Span, Timestamp},
    wire::InterfaceId,
};

/// What a report needs beside the shards' measurements.
#[derive(Clone, Debug, Default)]
pub struct ReportContext {
    /// False while the capture runs.
    pub complete: bool,
    /// Where the frames came from; `first_us` and `last_us` are filled in here.
    pub capture: CaptureInfo,
    /// What the source counted, by interface and hook.
    pub sources: Vec<SourceCounts>,
    /// What an interface is called, by number: its name, or its file.
    pub interfaces: BTreeMap<InterfaceId, String>,
    /// The ledger's word for frames without hook: `file` or `pcap`.
    pub hookless: &'static str,
    /// Traffic by flow as the kernel counts it.
    pub exact_flows: Option<Arc<ExactFlowCounts>>,
    /// How full each worker's ring was, from 0 to 1.
    pub ring_fills: Vec<f64>,
    /// Rates within milliseconds, by interface and direction.
    pub bursts: Vec<BurstReport>,
    /// Speeds of links in bits per second, where they are known.
    pub speeds: BTreeMap<InterfaceId, u64>,
    /// Rows of each list of talkers; `None` is [`NAMED`].
    pub top: Option<usize>,
    /// How often the configuration was read again.
    pub reloads: ReloadCounts,
}

/// Rows of each list, unless asked otherwise; the others are summed up.
pub const NAMED: usize = 100;

/// What the kernel or the reader counted at one place, before the shards saw anything.
#[derive(Clone, Debug)]
pub struct SourceCounts {
    /// Interface and hook.
    pub place: Place,
    /// Frames that the filter did not want.
    pub filtered: u64,
    /// Frames that reached the ring, or were read from the file and wanted.
    pub recorded: u64,
    /// Frames lost because the ring was full.
    pub ring_full: u64,
    /// Frames lost because a kernel helper refused.
    pub helper_failed: u64,
    /// Named counts that are no fates; zeroes are left out of the report.
    pub notes: Vec<(&'static str, u64)>,
    /// Exact traffic of all frames that were wanted, also of those that were lost, where the kernel counts it.
    pub traffic: Option<Count>,
}

/// The report of a capture, or of what there is of it so far.
#[must_use]
pub fn assemble(context: ReportContext, snapshots: &[ShardSnapshot]) -> Report {
    assemble_sum(context, &ShardSnapshot::sum(snapshots))
}

/// The same of measurements that are summed up already.
#[must_use]
pub fn assemble_sum(context: ReportContext, sum: &ShardSnapshot) -> Report {
    let figures = figures::figures(&context, sum);
    let ledger = ledger::close(&context, &sum.fates);
    let duration = sum.extent.first().zip(sum.extent.last()).map(|(first, last)| last.since(first));
    let bandwidth = bandwidth::report(&context, &sum.bandwidth, &sum.talkers, duration);
    let completeness = share(ledger.total.delivered, ledger.total.matched);
    let mut capture = context.capture;
    capture.first_us = sum.extent.first().map(Timestamp::as_micros);
    capture.last_us = sum.extent.last().map(Timestamp::as_micros);
    Report {
        schema: SCHEMA,
        complete: context.complete,
        completeness,
        capture,
        ledger,
        totals: totals(sum, bandwidth.total.count, duration),
        handshake: handshake::report(&sum.handshakes),
        retransmit: stream::retransmit(&sum.retransmissions),
        latency: LatencyReport {
            requests: requests::report(&sum.requests),
            distribution: series::distribution(&sum.requests, &sum.round_trips),
            ..stream::latency(&sum.round_trips)
        },
        stalls: stream::stalls(&sum.stalls),
        bandwidth,
        series: context.complete.then(|| series::report(sum)).flatten(),
        services: Services::of(&sum.requests, &sum.flows),
        exact_flows: context.exact_flows,
        agent: agent(sum, context.reloads),
        figures,
    }
}

impl ReportContext {
    /// What an interface is called.
    fn interface(&self, id: InterfaceId) -> String {
        self.interfaces.get(&id).cloned().unwrap_or_else(|| format!("interface {}", id.0))
    }
}

fn agent(sum: &ShardSnapshot, reloads: ReloadCounts) -> Option<AgentReport> {
    let is_told = sum.pauses.samples() > 0 || reloads != ReloadCounts::default();
    is_told.then(|| AgentReport { pause_us: summary(&sum.pauses), reloads })
}

fn totals(sum: &ShardSnapshot, all: Count, duration: Option<Span>) -> Totals {
    Totals {
        all,
        duration_us: duration.unwrap_or_default().as_micros_f64(),
        flows: sum.flows.opened,
        open_flows: sum.flows.open,
        evicted_flows: sum.flows.evicted,
        evicted_half_open: sum.flows.evicted_half_open,
        coarsened_rtts: sum.flows.coarsened_rtts,
        joined_ranges: sum.flows.joined_ranges,
        resets: resets(sum),
        segments: sum.flows.segments,
        payload_bytes: sum.flows.payload_bytes,
    }
}

fn resets(sum: &ShardSnapshot) -> BTreeMap<&'static str, ResetCount> {
    let count = |kind: &ResetKind| {
        let [client, server] = sum.flows.resets[kind.index()];
        (kind.name(), ResetCount { client, server })
    };
    ResetKind::ALL.iter().map(count).filter(|(_, count)| *count != ResetCount::default()).collect()
}

fn summary(spans: &SpanHistogram) -> SpanSummary {
    SpanSummary {
        samples: spans.samples(),
        min: spans.min().map(Span::as_micros_f64),
        avg: spans.mean_ns().map(|mean| mean / 1_000.0),
        p50: spans.per_mille(500).map(Span::as_micros_f64),
        p90: spans.per_mille(900).map(Span::as_micros_f64),
        p99: spans.per_mille(990).map(Span::as_micros_f64),
        max: spans.max().map(Span::as_micros_f64),
    }
}

/// A part of a whole; `None` where there is no whole.
#[expect(clippy::cast_precision_loss, reason = "a share of more than 2^53 frames needs no more digits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
