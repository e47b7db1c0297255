//! Writes `docs/kernels.md` from a run on all kernels.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result, bail};

use super::{
    Share,
    matrix::{Ran, Report, Trial},
    table::{Row, Table},
};
use crate::shell::{say, workspace};

/// Where the document is.
const DOCUMENT: &str = "docs/kernels.md";

/// What does not come from the run.
const HEAD: &str = "\
# tcpkit on other kernels

Written by `cargo xtask vm --update-docs` from the newest run of the tests on each kernel; do not edit. Each kernel is
Debian's own, booted under emulation (`cargo xtask vm --all`), and every line below was said by a test in that guest; `-`
means that none spoke of it. `run` tells what came of the guest as a whole: how many tests, all of them or the share that
`cargo xtask test` has time for, how long they took, and when. Kernels may have been run on different days.

Where a kernel lacks something, tcpkit finds that out by trying, says in one line what it does instead, and counts the same
flows; what that costs stands below the table. TC in the place of XDP takes about as long for a buffer, and its frames are
what GRO merged: fewer and larger ones. Packets, bytes and segments are counted as they were on the wire either way.
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
    let (has, measured) = Table::features(reports).split(Row::is_of_yes_and_no);
    let measured_by = "What was measured, on an emulated processor: for comparison among kernels only";
    section(&mut text, "What each kernel has", "feature", &has, "What a missing feature costs");
    section(&mut text, "How tcpkit fares there", "check", &Table::checks(reports), "Remarks");
    section(&mut text, "Figures", "figure", &measured, measured_by);
    Ok(text)
}

/// How a guest ended, how many tests it ran, for how long, and when.
fn fate(ran: &Ran) -> String {
    let tally = ran.tally();
    let share = if ran.share == Share::Gate { "the gate's share" } else { "all" };
    let fate = match ran.complaint() {
        None => format!("{share}: {} tests passed", tally.passed),
        Some(why) if ran.ended() => {
            format!("{share}: {why}: {} tests passed, {} failed", tally.passed, tally.failed)
        }
        Some(why) => format!("{share}, not to their end: {}", why.replace('|', r"\|")),
    };
    let again: String = ran.again.iter().map(|part| format!("; then again {part}")).collect();
    format!("{fate}; {} s, {}{again}", ran.seconds(), ran.day)
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
            rows: vec![Row { name: "TCX".into(), cells: vec![("no".into(), "by clsact".into())] }],
        };
        let mut written = String::new();
        section(&mut written, "What", "feature", &table, "Costs");
        assert!(written.ends_with("| TCX | no |\n\nCosts:\n\n- TCX (5.10): by clsact\n"), "{written}");
    }
}
