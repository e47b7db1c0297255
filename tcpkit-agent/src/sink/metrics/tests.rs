//! What Prometheus gets, and what people read of it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderValue, header};

use super::{catalogue::Kind, document::document, *};
use crate::{
    report::{Count, DURATION_BUCKETS, Durations, RequestDurations, TrafficFigure, *},
    sink::text::sample,
};

/// A report with something in every figure.
pub(crate) fn report() -> Report {
    let durations = |count: u64| {
        let mut buckets = [0; DURATION_BUCKETS];
        buckets[3] = count;
        buckets[DURATION_BUCKETS - 1] = 1;
        Durations { buckets, sum_ns: 61_000_000_000 }
    };
    let mut report = sample::report();
    report.figures = Figures {
        handshake: durations(5),
        commands: vec![(("http", "GET".into()), durations(2)), (("redis", "a\"b\\c".into()), durations(1))],
        all_commands: durations(9),
        protocols: vec![("http", RequestDurations { total: durations(7), ..RequestDurations::default() })],
        traffic: vec![TrafficFigure {
            interface: "eth0".into(),
            direction: "inbound",
            protocol: "tcp",
            count: Count { frames: 1, packets: 2, bytes: 3 },
        }],
        rings: vec![0.25],
        stalls: vec![("rto", durations(1))],
        ..Figures::default()
    };
    report
}

fn openmetrics() -> String {
    Metrics::new(2).render(&report(), &Own::default()).unwrap()
}

/// Series by name, without their values.
fn names(text: &str) -> BTreeMap<&str, usize> {
    let mut names = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        *names.entry(line.split(['{', ' ']).next().unwrap()).or_default() += 1;
    }
    names
}

#[test]
fn every_metric_of_the_catalogue_is_told_with_its_type_and_its_unit() {
    let text = openmetrics();
    for metric in METRICS.iter().copied().flatten() {
        let family = metric.family_name();
        assert!(text.contains(&format!("# HELP {family} ")), "{family} is missing in:\n{text}");
        assert_eq!(text.matches(&format!("# TYPE {family} ")).count(), 1, "{family}");
        let has_unit = text.contains(&format!("# UNIT {family} "));
        assert_eq!(has_unit, metric.unit != catalogue::Unit::None, "{family}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("tcpkit_ledger_frames_total{interface=\"eth0\""), "{text}");
    assert!(text.contains("command=\"a\\\"b\\\\c\""), "{text}");
}

#[test]
fn no_label_has_a_four_tuple() {
    for metric in METRICS.iter().copied().flatten() {
        let has = |label: &str| metric.labels.contains(&label);
        assert!(!(has("client") || has("server") && has("client_ip")), "{}", metric.name);
    }
    let text = openmetrics();
    assert!(!text.contains("43210"), "the client's port of the sample's flows: {text}");
}

#[test]
fn a_histogram_is_cumulative_and_has_its_sum_and_its_count() {
    let text = openmetrics();
    let of = |line: &str| {
        let prefix = format!("tcpkit_handshake_duration_seconds_{line} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).unwrap_or_default()
    };
    assert_eq!(of("bucket{le=\"0.00005\"}"), "0");
    assert_eq!(of("bucket{le=\"0.0001\"}"), "5");
    assert_eq!(of("bucket{le=\"60.0\"}"), "5");
    assert_eq!(of("bucket{le=\"+Inf\"}"), "6");
    assert_eq!((of("count"), of("sum")), ("6".into(), "61.0".into()));
}

#[test]
fn the_slowest_requests_are_exemplars_of_their_buckets() {
    let text = openmetrics();
    let line = text.lines().find(|line| line.contains("} 7 # {command=")).unwrap_or_default();
    assert!(
        line.starts_with("tcpkit_request_duration_seconds_bucket{le=\"0.25\",protocol=\"http\"} 7 # {command=\"GET\",server=\"10.0.0.2:80\",start_us=\"1795247133123456\"} 0.2031"),
        "{line}\n{text}"
    );
    assert!(!plain(&text).contains(" # {"));
}

#[test]
fn a_counter_never_goes_back() {
    let metrics = Metrics::new(2);
    let (own, mut report) = (Own::default(), report());
    let value = |metrics: &Metrics, report: &Report| {
        let text = metrics.render(report, &own).unwrap();
        let line = "tcpkit_retransmitted_segments_total{cause=\"fast\"} ";
        text.lines().find_map(|l| l.strip_prefix(line)?.parse::<u64>().ok()).unwrap()
    };
    let fast = |report: &mut Report, count: u64| {
        report.retransmit.total.retransmissions.insert("fast", count);
    };
    fast(&mut report, 10);
    assert_eq!(value(&metrics, &report), 10);
    fast(&mut report, 7);
    assert_eq!(value(&metrics, &report), 10, "three turned out to be spurious");
    fast(&mut report, 11);
    assert_eq!(value(&metrics, &report), 11);
}

#[test]
fn series_stay_few_whoever_is_busy() {
    let metrics = Metrics::new(3);
    let mut report = report();
    for round in 0..50u32 {
        report.handshake.servers = (0..100u32)
            .map(|number| ServerHandshakes {
                server_ip: std::net::Ipv4Addr::from(0x0a00_0000 + round * 7 + number).into(),
                server_port: 443,
                counts: HandshakeCounts {
                    attempts: u64::from(number + round),
                    failures: u64::from(number + round),
                    ..HandshakeCounts::default()
                },
            })
            .collect();
        let text = metrics.render(&report, &Own::default()).unwrap();
        assert_eq!(
            names(&text)["tcpkit_server_handshakes_total"],
            8,
            "three servers and the others, two results"
        );
    }
}

#[test]
fn who_asks_for_openmetrics_gets_it() {
    for (accept, wants) in [
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            true,
        ),
        ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true),
        ("text/plain", false),
        ("*/*", false),
        ("application/openmetrics-text;q=0.1,text/plain", false),
        ("application/openmetrics-text;q=0", false),
        ("application/openmetrics-text;version=9.0.0", false),
    ] {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        assert_eq!(wants_openmetrics(&headers), wants, "{accept}");
    }
    assert!(!wants_openmetrics(&HeaderMap::new()));
}

#[test]
fn the_reference_is_what_the_catalogue_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let document = document();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == document,
        "docs/metrics.md is old: UPDATE_EXPECT=1 cargo test -p tcpkit-agent --lib metrics"
    );
}

/// Words of our metrics in a text, as series.
fn mentioned(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_part(c));
    let words = words.filter(|word| word.starts_with("tcpkit_") || word.starts_with("process_"));
    words.map(str::to_owned).collect()
}

fn is_series(name: &str) -> bool {
    METRICS.iter().copied().flatten().any(|metric| match metric.kind {
        Kind::Histogram => {
            let family = metric.family_name();
            ["_bucket", "_sum", "_count"].iter().any(|suffix| name == format!("{family}{suffix}"))
        }
        _ => name == metric.full_name(),
    })
}

#[test]
fn dashboard_and_alerts_ask_for_what_there_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist");
    for file in ["grafana/tcpkit.json", "prometheus/tcpkit.rules.yml"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        // Names of our own series, which rules record, have colons in them.
        let names: Vec<_> = mentioned(&text).into_iter().filter(|name| !name.contains(':')).collect();
        assert!(names.len() >= 8, "{file}: {names:?}");
        for name in names {
            assert!(is_series(&name), "{file} asks for {name}, which there is not");
        }
    }
    let dashboard = std::fs::read_to_string(format!("{folder}/grafana/tcpkit.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 10);
}
