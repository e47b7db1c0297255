//! Finished flows, or requests, of several shards in one order that does not depend on how many shards there are.

use std::{cmp::Reverse, collections::BinaryHeap, net::IpAddr};

use crate::{
    report::{FlowRecord, RequestRecord},
    time::Timestamp,
};

/// Where a finished flow or request stands in the log: when it finished, then when it began, then who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowOrder {
    /// When the flow was finished, by the clock of the capture.
    pub at: Timestamp,
    /// First frame, microseconds since the epoch.
    pub start_us: i64,
    /// Client's address and port.
    pub client: (IpAddr, u16),
    /// Server's address and port.
    pub server: (IpAddr, u16),
}

impl FlowOrder {
    /// The place of `record`, finished at `at`.
    #[must_use]
    pub const fn of(at: Timestamp, record: &FlowRecord) -> Self {
        Self {
            at,
            start_us: record.start_us,
            client: (record.client_ip, record.client_port),
            server: (record.server_ip, record.server_port),
        }
    }

    /// The place of a request that was over at `at`.
    #[must_use]
    pub const fn of_request(at: Timestamp, record: &RequestRecord) -> Self {
        Self {
            at,
            start_us: record.request_start_us,
            client: (record.client_ip, record.client_port),
            server: (record.server_ip, record.server_port),
        }
    }
}

/// Puts what several shards finish into one order.
///
/// Each shard hands in its flows with `at` never going back, and now and then says how far it is
/// ([`advance`](Self::advance)). A flow comes out when no shard can hand in an earlier one any more. Flows of equal
/// order keep the order in which they were handed in; they are of one four-tuple, and so of one shard.
#[derive(Debug)]
pub struct OrderedMerge<T> {
    waiting: BinaryHeap<Reverse<Waiting<T>>>,
    marks: Vec<Timestamp>,
    capacity: usize,
    accepted: u64,
    released: Timestamp,
    disordered: u64,
}

impl<T> OrderedMerge<T> {
    /// A merge of `shards` shards that holds `capacity` flows back, at most.
    #[must_use]
    pub fn new(shards: usize, capacity: usize) -> Self {
        Self {
            waiting: BinaryHeap::new(),
            marks: vec![Timestamp::MIN; shards],
            capacity,
            accepted: 0,
            released: Timestamp::MIN,
            disordered: 0,
        }
    }

    /// A shard finished a flow. A shard also is as far as its flows are.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn push(&mut self, shard: usize, order: FlowOrder, record: T) {
        self.advance(shard, order.at);
        self.waiting.push(Reverse(Waiting { order, accepted: self.accepted, record }));
        self.accepted += 1;
    }

    /// A shard will hand in nothing that finished before `mark`.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn advance(&mut self, shard: usize, mark: Timestamp) {
        let current = &mut self.marks[shard];
        *current = mark.max(*current);
    }

    /// A shard will hand in nothing more.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn close(&mut self, shard: usize) {
        self.advance(shard, Timestamp(i64::MAX));
    }

    /// The next flow in order, if it is certain that none comes before it, or if too many wait.
    pub fn pop(&mut self) -> Option<T> {
        let mark = self.marks.iter().min().copied().unwrap_or(Timestamp(i64::MAX));
        let first = &self.waiting.peek()?.0;
        let certain = first.order.at < mark || mark == Timestamp(i64::MAX);
        if !certain && self.waiting.len() <= self.capacity {
            return None;
        }
        let Reverse(next) = self.waiting.pop()?;
        if next.order.at < self.released {
            self.disordered += 1;
        }
        self.released = self.released.max(next.order.at);
        Some(next.record)
    }

    /// Flows that wait for a slower shard.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Flows that came out after a later one, because more than the capacity waited or a shard went back.
    #[must_use]
    pub const fn disordered(&self) -> u64 {
        self.disordered
    }
}

#[derive(Debug)]
struct Waiting<T> {
    order: FlowOrder,
    accepted: u64,
    record: T,
}

