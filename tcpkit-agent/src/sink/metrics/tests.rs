//! What Prometheus gets, and what people read of it.

use std::collections::BTreeMap;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;
use prost::Message as _;

use super::{catalogue::Kind, document::document, sample::number, *};
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
        // 75 µs and 61 s.
        let mut native = vec![0; 289];
        (native[131], native[288]) = (count, 1);
        Durations { buckets, native, sum_ns: 61_000_000_000 }
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
    text(&Metrics::new(2), &report())
}

fn text(metrics: &Metrics, report: &Report) -> String {
    String::from_utf8(metrics.render(Format::OpenMetrics, report, &Own::default()).unwrap()).unwrap()
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
    let mut report = report();
    let value = |metrics: &Metrics, report: &Report| {
        let text = text(metrics, report);
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
        let text = text(&metrics, &report);
        assert_eq!(
            names(&text)["tcpkit_server_handshakes_total"],
            8,
            "three servers and the others, two results"
        );
    }
}

#[test]
fn protobuf_says_what_the_text_says() {
    let families = Metrics::new(2).families(&report(), &Own::default());
    let told = families_of(&encode::protobuf(families.clone()).unwrap());
    let text = encode::text(families).unwrap();
    let expected = of_text(&plain(&text));
    assert!(expected.len() > 300, "{expected:?}");
    assert_eq!(of_messages(&told), expected);
    let older = plain(&text);
    for family in &told {
        let kind = family.r#type().as_str_name().to_lowercase();
        assert!(older.contains(&format!("# TYPE {} {kind}\n", family.name)), "{} {kind}", family.name);
        assert!(text.contains(&format!(" {}", family.help)), "{}", family.help);
    }
}

#[test]
fn durations_have_native_buckets_in_protobuf_and_sizes_have_none() {
    let told = Metrics::new(2).render(Format::Protobuf, &report(), &Own::default()).unwrap();
    let told = families_of(&told);
    for metric in METRICS.iter().copied().flatten().filter(|metric| metric.kind == Kind::Histogram) {
        let family = told.iter().find(|family| family.name == metric.family_name()).unwrap();
        assert!(!family.metric.is_empty());
        for histogram in family.metric.iter().map(|series| series.histogram.as_ref().unwrap()) {
            let is_native = histogram.zero_threshold > 0.0;
            assert_eq!(is_native, metric.unit == catalogue::Unit::Seconds, "{}", family.name);
            assert!(!is_native || histogram.schema == 3 && native_count(histogram) == histogram.sample_count);
        }
    }
    let find = |name: &str| told.iter().find(|family| family.name == name).unwrap();
    let handshake = find("tcpkit_handshake_duration_seconds").metric[0].histogram.as_ref().unwrap();
    let runs: Vec<_> = handshake.positive_span.iter().map(|run| (run.offset, run.length)).collect();
    assert_eq!((runs, &handshake.positive_delta[..]), (vec![(-109, 1), (156, 1)], &[5, -4][..]));
    let others = find("tcpkit_command_duration_seconds").metric.iter().map(|series| &series.histogram);
    let counts: Vec<_> = others.map(|histogram| native_count(histogram.as_ref().unwrap())).collect();
    assert_eq!(counts, [3, 2, 6], "the others have what is not of GET and not of the other named one");
}

#[test]
fn exemplars_are_at_the_same_buckets_in_protobuf() {
    let told = Metrics::new(2).render(Format::Protobuf, &report(), &Own::default()).unwrap();
    let told = families_of(&told);
    let buckets = told.iter().flat_map(|family| {
        let series = family.metric.iter().filter_map(|series| series.histogram.as_ref());
        series.flat_map(|histogram| &histogram.bucket).map(|bucket| (&family.name, bucket))
    });
    let found: Vec<_> = buckets.filter(|(_, bucket)| bucket.exemplar.is_some()).collect();
    let (name, bucket) = found[0];
    let exemplar = bucket.exemplar.as_ref().unwrap();
    assert_eq!((name.as_str(), bucket.upper_bound), ("tcpkit_request_duration_seconds", 0.25));
    assert_eq!(exemplar.label[2].value, "1795247133123456");
    assert_eq!(exemplar.timestamp.as_ref().unwrap().seconds, 1_795_247_133);
    assert!((0.203..0.204).contains(&exemplar.value));
    assert_eq!(found.len(), openmetrics().matches(" # {").count());
}

/// All observations in native buckets, as a reader sums them up.
fn native_count(histogram: &model::Histogram) -> u64 {
    let counts = histogram.positive_delta.iter().scan(0, |count, delta| {
        *count += delta;
        Some(u64::try_from(*count).unwrap())
    });
    histogram.zero_count + counts.sum::<u64>()
}

fn families_of(mut octets: &[u8]) -> Vec<model::MetricFamily> {
    let mut families = Vec::new();
    while !octets.is_empty() {
        families.push(model::MetricFamily::decode_length_delimited(&mut octets).unwrap());
    }
    families
}

/// Values by name and labels.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn of_messages(families: &[model::MetricFamily]) -> Series {
    let mut all = Series::new();
    for (family, series) in families.iter().flat_map(|one| one.metric.iter().map(move |series| (one, series)))
    {
        let labels: BTreeMap<_, _> =
            series.label.iter().map(|one| (one.name.clone(), one.value.clone())).collect();
        let mut tell = |suffix: &str, more: Option<(&str, String)>, value: f64| {
            let mut labels = labels.clone();
            labels.extend(more.map(|(name, value)| (name.to_owned(), value)));
            assert_eq!(all.insert((format!("{}{suffix}", family.name), labels), value), None);
        };
        if let Some(counter) = &series.counter {
            tell("", None, counter.value);
        } else if let Some(gauge) = &series.gauge {
            tell("", None, gauge.value);
        } else if let Some(histogram) = &series.histogram {
            for bucket in &histogram.bucket {
                let bound = format!("{:?}", bucket.upper_bound);
                tell("_bucket", Some(("le", bound)), number(bucket.cumulative_count));
            }
            tell("_sum", None, histogram.sample_sum);
            tell("_count", None, number(histogram.sample_count));
        }
    }
    all
}

fn of_text(text: &str) -> Series {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            ((name.to_owned(), labels_of(labels)), value.parse().unwrap())
        })
        .collect()
}

/// Of `a="b",c="d"}`.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (mut value, mut octets) = (String::new(), rest.chars());
        loop {
            match octets.next().unwrap() {
                '"' => break,
                '\\' => value.push(octets.next().filter(|octet| *octet != 'n').unwrap_or('\n')),
                octet => value.push(octet),
            }
        }
        // Bounds are numbers, which may be written in several ways.
        if name == "le" {
            value = format!("{:?}", value.parse::<f64>().unwrap());
        }
        labels.insert(name.to_owned(), value);
        text = octets.as_str().trim_start_matches(',');
    }
    labels
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
