//! Kernel by feature: what guests said, as one table for a terminal or for a document.

use std::fmt::Write as _;

use super::{
    matrix::{Ran, Report, Trial},
    results::Line,
};
use crate::shell::seconds;

/// What stands where a kernel said nothing.
const UNKNOWN: &str = "-";

/// Rows by columns of short texts, and sentences about some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// One for each kernel.
    pub columns: Vec<String>,
    /// In the order in which they were first said.
    pub rows: Vec<Row>,
}

/// One feature or check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What it is about.
    pub name: String,
    /// One for each column: what is so, and a sentence about it.
    pub cells: Vec<(String, String)>,
}

impl Row {
    /// Whether it tells what a kernel has, and not how much of it.
    pub(super) fn is_of_yes_and_no(&self) -> bool {
        self.cells.iter().all(|(value, _)| ["yes", "no", UNKNOWN].contains(&value.as_str()))
    }
}

impl Table {
    /// What the kernels have.
    pub(super) fn features(reports: &[Report]) -> Self {
        Self::of(reports, |ran| ran.results.features.iter().map(cell).collect())
    }

    /// How tcpkit fared.
    pub(super) fn checks(reports: &[Report]) -> Self {
        Self::of(reports, |ran| ran.results.checks.iter().map(cell).collect())
    }

    /// How the guests ran.
    pub(super) fn runs(reports: &[Report]) -> Self {
        Self::of(reports, |ran| {
            let tally = &ran.results.tally;
            let boot = ran.outcome.boot.map_or_else(|| UNKNOWN.to_owned(), seconds);
            vec![
                ("tests passed".to_owned(), (tally.passed.to_string(), String::new())),
                ("tests failed".to_owned(), (tally.failed.to_string(), ran.complaint().unwrap_or_default())),
                ("time to boot".to_owned(), (boot, String::new())),
                ("time in all".to_owned(), (seconds(ran.outcome.whole), String::new())),
            ]
        })
    }

    fn of(reports: &[Report], cells: impl Fn(&Ran) -> Vec<(String, (String, String))>) -> Self {
        let columns = reports.iter().map(|report| report.release.name.to_owned()).collect();
        let mut table = Self { columns, rows: Vec::new() };
        for (column, report) in reports.iter().enumerate() {
            let Trial::Ran(ran) = &report.result else { continue };
            for (name, cell) in cells(ran) {
                *table.cell(&name, column) = cell;
            }
        }
        table
    }

    /// Rows of which this is true, and the others.
    pub(super) fn split(self, belongs: impl Fn(&Row) -> bool) -> (Self, Self) {
        let (first, second) = self.rows.into_iter().partition(belongs);
        (Self { columns: self.columns.clone(), rows: first }, Self { columns: self.columns, rows: second })
    }

    /// A place in the table; a new row begins with nothing known.
    fn cell(&mut self, name: &str, column: usize) -> &mut (String, String) {
        let found = self.rows.iter().position(|row| row.name == name);
        let row = found.unwrap_or_else(|| {
            let cells = vec![(UNKNOWN.to_owned(), String::new()); self.columns.len()];
            self.rows.push(Row { name: name.to_owned(), cells });
            self.rows.len() - 1
        });
        &mut self.rows[row].cells[column]
    }

    /// For a terminal: columns aligned, sentences below; nothing if there are no rows.
    pub(super) fn text(&self, title: &str) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let lines: Vec<Vec<&str>> = self.lines(title).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for remark in self.remarks() {
            let _ = writeln!(text, "  {remark}");
        }
        text
    }

    /// For a document.
    pub(super) fn markdown(&self, title: &str) -> String {
        let mut text = String::new();
        for (index, line) in self.lines(title).enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', r"\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if index == 0 {
                let _ = writeln!(text, "|{}", "---|".repeat(line.len()));
            }
        }
        text
    }

    /// Sentences about cells: `NAME (KERNELS): SENTENCE`, each sentence once.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.rows.iter().flat_map(|row| self.remarks_of(row)).collect()
    }

    fn remarks_of(&self, row: &Row) -> Vec<String> {
        let mut remarks: Vec<(&str, Vec<&str>)> = Vec::new();
        for (column, (_, remark)) in self.columns.iter().zip(&row.cells) {
            match remarks.iter_mut().find(|(known, _)| known == remark) {
                _ if remark.is_empty() => {}
                Some((_, columns)) => columns.push(column),
                None => remarks.push((remark, vec![column])),
            }
        }
        let sentence =
            |(remark, columns): (&str, Vec<&str>)| format!("{} ({}): {remark}", row.name, columns.join(", "));
        remarks.into_iter().map(sentence).collect()
    }

    /// The head, then the rows.
    fn lines<'a>(&'a self, title: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
        let head = std::iter::once(title).chain(self.columns.iter().map(String::as_str)).collect();
        let row = |row: &'a Row| {
            let cells = row.cells.iter().map(|(value, _)| value.as_str());
            std::iter::once(row.name.as_str()).chain(cells).collect()
        };
        std::iter::once(head).chain(self.rows.iter().map(row))
    }
}

fn cell<T: ToString>(line: &Line<T>) -> (String, (String, String)) {
    (line.name.clone(), (line.value.to_string(), line.remark.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table { columns: vec!["5.10".into(), "6.1".into(), "6.12".into()], rows: Vec::new() };
        *table.cell("TCX", 0) = ("no".into(), "by clsact".into());
        *table.cell("TCX", 1) = ("no".into(), "by clsact".into());
        *table.cell("TCX", 2) = ("yes".into(), String::new());
        *table.cell("a|b", 2) = ("yes".into(), "only here".into());
        table
    }

    #[test]
    fn columns_of_the_terminal_stand_below_each_other() {
        let text = table().text("feature");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            ["feature  5.10  6.1  6.12", "TCX      no    no   yes", "a|b      -     -    yes"]
        );
    }

    #[test]
    fn what_a_kernel_has_is_told_from_how_much() {
        let mut table = table();
        *table.cell("load time", 0) = ("1.5 s".into(), String::new());
        let (has, measured) = table.split(Row::is_of_yes_and_no);
        assert_eq!((has.rows.len(), measured.rows[0].name.as_str()), (2, "load time"));
        assert_eq!(has.columns, measured.columns);
    }

    #[test]
    fn a_sentence_is_said_once_with_the_kernels_that_it_is_about() {
        assert_eq!(table().remarks(), ["TCX (5.10, 6.1): by clsact", "a|b (6.12): only here"]);
    }

    #[test]
    fn the_document_has_a_head_and_escapes_what_would_end_a_cell() {
        let text = table().markdown("feature");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| feature | 5.10 | 6.1 | 6.12 |");
        assert_eq!(lines[1], "|---|---|---|---|");
        assert_eq!(lines[3], r"| a\|b | - | - | yes |");
    }
}
