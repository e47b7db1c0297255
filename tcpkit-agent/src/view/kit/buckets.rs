//! The eighteen buckets of latency.

/// How many there are.
pub const COUNT: usize = 18;

/// Upper bounds in microseconds, each within its bucket; the last bucket has none.
pub const BOUNDS_US: [u64; COUNT - 1] = [
    100, 200, 500, 1_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    3_000_000, 5_000_000, 10_000_000, 20_000_000,
];

/// Requests by latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets(pub [u64; COUNT]);

impl Buckets {
    /// Counts a request of this latency, in microseconds.
    pub fn record(&mut self, latency_us: u64) {
        self.0[place(latency_us)] += 1;
    }

    /// Adds other requests.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, theirs)| *own += theirs);
    }

    /// Requests in all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those that have requests: its place, and how many.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.into_iter().enumerate().filter(|(_, requests)| *requests > 0)
    }
}

/// The bucket of a latency.
fn place(latency_us: u64) -> usize {
    BOUNDS_US.partition_point(|bound| *bound < latency_us)
}

/// tcpkit 1.0.1's name of a bucket: `0ms~0.1ms`.
pub(super) fn range(place: usize) -> String {
    let lower = place.checked_sub(1).map_or("0ms", |below| EDGES[below]);
    format!("{lower}~{}", EDGES[place])
}

/// tcpkit 1.0.1's names of the upper bounds.
const EDGES: [&str; COUNT] = [
    "0.1ms", "0.2ms", "0.5ms", "1ms", "5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s",
    "3s", "5s", "10s", "20s", "+inf",
];

/// tcpkit 1.1.0's names, as it spells them; it had none for the last bucket, which it never used.
pub(super) const NAMES: [&str; COUNT] = [
    "<0.1ms",
    "0.1ms~0.2ms",
    "0.2~0.5ms",
    "0.5ms~1ms",
    "1ms~5ms",
    "5ms~10ms",
    "10ms~20ms",
    "20ms~50ms",
    "50ms~100ms",
    "100ms~200ms",
    "200ms~500ms",
    "0.5s~1s",
    "1s~2s",
    "2s~3s",
    "3s~5s",
    "5s~10s",
    "10s~20s",
    ">20s",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upper_bound_lies_within_its_bucket() {
        assert_eq!(place(0), 0);
        for (number, bound) in BOUNDS_US.into_iter().enumerate() {
            assert_eq!((place(bound - 1), place(bound), place(bound + 1)), (number, number, number + 1));
        }
        assert_eq!(place(u64::MAX), COUNT - 1);
    }

    #[test]
    fn names_begin_where_the_one_before_ends() {
        assert_eq!(range(0), "0ms~0.1ms");
        assert_eq!(range(1), "0.1ms~0.2ms");
        assert_eq!(range(11), "500ms~1s");
        assert_eq!(range(17), "20s~+inf");
    }

    #[test]
    fn requests_are_counted_once() {
        let (mut some, mut others) = (Buckets::default(), Buckets::default());
        [100, 101, 30_329].into_iter().for_each(|latency| some.record(latency));
        others.record(99);
        some.merge(&others);
        assert_eq!(some.filled().collect::<Vec<_>>(), [(0, 2), (1, 1), (7, 1)]);
        assert_eq!(some.total(), 4);
    }
}
