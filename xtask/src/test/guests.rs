//! The gate's step in guests: the scenarios of `vm::` on the kernels that every run boots.

use std::time::Duration;

use anyhow::Result;

use super::step::Outcome;
use crate::{
    shell::answer,
    tally::Tally,
    vm::{self, Report, Trial},
};

/// How long one guest may take; on two processors of its own it takes a small part of that.
const LIMIT: Duration = Duration::from_secs(420);

/// Boots the kernels of the gate and takes the results of their tests into `tally`.
///
/// # Errors
/// If something that all guests need is missing, or a build fails.
pub(super) fn guests(tally: &mut Tally) -> Result<Outcome> {
    let reports = vm::gate(LIMIT, |line| answer(line))?;
    answer(format_args!("\n{}", vm::tables(&reports)));
    for report in &reports {
        count(report, tally);
    }
    Ok(outcome(&reports))
}

/// Reasons name the kernel: one test may be left out on one and not on the other.
fn count(report: &Report, tally: &mut Tally) {
    let name = report.release.name;
    match &report.result {
        Trial::LeftOut(why) => _ = tally.left_out.insert(format!("kernel {name}: {why}")),
        Trial::Ran(ran) => {
            let mut of_guest = ran.tally().clone();
            of_guest.left_out = of_guest.left_out.iter().map(|why| format!("kernel {name}: {why}")).collect();
            tally.add(&of_guest);
        }
    }
}

fn outcome(reports: &[Report]) -> Outcome {
    let mut complaints = Vec::new();
    let mut only_tests = true;
    let mut ran_any = false;
    for report in reports {
        let Trial::Ran(ran) = &report.result else { continue };
        ran_any = true;
        if let Some(why) = ran.complaint() {
            only_tests &= ran.tally().failed > 0;
            complaints.push(format!("kernel {}: {why}", report.release.name));
        }
    }
    match (complaints.is_empty(), only_tests) {
        (true, _) if ran_any => Outcome::Passed,
        (true, _) => Outcome::LeftOut("no kernel could be fetched".to_owned()),
        (false, true) => Outcome::TestsFailed,
        (false, false) => Outcome::Failed(complaints.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::RELEASES;

    #[test]
    fn a_kernel_that_cannot_be_fetched_is_left_out_by_name() {
        let report = Report { release: RELEASES[0], result: Trial::LeftOut("no network".into()) };
        let mut tally = Tally::default();
        count(&report, &mut tally);
        assert!(tally.left_out.contains("kernel 5.10: no network"), "{tally:?}");
        assert!(matches!(outcome(&[report]), Outcome::LeftOut(_)));
    }
}
