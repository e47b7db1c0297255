//! The stalls of one flow, found at the segments that end them.

use super::{
    super::{
        key::Side,
        rtt::{RttSample, RttTracker},
        stream::{Acked, Cause, Stall, StallKind, Verdict},
    },
    StallCounts, limits,
    moment::Moment,
    side::{Gate, SideState},
};
use crate::{
    time::{Span, Timestamp},
    wire::{Segment, TcpFlags},
};

/// What both sides of a flow did last, and the stalls so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flow) struct StallTracker {
    counts: StallCounts,
    /// The last segment that moved something, of either side.
    last: Option<Moment>,
    /// Who sent new data last.
    turn: Option<Side>,
    sides: [SideState; 2],
}

/// A segment and all that is known of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Seen<'a> {
    /// Who sent it.
    pub(in crate::flow) side: Side,
    /// Which side is the client.
    pub(in crate::flow) client: Side,
    /// When it was captured.
    pub(in crate::flow) at: Timestamp,
    /// The segment.
    pub(in crate::flow) segment: &'a Segment<'a>,
    /// What it did to the streams.
    pub(in crate::flow) verdict: &'a Verdict,
    /// The round trip that it completed.
    pub(in crate::flow) sample: Option<RttSample>,
    /// Round trips, that one included.
    pub(in crate::flow) rtt: &'a RttTracker,
}

/// Stalls that one segment ended: that of a window, and whatever else.
pub(in crate::flow) type Ended = [Option<Stall>; 2];

impl StallTracker {
    /// The stalls so far.
    pub(in crate::flow) const fn counts(&self) -> &StallCounts {
        &self.counts
    }

    /// Takes a segment; tells the stalls that it ended.
    #[inline]
    pub(in crate::flow) fn on_segment(&mut self, seen: &Seen<'_>) -> Ended {
        let sent = &seen.verdict.sent;
        let mut ended = Ended::default();
        let closes = seen.segment.flags.intersects(TcpFlags::FIN.with(TcpFlags::RST));
        if sent.is_probe {
            self.sides[seen.side as usize].probes();
        } else if sent.again > 0 {
            ended[0] = self.waited_for_window(seen);
            ended[1] = self.on_retransmission(seen);
        } else if sent.new > 0 {
            ended[0] = self.waited_for_window(seen);
            ended[1] = self.on_data(seen);
        } else if seen.segment.flags.contains(TcpFlags::SYN) {
            self.sides[seen.side as usize].speaks(seen.at);
        }
        if closes {
            ended[1] = ended[1].or(self.on_close(seen));
        }
        if let Some(acked) = &seen.verdict.acked {
            ended[0] = ended[0].or(self.on_window(seen, acked.window));
            self.on_acknowledgement(seen, acked);
        }
        if closes || sent.new > 0 || sent.again > 0 && !sent.is_probe {
            self.last = Some(seen.at.into());
        }
        ended.iter().flatten().for_each(|stall| self.counts.add(*stall));
        ended
    }

    /// Data that was sent before: where nothing asked for it, a timer did.
    fn on_retransmission(&mut self, seen: &Seen<'_>) -> Option<Stall> {
        let own = &mut self.sides[seen.side as usize];
        let asked_for = seen.verdict.sent.cause == Some(Cause::Fast);
        let start = own.moved.filter(|_| !asked_for && !own.is_shut());
        own.moved = Some(seen.at.into());
        // What had been acknowledged already was no news to the other side.
        if self.sides[seen.side.other() as usize].ready.is_none() {
            self.sides[seen.side as usize].spoke = Some(seen.at.into());
        }
        if seen.verdict.sent.new > 0 {
            self.turn_to(seen);
        }
        stall(StallKind::Rto, start?.timestamp(), seen.at, limits::silence(seen.rtt, seen.side))
    }

    /// New data: an answer, a question, or more of the same.
    fn on_data(&mut self, seen: &Seen<'_>) -> Option<Stall> {
        let ended = if self.turn == Some(seen.side) {
            let limit = limits::silence(seen.rtt, seen.side);
            self.last.and_then(|last| stall(StallKind::SenderIdle, last.timestamp(), seen.at, limit))
        } else {
            self.thought(seen, seen.side)
        };
        self.turn_to(seen);
        ended
    }

