//! What `tcpkit doctor` found, for a terminal.

use std::fmt::Write as _;

use crate::report::{DoctorReport, FindingRecord};

/// A block for the host and for each interface; a line for each finding, and one below for what to do.
#[must_use]
pub fn render(report: &DoctorReport) -> String {
    let mut text = String::new();
    for one in &report.examined {
        let _infallible = writeln!(text, "{}", one.name);
        one.findings.iter().for_each(|finding| line(&mut text, finding));
        text.push('\n');
    }
    text.push_str(verdict(report));
    text
}

fn line(text: &mut String, finding: &FindingRecord) {
    let FindingRecord { subject, condition, fact, advice } = finding;
    let _infallible = writeln!(text, "  {condition:<8}{subject:<15}{fact}");
    if let Some(advice) = advice {
        let _infallible = writeln!(text, "  {:<23}-> {advice}", "");
    }
}

fn verdict(report: &DoctorReport) -> &'static str {
    let has = |condition| {
        report.examined.iter().flat_map(|one| &one.findings).any(|one| one.condition == condition)
    };
    if !report.can_capture {
        "eBPF cannot capture here: see what is trouble.\n"
    } else if has("loss") {
        "eBPF can capture here. What is marked loss costs frames, or will under load.\n"
    } else {
        "eBPF can capture here, and nothing was found that loses frames.\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ExaminedRecord;

    fn finding(condition: &'static str, advice: Option<&str>) -> FindingRecord {
        let advice = advice.map(str::to_owned);
        FindingRecord { subject: "queues", condition, fact: "1 of 8".to_owned(), advice }
    }

    fn report(can_capture: bool, findings: Vec<FindingRecord>) -> DoctorReport {
        let examined = vec![ExaminedRecord { name: "eth0".to_owned(), findings }];
        DoctorReport { can_capture, examined }
    }

    #[test]
    fn advice_stands_below_its_finding() {
        let text = render(&report(true, vec![finding("loss", Some("ethtool -L eth0 combined 8"))]));
        let expected = "eth0\n  loss    queues         1 of 8\n                         -> ethtool -L eth0 combined 8\n\n\
                        eBPF can capture here. What is marked loss costs frames, or will under load.\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let last = |report: &DoctorReport| render(report).lines().last().map(str::to_owned);
        assert!(last(&report(false, vec![finding("trouble", None)])).unwrap().contains("cannot capture"));
        assert!(last(&report(true, vec![finding("ok", None)])).unwrap().contains("nothing was found"));
    }
}
