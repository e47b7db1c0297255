//! Statements that a client prepared, by the name that it uses later.

use std::{collections::HashMap, hash::Hash};

use super::statement::Statement;

/// Statements that are remembered for one connection; the oldest one gives way.
const MAX_PREPARED: usize = 256;

/// What was prepared, by name or number.
#[derive(Debug)]
pub(in crate::protocol) struct Prepared<K> {
    known: HashMap<K, (u64, Statement)>,
    made: u64,
}

impl<K> Default for Prepared<K> {
    fn default() -> Self {
        Self { known: HashMap::new(), made: 0 }
    }
}

impl<K: Copy + Eq + Hash> Prepared<K> {
    /// Remembers one.
    pub(in crate::protocol) fn insert(&mut self, name: K, statement: Statement) {
        if self.known.len() >= MAX_PREPARED
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
    pub(in crate::protocol) fn remove(&mut self, name: &K) -> Option<Statement> {
        self.known.remove(name).map(|(_, statement)| statement)
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
        let mut prepared = Prepared::default();
        for number in 0..=MAX_PREPARED {
            prepared.insert(number, Statement::default());
        }
        assert!(prepared.get(&0).is_none() && prepared.get(&1).is_some());
        assert_eq!(prepared.known.len(), MAX_PREPARED);
        assert!(prepared.remove(&1).is_some() && prepared.remove(&1).is_none());
    }
}
