//! Counters by key for the busiest few, and for all others together, so that each series only grows.
//!
//! Whoever comes among the busiest is told from then on, and what it had before stays with the others; whoever leaves
//! takes its series away, and counts among the others from then on. So the rates of all series together are always the
//! rate of the whole.

use std::{collections::HashMap, iter};

/// Label values.
pub(super) type Key = Vec<String>;

/// The busiest few.
#[derive(Debug)]
pub(super) struct Top {
    room: usize,
    named: HashMap<Key, Kept>,
    /// What was told of all others.
    other: Vec<u64>,
    /// The whole, as it was last.
    whole: Vec<u64>,
    /// Some key was not named the last time: one that comes anew may have been among the others.
    is_full: bool,
}

/// One of them.
#[derive(Debug)]
struct Kept {
    /// Its counts as they were last.
    seen: Vec<u64>,
    /// What was told of it.
    told: Vec<u64>,
}

/// What is to be told of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) counts: Vec<u64>,
}

impl Top {
    /// Of so many.
    pub(super) fn new(room: usize) -> Self {
        Self { room, named: HashMap::new(), other: Vec::new(), whole: Vec::new(), is_full: false }
    }

    /// What is to be told, the busiest first, and of all others; `whole` is the sum of all keys, also of those that are
    /// not among `ranked`.
    pub(super) fn update(&mut self, whole: Vec<u64>, ranked: Vec<Row>) -> (Vec<Row>, Vec<u64>) {
        let mut growth: Vec<u64> = grown(&whole, &self.whole);
        let is_full = ranked.len() > self.room;
        let mut before = std::mem::take(&mut self.named);
        let mut rows = Vec::new();
        for Row { key, counts } in ranked.into_iter().take(self.room) {
            let nothing = vec![0; counts.len()];
            let kept = before.remove(&key);
            let (seen, mut told) = match kept {
                Some(kept) => (kept.seen, kept.told),
                None if self.is_full => (counts.clone(), nothing),
                None => (nothing.clone(), nothing),
            };
            let own = grown(&counts, &seen);
            add(&mut told, &own);
            growth.iter_mut().zip(&own).for_each(|(all, own)| *all = all.saturating_sub(*own));
            rows.push(Row { key: key.clone(), counts: told.clone() });
            // What goes back (a verdict that was revised) has to be made up for before it counts again.
            self.named.insert(key, Kept { seen: most(counts, &seen), told });
        }
        add(&mut self.other, &growth);
        self.is_full |= is_full;
        self.whole = most(whole, &self.whole);
        (rows, self.other.clone())
    }
}

fn grown(now: &[u64], before: &[u64]) -> Vec<u64> {
    let before = before.iter().copied().chain(iter::repeat(0));
    now.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
}

fn most(mut now: Vec<u64>, before: &[u64]) -> Vec<u64> {
    reach(&mut now, before);
    now.iter_mut().zip(before).for_each(|(now, before)| *now = (*now).max(*before));
    now
}

fn add(sum: &mut Vec<u64>, more: &[u64]) {
    reach(sum, more);
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Counts may come to be more than they were: those that are not there are 0.
fn reach(counts: &mut Vec<u64>, others: &[u64]) {
    if counts.len() < others.len() {
        counts.resize(others.len(), 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(counts: &[(&str, u64)]) -> Vec<Row> {
        let mut counts = counts.to_vec();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.iter().map(|(key, count)| Row { key: vec![(*key).to_owned()], counts: vec![*count] }).collect()
    }

    fn told(top: &mut Top, counts: &[(&str, u64)]) -> (Vec<(String, u64)>, u64) {
        let whole = counts.iter().map(|(_, count)| count).sum();
        let (rows, other) = top.update(vec![whole], rows(counts));
        (rows.into_iter().map(|row| (row.key[0].clone(), row.counts[0])).collect(), other[0])
    }

    #[test]
    fn who_comes_late_is_told_from_then_on() {
        let mut top = Top::new(2);
        assert_eq!(told(&mut top, &[("a", 5)]), (vec![("a".into(), 5)], 0));
        assert_eq!(told(&mut top, &[("a", 5), ("b", 3)]), (vec![("a".into(), 5), ("b".into(), 3)], 0));
        assert_eq!(
            told(&mut top, &[("a", 6), ("b", 4), ("c", 1)]),
            (vec![("a".into(), 6), ("b".into(), 4)], 1)
        );
        // c overtakes b: its first nine are among the others.
        assert_eq!(
            told(&mut top, &[("a", 10), ("b", 5), ("c", 9)]),
            (vec![("a".into(), 10), ("c".into(), 0)], 10)
        );
        assert_eq!(
            told(&mut top, &[("a", 10), ("b", 6), ("c", 12)]),
            (vec![("c".into(), 3), ("a".into(), 10)], 11)
        );
    }

    #[test]
    fn more_counts_than_before_are_no_fewer_told() {
        let mut top = Top::new(1);
        let row = |key: &str, counts: &[u64]| Row { key: vec![key.to_owned()], counts: counts.to_vec() };
        let first = top.update(vec![3], vec![row("a", &[2]), row("b", &[1])]);
        assert_eq!(first, (vec![row("a", &[2])], vec![1]));
        let second = top.update(vec![3, 0, 7], vec![row("a", &[2, 0, 4]), row("b", &[1, 0, 3])]);
        assert_eq!(second, (vec![row("a", &[2, 0, 4])], vec![1, 0, 3]));
    }

    proptest! {
        #[test]
        fn all_series_together_grow_as_the_whole(
            growth in prop::collection::vec(prop::collection::vec(0u64..20, 6), 1..30),
        ) {
            let (mut top, mut counts) = (Top::new(3), [0u64; 6]);
            let mut before: (HashMap<String, u64>, u64, u64) = (HashMap::new(), 0, 0);
            for step in growth {
                counts.iter_mut().zip(step).for_each(|(count, more)| *count += more);
                let names = ["a", "b", "c", "d", "e", "f"];
                let given: Vec<_> =
                    names.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
                let (rows, other) = told(&mut top, &given);
                let whole: u64 = counts.iter().sum();
                prop_assert!(other >= before.1, "others only grow");
                let mut grown = other - before.1;
                for (key, count) in &rows {
                    let was = before.0.get(key).copied().unwrap_or(0);
                    prop_assert!(*count >= was, "{key} went back");
                    grown += count - was;
                }
                prop_assert_eq!(grown, whole - before.2);
                before = (rows.into_iter().collect(), other, whole);
            }
        }
    }
}
