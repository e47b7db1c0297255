//! The filter of a reader, and the one that takes its place while frames come.
//!
//! What waits in a ring was captured while the old filter was in force, and is judged by it: of two filters each frame
//! meets the one that was in force when it was captured.

use std::mem;

use crate::{
    filter::{FilterError, Matcher},
    time::{Span, Timestamp},
    wire::Frame,
};

/// One filter, or two with the moment at which the second came into force; `None` wants every frame.
#[derive(Debug)]
pub(super) struct Filters {
    current: Option<Matcher>,
    /// What frames before that moment are judged by.
    before: Option<(Timestamp, Option<Matcher>)>,
}

impl Filters {
    pub(super) const fn new(matcher: Option<Matcher>) -> Self {
        Self { current: matcher, before: None }
    }

    /// From `moment` on this filter is in force; of an earlier change that frames still wait for, nothing remains.
    pub(super) fn change(&mut self, matcher: Option<Matcher>, moment: Timestamp) {
        let old = mem::replace(&mut self.current, matcher);
        self.before = Some((moment, old));
    }

    /// Whether the frame is wanted.
    #[inline]
    pub(super) fn want(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        let matcher = match &mut self.before {
            Some((moment, old)) if frame.timestamp < *moment => old,
            _ => &mut self.current,
        };
        matcher.as_mut().map_or(Ok(true), |matcher| matcher.matches(frame))
    }

    /// Nothing that was captured more than [`WAITING`] before `now` comes any more.
    pub(super) fn forget(&mut self, now: Timestamp) {
        if self.before.as_ref().is_some_and(|(moment, _)| now.since(*moment) > WAITING) {
            self.before = None;
        }
    }
}

/// For how long a frame may wait in a ring before it is read.
const WAITING: Span = Span::from_secs(60);

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
        assert!(want(&mut filters, 10));
        filters.change(matcher("greater 61"), Timestamp(100));
        assert_eq!([99, 100, 98].map(|at| want(&mut filters, at)), [true, false, true]);
        filters.forget(Timestamp(100 + 60_000_000_000));
        assert!(want(&mut filters, 99), "as long as some may wait");
        filters.forget(Timestamp(101 + 60_000_000_000));
        assert!(!want(&mut filters, 99));
        filters.change(None, Timestamp(200));
        assert_eq!([199, 200].map(|at| want(&mut filters, at)), [false, true]);
    }
}