impl<T> Waiting<T> {
    const fn key(&self) -> (FlowOrder, u64) {
        (self.order, self.accepted)
    }
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Waiting<T> {}

impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(at: i64, port: u16) -> FlowOrder {
        let host = IpAddr::from([10, 0, 0, 1]);
        FlowOrder { at: Timestamp(at), start_us: 0, client: (host, port), server: (host, 80) }
    }

    fn drain<T>(merge: &mut OrderedMerge<T>) -> Vec<T> {
        std::iter::from_fn(|| merge.pop()).collect()
    }

    #[test]
    fn a_flow_waits_for_the_slowest_shard() {
        let mut merge = OrderedMerge::new(2, 100);
        merge.push(0, order(5, 1), "five");
        assert!(drain(&mut merge).is_empty(), "shard 1 may still hand in something earlier");
        merge.push(1, order(3, 2), "three");
        assert!(drain(&mut merge).is_empty(), "and something else of time 3");
        merge.advance(1, Timestamp(5));
        assert_eq!(drain(&mut merge), ["three"]);
        merge.close(1);
        merge.close(0);
        assert_eq!(drain(&mut merge), ["five"]);
        assert_eq!(merge.disordered(), 0);
    }

    #[test]
    fn equal_times_are_ordered_by_who_they_are() {
        let mut merge = OrderedMerge::new(2, 100);
        merge.push(1, order(1, 9), 9);
        merge.push(0, order(1, 3), 3);
        merge.push(0, order(1, 3), 4);
        merge.close(0);
        merge.close(1);
        assert_eq!(drain(&mut merge), [3, 4, 9]);
    }

    #[test]
    fn beyond_its_capacity_it_lets_go_and_counts_what_comes_too_late() {
        let mut merge = OrderedMerge::new(2, 2);
        for at in 10..14 {
            merge.push(0, order(at, 1), at);
        }
        assert_eq!(drain(&mut merge), [10, 11]);
        assert_eq!(merge.waiting(), 2);
        merge.push(1, order(7, 2), 7);
        assert_eq!(drain(&mut merge), [7]);
        assert_eq!(merge.disordered(), 1);
    }

    #[test]
    fn nothing_is_lost_without_shards() {
        let mut merge = OrderedMerge::<u8>::new(0, 0);
        assert_eq!(merge.pop(), None);
    }

    proptest! {
        /// The same flows come out in the same order, whatever shard finished them and however shards interleave.
        #[test]
        fn order_does_not_depend_on_the_number_of_shards(
            flows in prop::collection::vec((0_i64..20, 0_u16..50), 0..200),
            shards in 1_usize..8,
            turns in prop::collection::vec(0_usize..8, 0..400),
        ) {
            let mut flows = flows;
            flows.sort_unstable();
            let mut one = OrderedMerge::new(1, usize::MAX);
            for &(at, port) in &flows {
                one.push(0, order(at, port), (at, port));
            }
            one.close(0);
            let expected = drain(&mut one);

            let mut queues: std::collections::BTreeMap<usize, std::collections::VecDeque<(i64, u16)>> = std::collections::BTreeMap::new();
            for &(at, port) in &flows {
                queues.entry(usize::from(port) % shards).or_default().push_back((at, port));
            }
            let mut merge = OrderedMerge::new(shards, usize::MAX);
            let mut actual = Vec::new();
            for turn in turns.into_iter().chain((0..shards).cycle().take(200 * shards)) {
                if let Some((at, port)) = queues.get_mut(&(turn % shards)).and_then(std::collections::VecDeque::pop_front) {
                    merge.push(turn % shards, order(at, port), (at, port));
                    actual.extend(drain(&mut merge));
                }
            }
            (0..shards).for_each(|shard| merge.close(shard));
            actual.extend(drain(&mut merge));
            prop_assert_eq!(actual, expected);
            prop_assert_eq!(merge.disordered(), 0);
        }
    }
}
