//! What guests' tests said, kept between runs: kernels can be tried one by one, and a document made of all of them.
//!
//! A record lies beside its kernel in the cache, one for each share of the tests. That of another version of the kernel
//! does not count.

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
    let mut results = Results::default();
    for line in record["said"].as_array()? {
        results.on_line(line.as_str()?);
    }
    let status = record["status"].as_u64().and_then(|status| u8::try_from(status).ok());
    let end =
        status.map_or_else(|| End::Died(record["end"].as_str().unwrap_or_default().to_owned()), End::Status);
    let outcome = Outcome {
        end,
        boot: None,
        whole: Duration::from_secs(record["seconds"].as_u64()?),
        console: String::new(),
        complaints: Vec::new(),
    };
    let day = record["day"].as_str()?.to_owned();
    Some(Ran { kernel, share, day, outcome, results })
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
    fn a_guest_that_was_ended_is_known_as_such() {
        let record = text("x", "", &outcome(End::TimedOut(Duration::from_secs(5))), &[]);
        let ran = ran(Kernel::named(RELEASES[0], "x"), Share::All, &record).unwrap();
        assert!(!ran.ended() && ran.complaint().unwrap().contains("5 s were over"));
    }
}
