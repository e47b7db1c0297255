//! The formats that metrics come in, and which of them is asked for.

use axum::http::{HeaderMap, header};

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's protobuf messages, each with its length before it; the only one with native histograms.
    Protobuf,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus's older text, version 0.0.4.
    Plain,
}

impl Format {
    /// The formats, the one that says most first.
    pub const ALL: [Self; 3] = [Self::Protobuf, Self::OpenMetrics, Self::Plain];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The one that these headers want most (RFC 9110 §12.5.1); of those that they want equally, the one that says most.
    ///
    /// The newer formats are for who names them: one that takes anything at all gets the older text, and so does one
    /// that takes nothing that there is.
    #[must_use]
    pub fn wanted(headers: &HeaderMap) -> Self {
        let mut weights = Weights::default();
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|ranges| ranges.split(',')).for_each(|range| weights.read(range));
        let most = Self::ALL.map(|format| weights.of(format)).into_iter().fold(0.0, f32::max);
        let wanted = Self::ALL.into_iter().find(|format| weights.of(*format) >= most);
        wanted.filter(|_| most > 0.0).unwrap_or(Self::Plain)
    }
}

/// How much each is wanted, from 0 to 1.
#[derive(Default)]
struct Weights {
    protobuf: f32,
    openmetrics: f32,
    plain: Option<f32>,
    /// Whatever is not named.
    any: f32,
}

impl Weights {
    const fn of(&self, format: Format) -> f32 {
        match (format, self.plain) {
            (Format::Protobuf, _) => self.protobuf,
            (Format::OpenMetrics, _) => self.openmetrics,
            (Format::Plain, Some(weight)) => weight,
            (Format::Plain, None) => self.any,
        }
    }

    /// Takes one range of media types into account, such as `text/plain;version=0.0.4;q=0.5`.
    fn read(&mut self, range: &str) {
        let mut words = range.split(';').map(str::trim);
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        let parameters: Vec<_> = words.filter_map(parameter).collect();
        let find = |name: &str| parameters.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
        let weight: f32 = find("q").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        let is_messages = find("proto") == Some("io.prometheus.client.MetricFamily");
        match kind.as_str() {
            "application/vnd.google.protobuf" if is_messages && find("encoding") == Some("delimited") => {
                self.protobuf = weight.max(self.protobuf);
            }
            "application/openmetrics-text" if matches!(find("version"), None | Some("1.0.0" | "0.0.1")) => {
                self.openmetrics = weight.max(self.openmetrics);
            }
            "text/plain" => self.plain = Some(weight.max(self.plain.unwrap_or(0.0))),
            "text/*" | "*/*" => self.any = weight.max(self.any),
            _ => {}
        }
    }
}

/// Its name in small letters, and its value without quotation marks.
fn parameter(word: &str) -> Option<(String, &str)> {
    let (name, value) = word.split_once('=')?;
    Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// What Prometheus sends, by version and by whether native histograms are enabled.
    const PROMETHEUS: [(&str, Format); 5] = [
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        (
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::OpenMetrics,
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format::Protobuf,
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Format::Protobuf,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.2,*/*;q=0.1",
            Format::OpenMetrics,
        ),
    ];

    #[test]
    fn who_asks_for_a_format_gets_it() {
        for (accept, wanted) in PROMETHEUS.into_iter().chain([
            ("text/plain", Format::Plain),
            ("*/*", Format::Plain),
            ("application/openmetrics-text;q=0.1,text/plain", Format::Plain),
            ("application/openmetrics-text;q=0.1,*/*;q=0.2", Format::Plain),
            ("application/openmetrics-text;q=0.3,*/*;q=0.2", Format::OpenMetrics),
            ("application/openmetrics-text,text/plain", Format::OpenMetrics),
            ("application/openmetrics-text;q=0", Format::Plain),
            ("application/openmetrics-text;q=many", Format::Plain),
            ("application/openmetrics-text;version=9.0.0", Format::Plain),
            ("application/vnd.google.protobuf", Format::Plain),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                Format::Plain,
            ),
            (
                "application/vnd.google.protobuf; Proto=\"io.prometheus.client.MetricFamily\"; encoding=delimited",
                Format::Protobuf,
            ),
            (Format::Protobuf.media_type(), Format::Protobuf),
            (Format::OpenMetrics.media_type(), Format::OpenMetrics),
            (Format::Plain.media_type(), Format::Plain),
            (";;=,", Format::Plain),
        ]) {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Format::wanted(&headers), wanted, "{accept}");
        }
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Plain);
    }
}
