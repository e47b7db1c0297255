//! Verdicts at the receivers' ends summed up: a table of its own, with what can be known there and what cannot.

use std::fmt;

use tcpkit_agent::flow::Cause;

use super::{
    receiver::{Arrival, ReceiverVerdict},
    truth::Trigger,
};

/// What the engine can say, at one column each; the last one is that it says nothing.
const COLUMNS: usize = Cause::COUNT + 1;

/// One scenario's, or the sum of several; all are segments.
#[derive(Clone, Debug, Default)]
pub struct ReceiverScore {
    /// By the kernel's cause, hole or had arrived, and what the engine says of them.
    matrix: [[[u64; COLUMNS]; 2]; Trigger::ALL.len()],
    /// By [`Sight`](super::receiver::Sight): all, counted as sent again, cause right.
    sights: [[u64; 3]; 4],
    doubled: u64,
    overtaken: u64,
}

impl ReceiverScore {
    /// Of one run.
    #[must_use]
    pub fn of(verdict: &ReceiverVerdict) -> Self {
        let mut score = Self { doubled: verdict.doubled, overtaken: verdict.overtaken, ..Self::default() };
        verdict.arrivals.iter().for_each(|arrival| score.take(arrival));
        score
    }

    fn take(&mut self, arrival: &Arrival) {
        let (segments, found) = (u64::from(arrival.segments), u64::from(arrival.judged.found));
        let right = if arrival.judged.is_right() { found } else { 0 };
        add(&mut self.sights[arrival.sight as usize], &[segments, found, right]);
        // The first two sights have rows; of the others nothing can be known.
        if let Some(row) = self.matrix[arrival.judged.truth.trigger as usize].get_mut(arrival.sight as usize)
        {
            row[arrival.judged.cause.map_or(COLUMNS - 1, Cause::index)] += found;
            row[COLUMNS - 1] += segments - found;
        }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        for (rows, others) in self.matrix.iter_mut().flatten().zip(other.matrix.iter().flatten()) {
            add(rows, others);
        }
        self.sights.iter_mut().zip(&other.sights).for_each(|(mine, theirs)| add(mine, theirs));
        self.doubled += other.doubled;
        self.overtaken += other.overtaken;
    }

    /// All segments that the kernels sent again.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.sights.iter().map(|[all, ..]| all).sum()
    }

    /// Segments that can be told there from those sent once, by octets, order or time; of these counted as sent again,
    /// and cause right.
    #[must_use]
    pub fn knowable(&self) -> [u64; 3] {
        let [hole, arrived, ..] = &self.sights;
        [0, 1, 2].map(|column| hole[column] + arrived[column])
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        *mine += theirs;
    }
}

impl fmt::Display for ReceiverScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:18}", "kernel \\ tcpkit")?;
        for cause in Cause::ALL {
            write!(f, "{:>10}", cause.name())?;
        }
        writeln!(f, "{:>10}", "missed")?;
        for trigger in Trigger::ALL {
            for (word, row) in ["fills a hole", "had arrived"].iter().zip(&self.matrix[trigger as usize]) {
                write!(f, "  {:18}", format!("{}, {word}", trigger.name()))?;
                row.iter().try_for_each(|count| write!(f, "{count:>10}"))?;
                writeln!(f)?;
            }
        }
        let [all, found, right] = self.knowable();
        let per_cent = |part: u64| 100.0 * part as f64 / all.max(1) as f64;
        writeln!(
            f,
            "  {all} that show there, found {found} ({:.2} %), cause right in {right} ({:.2} %)",
            per_cent(found),
            per_cent(right)
        )?;
        writeln!(
            f,
            "  sent once and taken for sent again: {} that the network doubled, {} that others overtook",
            self.doubled, self.overtaken
        )?;
        let [.., in_order, absent] = self.sights;
        write!(
            f,
            "  nobody can know there: {} that came in order (found {}), {} that were lost as well",
            in_order[0], in_order[1], absent[0]
        )
    }
}

#[cfg(test)]
mod tests {
    use tcpkit_agent::wire::SeqNumber;

    use super::*;
    use crate::judge::{
        observed::Sent,
        receiver::Sight,
        truth::{Retransmission, Way},
        verdict::Judged,
    };

    fn arrival(trigger: Trigger, sight: Sight, is_needless: bool, cause: Option<Cause>) -> Arrival {
        let way = Way { from: 1, to: 2 };
        let truth = Retransmission {
            at_ns: 0,
            way,
            seq: 0,
            end_seq: 9,
            payload_len: 9,
            segments: 1,
            trigger,
            is_syn: false,
            was_sent: true,
        };
        let frame = Sent {
            at_ns: 0,
            way,
            seq: SeqNumber(0),
            payload_len: 9,
            segment_len: 9,
            identification: 0,
            said: None,
            is_dsacked: false,
        };
        let found = u32::from(cause.is_some());
        let judged = Judged { truth, is_needless, is_told: false, cause, found, frame };
        Arrival { judged, sight, segments: 1 }
    }

    #[test]
    fn only_what_shows_there_counts() {
        let arrivals = vec![
            arrival(Trigger::Fast, Sight::Hole, false, Some(Cause::Fast)),
            arrival(Trigger::Fast, Sight::Hole, false, Some(Cause::Spurious)),
            arrival(Trigger::Rto, Sight::Arrived, true, Some(Cause::Spurious)),
            arrival(Trigger::Rto, Sight::Arrived, true, None),
            arrival(Trigger::Tlp, Sight::InOrder, false, None),
            arrival(Trigger::Tlp, Sight::Absent, false, None),
        ];
        let score = ReceiverScore::of(&ReceiverVerdict { arrivals, doubled: 2, overtaken: 1 });
        assert_eq!((score.segments(), score.knowable()), (6, [4, 3, 2]));
        let mut sum = score.clone();
        sum.add(&score);
        assert_eq!(sum.knowable(), [8, 6, 4]);
        let text = sum.to_string();
        assert!(text.contains("8 that show there, found 6 (75.00 %), cause right in 4 (50.00 %)"), "{text}");
        assert!(text.contains("4 that the network doubled, 2 that others overtook"), "{text}");
        assert!(text.ends_with("2 that came in order (found 0), 2 that were lost as well"), "{text}");
    }
}