    /// A FIN or RST leaves a question unanswered, or is what was said last.
    fn on_close(&mut self, seen: &Seen<'_>) -> Option<Stall> {
        let is_asked = self.turn == Some(seen.client);
        let server = seen.client.other();
        let ended = if is_asked { self.thought(seen, server) } else { None };
        if seen.segment.flags.contains(TcpFlags::RST) || is_asked && seen.side == server {
            self.turn = None;
            self.sides = [SideState::default(); 2];
        } else {
            self.says(seen);
        }
        ended
    }

    /// The time that `thinker` took, from when it had what the other side said last.
    fn thought(&self, seen: &Seen<'_>, thinker: Side) -> Option<Stall> {
        let kind = if thinker == seen.client { StallKind::ClientThinking } else { StallKind::ServerThinking };
        let asked = self.sides[thinker.other() as usize].spoke?.timestamp();
        let way = seen.rtt.least(thinker.other()).unwrap_or_default();
        let ready = self.sides[thinker as usize].ready.map_or(asked + way, Moment::timestamp);
        stall(kind, ready, seen.at, limits::thinking(seen.rtt))
    }

    fn turn_to(&mut self, seen: &Seen<'_>) {
        self.turn = Some(seen.side);
        self.says(seen);
    }

    /// What this side says is news to the other.
    fn says(&mut self, seen: &Seen<'_>) {
        self.sides[seen.side as usize].speaks(seen.at);
        self.sides[seen.side.other() as usize].ready = None;
    }

    /// Whether this side, which goes on, had waited for a window that is open again.
    fn waited_for_window(&mut self, seen: &Seen<'_>) -> Option<Stall> {
        let own = &mut self.sides[seen.side as usize];
        let Gate::Reopened { since, until } = own.gate else { return None };
        own.gate = Gate::Open;
        let limit = limits::silence(seen.rtt, seen.side);
        if seen.at.since(until.timestamp()) > limit {
            return None;
        }
        own.ready = Some(until);
        stall(StallKind::ZeroWindow, since.timestamp(), until.timestamp(), limit)
    }

    /// The window that this side announces for the other side's data.
    fn on_window(&mut self, seen: &Seen<'_>, window: u32) -> Option<Stall> {
        if seen.segment.flags.intersects(TcpFlags::RST.with(TcpFlags::SYN)) {
            return None;
        }
        if self.sides[seen.side as usize].window.replace(window) == Some(window) {
            return None;
        }
        self.last = Some(seen.at.into());
        let limit = limits::silence(seen.rtt, seen.side.other());
        let other = &mut self.sides[seen.side.other() as usize];
        match other.gate {
            Gate::Open | Gate::Reopened { .. } if window == 0 => {
                other.gate = Gate::Shut { since: seen.at.into(), is_probed: false };
                None
            }
            Gate::Shut { since, is_probed: true } if window > 0 => {
                other.gate = Gate::Open;
                other.ready = Some(seen.at.into());
                other.moved = other.ready;
                stall(StallKind::ZeroWindow, since.timestamp(), seen.at, limit)
            }
            Gate::Shut { since, is_probed: false } if window > 0 => {
                other.gate = Gate::Reopened { since, until: seen.at.into() };
                other.moved = Some(seen.at.into());
                None
            }
            Gate::Open | Gate::Shut { .. } | Gate::Reopened { .. } => None,
        }
    }

    /// What this side acknowledges moves the other's direction; all of it, at once, tells when this side was ready.
    fn on_acknowledgement(&mut self, seen: &Seen<'_>, acked: &Acked) {
        if acked.octets == 0 && acked.selectively == 0 && acked.segments == 0 {
            return;
        }
        self.last = Some(seen.at.into());
        self.sides[seen.side.other() as usize].moved = Some(seen.at.into());
        let is_delayed = seen.sample.is_some_and(|sample| sample.is_delayed_ack);
        if acked.in_flight > 0 || is_delayed || seen.segment.payload_len > 0 {
            return;
        }
        let own = &mut self.sides[seen.side as usize];
        own.ready = Some(seen.at.into());
        // The last segment of a handshake is what a server that speaks first waits for.
        if self.turn.is_none() && own.spoke.is_some() {
            self.says(seen);
        }
    }
}

/// A stall, if it took longer than that.
fn stall(kind: StallKind, start: Timestamp, end: Timestamp, limit: Span) -> Option<Stall> {
    (end.since(start) > limit).then_some(Stall { kind, start, end })
}
