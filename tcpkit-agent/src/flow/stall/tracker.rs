//! The stalls of one flow, found at the segments that end them.

use super::{
    super::{
        key::Side,
        rtt::RttTracker,
        stream::{Acked, Cause, Seen, Stall, StallKind, Verdict},
    },
    FLOOR, StallCounts, limits,
    moment::Moment,
    side::{ShutWindow, SideState},
};
use crate::{
    time::{Span, Timestamp},
    wire::TcpFlags,
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
pub(in crate::flow) struct Observed<'w, 'a, 'b> {
    /// The segment, and who sent it when.
    pub(in crate::flow) seen: &'w Seen<'a, 'b>,
    /// What it did to the streams.
    pub(in crate::flow) verdict: &'w Verdict,
    /// It acknowledges what its receiver is known to have had for a while.
    pub(in crate::flow) is_delayed_ack: bool,
    /// Round trips, that one included.
    pub(in crate::flow) rtt: &'w RttTracker,
}

impl Observed<'_, '_, '_> {
    const fn server(&self) -> Side {
        self.seen.flow.client().other()
    }
}

impl StallTracker {
    /// The stalls so far.
    pub(in crate::flow) const fn counts(&self) -> &StallCounts {
        &self.counts
    }

    /// The handshake was completed: the server waits for a question, or speaks first.
    pub(in crate::flow) fn opened(&mut self, client: Side, at: Timestamp) {
        let at = Some(at.into());
        self.last = at;
        for side in &mut self.sides {
            (side.spoke, side.moved) = (at, at);
        }
        self.sides[client as usize].ready = at;
    }

    /// Takes a segment; tells the stalls that it ended, each with the side whose data was waited for.
    #[inline]
    pub(in crate::flow) fn on_segment(
        &mut self,
        now: &Observed<'_, '_, '_>,
        mut told: impl FnMut(Side, Stall),
    ) {
        let (sent, side) = (&now.verdict.sent, now.seen.side);
        let closes = now.seen.segment.flags.intersects(TcpFlags::FIN.with(TcpFlags::RST));
        let speaks = !sent.is_probe && (sent.new > 0 || sent.again > 0);
        if sent.is_probe {
            self.sides[side as usize].probes();
        } else if speaks {
            let waited = self.waited_for_window(now);
            self.end(side, waited, &mut told);
            let other = if sent.again > 0 { self.on_retransmission(now) } else { self.on_data(now) };
            self.end(side, other, &mut told);
        }
        if closes {
            let unanswered = self.on_close(now);
            self.end(now.server(), unanswered, &mut told);
        }
        if let Some(acked) = &now.verdict.acked {
            let opened = self.on_window(now, acked.window);
            self.end(side.other(), opened, &mut told);
            self.on_acknowledgement(now, acked);
        }
        if closes || speaks {
            self.last = Some(now.seen.at.into());
        }
    }

    /// Counts a stall, if there was one.
    #[inline]
    fn end(&mut self, sender: Side, stall: Option<Stall>, told: &mut impl FnMut(Side, Stall)) {
        if let Some(stall) = stall {
            self.counts.add(stall);
            told(sender, stall);
        }
    }

    /// Data that was sent before: where nothing asked for it, a timer did.
    fn on_retransmission(&mut self, now: &Observed<'_, '_, '_>) -> Option<Stall> {
        let own = &mut self.sides[now.seen.side as usize];
        let asked_for = now.verdict.sent.cause == Some(Cause::Fast);
        let start = own.moved.filter(|_| !asked_for && !own.is_shut());
        own.moved = Some(now.seen.at.into());
        // What had been acknowledged already was no news to the other side.
        if self.sides[now.seen.side.other() as usize].ready.is_none() {
            self.sides[now.seen.side as usize].spoke = Some(now.seen.at.into());
        }
        if now.verdict.sent.new > 0 {
            self.turn_to(now);
        }
        let limit = || limits::silence(now.rtt, now.seen.side);
        stall(StallKind::Rto, start?.timestamp(), now.seen.at, limit)
    }

