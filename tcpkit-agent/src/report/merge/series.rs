//! The series of the report: the differences between the states that the shards noted.

use std::collections::BTreeMap;

use crate::{
    analyzer::{CoarseBucket, CoarseHistogram, RequestAnalyzer, RoundTripAnalyzer, SpanHistogram},
    flow::{Cause, Half, Outcome},
    report::{
        DistributionReport, HandshakeResult, Moment, SeriesBin, SeriesReport, SeriesSpans, ShardSnapshot,
        SpanBucket,
    },
    time::Span,
};

/// `None` where no course was kept.
pub(super) fn report(sum: &ShardSnapshot) -> Option<SeriesReport> {
    let (width, first, noted) = sum.course.moments()?;
    // What came behind the last boundary belongs to one bin more.
    let end = Moment::of(sum, &sum.flows);
    let mut moments: Vec<Moment> = noted.iter().cloned().chain([end]).collect();
    settle(&mut moments);
    let nothing = Moment::default();
    let before = std::iter::once(&nothing).chain(&moments);
    let bins = (first..).zip(before.zip(&moments)).filter(|(_, (before, now))| before != now);
    let bins =
        bins.map(|(boundary, (before, now))| bin((boundary - 1).saturating_mul(width) / 1_000, before, now));
    Some(SeriesReport { bin_us: width / 1_000, bins: bins.collect() })
}

/// A cause may be revised later, and a handshake that was undecided is decided. What counts is what is known in the end:
/// nothing that a later state does not count either.
fn settle(moments: &mut [Moment]) {
    let mut later = moments.last().cloned().unwrap_or_default();
    for moment in moments.iter_mut().rev() {
        keep_lower(&mut later.retransmissions, &mut moment.retransmissions);
        keep_lower(&mut later.handshakes, &mut moment.handshakes);
    }
}

fn keep_lower<const N: usize>(later: &mut [u64; N], counts: &mut [u64; N]) {
    for (later, count) in later.iter_mut().zip(counts) {
        *later = (*later).min(*count);
        *count = *later;
    }
}

fn bin(time_us: i64, before: &Moment, now: &Moment) -> SeriesBin {
    let [inbound, outbound] = less(&now.directed_bytes, &before.directed_bytes);
    let [requests, errors, unanswered] = less(&now.requests, &before.requests);
    let handshakes = less(&now.handshakes, &before.handshakes);
    let causes = less(&now.retransmissions, &before.retransmissions);
    let kinds = ["requests", "towards_server", "towards_client"].into_iter();
    let latencies = now.latencies.iter().zip(&before.latencies).map(|(now, before)| now.since(before));
    SeriesBin {
        time_us,
        frames: now.traffic.frames - before.traffic.frames,
        packets: now.traffic.packets - before.traffic.packets,
        bytes: now.traffic.bytes - before.traffic.bytes,
        inbound_bytes: inbound,
        outbound_bytes: outbound,
        flows: now.flows - before.flows,
        handshakes: named(Outcome::ALL.map(|outcome| HandshakeResult::from(outcome).name()), handshakes),
        data_segments: now.data_segments - before.data_segments,
        retransmissions: named(Cause::ALL.map(Cause::name), causes),
        requests,
        errors,
        unanswered,
        latency: kinds.zip(latencies).filter_map(|(kind, spans)| Some((kind, spans_of(&spans)?))).collect(),
    }
}

fn less<const N: usize>(now: &[u64; N], before: &[u64; N]) -> [u64; N] {
    std::array::from_fn(|place| now[place].saturating_sub(before[place]))
}

fn named<const N: usize>(names: [&'static str; N], counts: [u64; N]) -> BTreeMap<&'static str, u64> {
    names.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

fn spans_of(spans: &CoarseHistogram) -> Option<SeriesSpans> {
    let per_mille = |share| spans.per_mille(share).map(tenths);
    let first_row = spans.buckets().next()?.row();
    let mut rows = Vec::new();
    for bucket in spans.buckets() {
        rows.resize(bucket.row() - first_row + 1, 0);
        rows[bucket.row() - first_row] += bucket.samples;
    }
    Some(SeriesSpans {
        samples: spans.samples(),
        p50: per_mille(500)?,
        p90: per_mille(900)?,
        p99: per_mille(990)?,
        first_row,
        rows,
    })
}

/// Tenths of a microsecond are more than the buckets tell.
fn tenths(span: Span) -> f64 {
    (span.as_micros_f64() * 10.0).round() / 10.0
}

/// The distributions of all latencies.
pub(super) fn distribution(
    requests: &RequestAnalyzer,
    round_trips: &RoundTripAnalyzer,
) -> DistributionReport {
    DistributionReport {
        requests: buckets(&requests.total().total),
        towards_server: buckets(&round_trips.towards(Half::Server).spans),
        towards_client: buckets(&round_trips.towards(Half::Client).spans),
    }
}

fn buckets(spans: &SpanHistogram) -> Vec<SpanBucket> {
    let bucket = |bucket: CoarseBucket| SpanBucket {
        from_us: bucket.from().as_micros_f64(),
        below_us: bucket.end().as_micros_f64(),
        samples: bucket.samples,
    };
    CoarseHistogram::of(spans).buckets().map(bucket).collect()
}
