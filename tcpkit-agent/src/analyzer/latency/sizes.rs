//! Where the segments of one direction began, so that the one that was lost has a number within its message.

/// Segments of one size that followed each other.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: u64,
    size: u32,
    count: u32,
}

/// Runs that are remembered: a message has a head, a body in full segments, and an end.
const RUNS: usize = 6;

/// The latest segments of one direction, by their sizes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SegmentSizes {
    runs: [Run; RUNS],
    latest: u8,
}

impl SegmentSizes {
    /// So many segments of this size follow; the last one may be shorter.
    #[inline]
    pub(super) fn on_segments(&mut self, offset: u64, size: u32, count: u32) {
        let run = &mut self.runs[usize::from(self.latest)];
        if run.size == size && run.end() == offset {
            run.count = run.count.saturating_add(count);
            return;
        }
        self.latest = (self.latest + 1) % RUNS as u8;
        self.runs[usize::from(self.latest)] = Run { start: offset, size: size.max(1), count };
    }

    /// Which segment of the message that begins at `message` the octet at `offset` is in, counted from 1.
    pub(super) fn number(&self, message: u64, offset: u64) -> u32 {
        let starts: u64 = self
            .runs
            .iter()
            .map(|run| run.starts_up_to(offset) - run.starts_up_to(message.min(offset)))
            .sum();
        u32::try_from(starts + 1).unwrap_or(u32::MAX)
    }
}

impl Run {
    const fn end(&self) -> u64 {
        self.start + self.size as u64 * self.count as u64
    }

    /// Segments of it that begin there or before.
    fn starts_up_to(&self, offset: u64) -> u64 {
        if self.count == 0 || offset < self.start {
            return 0;
        }
        ((offset - self.start) / u64::from(self.size) + 1).min(u64::from(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_head_and_full_segments_are_told_apart() {
        let mut sizes = SegmentSizes::default();
        sizes.on_segments(0, 238, 1);
        sizes.on_segments(238, 1_460, 4);
        sizes.on_segments(238 + 4 * 1_460, 1_460, 2);
        let at = |offset| sizes.number(0, offset);
        assert_eq!([at(0), at(237), at(238), at(1_697), at(1_698), at(238 + 5 * 1_460)], [1, 1, 2, 2, 3, 7]);
        assert_eq!(sizes.number(238, 238 + 1_460), 2, "a message may begin with any segment");
        assert_eq!(sizes.number(300, 310), 1, "or within one");
    }

    #[test]
    fn what_is_forgotten_is_counted_short() {
        let mut sizes = SegmentSizes::default();
        let mut offset = 0;
        for size in 1..=20_u32 {
            sizes.on_segments(offset, size, 1);
            offset += u64::from(size);
        }
        assert_eq!(sizes.number(0, offset - 1), RUNS as u32 + 1);
    }
}
