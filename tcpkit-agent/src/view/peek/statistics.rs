//! What tcpeekstat makes of the socket's answer: text for people, compact JSON, or metrics for Ganglia.

use std::fmt::Write as _;

use serde_json::Value;

/// The answer, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    filters: Vec<(String, Vec<Section>)>,
}

/// `success`, `failure` or `stats`, with its counts in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    name: &'static str,
    items: Vec<(&'static str, u64)>,
}

/// One count as gmetric(1) takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// `tcpeek_FILTER_SECTION_ITEM`.
    pub name: String,
    /// The count.
    pub value: u64,
}

/// An answer that is not tcpeek's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not that of tcpeek")]
pub struct NotStatistics;

impl Statistics {
    /// Reads the answer to `GET` or to `REFRESH`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(answer: &str) -> Result<Self, NotStatistics> {
        let value: Value = serde_json::from_str(answer).map_err(|_| NotStatistics)?;
        let filters = value.as_array().ok_or(NotStatistics)?.iter().map(filter);
        Ok(Self { filters: filters.collect::<Option<_>>().ok_or(NotStatistics)? })
    }

    /// The text of tcpeekstat.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        line(&mut text, format_args!("====== TCPEEK SUMMARY ======"));
        for (name, sections) in &self.filters {
            line(&mut text, format_args!("----------------------------"));
            line(&mut text, format_args!(" {name}"));
            line(&mut text, format_args!("----------------------------"));
            for section in sections {
                line(&mut text, format_args!(" {}", section.name));
                for (item, count) in &section.items {
                    line(&mut text, format_args!("     {item:<10} {count:>10}"));
                }
            }
        }
        line(&mut text, format_args!("============================"));
        text
    }

    /// JSON without blanks, and a final newline.
    #[must_use]
    pub fn json(&self) -> String {
        let filters = self.filters.iter().map(|(name, sections)| {
            let sections = sections.iter().map(|section| {
                let items = section.items.iter().map(|(item, count)| format!("\"{item}\":{count}"));
                format!("\"{}\":{{{}}}", section.name, joined(items))
            });
            format!("{{{}:{{{}}}}}", Value::from(name.as_str()), joined(sections))
        });
        format!("[{}]\n", joined(filters))
    }

    /// What tcpeekstat hands to Ganglia: failures and repeats of each filter.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.filters.iter().flat_map(|(filter, sections)| {
            sections.iter().flat_map(move |section| {
                let reported = section.items.iter().filter(|(item, _)| REPORTED.contains(item));
                reported.map(move |(item, count)| Metric {
                    name: format!("tcpeek_{filter}_{}_{item}", section.name),
                    value: *count,
                })
            })
        })
    }
}

fn filter(element: &Value) -> Option<(String, Vec<Section>)> {
    let (name, sections) = element.as_object()?.iter().next()?;
    let sections = sections.as_object()?;
    let known = SECTIONS.iter().filter_map(|(section, items)| {
        let found = sections.get(*section)?;
        let items = items.iter().filter_map(|item| Some((*item, found.get(item)?.as_u64()?)));
        Some(Section { name: section, items: items.collect() })
    });
    let known: Vec<_> = known.collect();
    (!known.is_empty()).then(|| (name.clone(), known))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

/// Every section and its counts, in the order in which tcpeek writes them.
const SECTIONS: [(&str, &[&str]); 3] = [
    ("success", &["total", "dupsyn", "dupsynack"]),
    ("failure", &["total", "timeout", "reject", "unreach"]),
    ("stats", &["recv", "drop", "ifdrop"]),
];

/// Counts that become metrics.
const REPORTED: [&str; 4] = ["reject", "timeout", "dupsyn", "dupsynack"];
