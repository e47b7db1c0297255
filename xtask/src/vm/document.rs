//! Writes `docs/kernels.md` from a run on all kernels.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result, bail};

use super::{
    Share,
    matrix::{Ran, Report, Trial},
    table::Table,
};
use crate::shell::{say, workspace};

/// Where the document is.
const DOCUMENT: &str = "docs/kernels.md";

/// What does not come from the run.
const HEAD: &str = "\
# tcpkit on other kernels

Written by `cargo xtask vm --all --update-docs` from the newest run on each kernel; do not edit. Each kernel is Debian's own, booted under
emulation, and every line was said by a test in that guest. `-` means that no test there spoke of it. `run` tells what
came of the guest as a whole: all tests, the share of them that `cargo xtask test` runs, or how far it came, so that what
is missing below has its reason.
";

/// Writes the document. A guest that did not do well is written down as such.
///
/// # Errors
/// If a kernel is missing: nothing would be known of it.
pub(super) fn update(reports: &[Report]) -> Result<()> {
    let text = text(reports)?;
    let path = workspace().join(DOCUMENT);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!("vm: {DOCUMENT} is written"));
    Ok(())
}

fn text(reports: &[Report]) -> Result<String> {
    let mut text = format!("{HEAD}\n| kernel | Debian | package | run |\n|---|---|---|---|\n");
    for report in reports {
        let name = report.release.name;
        let ran = match &report.result {
            Trial::Ran(ran) => ran,
            Trial::LeftOut(why) | Trial::Broken(why) => {
                bail!("{DOCUMENT} is not written: kernel {name}: {why}")
            }
        };
        let kernel = &ran.kernel;
        let _ = writeln!(
            text,
            "| {name} | {} | {} ({}) | {} |",
            report.release.suite,
            kernel.version,
            kernel.package_version,
            fate(ran)
        );
    }
    section(
        &mut text,
        "What each kernel has",
        "feature",
        &Table::features(reports),
        "What a missing feature costs",
    );
    section(&mut text, "How tcpkit fares there", "check", &Table::checks(reports), "Remarks");
    Ok(text)
}

/// How a guest ended, and how many tests it ran.
fn fate(ran: &Ran) -> String {
    let tally = ran.tally();
    match ran.complaint() {
        None if ran.share == Share::Gate => format!("the gate's share: {} tests", tally.passed),
        None => format!("all: {} tests", tally.passed),
        Some(why) if ran.ended() => format!("{why}: {} tests passed, {} failed", tally.passed, tally.failed),
        Some(why) => {
            let share = if ran.share == Share::Gate { ", the gate's share" } else { "" };
            format!("partial{share}: {}", why.replace('|', r"\|"))
        }
    }
}

fn section(text: &mut String, title: &str, first: &str, table: &Table, remarks: &str) {
    if table.rows.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n{}", table.markdown(first));
    let sentences = table.remarks();
    if !sentences.is_empty() {
        let _ = writeln!(text, "\n{remarks}:\n");
        for sentence in sentences {
            let _ = writeln!(text, "- {sentence}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::releases::RELEASES;

    #[test]
    fn a_run_without_a_kernel_is_not_written_down() {
        let report = Report { release: RELEASES[2], result: Trial::LeftOut("no network".into()) };
        let error = text(&[report]).unwrap_err().to_string();
        assert!(error.contains("6.12") && error.contains("no network"), "{error}");
    }

    #[test]
    fn sentences_stand_below_their_table() {
        let table = Table {
            columns: vec!["5.10".into()],
            rows: vec![crate::vm::table::Row {
                name: "TCX".into(),
                cells: vec![("no".into(), "by clsact".into())],
            }],
        };
        let mut written = String::new();
        section(&mut written, "What", "feature", &table, "Costs");
        assert!(written.ends_with("| TCX | no |\n\nCosts:\n\n- TCX (5.10): by clsact\n"), "{written}");
    }
}
