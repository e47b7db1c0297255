//! One table: rows by key, sorted by bytes when it is printed.

use hashbrown::HashMap;

use super::key::Key;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Row {
    pub(super) fn add(&mut self, bytes: u32) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }
}

/// Rows, as many as memory is meant for.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: HashMap<Key, Row>,
    left_out: u64,
}

impl Table {
    pub(super) fn add(&mut self, key: Key, bytes: u32) {
        if let Some(row) = self.rows.get_mut(&key) {
            row.add(bytes);
        } else if self.rows.len() < MOST_ROWS {
            self.rows.entry(key).or_default().add(bytes);
        } else {
            self.left_out += 1;
        }
    }

    /// Packets that are in no row.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The row with most bytes first; those with as many by their keys.
    pub(super) fn sorted(&self) -> Vec<(Key, Row)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(key, row)| (*key, *row)).collect();
        rows.sort_unstable_by_key(|(key, row)| (std::cmp::Reverse(row.bytes), *key));
        rows
    }
}

/// Rows of a table: 200 MiB of them.
const MOST_ROWS: usize = 1 << 22;
