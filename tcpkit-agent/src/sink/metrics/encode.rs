//! Series as the text of OpenMetrics, by the Prometheus project's own library.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{
    catalogue::{self, Kind},
    sample::{Exemplar, Histogram, Sample, Samples, Value},
};

/// The text.
///
/// # Errors
/// A metric contradicts its type: a defect.
pub(super) fn encode(families: Vec<Samples>) -> Result<String, fmt::Error> {
    let exemplars = exemplars(&families);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    if exemplars.is_empty() { Ok(out) } else { with_exemplars(&out, &exemplars) }
}

/// Exemplars by the beginning of their lines, and by which of those lines is theirs.
type Exemplars = HashMap<String, HashMap<usize, String>>;

/// The library writes exemplars of its own histograms only: those of collectors cannot be made outside of it.
fn exemplars(families: &[Samples]) -> Exemplars {
    let mut exemplars = Exemplars::new();
    for Samples { metric, rows } in families {
        let mut line = 0;
        for row in rows {
            let Value::Histogram(histogram) = &row.value else { continue };
            for (bucket, one) in &histogram.exemplars {
                let of_metric = exemplars.entry(format!("{}_bucket", metric.family_name())).or_default();
                of_metric.insert(line + bucket, written(one));
            }
            line += histogram.buckets.len();
        }
    }
    exemplars
}

fn with_exemplars(text: &str, exemplars: &Exemplars) -> Result<String, fmt::Error> {
    let mut out = String::with_capacity(text.len() + EXEMPLAR_OCTETS);
    let mut lines: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        out.write_str(line)?;
        if let Some((name, of_metric)) =
            line.split_once('{').and_then(|(name, _)| exemplars.get_key_value(name))
        {
            let number = lines.entry(name).or_default();
            if let Some(exemplar) = of_metric.get(number) {
                write!(out, " # {exemplar}")?;
            }
            *number += 1;
        }
        out.write_char('\n')?;
    }
    Ok(out)
}

/// OpenMetrics 1.0.0, Exemplars.
fn written(one: &Exemplar) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels = one.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    let labels: Vec<_> = labels.collect();
    format!("{{{}}} {} {}", labels.join(","), one.value, one.at)
}

/// What some exemplars come to.
const EXEMPLAR_OCTETS: usize = 4_096;

#[derive(Debug)]
struct Families(Vec<Samples>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Samples { metric, rows } in &self.0 {
            let unit = unit(metric.unit);
            let kind = kind(metric.kind);
            let mut family = encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
            for row in rows {
                if row.labels.is_empty() || matches!(row.value, Value::Info) {
                    series(&mut family, row, metric.kind)?;
                } else {
                    series(&mut family.encode_family(&row.labels)?, row, metric.kind)?;
                }
            }
        }
        Ok(())
    }
}

fn series(encoder: &mut MetricEncoder<'_>, row: &Sample, kind: Kind) -> Result<(), fmt::Error> {
    match &row.value {
        Value::Count(count) if kind == Kind::Gauge => encoder.encode_gauge(count),
        Value::Count(count) => encoder.encode_counter::<Labels, u64, f64>(count, None),
        Value::Number(number) if kind == Kind::Gauge => encoder.encode_gauge(number),
        Value::Number(number) => encoder.encode_counter::<Labels, f64, f64>(number, None),
        Value::Histogram(histogram) => by_size(encoder, histogram),
        Value::Info => encoder.encode_info(&row.labels),
    }
}

fn by_size(encoder: &mut MetricEncoder<'_>, histogram: &Histogram) -> Result<(), fmt::Error> {
    let Histogram { buckets, sum, .. } = histogram;
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<Labels>(*sum, count, buckets, None)
}

type Labels = Vec<(&'static str, String)>;

fn unit(unit: catalogue::Unit) -> Option<Unit> {
    match unit {
        catalogue::Unit::None => None,
        catalogue::Unit::Seconds => Some(Unit::Seconds),
        catalogue::Unit::Bytes => Some(Unit::Bytes),
        // Prometheus's own rule is the singular.
        catalogue::Unit::Ratio => Some(Unit::Other("ratio".to_owned())),
    }
}

const fn kind(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}
