//! The tables as plain text: for files, and where standard output is no terminal.

use std::fmt::Write as _;

use super::table::{Column, Line, Rates, Tables, sort};

/// Times in a unit that people read, at most seven columns wide.
#[must_use]
pub(super) fn time(us: Option<f64>) -> String {
    match us {
        None => "-".to_owned(),
        Some(us) if us < 999.5 => format!("{us:.0}us"),
        Some(us) if us < 99_950.0 => format!("{:.1}ms", us / 1e3),
        Some(us) if us < 999_500.0 => format!("{:.0}ms", us / 1e3),
        Some(us) => format!("{:.2}s", us / 1e6),
    }
}

/// A rate, or a dash before there is one.
#[must_use]
pub(super) fn rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
}

/// One line's cells, in order of [`Column::ALL`].
#[must_use]
pub(super) fn cells(line: &Line, rates: &Rates) -> [String; Column::ALL.len()] {
    let name =
        if line.protocol.is_empty() { line.name.clone() } else { format!("{} {}", line.protocol, line.name) };
    let [p50, p90, p99, p999, max] = line.times_us.map(time);
    [
        name,
        line.requests.to_string(),
        rate(rates.of(line)),
        line.errors.to_string(),
        line.unanswered.to_string(),
        p50,
        p90,
        p99,
        p999,
        max,
        time(line.server_us),
        time(Some(line.lost_us)),
    ]
}

/// All three tables.
#[must_use]
pub fn render(tables: &Tables, column: Column) -> String {
    let mut text = String::new();
    let rates = Rates::default();
    for (title, lines) in [("COMMAND", &tables.commands), ("SERVER", &tables.servers)] {
        let mut lines = lines.clone();
        sort(&mut lines, column, &rates);
        table(title, &lines, &mut text);
        text.push('\n');
    }
    if tables.slowest.is_empty() {
        return text;
    }
    text.push_str("SLOWEST\n");
    for slow in &tables.slowest {
        let total = time(Some(slow.total_us));
        let _ = writeln!(text, "{total:>8}  {}  {}  {}", slow.time, slow.ends, slow.label);
        if !slow.spent.is_empty() {
            let _ = writeln!(text, "          = {}", slow.spent);
        }
    }
    text
}

/// Numbers stand to the right; a rate is of no use in a table of a whole capture.
fn table(title: &str, lines: &[Line], text: &mut String) {
    let rates = Rates::default();
    let mut rows = vec![Column::ALL.map(|column| column.title().to_owned())];
    rows[0][0] = title.to_owned();
    rows.extend(lines.iter().map(|line| cells(line, &rates)));
    let width = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..Column::ALL.len()).map(width).collect();
    for row in &rows {
        let mut line = format!("{:<1$}", row[0], widths[0]);
        for (place, cell) in row.iter().enumerate().skip(1) {
            if Column::ALL[place] != Column::Rate {
                let _ = write!(line, "  {cell:>0$}", widths[place]);
            }
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::latency::table::Slow;

    #[test]
    fn times_are_short() {
        let shown = [0.4, 48.0, 1_500.0, 99_949.0, 203_100.0, 2_500_000.0].map(|us| time(Some(us)));
        assert_eq!(shown, ["0us", "48us", "1.5ms", "99.9ms", "203ms", "2.50s"]);
        assert_eq!(time(None), "-");
    }

    #[test]
    fn tables_stand_in_columns() {
        let line = Line {
            protocol: "redis",
            name: "GET".into(),
            requests: 12,
            times_us: [Some(48.0), Some(60.0), Some(1_500.0), None, Some(1_500.0)],
            ..Line::default()
        };
        let server = Line { name: "10.0.0.2:6379".into(), protocol: "", ..line.clone() };
        let slow = Slow {
            time: "05:40:02.045870".into(),
            total_us: 203_100.0,
            ends: "10.0.0.1:40000 => 10.0.0.2:80".into(),
            label: "GET /big HTTP/1.1".into(),
            spent: "1.2 server + 201.9 network".into(),
        };
        let tables =
            Tables { commands: vec![line], servers: vec![server], slowest: vec![slow], ..Tables::default() };
        let text = render(&tables, Column::Requests);
        assert_eq!(
            text,
            "COMMAND    REQUESTS  ERRORS  UNANSWERED   P50   P90    P99  P99.9    MAX  SERVER P50  LOST\n\
             redis GET        12       0           0  48us  60us  1.5ms      -  1.5ms           -   0us\n\
             \n\
             SERVER         REQUESTS  ERRORS  UNANSWERED   P50   P90    P99  P99.9    MAX  SERVER P50  LOST\n\
             10.0.0.2:6379        12       0           0  48us  60us  1.5ms      -  1.5ms           -   0us\n\
             \n\
             SLOWEST\n   203ms  05:40:02.045870  10.0.0.1:40000 => 10.0.0.2:80  GET /big HTTP/1.1\n          = 1.2 server + 201.9 network\n"
        );
    }
}
