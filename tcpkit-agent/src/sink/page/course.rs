//! The course of a recorded capture, in columns and in as many bins as there is room for.
//!
//! A column is a path of the report's series (`handshakes.success`) with one value for each bin; where a bin has nothing,
//! it is 0, and columns of nothing are left out. Neighbouring bins that are put together add up exactly, but for
//! percentiles: those of both are estimated from the rows of the heat map, and lie between those of the two.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Bins by number, in widths since the epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    bin_us: i64,
    bins: BTreeMap<i64, Map<String, Value>>,
}

impl Course {
    /// Of a report's `series`; empty where there is none.
    pub(super) fn of(series: &Value) -> Self {
        let Some(bin_us) = series["bin_us"].as_i64().filter(|width| *width > 0) else {
            return Self::default();
        };
        let bins = series["bins"].as_array().into_iter().flatten().filter_map(|bin| {
            let mut bin = bin.as_object()?.clone();
            Some((bin.remove(TIME)?.as_i64()?.div_euclid(bin_us), bin))
        });
        Self { bin_us, bins: bins.collect() }
    }

    /// Doubles the width until there are at most so many bins from the first to the last, silent ones included.
    pub(super) fn widen(&mut self, most: usize) {
        while self.span() > i64::try_from(most).unwrap_or(i64::MAX) {
            let mut wider: BTreeMap<i64, Map<String, Value>> = BTreeMap::new();
            for (number, bin) in std::mem::take(&mut self.bins) {
                add(wider.entry(number.div_euclid(2)).or_default(), bin);
            }
            self.bins = wider;
            self.bin_us = self.bin_us.saturating_mul(2);
        }
    }

    fn span(&self) -> i64 {
        let ends = self.bins.first_key_value().zip(self.bins.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last.saturating_sub(*first).saturating_add(1))
    }

    /// `{"bin_us", "first_us", "at": [bin numbers from there on], "columns": {path: [values]}}`.
    pub(super) fn pack(&self) -> Value {
        let first = self.bins.first_key_value().map_or(0, |(first, _)| *first);
        let mut columns: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (place, bin) in self.bins.values().enumerate() {
            flatten("", bin, &mut |path, value| {
                let column = columns.entry(path).or_insert_with(|| vec![json!(0); self.bins.len()]);
                column[place] = shorter(value);
            });
        }
        json!({
            "bin_us": self.bin_us,
            "first_us": first.saturating_mul(self.bin_us),
            "at": self.bins.keys().map(|number| number - first).collect::<Vec<_>>(),
            "columns": columns,
        })
    }
}

fn flatten(above: &str, fields: &Map<String, Value>, each: &mut impl FnMut(String, &Value)) {
    for (field, value) in fields {
        let path = if above.is_empty() { field.clone() } else { format!("{above}.{field}") };
        match value {
            Value::Object(parts) => flatten(&path, parts, each),
            _ => each(path, value),
        }
    }
}

/// A float with four digits: percentiles of a series are farther off than that.
fn shorter(value: &Value) -> Value {
    match value.as_f64() {
        Some(float) if !value.is_u64() && !value.is_i64() => {
            format!("{float:.3e}").parse::<f64>().map_or_else(|_| value.clone(), compact)
        }
        _ => value.clone(),
    }
}

/// Whole numbers are written without `.0`.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^53")]
fn compact(float: f64) -> Value {
    if float.fract() == 0.0 && float.abs() < 9e15 { json!(float as i64) } else { json!(float) }
}

/// Adds what was counted in a later bin.
fn add(sum: &mut Map<String, Value>, later: Map<String, Value>) {
    for (field, value) in later {
        match (sum.get_mut(&field), value) {
            (None, value) => _ = sum.insert(field, value),
            (Some(Value::Object(own)), Value::Object(theirs)) if own.contains_key(ROWS) => {
                *own = Spans::of(own).with(&Spans::of(&theirs)).told();
            }
            (Some(Value::Object(own)), Value::Object(theirs)) => add(own, theirs),
            (Some(own), value) => *own = json!(whole(own).saturating_add(whole(&value))),
        }
    }
}

/// How long something took in one bin.
struct Spans {
    /// Samples by row of the heat map.
    rows: BTreeMap<u64, u64>,
    /// By the order of [`SHARES`].
    percentiles: [f64; SHARES.len()],
}

impl Spans {
    fn of(fields: &Map<String, Value>) -> Self {
        let first = fields.get(FIRST).and_then(Value::as_u64).unwrap_or(0).min(LAST_ROW);
        let rows = fields.get(ROWS).and_then(Value::as_array).into_iter().flatten();
        let rows = (first..).zip(rows.map(whole));
        let percentile = |(name, _): (&str, f64)| fields.get(name).and_then(Value::as_f64).unwrap_or(0.0);
        Self { rows: rows.filter(|(_, samples)| *samples > 0).collect(), percentiles: SHARES.map(percentile) }
    }

