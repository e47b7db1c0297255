//! Every capture in `tests/captures` has a row in its manifest: where it came from, its licence, its checksum.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{Finding, licences};
use crate::shell::{read, read_text};

/// Where captures are.
const FOLDER: &str = "tests/captures/";

/// The manifest: tab-separated, the first row names the columns.
const MANIFEST: &str = "tests/captures/MANIFEST.tsv";

/// A row of the manifest, as far as it is checked.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
    line: usize,
    file: &'a str,
    license: &'a str,
    sha256: &'a str,
}

/// Compares the folder with its manifest.
///
/// # Errors
/// If the manifest cannot be read, or `sha256sum` fails.
pub(super) fn check(root: &Path, files: &[String]) -> Result<Vec<Finding>> {
    let captures: Vec<&str> = files.iter().filter_map(|file| file.strip_prefix(FOLDER)).collect();
    let captures: Vec<&str> = captures.into_iter().filter(|file| is_capture(file)).collect();
    if captures.is_empty() {
        return Ok(Vec::new());
    }
    let manifest = read_text(&root.join(MANIFEST))?;
    let sums = checksums(&root.join(FOLDER), &captures)?;
    Ok(compare(&manifest, &sums))
}

/// Prose and outputs may stand beside the captures without a row.
fn is_capture(file: &str) -> bool {
    !(file == "MANIFEST.tsv" || file.ends_with(".md") || file.ends_with(".txt") || file.ends_with(".json"))
}

fn compare(manifest: &str, sums: &BTreeMap<String, String>) -> Vec<Finding> {
    let Some(rows) = rows(manifest) else {
        return vec![Finding::new(
            MANIFEST,
            1,
            "the first row names the columns `file`, `license` and `sha256`",
        )];
    };
    let mut findings = Vec::new();
    for row in &rows {
        match sums.get(row.file) {
            None => {
                findings.push(Finding::new(MANIFEST, row.line, format!("there is no capture `{}`", row.file)))
            }
            Some(sum) if sum != row.sha256 => {
                let text = format!("`{}` has sha256 {sum}, not {}", row.file, row.sha256);
                findings.push(Finding::new(MANIFEST, row.line, text));
            }
            Some(_) if !licences::is_allowed(row.license) => {
                let text =
                    format!("`{}`: licence `{}` is not one that we may pass on", row.file, row.license);
                findings.push(Finding::new(MANIFEST, row.line, text));
            }
            Some(_) => {}
        }
    }
    let listed: BTreeSet<&str> = rows.iter().map(|row| row.file).collect();
    let unlisted = sums.keys().filter(|file| !listed.contains(file.as_str()));
    findings.extend(
        unlisted.map(|file| Finding::new(&format!("{FOLDER}{file}"), 0, "has no row in MANIFEST.tsv")),
    );
    findings
}

fn rows(manifest: &str) -> Option<Vec<Row<'_>>> {
    let header: Vec<&str> = manifest.lines().next()?.split('\t').collect();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let (file, license, sha256) = (column("file")?, column("license")?, column("sha256")?);
    let rows = manifest.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    let rows = rows.map(|(index, line)| {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        // The corpus writes its files with their folder; here they all lie in one.
        let name = cell(file);
        Row {
            line: index + 1,
            file: name.strip_prefix("pcaps/").unwrap_or(name),
            // A remark in parentheses may follow the licence's name.
            license: cell(license).split(" (").next().unwrap_or_default(),
            sha256: cell(sha256),
        }
    });
    Some(rows.collect())
}

fn checksums(folder: &Path, captures: &[&str]) -> Result<BTreeMap<String, String>> {
    let mut sha256sum = Command::new("sha256sum");
    sha256sum.current_dir(folder).arg("--").args(captures);
    let output = read(&mut sha256sum).context("cannot take the captures' checksums")?;
    let pairs = output.lines().filter_map(|line| line.split_once("  "));
    Ok(pairs.map(|(sum, file)| (file.to_owned(), sum.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "file\tsource\tlicense\tsha256\n";

    fn texts(rows: &str, sums: &[(&str, &str)]) -> Vec<String> {
        let sums = sums.iter().map(|(file, sum)| ((*file).to_owned(), (*sum).to_owned())).collect();
        compare(&format!("{HEADER}{rows}"), &sums).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_listed_capture_with_its_checksum_is_in_order() {
        assert_eq!(
            texts(
                "a.pcap\tus\tMIT\t11\npcaps/b.pcap\tus\tApache-2.0\t22\n",
                &[("a.pcap", "11"), ("b.pcap", "22")]
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_changed_missing_unlisted_or_foreign_capture_is_found() {
        assert_eq!(texts("a.pcap\tus\tMIT\t11\n", &[("a.pcap", "12")]), ["`a.pcap` has sha256 12, not 11"]);
        assert_eq!(texts("a.pcap\tus\tMIT\t11\n", &[]), ["there is no capture `a.pcap`"]);
        assert_eq!(texts("", &[("a.pcap", "11")]), ["has no row in MANIFEST.tsv"]);
        assert_eq!(texts("a.pcap\tus\tAll rights reserved\t11\n", &[("a.pcap", "11")]).len(), 1);
    }

    #[test]
    fn a_manifest_without_its_columns_is_refused() {
        assert_eq!(compare("name\tsum\n", &BTreeMap::new()).len(), 1);
    }
}
