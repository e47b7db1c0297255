//! Series as the text of OpenMetrics and as Prometheus's protobuf messages, by the Prometheus project's own library.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, MetricEncoder,
        prometheus_protobuf::{
            self, EncodeError,
            prometheus_data_model::{self as model, MetricFamily},
        },
        text,
    },
    metrics::MetricType,
    registry::{Registry, Unit},
};
use prost::Message;

use super::{
    catalogue::{self, Kind},
    sample::{Exemplar, Histogram, Sample, Samples, Value},
};

/// The text.
///
/// # Errors
/// A metric contradicts its type: a defect.
pub(super) fn text(families: Vec<Samples>) -> Result<String, fmt::Error> {
    let exemplars = exemplars(&families);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families { families, has_native: false }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    if exemplars.is_empty() { Ok(out) } else { with_exemplars(&out, &exemplars) }
}

/// Protobuf messages, each with its length before it; histograms of durations have native buckets there too.
///
/// # Errors
/// A metric contradicts its type: a defect.
pub(super) fn protobuf(families: Vec<Samples>) -> Result<Vec<u8>, EncodeError> {
    let exemplars = messages_exemplars(&families);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families { families, has_native: true }));
    let mut messages = prometheus_protobuf::encode(&registry)?;
    for (place, exemplar) in exemplars {
        if let Some(bucket) = place.within(&mut messages) {
            bucket.exemplar = Some(exemplar);
        }
    }
    let mut out = Vec::with_capacity(messages.iter().map(Message::encoded_len).sum());
    messages.iter().try_for_each(|message| message.encode_length_delimited(&mut out))?;
    Ok(out)
}

/// Which bucket of which series of which family.
struct Place {
    family: usize,
    row: usize,
    bucket: usize,
}

impl Place {
    /// Messages and their parts come in the order of families and their series.
    fn within<'a>(&self, messages: &'a mut [MetricFamily]) -> Option<&'a mut model::Bucket> {
        let series = messages.get_mut(self.family)?.metric.get_mut(self.row)?;
        series.histogram.as_mut()?.bucket.get_mut(self.bucket)
    }
}

fn messages_exemplars(families: &[Samples]) -> Vec<(Place, model::Exemplar)> {
    let mut exemplars = Vec::new();
    for (family, Samples { rows, .. }) in families.iter().enumerate() {
        for (row, sample) in rows.iter().enumerate() {
            let Value::Histogram(histogram) = &sample.value else { continue };
            for (bucket, one) in &histogram.exemplars {
                exemplars.push((Place { family, row, bucket: *bucket }, message(one)));
            }
        }
    }
    exemplars
}

fn message(one: &Exemplar) -> model::Exemplar {
    let since_epoch = Duration::try_from_secs_f64(one.at).ok();
    let at = since_epoch.and_then(|since_epoch| UNIX_EPOCH.checked_add(since_epoch));
    model::Exemplar {
        label: one.labels.iter().map(model::LabelPair::from).collect(),
        value: one.value,
        timestamp: at.map(Into::into),
    }
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
struct Families {
    families: Vec<Samples>,
    /// Whether the format has native histograms.
    has_native: bool,
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let has_native = self.has_native;
        for Samples { metric, rows } in &self.families {
            let unit = unit(metric.unit);
            let kind = kind(metric.kind);
            let mut family = encoder.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
            for row in rows {
                if row.labels.is_empty() || matches!(row.value, Value::Info) {
                    series(&mut family, row, metric.kind, has_native)?;
                } else {
                    series(&mut family.encode_family(&row.labels)?, row, metric.kind, has_native)?;
                }
            }
        }
        Ok(())
    }
}

fn series(
    encoder: &mut MetricEncoder<'_>,
    row: &Sample,
    kind: Kind,
    has_native: bool,
) -> Result<(), fmt::Error> {
    match &row.value {
        Value::Count(count) if kind == Kind::Gauge => encoder.encode_gauge(count),
        Value::Count(count) => encoder.encode_counter::<Labels, u64, f64>(count, None),
        Value::Number(number) if kind == Kind::Gauge => encoder.encode_gauge(number),
        Value::Number(number) => encoder.encode_counter::<Labels, f64, f64>(number, None),
        Value::Histogram(histogram) => by_size(encoder, histogram, has_native),
        Value::Info => encoder.encode_info(&row.labels),
    }
}

fn by_size(
    encoder: &mut MetricEncoder<'_>,
    histogram: &Histogram,
    has_native: bool,
) -> Result<(), fmt::Error> {
    let Histogram { buckets, native, sum, .. } = histogram;
    let count = buckets.iter().map(|(_, count)| count).sum();
    match native {
        // Prometheus refuses a native histogram whose count is not that of its own buckets. The classic ones may have
        // another one where a command was forgotten and came again, because each bucket for itself never goes back.
        Some(native) if has_native => encoder.encode_histogram_with_native::<Labels>(
            *sum,
            native.count,
            buckets,
            None,
            native.borrowed(),
        ),
        _ => encoder.encode_histogram::<Labels>(*sum, count, buckets, None),
    }
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
