//! What the eighteen buckets of latency are called.

use crate::report::BUCKETS;

/// Those that have requests: the place, and how many.
pub(super) fn filled(buckets: &[u64; BUCKETS]) -> impl Iterator<Item = (usize, u64)> {
    buckets.iter().copied().enumerate().filter(|(_, requests)| *requests > 0)
}

/// tcpkit 1.0.1's name of a bucket: `0ms~0.1ms`.
pub(super) fn range(place: usize) -> String {
    let lower = place.checked_sub(1).map_or("0ms", |below| EDGES[below]);
    format!("{lower}~{}", EDGES[place])
}

/// tcpkit 1.0.1's names of the upper bounds.
const EDGES: [&str; BUCKETS] = [
    "0.1ms", "0.2ms", "0.5ms", "1ms", "5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s",
    "3s", "5s", "10s", "20s", "+inf",
];

/// tcpkit 1.1.0's names, as it spells them; it had none for the last bucket, which it never used.
pub(super) const NAMES: [&str; BUCKETS] = [
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
    use crate::report::BUCKET_BOUNDS_US;

    #[test]
    fn names_are_those_of_the_bounds() {
        for (edge, bound) in EDGES.iter().zip(BUCKET_BOUNDS_US) {
            let (number, unit) = match edge.strip_suffix("ms") {
                Some(number) => (number, 1_000.0),
                None => (edge.strip_suffix('s').unwrap(), 1_000_000.0),
            };
            let micros = number.parse::<f64>().unwrap() * unit;
            assert_eq!(format!("{micros}"), bound.to_string(), "{edge}");
        }
        assert_eq!(
            ["0ms~0.1ms", "0.1ms~0.2ms", "500ms~1s", "20s~+inf"],
            [0, 1, 11, 17].map(range).map(|name| name).each_ref().map(String::as_str)
        );
        let mut buckets = [0; BUCKETS];
        (buckets[0], buckets[17]) = (2, 1);
        assert_eq!(filled(&buckets).collect::<Vec<_>>(), [(0, 2), (17, 1)]);
    }
}