    /// New data: an answer, a question, or more of the same.
    fn on_data(&mut self, now: &Observed<'_, '_, '_>) -> Option<Stall> {
        let ended = if self.turn == Some(now.seen.side) {
            let limit = || limits::silence(now.rtt, now.seen.side);
            self.last.and_then(|last| stall(StallKind::SenderIdle, last.timestamp(), now.seen.at, limit))
        } else {
            self.thought(now, now.seen.side)
        };
        self.turn_to(now);
        ended
    }

    /// A FIN or RST leaves a question unanswered, or is what was said last.
    fn on_close(&mut self, now: &Observed<'_, '_, '_>) -> Option<Stall> {
        let is_asked = self.turn == Some(now.seen.flow.client());
        let ended = if is_asked { self.thought(now, now.server()) } else { None };
        if now.seen.segment.flags.contains(TcpFlags::RST) || is_asked && now.seen.side == now.server() {
            self.turn = None;
            self.sides = [SideState::default(); 2];
        } else {
            self.says(now);
        }
        ended
    }

    /// The time that `thinker` took, from when it had what the other side said last.
    fn thought(&self, now: &Observed<'_, '_, '_>, thinker: Side) -> Option<Stall> {
        let is_server = thinker == now.server();
        let kind = if is_server { StallKind::ServerThinking } else { StallKind::ClientThinking };
        let asked = self.sides[thinker.other() as usize].spoke?.timestamp();
        let way = || now.rtt.least(thinker.other()).unwrap_or_default();
        let ready = self.sides[thinker as usize].ready.map_or_else(|| asked + way(), Moment::timestamp);
        stall(kind, ready, now.seen.at, || limits::thinking(now.rtt))
    }

    fn turn_to(&mut self, now: &Observed<'_, '_, '_>) {
        self.turn = Some(now.seen.side);
        self.says(now);
    }

    /// What this side says is news to the other.
    fn says(&mut self, now: &Observed<'_, '_, '_>) {
        self.sides[now.seen.side as usize].speaks(now.seen.at);
        self.sides[now.seen.side.other() as usize].ready = None;
    }

    /// Whether this side, which goes on, had waited for a window that is open again.
    fn waited_for_window(&mut self, now: &Observed<'_, '_, '_>) -> Option<Stall> {
        let own = &mut self.sides[now.seen.side as usize];
        let ShutWindow { since, until } = own.waited()?;
        let limit = limits::silence(now.rtt, now.seen.side);
        if now.seen.at.since(until) > limit {
            return None;
        }
        own.ready = Some(until.into());
        stall(StallKind::ZeroWindow, since, until, || limit)
    }

    /// The window that this side announces for the other side's data.
    #[inline]
    fn on_window(&mut self, now: &Observed<'_, '_, '_>, window: u32) -> Option<Stall> {
        let at = now.seen.at;
        let is_plain = !now.seen.segment.flags.intersects(TcpFlags::RST.with(TcpFlags::SYN));
        if !is_plain || !self.sides[now.seen.side as usize].announces(window) {
            return None;
        }
        self.last = Some(at.into());
        let other = &mut self.sides[now.seen.side.other() as usize];
        if window == 0 {
            other.shuts(at);
            return None;
        }
        let ShutWindow { since, until } = other.opens(at)?;
        other.ready = Some(until.into());
        let limit = || limits::silence(now.rtt, now.seen.side.other());
        stall(StallKind::ZeroWindow, since, until, limit)
    }

    /// What this side acknowledges moves the other's direction; all of it, at once, tells when this side was ready.
    fn on_acknowledgement(&mut self, now: &Observed<'_, '_, '_>, acked: &Acked) {
        if acked.octets == 0 && acked.selectively == 0 && acked.segments == 0 {
            return;
        }
        self.last = Some(now.seen.at.into());
        self.sides[now.seen.side.other() as usize].moved = Some(now.seen.at.into());
        if acked.in_flight > 0 || now.is_delayed_ack || now.seen.segment.payload_len > 0 {
            return;
        }
        self.sides[now.seen.side as usize].ready = Some(now.seen.at.into());
    }
}

/// A stall, if it took longer than that; no limit is below [`FLOOR`].
#[inline]
fn stall(kind: StallKind, start: Timestamp, end: Timestamp, limit: impl FnOnce() -> Span) -> Option<Stall> {
    let took = end.since(start);
    (took > FLOOR && took > limit()).then_some(Stall { kind, start, end })
}
