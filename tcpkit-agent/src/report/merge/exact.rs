//! The kernel's account of flows, against its own totals.

use tcpkit_common::record::Hook;

use super::ReportContext;
use crate::report::{Count, ExactFlow, ExactFlowCounts, ExactFlowRecord, ExactFlowsReport, protocol_name};

/// Rows that the report names.
const NAMED: usize = 20;

pub(super) fn report(context: &ReportContext) -> Option<ExactFlowsReport> {
    let flows = context.exact_flows.as_deref()?;
    let rows = flows.iter().fold(Count::default(), |sum, row| plus(sum, row.count));
    let other = flows.other;
    let all = [other.no_flow, other.evicted, other.forgotten].into_iter().fold(rows, plus);
    let totals = context.sources.iter().map(|source| source.traffic).collect::<Option<Vec<_>>>();
    let total = totals.map(|totals| totals.into_iter().fold(Count::default(), plus));
    Some(ExactFlowsReport {
        closes: total.filter(|_| context.complete).map(|total| total == all),
        flows: flows.iter().len() as u64,
        rows,
        no_flow: other.no_flow,
        evicted: other.evicted,
        forgotten: other.forgotten,
        evictions: other.evictions,
        top: top(flows).into_iter().map(|row| record(context, row)).collect(),
    })
}

/// The rows with the most bytes, in an order that does not depend on chance.
fn top(flows: &ExactFlowCounts) -> Vec<&ExactFlow> {
    let mut rows: Vec<_> = flows.iter().collect();
    let order = |row: &&ExactFlow| {
        (std::cmp::Reverse(row.count.bytes), row.interface, row.hook, row.protocol, row.tuple)
    };
    if rows.len() > NAMED {
        rows.select_nth_unstable_by_key(NAMED, order);
        rows.truncate(NAMED);
    }
    rows.sort_unstable_by_key(order);
    rows
}

fn record(context: &ReportContext, row: &ExactFlow) -> ExactFlowRecord {
    ExactFlowRecord {
        interface: context.interface(row.interface),
        direction: if row.hook == Hook::TcEgress { "outbound" } else { "inbound" },
        protocol: protocol_name(row.protocol),
        source_ip: row.tuple.source.to_ip(),
        source_port: row.tuple.source_port,
        destination_ip: row.tuple.destination.to_ip(),
        destination_port: row.tuple.destination_port,
        count: row.count,
        bits_per_second: row.rate.bytes * 8.0,
        first_us: row.first.as_micros(),
        last_us: row.last.as_micros(),
    }
}

const fn plus(a: Count, b: Count) -> Count {
    Count { frames: a.frames + b.frames, packets: a.packets + b.packets, bytes: a.bytes + b.bytes }
}
