//! The metrics reference, `docs/metrics.md`: made of the catalogue.

use std::fmt::Write as _;

use super::catalogue::{Kind, METRICS, Metric, Unit};

/// The reference.
pub(super) fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, metrics) in TITLES.iter().zip(METRICS) {
        write!(text, "\n## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n").unwrap();
        metrics.iter().for_each(|metric| row(&mut text, metric));
    }
    text + CLOSE
}

fn row(text: &mut String, metric: &Metric) {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    };
    let unit = match metric.unit {
        Unit::None => "",
        Unit::Seconds => ", seconds",
        Unit::Bytes => ", bytes",
        Unit::Ratio => ", 0 to 1",
    };
    let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    writeln!(text, "| `{}` | {kind}{unit} | {} | {} |", metric.full_name(), labels.join(" "), metric.help)
        .unwrap();
}

const TITLES: [&str; 4] = [
    "Completeness and the agent itself",
    "Traffic",
    "Handshakes, retransmissions, round trips, stalls",
    "Requests",
];

const INTRODUCTION: &str = "# Metrics

`/metrics` on the endpoint: OpenMetrics 1.0.0 for whoever asks for it (Prometheus does), Prometheus's protobuf format for
whoever prefers that, else the older text format, which has no units and no exemplars. This page is made from the agent's own catalogue, and a test keeps it so.

```yaml
scrape_configs:
  - job_name: tcpkit
    static_configs:
      - targets: ['127.0.0.1:33333']
```

- **No label has a four-tuple.** Servers and commands are told apart for the busiest few (`--metrics-top`, 10 unless told otherwise); the rest is `other`. Who comes among the busiest later is told from then on and what it had before stays with `other`, so the rates of all series together are always the rate of the whole.
- **A counter never goes back.** Where a verdict is revised (a retransmission that turns out to have been spurious), the counter of the first verdict stands still until it is made up for; the report has the verdicts as they stand.
- **Bounds of durations** run from 10 µs to 60 s. The analyzers keep durations in buckets of 1/64 of their value, so one within 1/128 (0.8 %) of a bound may stand on either side of it. Sums and counts are exact.
- **Exemplars** stand at `tcpkit_request_duration_seconds`, in OpenMetrics and protobuf: command, server and start of one of the slowest requests, by which the request log has it (Prometheus keeps them with `--enable-feature=exemplar-storage`).
- **Native histograms**: every histogram of durations has them beside its classic buckets, in Prometheus's protobuf format, which alone can carry them. Buckets are powers of 2^(1/8), 9 % apart (schema 3), from a nanosecond up, and durations of 0 are in the zero bucket; the 1/128 above holds for their bounds too. A Prometheus that runs with `--enable-feature=native-histograms` (from 3.9 on, whose scrape configuration says `scrape_native_histograms: true`) asks for that format by itself. It then keeps the native buckets in place of the classic ones, for which the dashboard and the alerts below ask, unless the scrape configuration says `scrape_classic_histograms: true` (from 2.45 on; `always_scrape_classic_histograms` from 3.0 on). `histogram_quantile(0.99, rate(tcpkit_request_duration_seconds[5m]))` asks for the native ones. Sizes of packets have classic buckets only.
- Figures rest on the frames that were delivered: `tcpkit_completeness_ratio` says how far that is all of them. Interface counters come from the kernel and stay exact.
";

const CLOSE: &str = "
## Dashboard and alerts

`dist/grafana/tcpkit.json` is a dashboard for Grafana, `dist/prometheus/tcpkit.rules.yml` has alerts: failing handshakes, retransmission timeouts, slow requests, incomplete captures. Tests hold both against this list.
";
