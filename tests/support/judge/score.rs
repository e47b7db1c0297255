//! Verdicts summed up: the confusion matrix, what was found, and how far round trips are off.

use std::fmt;

use tcpkit_agent::flow::Cause;

use super::{
    truth::Trigger,
    verdict::{Judged, Percentile, Verdict},
};

/// Share of segments sent again that must be found.
pub const FOUND: f64 = 0.99;
/// Share of them whose cause must be right.
pub const RIGHT: f64 = 0.95;

/// What the engine can say, at one column each; the last one is that it says nothing.
const COLUMNS: usize = Cause::COUNT + 1;

/// One scenario's, or the sum of several.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Segments by the kernel's cause, needed and needless, and by what the engine says of them.
    matrix: [[[u64; COLUMNS]; 2]; Trigger::ALL.len()],
    segments: u64,
    found: u64,
    right: u64,
    invented: u64,
    unmatched: u64,
    fins: [u64; 2],
    syns: [u64; 2],
    /// Percentiles of flows, and those that are right.
    medians: [u64; 2],
    tails: [u64; 2],
    /// Errors of all percentiles, in per cent of the kernel's.
    errors: Vec<f64>,
}

impl Score {
    /// Of one run.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let mut score = Self::default();
        verdict.judged.iter().for_each(|judged| score.take(judged));
        let invented =
            verdict.invented.iter().filter_map(|sent| sent.said).map(|said| u64::from(said.segments));
        score.invented = invented.sum::<u64>() + verdict.excess;
        score.unmatched = verdict.unmatched.len() as u64;
        (score.fins, score.syns) = (verdict.fins, verdict.syns);
        for percentile in &verdict.percentiles {
            score.take_percentile(percentile);
        }
        score
    }

    fn take(&mut self, judged: &Judged) {
        let row = &mut self.matrix[judged.truth.trigger as usize][usize::from(judged.is_needless)];
        let (segments, found) = (u64::from(judged.truth.segments), u64::from(judged.found));
        row[judged.cause.map_or(COLUMNS - 1, Cause::index)] += found;
        row[COLUMNS - 1] += segments - found;
        self.segments += segments;
        self.found += found;
        self.right += if judged.is_right() { found } else { 0 };
    }

    fn take_percentile(&mut self, percentile: &Percentile) {
        let group = if percentile.percent == 50 { &mut self.medians } else { &mut self.tails };
        group[0] += 1;
        group[1] += u64::from(percentile.is_right());
        self.errors.push(
            100.0 * (percentile.engine_us - percentile.kernel_us).abs() / percentile.kernel_us.max(1.0),
        );
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (rows, others) in self.matrix.iter_mut().flatten().zip(other.matrix.iter().flatten()) {
            add(rows, others);
        }
        for (mine, theirs) in [
            (&mut self.segments, other.segments),
            (&mut self.found, other.found),
            (&mut self.right, other.right),
            (&mut self.invented, other.invented),
            (&mut self.unmatched, other.unmatched),
        ] {
            *mine += theirs;
        }
        add(&mut self.fins, &other.fins);
        add(&mut self.syns, &other.syns);
        add(&mut self.medians, &other.medians);
        add(&mut self.tails, &other.tails);
        self.errors.extend_from_slice(&other.errors);
    }

    /// Segments that the kernel sent again.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.segments
    }

    /// What of the targets does not hold, in words; empty when all do.
    #[must_use]
    pub fn misses(&self) -> Vec<String> {
        [self.count_misses(), self.time_misses()].concat()
    }

    /// What of the targets for segments sent again does not hold.
    #[must_use]
    pub fn count_misses(&self) -> Vec<String> {
        let share = |part: u64| part as f64 / self.segments.max(1) as f64;
        let targets = [
            (share(self.found) >= FOUND, format!("found {} of {}", self.found, self.segments)),
            (share(self.right) >= RIGHT, format!("cause right in {} of {}", self.right, self.segments)),
            (self.invented == 0, format!("{} invented", self.invented)),
            (self.unmatched == 0, format!("{} in no capture", self.unmatched)),
        ];
        targets.into_iter().filter(|(holds, _)| !holds).map(|(_, words)| words).collect()
    }

    /// What of the targets for round trips does not hold.
    #[must_use]
    pub fn time_misses(&self) -> Vec<String> {
        let groups = [("p50", self.medians), ("p99", self.tails)];
        let missed = groups.into_iter().filter(|(_, [all, right])| !is_mostly_right(*all, *right));
        missed.map(|(name, [all, right])| format!("{name} right in {right} of {all} flows")).collect()
    }
}

/// Nineteen of twenty, or all but one.
///
/// A round trip may rest on a sample that only one side can have: the capture is before the socket, and a busy host's
/// scheduler may come between them.
pub(super) const fn is_mostly_right(all: u64, right: u64) -> bool {
    let wrong = all - right;
    wrong <= 1 || wrong * 20 <= all
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:18}", "kernel \\ tcpkit")?;
        for cause in Cause::ALL {
            write!(f, "{:>10}", cause.name())?;
        }
        writeln!(f, "{:>10}", "missed")?;
        for trigger in Trigger::ALL {
            for (word, row) in ["", ", needless"].iter().zip(&self.matrix[trigger as usize]) {
                write!(f, "  {:18}", format!("{}{word}", trigger.name()))?;
                row.iter().try_for_each(|count| write!(f, "{count:>10}"))?;
                writeln!(f)?;
            }
        }
        let per_cent = |part: u64| 100.0 * part as f64 / self.segments.max(1) as f64;
        writeln!(
            f,
            "  {} segments sent again, found {} ({:.2} %), cause right in {} ({:.2} %), invented {}",
            self.segments,
            self.found,
            per_cent(self.found),
            self.right,
            per_cent(self.right),
            self.invented
        )?;
        writeln!(
            f,
            "  beside data: SYN and SYN/ACK sent again {} (tcpkit {}), FIN {} (tcpkit {})",
            self.syns[0], self.syns[1], self.fins[0], self.fins[1]
        )?;
        let mut errors = self.errors.clone();
        errors.sort_by(f64::total_cmp);
        let at = |share: f64| errors.get((share * errors.len() as f64) as usize).or(errors.last()).copied();
        write!(
            f,
            "  round trips: p50 right in {} of {} flows, p99 in {} of {}; error {:.2} % in the middle, {:.2} % at the 95th",
            self.medians[1],
            self.medians[0],
            self.tails[1],
            self.tails[0],
            at(0.5).unwrap_or_default(),
            at(0.95).unwrap_or_default()
        )
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}
