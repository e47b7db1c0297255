//! Reviewed screens and lines; what must hold for every one of them.

use super::*;
use crate::report::Report;

const PLAIN: TextOptions = TextOptions { colour: false };
const COLOUR: TextOptions = TextOptions { colour: true };

/// Compares with a file beside the sources; `UPDATE_EXPECT=1` writes it anew.
fn expect_file(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/text").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; UPDATE_EXPECT=1 writes it anew:\n{actual}", path.display());
}

fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain + rest
}

#[test]
fn a_report_is_a_reviewed_screen() {
    expect_file("summary.txt", &render(&sample::report(), PLAIN));
}

#[test]
fn a_report_of_nothing_is_a_reviewed_screen() {
    expect_file("empty.txt", &render(&sample::empty(), PLAIN));
}

#[test]
fn events_are_reviewed_lines() {
    let lines: String = sample::events().iter().map(|one| event(one, PLAIN) + "\n").collect();
    expect_file("events.txt", &lines);
}

#[test]
fn a_report_fits_eighty_columns() {
    for line in render(&sample::report(), PLAIN).lines() {
        assert!(line.chars().count() <= 80, "{}: {line}", line.chars().count());
    }
}

#[test]
fn colour_changes_no_letter() {
    let report = sample::report();
    assert_ne!(render(&report, COLOUR), render(&report, PLAIN));
    assert_eq!(without_colour(&render(&report, COLOUR)), render(&report, PLAIN));
    for one in sample::events() {
        assert_eq!(without_colour(&event(&one, COLOUR)), event(&one, PLAIN));
        assert_eq!(event(&one, PLAIN).lines().count(), 1);
        assert!(!event(&one, PLAIN).contains('\x1b'), "a name reached the terminal");
    }
}

#[test]
fn a_report_of_a_running_capture_says_so_far() {
    let report = Report { complete: false, ..sample::report() };
    assert!(render(&report, PLAIN).starts_with("CAPTURE, SO FAR\n"));
}

fn verdict_of(change: impl FnOnce(&mut Report)) -> String {
    let mut report = sample::report();
    let total = &mut report.ledger.total;
    (total.ring_full, total.helper_failed, total.recorded) = (0, 0, 1_000_000);
    (total.delivered, total.analyzed) = (1_000_000, 1_000_000);
    report.completeness = Some(1.0);
    change(&mut report);
    let text = render(&report, PLAIN);
    let section = text.split("COMPLETENESS\n").nth(1).unwrap();
    section.split("  frames").next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn completeness_is_said_plainly() {
    assert_eq!(verdict_of(|_| {}), "complete: every wanted frame was analysed");
    assert_eq!(
        verdict_of(|report| {
            report.ledger.total.ring_full = 1;
            report.completeness = Some(0.999_999);
        }),
        ">99.999 % of the wanted frames reached the analysis, 1 lost because the ring was full: raise --ring-bytes or \
         narrow the filter"
    );
    assert!(
        verdict_of(|report| {
            report.ledger.total.notes.insert("file_dropped".into(), 5);
        })
        .ends_with("admits that it had lost 5 frames before")
    );
    assert_eq!(
        verdict_of(|report| report.ledger.total.analyzed -= 7),
        "complete: no wanted frame was lost; 7 were not for the analyzers"
    );
    assert_eq!(verdict_of(|report| report.ledger.total.matched = 0), "no frame was wanted");
    assert!(verdict_of(|report| report.ledger.closes = false).contains("does not close"));
}
