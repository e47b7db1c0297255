//! What TCP timestamps tell (RFC 7323 §3) where acknowledgements cannot.
//!
//! A receiver echoes the TSval of the segment that made its acknowledgement advance. Clocks behind TSvals tick once in
//! a millisecond at best on most systems, so a round trip is never computed from TSvals: they only say which segment
//! was answered, and the capture's own times of both are subtracted. That is finer, but not finer than the ticks allow:
//! of segments with one TSval, the first is taken, so a round trip may come out too long by up to a tick.
//!
//! Two questions are asked. Which copy of data that was sent twice does an acknowledgement answer ([`Resent`])? And
//! how soon is the TSval of an acknowledgement without data echoed ([`EchoWatch`])? The first follows RFC 7323 §4.1:
//! only an acknowledgement of something new is a sample. The second cannot, so only the least counts: a host that has
//! nothing to send echoes late.

use crate::{
    time::{Span, Timestamp},
    wire::SeqNumber,
};

/// Retransmissions of one direction that are remembered.
const REMEMBERED: usize = 4;

/// The latest retransmissions of one direction, each the first with its TSval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resent {
    entries: [Option<(u32, Timestamp)>; REMEMBERED],
    next: u8,
}

impl Resent {
    /// Data was sent again.
    pub(super) fn note(&mut self, tsval: u32, at: Timestamp) {
        if self.entries.iter().flatten().any(|(known, _)| *known == tsval) {
            return;
        }
        self.entries[usize::from(self.next)] = Some((tsval, at));
        self.next = (self.next + 1) % u8::try_from(REMEMBERED).expect("it is a few");
    }

    /// How long ago the retransmission was sent whose TSval is echoed; it will not be answered again.
    pub(super) fn answered(&mut self, tsecr: u32, at: Timestamp) -> Option<Span> {
        let entry = self.entries.iter_mut().find(|entry| entry.is_some_and(|(tsval, _)| tsval == tsecr))?;
        entry.take().map(|(_, sent)| at.since(sent))
    }
}

/// One acknowledgement without data whose echo is awaited, at a time, as TCP once timed one segment at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EchoWatch {
    /// TSval and time of the one whose echo is awaited.
    awaited: Option<(u32, Timestamp)>,
    /// The latest TSval that was carried, by whatever segment.
    latest: Option<u32>,
    least: Option<Span>,
}

impl EchoWatch {
    /// A segment of this direction was sent; `starts` is whether its echo may be timed.
    ///
    /// It may not where another segment carried its TSval before, or could have: the echo could be that one's, and
    /// come too soon.
    #[inline]
    pub(super) fn on_sent(&mut self, tsval: u32, at: Timestamp, starts: bool) {
        let latest = *self.latest.get_or_insert(tsval);
        if !SeqNumber(latest).before(SeqNumber(tsval)) {
            return;
        }
        self.latest = Some(tsval);
        if starts && self.awaited.is_none() {
            self.awaited = Some((tsval, at));
        }
    }

    /// The other side echoed a TSval; one behind the awaited one has passed it by.
    #[inline]
    pub(super) fn on_echo(&mut self, tsecr: u32, at: Timestamp) {
        let Some((tsval, sent)) = self.awaited else { return };
        if SeqNumber(tsecr).before(SeqNumber(tsval)) {
            return;
        }
        if tsecr == tsval {
            let echo = at.since(sent);
            self.least = Some(self.least.map_or(echo, |least| least.min(echo)));
        }
        self.awaited = None;
    }

    /// The least time that an echo took.
    pub(super) const fn least(&self) -> Option<Span> {
        self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(milliseconds: i64) -> Timestamp {
        Timestamp(milliseconds * 1_000_000)
    }

    #[test]
    fn an_echo_names_the_retransmission_that_was_answered_once() {
        let mut resent = Resent::default();
        for (tsval, sent) in [(10, 10), (10, 11), (20, 20), (30, 30), (40, 40), (50, 50)] {
            resent.note(tsval, at(sent));
        }
        assert_eq!(resent.answered(10, at(60)), None, "the oldest is forgotten");
        assert_eq!(resent.answered(20, at(60)), Some(Span::from_millis(40)));
        assert_eq!(resent.answered(20, at(61)), None);
        assert_eq!(resent.answered(45, at(61)), None);
    }

    #[test]
    fn the_least_echo_counts_and_what_was_passed_by_does_not() {
        let mut watch = EchoWatch::default();
        watch.on_sent(1, at(0), true);
        watch.on_echo(1, at(1));
        assert_eq!(watch.least(), None, "others may have carried the first TSval before");
        for (tsval, sent, tsecr, echoed) in [(2, 10, 2, 50), (3, 60, 3, 70), (4, 80, 5, 81), (6, 90, 6, 120)]
        {
            watch.on_sent(tsval, at(sent), true);
            watch.on_echo(tsecr, at(echoed));
        }
        assert_eq!(watch.least(), Some(Span::from_millis(10)));
    }

    #[test]
    fn a_tsval_that_other_segments_carried_before_is_not_timed() {
        let mut watch = EchoWatch::default();
        watch.on_sent(u32::MAX - 1, at(0), false);
        watch.on_sent(1, at(5), false);
        watch.on_sent(1, at(8), true);
        watch.on_echo(1, at(9));
        assert_eq!(watch.least(), None);
    }
}
