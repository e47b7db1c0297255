//! The filter of a reader, and the one that takes its place while frames come.
//!
//! What waits in a ring was captured while the old filter was in force, and is judged by it: of two filters each frame
//! meets the one that was in force when it was captured.

use std::{collections::VecDeque, mem};

use crate::{
    filter::{FilterError, Matcher},
    time::{Span, Timestamp},
    wire::Frame,
};

/// The filter in force, and those that frames may still wait for; `None` wants every frame.
#[derive(Debug)]
pub(super) struct Filters {
    current: Option<Matcher>,
    /// What frames before these moments are judged by, in their order.
    before: VecDeque<(Timestamp, Option<Matcher>)>,
}

impl Filters {
    pub(super) const fn new(matcher: Option<Matcher>) -> Self {
        Self { current: matcher, before: VecDeque::new() }
    }

    /// From `moment` on this filter is in force.
    pub(super) fn change(&mut self, matcher: Option<Matcher>, moment: Timestamp) {
        let old = mem::replace(&mut self.current, matcher);
        if self.before.len() == KEPT {
            self.before.pop_front();
        }
        self.before.push_back((moment, old));
    }

    /// Whether the frame is wanted.
    #[inline]
    pub(super) fn want(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        let matcher = if self.before.is_empty() { &mut self.current } else { self.of(frame.timestamp) };
        matcher.as_mut().map_or(Ok(true), |matcher| matcher.matches(frame))
    }

    /// The filter that was in force at that moment.
    #[cold]
    fn of(&mut self, moment: Timestamp) -> &mut Option<Matcher> {
        let old = self.before.iter_mut().find(|(until, _)| moment < *until);
        old.map_or(&mut self.current, |(_, matcher)| matcher)
    }

    /// Whether every frame is wanted, whenever it was captured.
    pub(super) fn want_all(&self) -> bool {
        self.current.is_none() && self.before.is_empty()
    }

    /// Nothing that was captured more than [`WAITING`] before `now` comes any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.before.pop_front_if(|(moment, _)| now.since(*moment) > WAITING).is_some() {}
    }
}

/// For how long a frame may wait in a ring before it is read.
const WAITING: Span = Span::from_secs(60);

/// Filters that frames may wait for, at most: whoever changes it more often within that time had few frames.
const KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FrameDirection, InterfaceId, LinkType};

    fn frame(at: i64, bytes: &[u8]) -> Frame<'_> {
        Frame {
            timestamp: Timestamp(at),
            interface: InterfaceId(0),
            link_type: LinkType::ETHERNET,
            direction: FrameDirection::Unknown,
            hook: None,
            frame_len: u32::try_from(bytes.len()).unwrap(),
            gso_size: 0,
            bytes,
        }
    }

    #[test]
    fn each_frame_meets_the_filter_of_its_time() {
        let matcher = |expression| Some(Matcher::new(expression, true).unwrap());
        let bytes = [0; 60];
        let mut filters = Filters::new(matcher("less 60"));
        let want = |filters: &mut Filters, at| filters.want(&frame(at, &bytes)).unwrap();
        assert!(want(&mut filters, 10) && !filters.want_all());
        filters.change(matcher("greater 61"), Timestamp(100));
        assert_eq!([99, 100, 98].map(|at| want(&mut filters, at)), [true, false, true]);
        filters.forget(Timestamp(100 + 60_000_000_000));
        assert!(want(&mut filters, 99), "as long as some may wait");
        filters.forget(Timestamp(101 + 60_000_000_000));
        assert!(!want(&mut filters, 99));
        filters.change(None, Timestamp(200));
        filters.change(matcher("greater 61"), Timestamp(300));
        assert!(!filters.want_all(), "some may wait for others");
        assert_eq!([199, 200, 299, 300].map(|at| want(&mut filters, at)), [false, true, true, false]);
    }
}
