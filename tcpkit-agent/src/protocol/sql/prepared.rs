//! Statements that a client prepared, by the name that it uses later.

use std::{collections::HashMap, hash::Hash};

use super::statement::Statement;

/// What was prepared, by name or number; of more than `MOST`, the oldest gives way.
#[derive(Debug)]
pub(in crate::protocol) struct Prepared<K, const MOST: usize> {
    known: HashMap<K, (u64, Statement)>,
    made: u64,
}

impl<K, const MOST: usize> Default for Prepared<K, MOST> {
    fn default() -> Self {
        Self { known: HashMap::new(), made: 0 }
    }
}

impl<K: Copy + Eq + Hash, const MOST: usize> Prepared<K, MOST> {
    /// Remembers one.
    pub(in crate::protocol) fn insert(&mut self, name: K, statement: Statement) {
        if self.known.len() >= MOST
            && !self.known.contains_key(&name)
            && let Some((oldest, _)) = self.known.iter().min_by_key(|(_, (age, _))| *age)
        {
            let oldest = *oldest;
            self.known.remove(&oldest);
        }
        self.made += 1;
        self.known.insert(name, (self.made, statement));
    }

    /// What has this name.
    pub(in crate::protocol) fn get(&self, name: &K) -> Option<&Statement> {
        self.known.get(name).map(|(_, statement)| statement)
    }

    /// The client will not use it any more.
    pub(in crate::protocol) fn remove(&mut self, name: &K) {
        self.known.remove(name);
    }

    /// Nothing is prepared any more.
    pub(in crate::protocol) fn clear(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way() {
        let mut prepared: Prepared<usize, 9> = Prepared::default();
        for number in 0..=9 {
            prepared.insert(number, Statement::default());
        }
        assert!(prepared.get(&0).is_none() && prepared.get(&1).is_some());
        assert_eq!(prepared.known.len(), 9);
        prepared.remove(&1);
        assert!(prepared.get(&1).is_none());
    }
}