    fn with(&self, other: &Self) -> Self {
        let mut rows = self.rows.clone();
        for (row, samples) in &other.rows {
            let sum = rows.entry(*row).or_default();
            *sum = sum.saturating_add(*samples);
        }
        let mut percentiles = [0.0; SHARES.len()];
        for (place, percentile) in percentiles.iter_mut().enumerate() {
            let (one, two) = (self.percentiles[place], other.percentiles[place]);
            *percentile = at_share(&rows, SHARES[place].1).clamp(one.min(two), one.max(two));
        }
        Self { rows, percentiles }
    }

    fn told(&self) -> Map<String, Value> {
        let first = self.rows.first_key_value().map_or(0, |(row, _)| *row);
        let end = self.rows.last_key_value().map_or(0, |(row, _)| row + 1);
        let rows: Vec<u64> = (first..end).map(|row| self.rows.get(&row).copied().unwrap_or(0)).collect();
        let mut told = Map::new();
        told.insert("samples".into(), json!(sum(&self.rows)));
        told.insert(FIRST.into(), json!(first));
        told.insert(ROWS.into(), json!(rows));
        for ((name, _), percentile) in SHARES.iter().zip(self.percentiles) {
            told.insert((*name).into(), json!(percentile));
        }
        told
    }
}

/// The duration in microseconds below which a share of the samples lies, evenly spread within its row.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn at_share(rows: &BTreeMap<u64, u64>, share: f64) -> f64 {
    let rank = sum(rows) as f64 * share;
    let mut below = 0.0;
    for (row, samples) in rows {
        let samples = *samples as f64;
        if below + samples >= rank {
            let part = (rank - below) / samples;
            return row_from(*row) + part * (row_from(row + 1) - row_from(*row));
        }
        below += samples;
    }
    0.0
}

fn sum(rows: &BTreeMap<u64, u64>) -> u64 {
    rows.values().fold(0, |sum, samples| sum.saturating_add(*samples))
}

/// A count; a saved report may have been edited into anything.
fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Where a row of the heat map begins, in microseconds: row 2k at 2^k ns, row 2k + 1 at 1.5 times that.
fn row_from(row: u64) -> f64 {
    let power = i32::try_from(row / 2).unwrap_or(i32::MAX);
    2.0_f64.powi(power) * if row % 2 == 1 { 1.5 } else { 1.0 } / 1_000.0
}

const TIME: &str = "time_us";
const FIRST: &str = "first_row";
const ROWS: &str = "rows";

/// The row of the longest duration that has a number of nanoseconds.
const LAST_ROW: u64 = 127;

/// Percentiles of a bin.
const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(number: i64, rows: &[u64], p50: f64) -> Value {
        json!({
            "time_us": number * 1_000, "frames": 3, "bytes": 100 + number, "handshakes": { "success": 1 },
            "latency": { "requests": {
                "samples": rows.iter().sum::<u64>(), "first_row": 20 + number % 2, "rows": rows,
                "p50": p50, "p90": p50, "p99": p50,
            } },
        })
    }

    fn course(bins: &[Value]) -> Course {
        Course::of(&json!({ "bin_us": 1_000, "bins": bins }))
    }

    #[test]
    fn columns_have_a_value_for_each_bin_and_nothing_is_zero() {
        let mut quiet = bin(9, &[1], 1.234_567);
        quiet.as_object_mut().unwrap().remove("handshakes");
        let packed = course(&[bin(7, &[5, 0, 2], 19_922.94), quiet]).pack();
        assert_eq!((&packed["first_us"], &packed["at"]), (&json!(7_000), &json!([0, 2])));
        assert_eq!(packed["columns"]["handshakes.success"], json!([1, 0]));
        assert_eq!(packed["columns"]["latency.requests.rows"], json!([[5, 0, 2], [1]]));
        assert_eq!(packed["columns"]["latency.requests.p50"], json!([19_920, 1.235]));
        assert_eq!(packed["columns"].get("time_us"), None);
    }

    #[test]
    fn wider_bins_add_up_and_their_percentiles_lie_between() {
        let mut course = course(&[bin(6, &[8, 2], 1.1), bin(7, &[90], 1.6), bin(9, &[1], 3.0)]);
        course.widen(2);
        let packed = course.pack();
        assert_eq!((&packed["bin_us"], &packed["first_us"]), (&json!(2_000), &json!(6_000)));
        assert_eq!(packed["at"], json!([0, 1]));
        let column = |path: &str| packed["columns"][path].clone();
        assert_eq!((column("frames"), column("bytes")), (json!([6, 3]), json!([213, 109])));
        assert_eq!(column("handshakes.success"), json!([2, 1]));
        assert_eq!(column("latency.requests.samples"), json!([100, 1]));
        assert_eq!(column("latency.requests.rows"), json!([[8, 92], [1]]));
        let median = column("latency.requests.p50")[0].as_f64().unwrap();
        assert!((1.1..=1.6).contains(&median), "{median}");
    }

    #[test]
    fn a_long_silence_costs_no_bins() {
        let mut course = course(&[bin(0, &[1], 1.0), bin(i64::MAX / 1_000, &[1], 1.0)]);
        course.widen(31);
        assert_eq!(course.pack()["columns"]["frames"], json!([3, 3]));
    }
}
