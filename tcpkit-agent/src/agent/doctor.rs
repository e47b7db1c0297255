//! `tcpkit doctor`: what this host and its interfaces let a capture do, and what it will lose.

use crate::{
    cli::{DoctorCommandArgs, Failure},
    report::{DoctorReport, ExaminedRecord, FindingRecord},
    sink::{json, write_stdout},
    source::live::doctor::{Condition, Examination, examine, usual_interfaces},
    view,
};

/// Examines the host and the interfaces, and says what was found.
///
/// # Errors
/// eBPF cannot capture from all of them; standard output does not take the report.
pub fn doctor(args: &DoctorCommandArgs) -> anyhow::Result<()> {
    let interfaces = if args.interface.is_empty() { usual_interfaces() } else { args.interface.clone() };
    let report = report(examine(&interfaces));
    let text = if args.json { json::render_record(&report) } else { view::doctor::render(&report) };
    write_stdout(&text)?;
    if report.can_capture {
        return Ok(());
    }
    Err(Failure::run("doctor").because("eBPF cannot capture from all that was examined").into())
}

fn report(examinations: Vec<Examination>) -> DoctorReport {
    let all = examinations.iter().flat_map(|one| &one.findings);
    let can_capture = all.map(|finding| finding.condition).max() < Some(Condition::Trouble);
    let examined = examinations.into_iter().map(|one| ExaminedRecord {
        name: one.name,
        findings: one
            .findings
            .into_iter()
            .map(|finding| FindingRecord {
                subject: finding.subject,
                condition: word(finding.condition),
                fact: finding.fact,
                advice: finding.advice,
            })
            .collect(),
    });
    DoctorReport { can_capture, examined: examined.collect() }
}

const fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Good => "ok",
        Condition::Note => "note",
        Condition::Loss => "loss",
        Condition::Trouble => "trouble",
    }
}
