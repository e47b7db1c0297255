//! The gate's step in guests: the scenarios of `vm::` on the kernels that every run boots.

use std::time::Duration;

use anyhow::Result;

use super::step::Outcome;
use crate::{
    shell::answer,
    tally::Tally,
    vm::{self, Report, Trial},
};

/// How long the guests may take, all at a time; on two idle processors they take seven minutes.
const LIMIT: Duration = Duration::from_secs(1500);

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
        // It stands in the step's outcome.
        Trial::Broken(_) => {}
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
        ran_any |= !matches!(report.result, Trial::LeftOut(_));
        if let Some(why) = report.complaint() {
            only_tests &= matches!(&report.result, Trial::Ran(ran) if ran.tally().failed > 0);
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

    #[test]
    fn a_guest_that_cannot_be_started_fails_the_step() {
        let left_out = Report { release: RELEASES[0], result: Trial::LeftOut("no network".into()) };
        let broken = Report { release: RELEASES[1], result: Trial::Broken("no module veth".into()) };
        let outcome = outcome(&[left_out, broken]);
        assert_eq!(outcome, Outcome::Failed("kernel 6.1: no module veth".into()));
    }
}
