//! What guests' tests said, kept between runs: kernels can be tried one by one, and a document made of all of them.
//!
//! A record lies beside its kernel in the cache, one for each share of the tests. That of another version of the kernel
//! does not count. Tests that were run again alone stand behind the run that they belong to, which says so.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    Share, cache,
    guest::{End, Outcome},
    matrix::{Ran, Report, Trial},
    packages::{self, Fetched, Kernel},
    releases::{RELEASES, Release},
    results::Results,
};

/// Keeps what the tests of a guest said, line by line.
///
/// # Errors
/// If it cannot be written.
pub(super) fn keep(ran: &Ran, said: &[String]) -> Result<()> {
    let path = path(ran.kernel.release, ran.share);
    let text = text(&ran.kernel.version, &ran.day, &ran.outcome, said).to_string();
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Keeps what some of the tests said, beside what all of them said before on the same kernel; without that it would be
/// no run.
///
/// # Errors
/// If it cannot be written.
pub(super) fn keep_again(ran: &Ran, filter: &str, said: &[String]) -> Result<()> {
    let path = path(ran.kernel.release, ran.share);
    let Some(mut record) = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok())
    else {
        return Ok(());
    };
    let tried_any = ran.tally().passed + ran.tally().failed > 0;
    if record["kernel"] != ran.kernel.version.as_str() || !ran.ended() || !tried_any {
        return Ok(());
    }
    add(&mut record, filter, &ran.day, said);
    fs::write(&path, record.to_string()).with_context(|| format!("cannot write {}", path.display()))
}

fn add(record: &mut Value, filter: &str, day: &str, said: &[String]) {
    let part = json!({ "filter": filter, "day": day, "said": said });
    match record["again"].as_array_mut() {
        Some(parts) => {
            parts.retain(|old| old["filter"] != filter);
            parts.push(part);
        }
        None => record["again"] = json!([part]),
    }
}

/// The newest of each kernel: of all tests if they have been run there, otherwise of the gate's share.
///
/// # Errors
/// If there is none of a kernel, which is named, or one cannot be read.
pub(super) fn newest() -> Result<Vec<Report>> {
    RELEASES.into_iter().map(of).collect()
}

fn of(release: Release) -> Result<Report> {
    let name = release.name;
    let Fetched::Here(kernel) = packages::fetch(release, false)? else {
        bail!("kernel {name} is not in the cache, and its suite cannot be reached");
    };
    for share in [Share::All, Share::Gate] {
        let path = path(release, share);
        let Ok(text) = fs::read(&path) else { continue };
        let record: Value =
            serde_json::from_slice(&text).with_context(|| format!("cannot read {}", path.display()))?;
        if record["kernel"] != kernel.version.as_str() {
            continue;
        }
        let ran = ran(kernel, share, &record).with_context(|| format!("{} is no record", path.display()))?;
        return Ok(Report { release, result: Trial::Ran(Box::new(ran)) });
    }
    bail!("nothing is known of kernel {name}: run `cargo xtask vm --kernel {name} --tests` first")
}

fn path(release: Release, share: Share) -> PathBuf {
    cache::folder().join(format!("{}.{}.json", release.name, share.word()))
}

fn text(kernel: &str, day: &str, outcome: &Outcome, said: &[String]) -> Value {
    let status = if let End::Status(status) = outcome.end { Some(status) } else { None };
    json!({
        "kernel": kernel,
        "day": day,
        "status": status,
        "end": outcome.end.to_string(),
        "seconds": outcome.whole.as_secs(),
        "said": said,
    })
}

fn ran(kernel: Kernel, share: Share, record: &Value) -> Option<Ran> {
    let mut results = said(record)?;
    let mut again = Vec::new();
    for part in record["again"].as_array().into_iter().flatten() {
        let newer = said(part)?;
        let (filter, day, tally) = (part["filter"].as_str()?, part["day"].as_str()?, &newer.tally);
        again.push(format!("`{filter}`: {} passed, {} failed, {day}", tally.passed, tally.failed));
        results.replace(newer);
    }
    let status = record["status"].as_u64().and_then(|status| u8::try_from(status).ok());
    let end = status
        .map_or_else(|| End::Earlier(record["end"].as_str().unwrap_or_default().to_owned()), End::Status);
    let outcome = Outcome {
        end,
        boot: None,
        whole: Duration::from_secs(record["seconds"].as_u64()?),
        console: String::new(),
        complaints: Vec::new(),
    };
    let day = record["day"].as_str()?.to_owned();
    Some(Ran { kernel, share, day, outcome, results, again })
}

fn said(record: &Value) -> Option<Results> {
    let mut results = Results::default();
    for line in record["said"].as_array()? {
        results.on_line(line.as_str()?);
    }
    Some(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End) -> Outcome {
        Outcome {
            end,
            boot: None,
            whole: Duration::from_secs(9),
            console: String::new(),
            complaints: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let said = ["CHECK a = fail: lost 3", "test result: FAILED. 4 passed; 1 failed;"].map(str::to_owned);
        let record = text("6.1.0-1-amd64", "1 May 2030", &outcome(End::Status(101)), &said);
        let kernel = Kernel::named(RELEASES[1], "6.1.0-1-amd64");
        let ran = ran(kernel, Share::Gate, &record).unwrap();
        assert_eq!((ran.tally().passed, ran.tally().failed), (4, 1));
        assert_eq!((ran.outcome.end.clone(), ran.day.as_str()), (End::Status(101), "1 May 2030"));
        assert!(ran.ended() && ran.complaint().is_some());
    }

    #[test]
    fn tests_that_were_run_again_are_told_beside_their_run() {
        let line = |text: &str| [text.to_owned(), "test result: ok. 1 passed; 0 failed;".to_owned()];
        let mut record = text("x", "1 May 2030", &outcome(End::Status(101)), &line("CHECK a = fail: lost 3"));
        add(&mut record, "vm::life", "2 May 2030", &line("CHECK a = pass"));
        let ran = ran(Kernel::named(RELEASES[0], "x"), Share::All, &record).unwrap();
        assert_eq!(ran.again, ["`vm::life`: 1 passed, 0 failed, 2 May 2030"]);
        assert_eq!(ran.results.checks[0].remark, "");
        assert!(ran.complaint().is_some(), "the run as a whole did not do well");
    }

    #[test]
    fn a_guest_that_was_ended_is_known_as_such() {
        let record = text("x", "", &outcome(End::TimedOut(Duration::from_secs(5))), &[]);
        let ran = ran(Kernel::named(RELEASES[0], "x"), Share::All, &record).unwrap();
        assert!(!ran.ended() && ran.complaint().unwrap().contains("5 s were over"));
    }
}
