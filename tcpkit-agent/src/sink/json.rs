//! The report as JSON.

use std::io::{self, Write};

use crate::report::{Record, Report};

/// The report as one JSON object over several lines, with a final newline.
#[must_use]
pub fn render(report: &Report) -> String {
    render_record(report)
}

/// The same of any record.
#[must_use]
pub fn render_record(record: &impl Record) -> String {
    let mut text = Vec::new();
    run(record, &mut text).expect("writing to memory cannot fail, and every key of a report is a string");
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

/// Writes a record to `writer` and flushes it.
///
/// # Errors
/// What the writer says.
pub fn run(record: &impl Record, writer: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *writer, record).map_err(io::Error::from)?;
    writer.write_all(b"\n")?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::text::sample;

    #[test]
    fn the_report_is_one_object_with_a_final_newline() {
        let text = render(&sample::report());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], crate::report::SCHEMA);
        assert_eq!(value["ledger"]["total"]["matched"], 1_000_000);
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn a_report_of_nothing_has_nulls_and_no_nan() {
        let value: serde_json::Value = serde_json::from_str(&render(&sample::empty())).unwrap();
        assert!(value["completeness"].is_null());
        assert!(value["handshake"]["handshake_us"]["p99"].is_null());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let Ok(mut full) = std::fs::File::options().write(true).open("/dev/full") else { return };
        let error = run(&sample::report(), &mut full).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
