//! Interfaces that began to count as one with others while flows went over them.
//!
//! A flow's direction belongs to the interfaces of one identity. When an interface becomes part of a bond, or leaves it,
//! its identity changes and its flows must not stop to count: those that began before count at both identities, because
//! the change is told a moment after it happened, and frames of the others come meanwhile.

use crate::time::Timestamp;

/// The changes of identity that are remembered, the latest last.
#[derive(Debug, Default)]
pub(super) struct Regrouped(Vec<Change>);

#[derive(Clone, Copy, Debug)]
struct Change {
    from: u16,
    to: u16,
    at: Timestamp,
}

impl Regrouped {
    /// Interfaces of the identity `from` have the identity `to` since `at`.
    pub(super) fn on_regrouped(&mut self, from: u16, to: u16, at: Timestamp) {
        self.0.retain(|change| (change.from, change.to) != (from, to));
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Change { from, to, at });
    }

    /// Whether a direction that belongs to `owner`, of a flow that began at `start`, counts at `identity`, too.
    #[cold]
    pub(super) fn joins(&self, owner: u16, identity: u16, start: Timestamp) -> bool {
        self.0.iter().any(|change| {
            let both = [(change.from, change.to), (change.to, change.from)];
            both.contains(&(owner, identity)) && start <= change.at
        })
    }
}

/// Changes that are remembered: as many as interfaces can be captured.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flows_that_began_before_count_at_both() {
        let mut regrouped = Regrouped::default();
        regrouped.on_regrouped(1, 65, Timestamp(100));
        assert!(regrouped.joins(1, 65, Timestamp(100)));
        assert!(!regrouped.joins(1, 65, Timestamp(101)));
        assert!(regrouped.joins(65, 1, Timestamp(0)) && !regrouped.joins(2, 65, Timestamp(0)));
        // Out and in again: those that began in between go over too.
        regrouped.on_regrouped(65, 1, Timestamp(200));
        regrouped.on_regrouped(1, 65, Timestamp(300));
        assert!(regrouped.joins(1, 65, Timestamp(250)) && regrouped.joins(65, 1, Timestamp(150)));
    }

    #[test]
    fn changes_without_end_are_forgotten_one_by_one() {
        let mut regrouped = Regrouped::default();
        (0..1_000).for_each(|to| regrouped.on_regrouped(2_000, to, Timestamp(1)));
        assert!(regrouped.joins(2_000, 999, Timestamp(0)) && !regrouped.joins(2_000, 1, Timestamp(0)));
        assert_eq!(regrouped.0.len(), MOST);
    }
}
